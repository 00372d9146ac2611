"""Brings a surface up to what the journal says: level by level, so that a lost edit is made good by the next.

Nothing is queued here. Each round looks at what is behind, takes the most urgent first, and leaves the rest to
the next round when the platform's budget is used up; what was not said is said then, as it stands then.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import case, exists, or_, select

from actions.approval import ApprovalState
from actions.policy import People
from agents.incident.errors import BadInput, Refused, Transient
from agents.incident.ids import IncidentId
from agents.incident.lifecycle import ACTION_TERMINAL, IncidentState
from agents.render import leaks
from bot.journal import tables as t
from bot.journal.journal import Journal, Tx
from bot.surfaces.accounted import WITHHELD
from bot.surfaces.cards import card
from bot.surfaces.ports import Busy, Card, Gone, Kind, Lane, Message, Surface
from bot.surfaces.timeline import MINOR, tell

T = TypeVar("T")

AT_ONCE = 50
"""Incidents looked at in one round; the next round goes on."""

TOGETHER = timedelta(seconds=3)
"""Edits of one message within this span become one, where the surface is patient."""

ROUND_S = 1.5
"""After this a round ends, so that a question that came meanwhile waits no longer."""

ENDED_LATELY = timedelta(minutes=2)
"""How long what came of an action goes before other news: whoever approved it waits for that."""

LEFT_ALONE_S = 60.0
"""How long a message that a platform refused is not tried again, unless it says something else by then."""

ASKING = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """What a speaker needs: the journal, who is who, where the page is."""

    journal: Journal
    people: Callable[[], People]
    link: Callable[[IncidentId], str] = lambda _: ""
    log: Any = None
    refused: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Messages a platform did not take, with what they said and until when they are left alone."""
    quiet: dict[str, float] = field(default_factory=dict)
    """Cards that are edited less often, and until when they are left as they are."""
    last: dict[str, IncidentId] = field(default_factory=dict)
    """Where each surface's last round ended: of incidents equally urgent the next ones have their turn."""


async def speak(speech: Speech, surface: Surface) -> Sequence[IncidentId]:
    """Post, edit and add detail for every incident that moved. Returns which were brought up to date.

    Raises Transient when the platform, or the journal, cannot be reached.
    """
    began = time.monotonic()
    behind = await asyncio.to_thread(_behind, speech.journal, surface.name, speech.last.get(surface.name, ""))
    done = []
    for incident_id, urgent in behind:
        if not urgent and speech.quiet.get(f"{surface.name}/{incident_id}", 0.0) > time.monotonic():
            continue
        lanes = (Lane.ASK,) if urgent else (Lane.ROOT, Lane.EDIT)
        if not any(surface.budget.could(kind, lane) for kind in Kind for lane in lanes):
            if urgent:
                break  # nothing at all can be called now
            continue
        speech.last[surface.name] = incident_id
        try:
            if await _bring(speech, surface, incident_id):
                done.append(incident_id)
        except (Busy, Refused, BadInput) as error:
            # One kind of call has to wait: the others go on.
            _warn(speech, "surface.behind", surface=surface.name, incident_id=incident_id, error=str(error))
        except Transient:
            raise
        except Exception:  # one incident that nobody can read must not silence the others
            if speech.log is None:
                raise
            speech.log.exception("surface.failed", surface=surface.name, incident_id=incident_id)
        if time.monotonic() - began > ROUND_S:
            break  # whatever is most urgent by now comes first again
    return done


def _warn(speech: Speech, what: str, **said: Any) -> None:
    if speech.log is not None:
        speech.log.warning(what, **said)


def _behind(journal: Journal, surface: str, last: str = "") -> list[tuple[IncidentId, bool]]:
    """Incidents a surface has yet to tell something of: those with a question first, then calls for a person and
    what came of an action, then those that nobody has heard of yet; and whether it is one of the urgent ones."""
    asked = exists().where(
        t.action_runs.c.incident_id == t.incidents.c.id,
        t.approvals.c.run_id == t.action_runs.c.id,
        t.approvals.c.state == ApprovalState.AWAITING.value,
    )
    # What went into another incident, or is under maintenance, is told only where it was told already.
    shown = exists().where(t.messages.c.surface == surface, t.messages.c.incident_id == t.incidents.c.id)
    quiet = t.incidents.c.state.in_([IncidentState.MERGED.value, IncidentState.SUPPRESSED.value])
    turn = case((t.incidents.c.id > last, 0), else_=1)
    with journal.read() as tx:
        ended = exists().where(
            t.action_runs.c.incident_id == t.incidents.c.id,
            t.action_runs.c.state.in_([s.value for s in ACTION_TERMINAL]),
            t.action_runs.c.state_since > tx.now - ENDED_LATELY,
        )
        urgency = case(
            (asked, 0),
            (t.incidents.c.state == IncidentState.NEEDS_HUMAN.value, 1),
            (ended, 1),
            (t.views.c.card_version.is_(None), 2),
            else_=3,
        )
        rows = tx.all(
            select(t.incidents.c.id, urgency.label("urgency"))
            .outerjoin(t.views, (t.views.c.incident_id == t.incidents.c.id) & (t.views.c.surface == surface))
            .where(or_(t.views.c.card_version.is_(None), t.views.c.card_version < t.incidents.c.card_version))
            .where(or_(~quiet, shown))
            .order_by(urgency, turn, t.incidents.c.id)
            .limit(AT_ONCE)
        )
    return [(IncidentId(r["id"]), r["urgency"] < 2) for r in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """An incident as it is and as the surface shows it."""

    card: Card
    shown: Mapping[str, Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]
    now: Any


def _standing(speech: Speech, surface: str, incident_id: IncidentId) -> _Standing:
    with speech.journal.read() as tx:
        made = card(tx, incident_id, speech.people(), link=speech.link(incident_id))
        rows = tx.all(
            select(t.messages).where(t.messages.c.surface == surface, t.messages.c.incident_id == incident_id)
        )
        after = tx.run(
            select(t.views.c.event_number).where(
                t.views.c.surface == surface, t.views.c.incident_id == incident_id
            )
        ).scalar()
        events = tx.all(
            select(t.events)
            .where(t.events.c.incident_id == incident_id, t.events.c.number > (after or 0))
            .order_by(t.events.c.number)
        )
        prefix = len(incident_id) + 1
        return _Standing(card=made, shown={r["key"][prefix:]: r for r in rows}, events=events, now=tx.now)


async def _bring(speech: Speech, surface: Surface, incident_id: IncidentId) -> bool:
    """Whether everything that is to be said of the incident was said."""
    at = await asyncio.to_thread(_standing, speech, surface.name, incident_id)
    whole = True
    root: str | None = at.shown["root"]["ref"] if "root" in at.shown else None
    # A question that nobody has seen goes before everything, the root it belongs to included.
    seen = {key for key, row in at.shown.items() if row["ref"]}
    laid = sorted(surface.layout(at.card), key=lambda m: not (m.lane is Lane.ASK and m.key not in seen))
    for message in laid:
        checked = parsed(message, at.card)
        if checked is not message:
            leaked = leaks(message.text(), at.card.accounted)[:5]
            _warn(speech, "surface.withheld", incident_id=incident_id, key=message.key, unaccounted=leaked)
        known = at.shown.get(message.key)
        if known is None and (message.late or (message.below and root is None)):
            whole &= message.late
            continue
        said = await _tried(speech, surface, incident_id, checked, known, root, at)
        if message.key == "root":
            root = said or root
        whole &= said is not None
    telling = [e for e in at.events if not surface.patient or e["kind"] not in MINOR]
    if telling and root is not None:
        if not surface.budget.may(Kind.POST, Lane.DETAIL):
            return False
        history = tell(at.events)
        leaked = leaks("\n".join(history.lines), history.accounted)[:5]
        if leaked:
            _warn(speech, "surface.withheld", incident_id=incident_id, key="history", unaccounted=leaked)
        lines = [WITHHELD if leaks(line, history.accounted) else line for line in history.lines]
        more = at.card.link if history.cut else ""
        await _called(surface, Kind.POST, surface.detail(root, lines, more))
        number = at.events[-1]["number"]
        await asyncio.to_thread(_seen, speech.journal, surface.name, at.card, number, whole=whole)
        return whole
    if whole:
        await asyncio.to_thread(_seen, speech.journal, surface.name, at.card, None, whole=True)
    return whole


async def _tried(
    speech: Speech,
    surface: Surface,
    incident_id: IncidentId,
    message: Message,
    known: Mapping[str, Any] | None,
    root: str | None,
    at: _Standing,
) -> str | None:
    """``_say``; a message that is not taken keeps none of the others back, and is left alone for a while."""
    key, digest = f"{surface.name}/{incident_id}/{message.key}", _digest(message)
    before = speech.refused.get(key)
    if before is not None and before[0] == digest and time.monotonic() < before[1]:
        return None
    try:
        return await _say(speech, surface, incident_id, message, known, root, at)
    except (Refused, BadInput) as error:
        _warn(
            speech,
            "surface.refused",
            surface=surface.name,
            incident_id=incident_id,
            key=message.key,
            error=str(error),
        )
        now = time.monotonic()
        for old in [k for k, (_, until) in speech.refused.items() if until <= now]:
            del speech.refused[old]
        speech.refused[key] = (digest, now + LEFT_ALONE_S)
        return None


async def _say(
    speech: Speech,
    surface: Surface,
    incident_id: IncidentId,
    message: Message,
    known: Mapping[str, Any] | None,
    root: str | None,
    at: _Standing,
) -> str | None:
    """The reference of a message that is up to date now; ``None`` when it has to wait."""
    digest = _digest(message)
    if known is not None and known["ref"] and (known["digest"] == digest or message.fixed):
        return str(known["ref"])
    key = f"{incident_id}/{message.key}"
    message = replace(message, key=key)
    if known is not None and known["ref"]:
        lane = Lane.EDIT if message.lane is Lane.ROOT else message.lane
        if known["digest"].startswith(ASKING) and not digest.startswith(ASKING):
            lane = Lane.ASK  # dead buttons go at once
        since = at.now - known["shown_at"]
        if lane is Lane.EDIT and surface.patient and since < max(TOGETHER, at.card.apart):
            if at.card.apart:
                speech.quiet[f"{surface.name}/{incident_id}"] = (
                    time.monotonic() + (at.card.apart - since).total_seconds()
                )
            return None
        if not surface.budget.may(Kind.EDIT, lane):
            return None
        try:
            await _called(surface, Kind.EDIT, surface.edit(known["ref"], message))
        except Gone:
            if message.late:
                return str(known["ref"])
        else:
            await asyncio.to_thread(_keep, speech.journal, surface.name, key, at.card, known["ref"], digest)
            return str(known["ref"])
    ref: str | None = None
    if known is not None and not known["ref"]:
        lane = Lane.EDIT if message.lane is Lane.ROOT else message.lane
        if not (surface.budget.could(Kind.EDIT, lane) and surface.budget.could(Kind.POST, message.lane)):
            return None  # looking for it is a call too, and nothing could be done about what is found
        ref = await _called(surface, Kind.POST, surface.find(key, root))
        if ref is not None:
            # It says what was true before the crash; what is true now may have no buttons any more.
            surface.budget.may(Kind.EDIT, lane)
            await _called(surface, Kind.EDIT, surface.edit(ref, message))
        elif message.late:  # it was never seen, and is no longer worth a post
            await asyncio.to_thread(_unsaid, speech.journal, surface.name, key)
            return ""
    if ref is None:
        if not surface.budget.may(Kind.POST, message.lane):
            return None
        await asyncio.to_thread(_keep, speech.journal, surface.name, key, at.card, "", digest)
        try:
            ref = await _called(surface, Kind.POST, surface.post(message, root))
        except (Busy, Refused, BadInput):
            await asyncio.to_thread(_unsaid, speech.journal, surface.name, key)
            raise
    await asyncio.to_thread(_keep, speech.journal, surface.name, key, at.card, ref, digest)
    return ref


def _digest(message: Message) -> str:
    """What a message says, as a hash; whether it asks something can be read off it."""
    said = hashlib.sha256(json.dumps(asdict(message), sort_keys=True, default=str).encode()).hexdigest()
    return (ASKING if message.lane is Lane.ASK and message.buttons else "-") + said[1:]


async def _called(surface: Surface, kind: Kind, call: Coroutine[Any, Any, T]) -> T:
    try:
        done = await call
    except Busy as error:
        surface.budget.hold(kind, error.retry_after.total_seconds())
        raise
    return done


def parsed(message: Message, card: Card) -> Message:
    """G14 on a finished message, buttons and captions included: what is not accounted for does not leave."""
    if not leaks(message.text(), card.accounted):
        return message
    return replace(message, headline=WITHHELD, lines=(), buttons=(), more=(), chart=None)


def _keep(journal: Journal, surface: str, key: str, card: Card, ref: str, digest: str) -> None:
    """Write a message down: before it is posted without a reference, after it with one."""
    with journal.write("message") as tx:
        where = (t.messages.c.surface == surface) & (t.messages.c.key == key)
        values = {"ref": ref, "digest": digest, "shown_at": tx.now}
        if tx.one(select(t.messages.c.key).where(where)) is not None:
            tx.run(t.messages.update().where(where).values(**values))
        else:
            tx.run(
                t.messages.insert().values(
                    surface=surface, key=key, incident_id=card.incident_id, posted_at=tx.now, **values
                )
            )


def _unsaid(journal: Journal, surface: str, key: str) -> None:
    """Forget a post that was begun: the platform said no, or it is not there, so there is nothing to look for."""
    with journal.write("message.unsaid") as tx:
        where = (t.messages.c.surface == surface) & (t.messages.c.key == key) & (t.messages.c.ref == "")
        tx.run(t.messages.delete().where(where))


def _seen(journal: Journal, surface: str, card: Card, event_number: int | None, *, whole: bool) -> None:
    """How far the surface has told the incident."""
    with journal.write("card.shown") as tx:
        where = (t.views.c.surface == surface) & (t.views.c.incident_id == card.incident_id)
        values: dict[str, Any] = {"card_version": card.version} if whole else {}
        if event_number is not None:
            values["event_number"] = event_number
        if tx.one(select(t.views.c.surface).where(where)) is None:
            first = {"card_version": -1, "event_number": 0} | values
            tx.run(t.views.insert().values(surface=surface, incident_id=card.incident_id, **first))
        elif values:
            tx.run(t.views.update().where(where).values(**values))
        if card.reported and whole:
            tx.run(t.views.update().where(where, t.views.c.finding_at.is_(None)).values(finding_at=tx.now))


def hold(journal: Journal, surface: str, holder: str, span: timedelta) -> bool:
    """Whether *holder* is the one that speaks on *surface* now; it stays so while it asks again in time."""
    with journal.write("speaker") as tx:
        return _hold(tx, surface, holder, span)


def yield_place(journal: Journal, holder: str) -> None:
    """Whoever comes next may speak at once."""
    with journal.write("speaker") as tx:
        tx.run(t.speakers.delete().where(t.speakers.c.holder == holder))


def _hold(tx: Tx, surface: str, holder: str, span: timedelta) -> bool:
    row = tx.one(select(t.speakers).where(t.speakers.c.surface == surface).with_for_update())
    if row is not None and row["holder"] != holder and row["until"] > tx.now:
        return False
    values = {"holder": holder, "until": tx.now + span}
    if row is None:
        tx.run(t.speakers.insert().values(surface=surface, **values))
    else:
        tx.run(t.speakers.update().where(t.speakers.c.surface == surface).values(**values))
    return True
