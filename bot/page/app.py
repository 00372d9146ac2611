"""The page's routes. Each reads the journal off the loop, and answers with a page or a picture."""

import re
from collections.abc import Callable
from typing import TypeVar

import anyio.to_thread
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from agents.canonical import sha256
from agents.facts import Reader
from agents.incident.claims import cites
from agents.incident.errors import BadInput
from agents.incident.ids import IncidentId
from bot.journal import tables as t
from bot.journal.journal import Tx
from bot.page import case, charts, excerpt, lists, proof, render, words
from bot.page.access import HOME, Open, Visitor, html, login, logout, notice, private, public
from bot.page.live import EVERYTHING, Watch
from bot.page.parts import PageParts
from bot.page.view import view
from bot.surfaces.chart import svg

R = TypeVar("R")

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
"""All go to one place, which answers each in our own words and with our own headers."""

EVIDENCE_PAGE_BYTES = 64 * 1024
SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
"""A picture opened by itself may style itself, and do nothing else."""

WIDE, NARROW = (720, 320), (360, 270)
"""A phone gets a picture of its own width, or its labels could not be read."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def routes(parts: PageParts) -> list[Route]:
    """What the receiver serves beside its own doors."""
    pages = Pages(parts)

    def at(path: str, handler: Open, *methods: str) -> Route:
        return Route(path, public(handler, *(methods or ("GET",))), methods=METHODS)

    return [
        at("/", private(parts, pages.home)),
        at("/incidents", private(parts, pages.incidents)),
        at("/incidents/{incident}", private(parts, pages.incident)),
        at("/incidents/{incident}/events", private(parts, pages.events)),
        at("/incidents/{incident}/chart/{key}/{theme}.svg", private(parts, pages.chart)),
        at("/approvals", private(parts, pages.approvals)),
        at("/events", private(parts, pages.all_events)),
        at("/evidence/{incident}/{evidence}", private(parts, pages.evidence)),
        at("/login", _how),
        at("/login/{code}", login(parts), "GET", "POST"),
        at("/logout", private(parts, logout(parts)), "POST"),
        at("/static/{version}/{name}", _static),
    ]


async def _how(_: Request) -> Response:
    return html(render.page("login_needed.html"))


async def _static(request: Request) -> Response:
    asset = render.ASSETS.get(request.path_params["name"])
    if asset is None or asset.version != request.path_params["version"]:
        return notice(404, "Not here", "There is no such file.")
    cached = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(asset.body, media_type=asset.media_type, headers=cached)


def _missing() -> Response:
    return notice(404, "Not here", "There is nothing under this address.")


class Pages:
    """The handlers of one process."""

    def __init__(self, parts: PageParts) -> None:
        self._parts = parts
        self._watch = Watch(parts)

    async def _read(self, do: Callable[[Tx], R]) -> R:
        def work() -> R:
            with self._parts.journal.read() as tx:
                return do(tx)

        return await anyio.to_thread.run_sync(work)

    async def home(self, _: Request, __: Visitor) -> Response:
        """The overview is where one begins."""
        return RedirectResponse(HOME, status_code=303)

    async def incidents(self, request: Request, known: Visitor) -> Response:
        """Open and recent incidents."""
        query = request.query_params

        def work(tx: Tx) -> str:
            found = lists.overview(
                tx,
                self._parts.people(),
                state=query.get("state", ""),
                service=query.get("service", "")[:120],
            )
            return render.page("overview.html", v=found, filters=_filters(), **_frame(request, known))

        return html(await self._read(work))

    async def approvals(self, request: Request, known: Visitor) -> Response:
        """Questions that wait for an answer."""
        return html(
            await self._read(
                lambda tx: render.page(
                    "approvals.html", v=lists.approvals(tx, self._parts.people()), **_frame(request, known)
                )
            )
        )

    async def incident(self, request: Request, known: Visitor) -> Response:
        """One incident, or the part of its page that changes."""

        def work(tx: Tx) -> str | None:
            found = _case(tx, request)
            if found is None:
                return None
            return render.page("incident.html", v=view(found, self._parts.people()), **_frame(request, known))

        text = await self._read(work)
        return html(text) if text is not None else _missing()

    async def events(self, request: Request, known: Visitor) -> Response:
        """Tells when the incident's page is out of date."""
        incident = request.path_params["incident"]
        if not await self._read(lambda tx: _exists(tx, incident)):
            return _missing()
        return self._stream(request, known, incident)

    async def all_events(self, request: Request, known: Visitor) -> Response:
        """Tells when the lists are out of date."""
        return self._stream(request, known, EVERYTHING)

    def _stream(self, request: Request, known: Visitor, topic: str) -> Response:
        if self._watch.full:
            return notice(
                503, "Too many watch already", "The page still works; reload it.", **{"Retry-After": "30"}
            )
        given = request.query_params.get("v", "")
        version = int(given) if given.isascii() and given.isdigit() and len(given) < 16 else -1
        headers = {"X-Accel-Buffering": "no"}
        if request.method == "HEAD":
            return Response(media_type="text/event-stream", headers=headers)
        return StreamingResponse(
            self._watch.stream(topic, version, known.session), media_type="text/event-stream", headers=headers
        )

    async def chart(self, request: Request, _: Visitor) -> Response:
        """One chart in one theme."""
        theme = request.path_params["theme"]

        def work(tx: Tx) -> str | None:
            found = _case(tx, request)
            for drawn in charts.drawn(found) if found is not None else ():
                if drawn.key == request.path_params["key"]:
                    width, height = NARROW if request.query_params.get("narrow") == "1" else WIDE
                    return svg(
                        drawn.chart, theme="dark" if theme == "dark" else "light", width=width, height=height
                    )
            return None

        text = await self._read(work) if theme in {"light", "dark"} else None
        if text is None:
            return _missing()
        body = text.encode("utf-8", "replace")
        return Response(body, media_type="image/svg+xml", headers={"Content-Security-Policy": SVG_POLICY})

    async def evidence(self, request: Request, known: Visitor) -> Response:
        """One piece of evidence: what it is, and its bytes with what claims cite of them."""
        given = request.query_params.get("from", "")
        start = int(given) if given.isascii() and given.isdigit() and len(given) < 12 else 0

        def work(tx: Tx) -> str | None:
            if not all(_ID.fullmatch(request.path_params[k]) for k in ("incident", "evidence")):
                return None
            incident_id = IncidentId(request.path_params["incident"])
            found = case.one(tx, incident_id, request.path_params["evidence"])
            if found is None:
                return None
            item, blob, purpose = found
            finding = case.read(tx, incident_id).finding
            citing = [c for c in case.claims(finding) if item.id in cites(c)] if finding is not None else []
            reader = Reader(item, blob)
            marks = sorted({s for c in citing for s in proof.spans(c, reader, blob)})
            begin = min(start, max(len(blob) - 1, 0))
            end = min(begin + EVIDENCE_PAGE_BYTES, len(blob))
            return render.page(
                "evidence.html",
                e=item,
                incident_id=incident_id,
                status=words.STATUSES[item.status],
                purpose=purpose,
                intact=sha256(blob) == item.blob_sha256,
                parts=excerpt.pointers(blob, marks, begin, end),
                marks=len(marks),
                begin=begin,
                end=end,
                total=len(blob),
                **_frame(request, known),
            )

        text = await self._read(work)
        return html(text) if text is not None else _missing()


def _case(tx: Tx, request: Request) -> case.Case | None:
    incident = request.path_params["incident"]
    if not _ID.fullmatch(incident):
        return None
    try:
        return case.read(tx, IncidentId(incident))
    except BadInput:
        return None


def _exists(tx: Tx, incident: str) -> bool:
    if not _ID.fullmatch(incident):
        return False
    return tx.one(select(t.incidents.c.id).where(t.incidents.c.id == incident)) is not None


def _frame(request: Request, known: Visitor) -> dict[str, object]:
    """What every page has around it. A fragment is the same page without it."""
    return {
        "visitor": known.person.name,
        "can_leave": bool(known.session),
        "fragment": request.query_params.get("fragment") == "1",
    }


def _filters() -> list[tuple[str, str]]:
    special = {"": "All states", "open": "Open", "over": "Over"}
    return [(f, special.get(f) or words.STATES[lists.S(f.upper())]) for f in lists.FILTERS]
