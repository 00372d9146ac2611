"""Who gets in: a session, or a trusted proxy's word; what every answer carries; how a link becomes a session."""

import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from actions.policy import Person
from agents.incident.errors import JournalUnavailable
from agents.incident.ids import PersonId
from bot.journal import access
from bot.page import render
from bot.page.parts import PageParts

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
HOME = "/incidents"
MAX_FORM_BYTES = 4096
FORM_PATIENCE_S = 10.0
_INSIDE = re.compile(r"/(?:incidents|approvals|evidence)(?:/[A-Za-z0-9_-]{1,64}){0,2}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody known. ``session`` is the hash of their session's token; empty when a proxy vouches for them."""

    person: Person
    session: str


Handler = Callable[[Request, Visitor], Awaitable[Response]]
Open = Callable[[Request], Awaitable[Response]]


def html(text: str, status: int = 200, **headers: str) -> Response:
    """A page."""
    return HTMLResponse(text, status_code=status, headers=headers)


def notice(status: int, title: str, *lines: str, **headers: str) -> Response:
    """A short page that says one thing."""
    return html(render.page("notice.html", title=title, lines=lines), status, **headers)


def cookie(parts: PageParts) -> str:
    """The session cookie's name; the prefix has browsers hold it to this host and to TLS."""
    return "__Host-firstresponder" if parts.secure else "firstresponder"


def inside(path: str) -> str:
    """*path* when it is one of ours, else the overview: a link may name where to go, but never another site."""
    return path if _INSIDE.fullmatch(path) else HOME


async def visitor(request: Request, parts: PageParts) -> Visitor | None:
    """Who asks. Whoever is not in the directory any more is nobody, whatever they hold."""
    if parts.proxy_header and request.client is not None and parts.trusts(request.client.host):
        named = request.headers.getlist(parts.proxy_header)
        if len(named) == 1 and named[0]:  # of two headers one was added by somebody else
            person = parts.people().by_id(named[0]) or parts.people().by_account("proxy", named[0])
            return Visitor(person=person, session="") if person is not None else None
    token = request.cookies.get(cookie(parts), "")
    if not token:
        return None
    person_id = await anyio.to_thread.run_sync(_person_of, parts, token)
    person = parts.people().by_id(person_id) if person_id is not None else None
    return Visitor(person=person, session=access.digest(token)) if person is not None else None


def _person_of(parts: PageParts, token: str) -> PersonId | None:
    with parts.journal.read() as tx:
        return access.person_of_session(tx, token)


def private(parts: PageParts, handler: Handler) -> Open:
    """*handler* for people with a session; everybody else reads how to get one, and nothing more."""

    async def only_for_the_known(request: Request) -> Response:
        known = await visitor(request, parts)
        if known is None:
            return html(render.page("login_needed.html"), 401)
        return await handler(request, known)

    return only_for_the_known


def public(handler: Open, *methods: str) -> Open:
    """*handler* with the headers that every answer carries, refusing methods it has no use for."""
    answered_to = (*methods, *(("HEAD",) if "GET" in methods else ()), "OPTIONS")
    allowed = ", ".join(answered_to)

    async def answered(request: Request) -> Response:
        if request.method == "OPTIONS":
            response = Response(status_code=204, headers={"Allow": allowed})
        elif request.method not in answered_to:
            response = notice(405, "Not this way", "This address only answers to: " + allowed + ".", Allow=allowed)
        else:
            try:
                response = await handler(request)
            except JournalUnavailable:
                response = notice(
                    503, "The journal does not answer", "Nothing is lost; try again.", **{"Retry-After": "5"}
                )
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return answered


def login(parts: PageParts) -> Open:
    """One-time links. Looking at one (as chats do, to preview it) uses nothing up; pressing its button does."""
    secret = "__Host-firstresponder-form" if parts.secure else "firstresponder-form"

    async def handle(request: Request) -> Response:
        if request.method != "POST":
            token = secrets.token_urlsafe(16)
            to = inside(request.query_params.get("to", ""))
            response = html(render.page("login.html", to=to, token=token))
            response.set_cookie(
                secret, token, max_age=900, path="/", httponly=True, samesite="strict", secure=parts.secure
            )
            return response
        form = await _form(request)
        if form is None:
            return notice(413, "Too much", "That form is larger than it can be.")
        held = request.cookies.get(secret, "")
        if (
            not held
            or not secrets.compare_digest(held.encode(), form.get("token", "").encode())
            or _foreign(request)
        ):
            return notice(403, "Press the button again", "Open the link once more, with cookies allowed.")
        opened = await anyio.to_thread.run_sync(_enter, parts, request.path_params["code"])
        if opened is None:
            parts.log.warning("page.login_refused")
            return html(render.page("login_spent.html"), 403)
        response = RedirectResponse(inside(form.get("to", "")), status_code=303)
        response.delete_cookie(secret, path="/", secure=parts.secure, httponly=True, samesite="strict")
        response.set_cookie(
            cookie(parts),
            opened,
            max_age=int(parts.session.total_seconds()),
            path="/",
            httponly=True,
            samesite="lax",  # strict would lose the session on every click in a chat
            secure=parts.secure,
        )
        return response

    return handle


def _foreign(request: Request) -> bool:
    """Whether a browser says that another site sends this form. Older ones say nothing."""
    return request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}


async def _form(request: Request) -> dict[str, str] | None:
    """The fields of a small form; ``None`` when it is not small."""
    body = b""
    with anyio.move_on_after(FORM_PATIENCE_S):
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_FORM_BYTES:
                return None
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=8)
    return {name: values[0] for name, values in fields.items()}


def _enter(parts: PageParts, code: str) -> str | None:
    with parts.journal.write("page.login") as tx:
        person = access.redeem(tx, code, access.LOGIN)
        if person is None or parts.people().by_id(person) is None:
            return None
        return access.open_session(tx, person, parts.session)


def logout(parts: PageParts) -> Handler:
    """End the session that asks; a form of our own is the only way here."""

    async def handle(request: Request, _: Visitor) -> Response:
        origin = request.headers.get("origin", "null")
        if _foreign(request) or (origin != "null" and urlsplit(origin).netloc != request.headers.get("host")):
            return notice(403, "Not from here", "Use the button on the page.")
        await anyio.to_thread.run_sync(_leave, parts, request.cookies.get(cookie(parts), ""))
        response = html(render.page("login_needed.html", left=True))
        response.delete_cookie(cookie(parts), path="/", secure=parts.secure, httponly=True, samesite="lax")
        return response

    return handle


def _leave(parts: PageParts, token: str) -> None:
    with parts.journal.write("page.logout") as tx:
        access.end_session(tx, token)
