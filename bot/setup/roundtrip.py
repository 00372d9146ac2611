"""``firstresponder doctor --chat``: the running receiver posts a card, somebody presses it, and it comes back.

The card is a row in the journal, so what is proven is the way that approvals take: platform, receiver, journal.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from actions.policy import People, Person
from bot import configuration
from bot.journal import directory, selftests
from bot.journal import tables as t
from bot.journal.journal import Journal
from bot.settings import ReceiverSettings
from bot.setup import checks, steps
from bot.setup.checks import SLACK, TELEGRAM, Check
from bot.setup.waiting import Waiting, until

__all__ = ["SURFACES", "Waiting", "configured", "live", "prove"]

SURFACES = ("slack", "telegram")
CANDIDATES = 200
"""Deliveries looked through for a press that was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Press:
    account: str
    received_at: datetime
    done: bool


def configured(settings: ReceiverSettings) -> tuple[str, ...]:
    """The surfaces that have a token."""
    tokens = {"slack": settings.slack.bot_token, "telegram": settings.telegram.token}
    return tuple(s for s in SURFACES if tokens[s].get_secret_value())


def live(settings: ReceiverSettings, surface: str) -> Iterator[Check]:
    """The credentials and places of one surface, tried on the platform."""
    if surface == "slack":
        slack = settings.slack
        token = slack.bot_token.get_secret_value()
        bot = checks.slack_bot(token, slack.api_url)
        yield bot
        if bot.ok:
            yield checks.clock(surface, bot.facts.get("date", ""), datetime.now(UTC))
        if slack.mode == "socket":
            yield checks.slack_app(slack.app_token.get_secret_value(), slack.api_url)
        for channel in (slack.channel, *sorted(slack.channels - {slack.channel})) if bot.ok else ():
            yield checks.slack_channel(token, slack.api_url, channel, bot.facts.get("user", ""))
        return
    telegram = settings.telegram
    token = telegram.token.get_secret_value()
    bot = checks.telegram_bot(token, telegram.api_url, telegram.mode)
    yield bot
    if bot.ok:
        yield checks.clock(surface, bot.facts.get("date", ""), datetime.now(UTC))
    for chat in (telegram.chat, *sorted(telegram.chats - {telegram.chat})) if bot.facts else ():
        yield checks.telegram_chat(token, telegram.api_url, chat, bot.facts.get("id", ""))


def prove(settings: ReceiverSettings, journal: Journal, surface: str, waiting: Waiting) -> Iterator[Check]:
    """One surface from its settings to a press that came back, and what else must hold of it.

    Ends at the first thing that is wrong up to the press; what comes after that is tried whole.
    """
    place = bot = ""
    for tried in live(settings, surface):
        yield tried
        if not tried.ok:
            return
        place = place or tried.facts.get("name", "")
        bot = bot or tried.facts.get("user", "") or tried.facts.get("username", "")
    with journal.write("selftest.begun") as tx:
        test_id = selftests.begin(tx, surface)
    posted = until(
        waiting,
        waiting.posted_within_s,
        f"{surface}: waiting for the receiver to post",
        lambda: _posted(journal, test_id),
    )
    if posted is None:
        yield Check(what=f"{surface} card", ok=False, says=_not_posted(journal, surface))
        return
    yield Check(what=f"{surface} card", ok=True, says=f"posted in {place}: press its button there")
    press = until(
        waiting,
        waiting.timeout_s,
        f"{surface}: press the button in {place}",
        lambda: _came_back(journal, surface, test_id, posted),
    )
    if press is None:
        yield Check(what=f"{surface} press", ok=False, says=_not_pressed(settings, surface, waiting.timeout_s))
        return
    told = _told(settings, journal, surface, test_id, press)
    yield told
    if told.ok:
        yield from steps.after(settings, journal, surface, steps.Pressed(test_id=test_id, bot=bot), waiting)


def _posted(journal: Journal, test_id: str) -> datetime | None:
    with journal.read() as tx:
        row = selftests.state(tx, test_id)
    found: datetime | None = row["posted_at"] if row is not None and row["ref"] else None
    return found


def _came_back(journal: Journal, surface: str, test_id: str, since: datetime) -> _Press | None:
    """The press that counted, or one that was refused: that one stands in the inbox alone."""
    with journal.read() as tx:
        row = selftests.state(tx, test_id)
        if row is not None and row["pressed_at"] is not None:
            return _Press(account=row["account"], received_at=row["pressed_at"], done=True)
        rows = tx.all(
            select(t.inbox)
            .where(t.inbox.c.source == surface, t.inbox.c.received_at >= since, t.inbox.c.state != "stored")
            .order_by(t.inbox.c.received_at.desc())
            .limit(CANDIDATES)
        )
    for row in rows:
        if test_id.encode() in row["body"]:
            return _Press(account=_account(row["body"]), received_at=row["received_at"], done=False)
    return None


def _account(body: bytes) -> str:
    """Who pressed, in either platform's words."""
    try:
        said: Any = json.loads(body)
        presser = said.get("user") or said["callback_query"]["from"]
        return str(presser["id"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _not_posted(journal: Journal, surface: str) -> str:
    with journal.read() as tx:
        row = tx.one(select(t.speakers.c.until).where(t.speakers.c.surface == surface))
        alive = row is not None and row["until"] > tx.now
    token = f"{SLACK}BOT_TOKEN" if surface == "slack" else f"{TELEGRAM}TOKEN"
    if alive:
        return (
            f"a receiver speaks on {surface} but posted nothing: it cannot reach the platform, or has other"
            f" settings than these. See chat.silent in its log, and {token} and the way out where it runs"
        )
    return (
        f"nobody speaks on {surface}: `firstresponder serve` (or up) is not running, or not with {token} and this"
        " FIRSTRESPONDER_JOURNAL_URL. Start it where the settings were read: set -a; . var/env; set +a"
    )


def _not_pressed(settings: ReceiverSettings, surface: str, seconds: float) -> str:
    return f"no press came back within {seconds:g} s. If the button was pressed: " + "; or ".join(
        _LIKELY[surface, settings.slack.mode if surface == "slack" else settings.telegram.mode]
    )


_LIKELY: Mapping[tuple[str, str], Sequence[str]] = {
    ("slack", "socket"): (
        "Interactivity is off (the app's page Interactivity & Shortcuts)",
        f"Socket Mode is off, or {SLACK}APP_TOKEN is another app's or lacks the scope connections:write",
        "another receiver holds a socket with the same app token and takes some of the presses",
    ),
    ("slack", "http"): (
        "Interactivity has no request URL, or not this receiver's https://…/v1/chat/slack, or something before it"
        " (a proxy, a firewall) refuses Slack",
        f"{SLACK}SIGNING_SECRET is not this app's, so that its presses are refused (401 in the log)",
    ),
    ("telegram", "polling"): (
        f"another program polls with the same token: stop it, or give this bot a {TELEGRAM}TOKEN of its own",
        f"a webhook is set, so that polling hears nothing: deleteWebhook, or {TELEGRAM}MODE=webhook",
        f"the bot is no longer in {TELEGRAM}CHAT, or may not write there (make it an admin; commands without"
        " @name need that, or privacy switched off at @BotFather)",
    ),
    ("telegram", "webhook"): (
        f"{TELEGRAM}WEBHOOK_URL does not reach this receiver (getWebhookInfo tells Telegram's last error)",
        f"{TELEGRAM}WEBHOOK_SECRET is not the one the webhook was set with",
        f"another program polls or set a webhook with the same {TELEGRAM}TOKEN",
    ),
}


def _told(settings: ReceiverSettings, journal: Journal, surface: str, test_id: str, press: _Press) -> Check:
    what = f"{surface} press"
    with journal.read() as tx:
        row = selftests.state(tx, test_id)
        people: People = directory.known(tx, configuration.people(settings.config))
    person = people.by_account(surface, press.account)
    file = settings.config / "people.yaml"
    if not press.done or row is None:
        if person is not None:
            says = f"the press of {person.name} arrived and was refused; the bot's answer in the chat says why"
        else:
            says = (
                f"the press arrived, and {surface} account {press.account} is nobody in {file}: it was refused."
                f" {_add(surface, press.account)}"
            )
        return Check(what=what, ok=False, says=says)
    took = (row["pressed_at"] - row["posted_at"]).total_seconds()
    who = f"from {person.name} ({surface} account {press.account})" if person else f"from account {press.account}"
    return Check(
        what=what, ok=True, says=f"came back {took:.1f} s after it was posted, {who}; {_may(person, file)}"
    )


def _may(person: Person | None, file: object) -> str:
    if person is not None and person.may("approver"):
        return "may approve"
    if person is None:
        return f"no longer in {file}"
    roles = ", ".join(sorted({*person.roles, "approver"}))
    return f"may NOT approve: in {file}, under {person.id}, `roles: [{roles}]` would change that"


def _add(surface: str, account: str) -> str:
    given = account if surface == "slack" else f'"{account}"'
    return f"Add to its person there: `accounts: {{{surface}: [{given}]}}`"
