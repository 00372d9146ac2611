"""``python -m tests.stubs.models --port 0``"""

import argparse

from aiohttp import web

from tests.stubs.common import MAX_BODY, control_routes, serve
from tests.stubs.models import API_KEY
from tests.stubs.models.api import routes
from tests.stubs.models.script import State


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="tests.stubs.models", description="A stand-in for providers of language models on the loopback."
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default=API_KEY)
    given = parser.parse_args()
    state = State(key=given.key)
    application = web.Application(client_max_size=MAX_BODY)
    application.add_routes(list(routes(state)))
    application.add_routes(
        control_routes(state.log, {"order": state.order, "manners": state.behave, "reset": state.clear})
    )
    serve(application, lambda _: None, given.port)


if __name__ == "__main__":
    main()
