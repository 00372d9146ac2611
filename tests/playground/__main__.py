"""Starts the playground: `python -m tests.playground --dir DIR --receiver URL`."""

import argparse
import json
import os
import sys
import threading
from pathlib import Path

from tests.playground.assembly import Playground, Settings
from tests.playground.options import ENV_OTLP_TOKEN
from tests.playground.osproc import stop_event
from tests.playground.watcher import ENV_ALERT_TOKEN

ENV_CHANGES_TOKEN = "PLAYGROUND_CHANGES_TOKEN"


def settings() -> Settings:
    """Read the command line; a token that is not there comes from the environment."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.playground",
        description="A small system of real processes on loopback that can be broken on purpose.",
        epilog=f"Tokens are better given as {ENV_OTLP_TOKEN}, {ENV_CHANGES_TOKEN} and {ENV_ALERT_TOKEN}.",
    )
    parser.add_argument("--dir", type=Path, required=True, help="state directory")
    parser.add_argument("--receiver", required=True, help="base URL that alerts, changes and spans go to")
    parser.add_argument("--otlp-token", default=os.environ.get(ENV_OTLP_TOKEN, ""))
    parser.add_argument("--changes-token", default=os.environ.get(ENV_CHANGES_TOKEN, ""))
    parser.add_argument("--alert-token", default=os.environ.get(ENV_ALERT_TOKEN, ""))
    parser.add_argument("--no-watcher", action="store_true", help="something else watches and alerts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=16.0, help="orders a second")
    given = parser.parse_args()
    return Settings(
        directory=given.dir,
        receiver=given.receiver.rstrip("/"),
        otlp_token=given.otlp_token,
        changes_token=given.changes_token,
        alert_token=given.alert_token,
        with_watcher=not given.no_watcher,
        seed=given.seed,
        rate=given.rate,
    )


def main() -> None:
    """Run until SIGTERM or until the process that started this one is gone."""
    given = settings()
    stop = stop_event()
    parent = os.getppid()
    threading.stack_size(256 * 1024)
    playground = Playground(given)
    try:
        file = playground.start()
        print(json.dumps({"ready": True, "file": str(file)}), flush=True)
        # Asked again and again, because the kernel's signal follows the starting thread, which may
        # end long before the process that it belongs to.
        while not stop.wait(0.5) and os.getppid() == parent:
            pass
    finally:
        playground.stop()
        sys.stdout.flush()
    # What is left are daemon threads that wait for a receiver; none has anything to lose.
    os._exit(0)


if __name__ == "__main__":
    main()
