"""What loading a model's library costs a triage worker: ``python -m tests.bench.model_import``; prints JSON.

Each figure is of a fresh interpreter that has the worker's own modules loaded already.
"""

import json
import subprocess
import sys

_SCRIPT = """
import json, resource, sys, time
import bot.jobs.triage
def rss(): return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20
before, began = rss(), time.perf_counter()
model = sys.argv[1]
if model:
    from agents.reasoners import langchain
    langchain.load(model)
print(json.dumps({"seconds": round(time.perf_counter() - began, 3), "mib": round(rss() - before, 1),
                  "mib_in_all": round(rss(), 1)}))
"""

MODELS = {"none": "", "ollama": "ollama:m", "openai": "openai:m", "anthropic": "anthropic:m"}


def measure(model: str) -> dict[str, float]:
    """Seconds and MiB that *model*'s library adds; empty is none."""
    done = subprocess.run([sys.executable, "-c", _SCRIPT, model], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure each."""
    print(json.dumps({name: measure(model) for name, model in MODELS.items()}, indent=1))


if __name__ == "__main__":
    main()
