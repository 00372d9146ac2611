"""What both stubs stand on: a loopback server, windows of rates, failures to order, and a log of calls."""

import asyncio
import json
import os
import signal
import sys
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from aiohttp import web

from bot.processes import die_with_parent

Json = dict[str, Any]
MAX_BODY = 64 * 1024 * 1024

FailureKind = Literal["status", "error", "ratelimited", "hang", "reset", "slow"]
"""HTTP status; the platform's own error; 429; no answer; connection reset; a late but good answer."""


class ControlError(Exception):
    """The control call cannot be done: what it asks for could not happen on the platform."""


class Rates:
    """Sliding windows: at most *count* in *per_s* seconds for each key."""

    def __init__(self) -> None:
        """Nothing was counted yet."""
        self._taken: dict[str, deque[float]] = defaultdict(deque)

    def take(self, windows: Iterable[tuple[str, int, float]]) -> float:
        """Count one in every window, or in none: then the seconds until it would be allowed."""
        now, wait, keys = time.monotonic(), 0.0, []
        for key, count, per_s in windows:
            taken = self._taken[key]
            while taken and taken[0] <= now - per_s:
                taken.popleft()
            if len(taken) >= count:
                wait = max(wait, taken[len(taken) - count] + per_s - now)
            keys.append(key)
        if wait == 0.0:
            for key in keys:
                self._taken[key].append(now)
        return wait


@dataclass(slots=True, kw_only=True)
class Failure:
    """The next *count* calls of a method (or of "*") do not go well; None is until told otherwise."""

    method: str = "*"
    kind: FailureKind = "status"
    count: int | None = 1
    status: int = 500
    error: str = "internal_error"
    retry_after: int = 1
    delay_s: float = 30.0
    applied: bool = False
    """The call is carried out, and only its answer is lost or bad."""


@dataclass(slots=True)
class Log:
    """Everything that was asked and everything that broke a rule."""

    calls: list[Json] = field(default_factory=list)
    violations: list[Json] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    down: bool = False

    def clear(self) -> None:
        """Forget everything."""
        self.calls.clear()
        self.violations.clear()
        self.failures.clear()
        self.down = False

    def next_failure(self, method: str) -> Failure | None:
        """The failure ordered for this call, counted down."""
        if self.down:
            return Failure(kind="reset")
        for failure in self.failures:
            if failure.method in ("*", method):
                if failure.count is not None:
                    failure.count -= 1
                    if failure.count <= 0:
                        self.failures.remove(failure)
                return failure
        return None

    def violate(self, kind: str, detail: str, **where: Any) -> None:
        """Note a broken rule that the platform does not refuse."""
        self.violations.append({"kind": kind, "detail": detail, "at": time.time(), **where})


def reset(request: web.Request) -> web.Response:
    """Cut the connection; nobody reads what is returned."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def served(
    request: web.Request,
    log: Log,
    method: str,
    work: Callable[[Json], Awaitable[web.Response]],
    refuse: Callable[[Failure], web.Response],
) -> web.Response:
    """One call with the failure ordered for it, written into the log; *work* may add to its entry there."""
    begun = time.time()
    call: Json = {
        "n": len(log.calls),
        "method": method,
        "at": begun,
        "status": None,
        "error": None,
        "failure": None,
    }
    log.calls.append(call)
    failure = log.next_failure(method)
    response: web.Response | None = None
    if failure is not None:
        call["failure"] = failure.kind
    if failure is None or failure.applied or failure.kind == "slow":
        response = await work(call)
    if failure is not None:
        if failure.kind in ("hang", "slow"):
            await asyncio.sleep(failure.delay_s)
        if failure.kind in ("hang", "reset"):
            call["seconds"] = time.time() - begun
            return reset(request)
        if failure.kind != "slow":
            response = refuse(failure)
    if response is None:
        raise RuntimeError("a call ended without an answer")
    call["status"] = response.status
    call["seconds"] = time.time() - begun
    return response


async def fields(request: web.Request) -> tuple[Json, dict[str, tuple[str, bytes]]]:
    """Arguments of a call from its query and its JSON, form or multipart body, and the files sent with it."""
    values: Json = dict(request.query)
    files: dict[str, tuple[str, bytes]] = {}
    if request.method != "POST":
        return values, files
    if request.content_type == "application/json":
        body = await request.read()
        given = json.loads(body or b"{}")
        if not isinstance(given, dict):
            raise TypeError("the body must be a JSON object")
        values.update(given)
    elif request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                files[name] = (value.filename, value.file.read())
            else:
                values[name] = value.decode() if isinstance(value, bytes | bytearray) else value
    return values, files


def unpacked(value: Any) -> Any:
    """A structure that came as JSON text inside a form field; ValueError when it is no JSON."""
    return json.loads(value) if isinstance(value, str) else value


def truthy(value: Any, default: bool = False) -> bool:
    """A flag as JSON or as form text."""
    if value is None or value == "":
        return default
    return value if isinstance(value, bool) else str(value).lower() in ("1", "true", "yes")


Control = Callable[[Json], Awaitable[Any]]


def control_routes(log: Log, table: dict[str, Control]) -> list[web.RouteDef]:
    """The control surface: POST a JSON object to ``/control/NAME``; GET works where no argument is needed."""

    async def calls(given: Json) -> list[Json]:
        return [c for c in log.calls if not given.get("method") or c["method"] == given["method"]]

    async def violations(_: Json) -> list[Json]:
        return log.violations

    async def fail(given: Json) -> list[Json]:
        if given.pop("clear", False):
            log.failures.clear()
        if given:
            log.failures.append(Failure(**given))
        return [asdict(f) for f in log.failures]

    async def down(given: Json) -> bool:
        log.down = bool(given.get("down", True))
        return log.down

    whole = {"calls": calls, "violations": violations, "fail": fail, "down": down} | table

    async def handle(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in whole:
            return web.json_response(
                {"error": f"no control {name}; there are: {', '.join(sorted(whole))}"}, status=404
            )
        try:
            given, _ = await fields(request)
            result = await whole[name](given)
        except ControlError as error:
            return web.json_response({"error": str(error)}, status=409)
        except (ValueError, TypeError, KeyError) as error:
            return web.json_response({"error": f"bad request: {error!r}"}, status=400)
        if isinstance(result, bytes):
            return web.Response(body=result)
        return web.json_response({"result": result})

    return [web.route("*", "/control/{name}", handle)]


async def _serve(application: web.Application, port: int, started: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=1024)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    started(url)
    sys.stdout.write(json.dumps({"url": url, "control": f"{url}/control"}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    await runner.cleanup()


def serve(application: web.Application, started: Callable[[str], None], port: int) -> None:
    """Serve until SIGTERM, or until whoever started this ends. One line of JSON says where."""
    parent = os.getppid()
    die_with_parent()
    if os.getppid() != parent:
        sys.exit("whoever started this was gone at once")
    asyncio.run(_serve(application, port, started))
