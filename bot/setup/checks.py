"""One answer, tried on the real thing: is the token good, is the channel there, does Prometheus answer.

Used while answers are given and again by ``firstresponder doctor --chat``. What they say holds no secret, and no
address that holds one.
"""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

TIMEOUT_S = 5.0
APART = timedelta(minutes=5)
"""Signed requests that are older are refused."""

SLACK, TELEGRAM = "FIRSTRESPONDER_SLACK__", "FIRSTRESPONDER_TELEGRAM__"
SCOPES = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:write",
        "im:history",
        "im:write",
    }
)
"""As the surface asks for; a private channel needs groups:read and groups:history beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was tried and what came of it; ``facts`` are what the other side told."""

    what: str
    ok: bool
    says: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int = 0
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    unreachable: str = ""


def _ask(method: str, url: str, *, token: str = "", timeout_s: float = TIMEOUT_S, **sent: Any) -> _Answer:
    """One request. Errors are named by their kind alone: their text may hold the address, and that the token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        got = httpx.request(method, url, headers=headers, timeout=timeout_s, follow_redirects=False, **sent)
    except httpx.TimeoutException:
        return _Answer(unreachable=f"did not answer within {timeout_s:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
        return _Answer(unreachable=f"cannot be reached ({type(error).__name__})")
    body: Any = None
    with contextlib.suppress(ValueError):
        body = got.json()
    return _Answer(status=got.status_code, body=body if isinstance(body, dict) else {}, headers=got.headers)


def clock(surface: str, date: str, now: datetime) -> Check:
    """How far this machine's clock is from the platform's, by the ``Date`` of an answer that has just come."""
    what = f"{surface} clock"
    try:
        off = now - parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return Check(what=what, ok=True, says="not compared: the platform's answers carry no date")
    seconds = off.total_seconds()
    if abs(off) >= APART:
        says = f"this machine's clock is {seconds:+.0f} s from {surface}'s, 300 s at most are taken: set it (NTP)"
        return Check(what=what, ok=False, says=says)
    return Check(what=what, ok=True, says=f"{seconds:+.0f} s from {surface}'s")


def host(url: str) -> str:
    """What may be said of an address."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}" if parts.hostname else "(no address)"
    return "(no address)"


def address(url: str) -> str:
    """Why *url* cannot be an address of ours; empty when it can."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.username or parts.password:
            return "holds a user or password; addresses are written to files that others read: use a token"
        if parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0):
            return ""
    return f"{host(url)} is not an http:// or https:// address"


# --- Slack ------------------------------------------------------------------------------------------------------


def _slack(api_url: str, method: str, token: str, **sent: str) -> tuple[_Answer, str]:
    """The answer, and Slack's word for what is wrong or ours for why there is none."""
    answer = _ask("POST", f"{api_url.rstrip('/')}/{method}", token=token, data=sent)
    if answer.unreachable:
        return answer, f"Slack at {host(api_url)} {answer.unreachable}; see {SLACK}API_URL and the way out"
    if answer.status == 429 or answer.body.get("error") == "ratelimited":
        return answer, "Slack asks to wait; try again in a minute"
    if answer.body.get("ok") is True:
        return answer, ""
    return answer, _word(answer.body.get("error")) or f"Slack answered HTTP {answer.status}; see {SLACK}API_URL"


def _word(said: object) -> str:
    return said if isinstance(said, str) and re.fullmatch(r"[a-z_]{1,60}", said) else ""


def slack_bot(token: str, api_url: str) -> Check:
    """auth.test, and the scopes its header tells."""
    what = "Slack bot token"
    if not token.startswith("xoxb-"):
        return Check(what=what, ok=False, says=f"{SLACK}BOT_TOKEN must begin with xoxb- (OAuth & Permissions)")
    answer, wrong = _slack(api_url, "auth.test", token)
    if wrong:
        says = f"Slack refuses it ({wrong}): copy {SLACK}BOT_TOKEN again from the app's page OAuth & Permissions"
        return Check(what=what, ok=False, says=says if _word(wrong) else wrong)
    given = {s.strip() for s in answer.headers.get("x-oauth-scopes", "").split(",") if s.strip()}
    missing = ", ".join(sorted(SCOPES - given))
    if given and missing:
        says = f"{SLACK}BOT_TOKEN lacks {missing}: add under OAuth & Permissions, reinstall, use the new token"
        return Check(what=what, ok=False, says=says)
    facts = {k: str(answer.body.get(k) or "") for k in ("team", "team_id", "user", "user_id")}
    facts["date"] = answer.headers.get("date", "")
    return Check(what=what, ok=True, says=f"{facts['user']} in workspace {facts['team']}", facts=facts)


def slack_app(token: str, api_url: str) -> Check:
    """apps.connections.open: whether a socket could be opened. None is."""
    what = "Slack app token"
    if not token.startswith("xapp-"):
        says = f"{SLACK}APP_TOKEN must begin with xapp- (Basic Information, App-Level Tokens, connections:write)"
        return Check(what=what, ok=False, says=says)
    _, wrong = _slack(api_url, "apps.connections.open", token)
    if _word(wrong):
        says = (
            f"no socket can be opened ({wrong}): switch Socket Mode on (the app's page Socket Mode) and give"
            f" {SLACK}APP_TOKEN the scope connections:write (Basic Information)"
        )
        return Check(what=what, ok=False, says=says)
    return Check(what=what, ok=not wrong, says=wrong or "a socket can be opened")


def slack_channel(token: str, api_url: str, channel: str, bot: str = "") -> Check:
    """conversations.info: there, not archived, and the bot in it."""
    what = f"Slack channel {channel}"
    setting = f"{SLACK}CHANNEL"
    if not re.fullmatch(r"[CG][A-Z0-9]{2,}", channel):
        says = f"{setting} must be a channel's id (C…); it stands at the end of the channel's About tab"
        return Check(what=what, ok=False, says=says)
    invite = f"invite the bot there: /invite @{bot or 'firstresponder'}"
    answer, wrong = _slack(api_url, "conversations.info", token, channel=channel)
    if wrong == "channel_not_found":
        says = f"Slack shows the bot no such channel; check {setting}, or, if it is private, {invite}"
        return Check(what=what, ok=False, says=says)
    if wrong == "missing_scope":
        needed = str(answer.body.get("needed") or "channels:read")
        needed = needed if re.fullmatch(r"[a-z:,. ]{1,80}", needed) else "channels:read"
        return Check(what=what, ok=False, says=f"{SLACK}BOT_TOKEN lacks the scope {needed}: add it and reinstall")
    if wrong:
        return Check(what=what, ok=False, says=f"Slack refuses ({wrong}); check {setting}")
    found = answer.body.get("channel")
    found = found if isinstance(found, dict) else {}
    name = f"#{found.get('name') or channel}"
    if found.get("is_archived"):
        return Check(what=what, ok=False, says=f"{name} is archived; name another as {setting}")
    if not found.get("is_member"):
        return Check(what=what, ok=False, says=f"the bot is not a member of {name}; {invite}")
    return Check(what=what, ok=True, says=f"{name}, and the bot is in it", facts={"name": name})


def slack_user(token: str, api_url: str, user: str) -> Check:
    """users.info where the token may ask for it; else the form of the id alone."""
    what = f"Slack user {user}"
    if not re.fullmatch(r"[UW][A-Z0-9]{2,}", user):
        says = "must be a member id (U…): in Slack, open the profile, More (⋮), Copy member ID"
        return Check(what=what, ok=False, says=says)
    if not token:
        return Check(what=what, ok=True, says="has the form of a member id")
    answer, wrong = _slack(api_url, "users.info", token, user=user)
    if wrong in {"user_not_found", "user_not_visible"}:
        return Check(
            what=what, ok=False, says="there is no such member in this workspace; copy the member ID again"
        )
    said = answer.body.get("user")
    name = str(said.get("name") or "") if isinstance(said, dict) else ""
    return Check(what=what, ok=True, says=f"is {name}" if name else "has the form of a member id")


# --- Telegram ---------------------------------------------------------------------------------------------------


def _telegram(api_url: str, token: str, method: str, **sent: str) -> tuple[_Answer, str]:
    answer = _ask("POST", f"{api_url.rstrip('/')}/bot{token}/{method}", data=sent)
    if answer.unreachable:
        return answer, f"Telegram at {host(api_url)} {answer.unreachable}; see {TELEGRAM}API_URL and the way out"
    if answer.body.get("ok") is True:
        return answer, ""
    if answer.status in {401, 404}:
        return answer, f"Telegram does not know this token: copy {TELEGRAM}TOKEN again from @BotFather"
    said = str(answer.body.get("description") or "").replace(token, "…")[:120]
    return answer, f"Telegram refuses ({said or f'HTTP {answer.status}'})"


def _result(answer: _Answer) -> Mapping[str, Any]:
    found = answer.body.get("result")
    return found if isinstance(found, dict) else {}


def telegram_bot(token: str, api_url: str, mode: str = "polling") -> Check:
    """getMe, and in polling mode that no webhook takes what it would hear."""
    what = "Telegram token"
    if not re.fullmatch(r"\d+:[A-Za-z0-9_-]{20,}", token):
        return Check(
            what=what, ok=False, says=f"{TELEGRAM}TOKEN must look like 123456:ABC…, as @BotFather gave it"
        )
    answer, wrong = _telegram(api_url, token, "getMe")
    if wrong:
        return Check(what=what, ok=False, says=wrong)
    me = _result(answer)
    facts = {"username": str(me.get("username") or ""), "id": str(me.get("id") or "")}
    facts["date"] = answer.headers.get("date", "")
    info, wrong = _telegram(api_url, token, "getWebhookInfo")
    hook = str(_result(info).get("url") or "")
    if not wrong and hook and mode == "polling":
        says = (
            f"a webhook is set at {host(hook)}, so polling hears nothing: whoever uses it must deleteWebhook, or"
            f" set {TELEGRAM}MODE=webhook, or give this bot a token of its own"
        )
        return Check(what=what, ok=False, says=says, facts=facts)
    return Check(what=what, ok=True, says=f"@{facts['username']}", facts=facts)


def telegram_chat(token: str, api_url: str, chat: str, bot_id: str = "") -> Check:
    """getChat and getChatMember: there, a group, and the bot may speak."""
    what = f"Telegram chat {chat}"
    setting = f"{TELEGRAM}CHAT"
    form = re.fullmatch(r"(-?\d+)(/\d+)?", chat)
    if form is None:
        return Check(what=what, ok=False, says=f"{setting} must be a chat's number (-100…, or -100…/TOPIC)")
    answer, wrong = _telegram(api_url, token, "getChat", chat_id=form[1])
    add = "add the bot to the group, as an admin if it shall see what is written"
    if wrong:
        return Check(what=what, ok=False, says=f"{wrong}; check {setting}, and {add}")
    found = _result(answer)
    title = str(found.get("title") or found.get("first_name") or chat)
    if found.get("type") == "channel":
        says = f"{title} is a channel, where nobody who presses can be known; use a group as {setting}"
        return Check(what=what, ok=False, says=says)
    if found.get("type") != "private":
        bot_id = bot_id or token.partition(":")[0]
        member, wrong = _telegram(api_url, token, "getChatMember", chat_id=form[1], user_id=bot_id)
        status = _result(member).get("status")
        if wrong or status in {"left", "kicked"}:
            return Check(what=what, ok=False, says=f"the bot is not in {title}; {add}")
        if status == "restricted" and not _result(member).get("can_send_messages"):
            return Check(
                what=what, ok=False, says=f"the bot may not write in {title}; lift that or make it an admin"
            )
    return Check(what=what, ok=True, says=f"{title}, and the bot is in it", facts={"name": title})


def telegram_user(user: str) -> Check:
    """The form of it: a bot cannot look people up."""
    ok = re.fullmatch(r"[1-9]\d{2,}", user) is not None
    says = (
        "has the form of an account"
        if ok
        else "must be the account's number; @userinfobot tells it, or send /help"
    )
    return Check(what=f"Telegram user {user}", ok=ok, says=says)


# --- metrics ----------------------------------------------------------------------------------------------------


def prometheus(url: str, token: str = "") -> Check:
    """Its build, or, where that is not told (VictoriaMetrics, Thanos), the answer to ``1``."""
    what = f"Prometheus {host(url)}"
    wrong = address(url)
    if wrong:
        return Check(what=what, ok=False, says=wrong)
    base = url.rstrip("/")
    build = _ask("GET", f"{base}/api/v1/status/buildinfo", token=token)
    if build.unreachable:
        return Check(what=what, ok=False, says=f"{build.unreachable}; is it running, and is the address right?")
    if build.status in {401, 403}:
        says = "asks for a token: give one (--prometheus-token-file), or set FIRSTRESPONDER_PROBE_TOKENS"
        return Check(what=what, ok=False, says=says, facts={"needs": "token"})
    if 300 <= build.status < 400:
        return Check(what=what, ok=False, says="redirects elsewhere; give the address it redirects to")
    if build.body.get("status") == "success":
        data = build.body.get("data")
        version = str(data.get("version") or "") if isinstance(data, dict) else ""
        return Check(what=what, ok=True, says=f"answers, version {version}" if version else "answers")
    query = _ask("GET", f"{base}/api/v1/query", token=token, params={"query": "1"})
    if query.body.get("status") == "success":
        return Check(what=what, ok=True, says="answers")
    met = query.unreachable or f"answered HTTP {query.status}, but not as Prometheus does"
    return Check(what=what, ok=False, says=f"{met}; the address ends before /api/v1")
