"""``python -m tests.stubs.slack --port 0``"""

import argparse

from aiohttp import web

from tests.stubs.common import MAX_BODY, control_routes, serve
from tests.stubs.slack import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET
from tests.stubs.slack.api import routes
from tests.stubs.slack.control import table
from tests.stubs.slack.deliver import Deliverer
from tests.stubs.slack.state import State


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="tests.stubs.slack", description="A stand-in for Slack on the loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bot-token", default=BOT_TOKEN)
    parser.add_argument("--app-token", default=APP_TOKEN)
    parser.add_argument("--signing-secret", default=SIGNING_SECRET)
    given = parser.parse_args()
    state = State(given.bot_token, given.app_token, given.signing_secret)
    deliverer = Deliverer(state)
    application = web.Application(client_max_size=MAX_BODY)
    application.add_routes(routes(state))
    application.add_routes([web.get("/link/", deliverer.connect)])
    application.add_routes(control_routes(state.log, table(state, deliverer)))
    serve(application, lambda url: setattr(state, "base", url), given.port)


if __name__ == "__main__":
    main()
