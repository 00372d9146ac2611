"""Every process of firstresponder on one machine, kept running, each with its own secrets only."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from agents.incident.errors import BadInput, ResponderError
from bot.embedded import redis_child, wait_ready
from bot.processes import PREFIX, Child, base_environment, environment, keep, own, stop_on_signals

NAMES = ("clock", "receiver", "triage", "actions")


def start(state: Path, given: Mapping[str, str] | None = None, *, logs: Path | None = None) -> list[Child]:
    """Redis (unless an address is given), the journal's tables, then every process. Returns the children.

    Args:
        given: The environment to split among the children; this process's own if left out.
        logs: A folder for their output; where ours goes if left out.
    """
    env = dict(base_environment() if given is None else given)
    state = state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    children = []
    if PREFIX + "REDIS_URL" not in env:
        child, url = redis_child(state / "redis")
        child.start()
        children.append(child)
        env[PREFIX + "REDIS_URL"] = url
        wait_ready(url)
    env.setdefault(PREFIX + "JOURNAL_URL", f"sqlite:///{state / 'journal.db'}")
    migrate(env)
    for name in NAMES:
        child = Child(
            name=name,
            command=own(name),
            env=environment(name, env),
            log=logs / f"{name}.log" if logs is not None else None,
        )
        child.start()
        children.append(child)
    return children


def migrate(env: Mapping[str, str]) -> None:
    """Bring the journal to this version's tables, in a process of its own that then gives its memory back."""
    done = subprocess.run(
        own("migrate"), env=environment("migrate", env), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BadInput(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "migration failed")


def addresses(children: list[Child]) -> dict[str, str]:
    """The journal's and Redis' addresses as the children have them."""
    env = children[-1].env
    return {k: env[PREFIX + k] for k in ("JOURNAL_URL", "REDIS_URL")}


def main() -> None:
    """Run everything until told to stop."""

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    until = stop_on_signals()
    state = Path(sys.argv[1])
    try:
        children = start(state)
    except ResponderError as error:
        say(f"firstresponder: {error}")
        raise SystemExit(2) from error
    say(f"up: {', '.join(c.name for c in children)}; state in {state}; end with Ctrl-C")
    keep(children, told=say, until=until)


if __name__ == "__main__":
    main()
