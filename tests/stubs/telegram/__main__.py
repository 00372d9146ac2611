"""``python -m tests.stubs.telegram --port 0``"""

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from tests.stubs.common import MAX_BODY, control_routes, serve
from tests.stubs.telegram import TOKEN
from tests.stubs.telegram.api import routes
from tests.stubs.telegram.control import table
from tests.stubs.telegram.state import State
from tests.stubs.telegram.updates import Pusher


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="tests.stubs.telegram", description="A stand-in for Telegram on the loopback."
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TOKEN)
    given = parser.parse_args()
    state = State(given.token)
    pusher = Pusher(state)

    async def pushing(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(pusher.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    application = web.Application(client_max_size=MAX_BODY)
    application.cleanup_ctx.append(pushing)
    application.add_routes(routes(state))
    application.add_routes(control_routes(state.log, table(state)))
    serve(application, lambda url: setattr(state, "base", url), given.port)


if __name__ == "__main__":
    main()
