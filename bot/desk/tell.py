"""What the bot tells when asked: from the journal, as it stands, and honest about what it does not have yet.

An answer that speaks of incidents, findings or plans notes what it may say as it says it (``Accounted``): text
from outside stands in quotes or backticks, cut with a mark, and the desk lets no other number leave (G14).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, select

from agents.incident.finding import Finding
from agents.incident.ids import IncidentId
from agents.incident.incident import Incident
from agents.incident.lifecycle import IncidentState
from bot.journal import approvals, chain, evidence, incidents, runs, spending, stops
from bot.journal import tables as t
from bot.journal.chain import Chain
from bot.journal.incidents import OVER
from bot.journal.journal import Tx
from bot.surfaces import thoughts
from bot.surfaces.accounted import Accounted
from bot.surfaces.cards import STATES
from bot.surfaces.cutting import shortened
from bot.surfaces.ports import Reply
from bot.surfaces.timeline import named
from bot.wiring.parts import DeskParts

S = IncidentState
MOST = 15
"""Lines of a list; the page has the rest."""

EFFECT = 200
"""What an action's effect may cost in a list."""


def reply(
    told: Accounted,
    text: str,
    lines: Iterable[str] = (),
    link: str = "",
    incident_id: IncidentId | None = None,
    *,
    public: bool = False,
) -> Reply:
    """An answer that says what *told* has noted, and may say nothing else."""
    said = tuple(lines)  # said before it is asked what may be said
    may = frozenset(told.known)
    return Reply(text=text, lines=said, link=link, public=public, incident_id=incident_id, accounted=may)


def listed(parts: DeskParts, *, service: str = "", mine: str = "", every: bool = False) -> Reply:
    """Incidents, open ones unless all are asked for."""
    told = Accounted()
    with parts.journal.read() as tx:
        newest = t.incidents.c.id.desc()
        query = select(t.incidents.c.id).order_by(*([newest] if every else [t.incidents.c.priority, newest]))
        if not every:
            query = query.where(t.incidents.c.state.not_in([s.value for s in OVER]))
        if service:
            query = query.where(t.incidents.c.service == service)
        if mine:
            query = query.where(t.incidents.c.owner == mine)
        ids = [IncidentId(r["id"]) for r in tx.all(query.limit(200))]
        lines = [_line(incidents.load(tx, i), tx.now, tx, parts, told) for i in ids[:MOST]]
    what = f" of {told.cut(service)}" if service else " that you have" if mine else ""
    if not ids:
        return reply(told, f"No {'' if every else 'open '}incidents{what}.", ())
    more = [f"… and {told.count(len(ids) - MOST)} more; the page has them all"] if len(ids) > MOST else []
    return reply(told, f"{told.count(len(ids))} {'' if every else 'open '}incident(s){what}:", (*lines, *more))


def _line(incident: Incident, at: datetime, tx: Tx, parts: DeskParts, told: Accounted) -> str:
    where = "/".join(p for p in (incident.environment, incident.service) if p)
    finding = evidence.latest_finding(tx, incident.id)
    found = f" · {_short(finding, told)}" if finding is not None else ""
    owner = parts.people().by_id(incidents.owner(tx, incident.id) or "")
    has = f" · {told.text(owner.name)} has it" if owner is not None else ""
    state = STATES.get(incident.state, incident.state.lower())
    age = told.words(_age(at, incident.opened_at))
    place = told.name(where) if where else "no service"
    urgent = told.words(f"P{incident.priority}")
    return f"{told.name(incident.id)} {urgent} {place} · {told.cut(incident.title)} · {state} · {age}{found}{has}"


def _short(finding: Finding, told: Accounted) -> str:
    return told.words(finding.title) if finding.signature else finding.state.value.lower()


def _age(now: datetime, then: datetime) -> str:
    minutes = int((now - then).total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


def one(incident_id: IncidentId, parts: DeskParts) -> Reply:
    """One incident in a few lines."""
    told = Accounted()
    with parts.journal.read() as tx:
        incident = incidents.load(tx, incident_id)
        finding = evidence.latest_finding(tx, incident_id)
        lines = [_line(incident, tx.now, tx, parts, told)]
        lines += told.finding(finding).text.splitlines() if finding is not None else ["No finding yet."]
        for run in runs.of_incident(tx, incident_id):
            effect = told.words(shortened(run.proposal.effect, EFFECT))
            lines.append(f"Action: {effect} · {run.state.lower().replace('_', ' ')}")
        if incident.reason:
            lines.append(f"Why it stands here: {told.cut(incident.reason)}")
    return reply(told, told.words(incident_id), lines, parts.link(incident_id), incident_id)


def why(incident_id: IncidentId, parts: DeskParts) -> Reply:
    """The evidence behind each line, what was ruled out, what was dropped and by which gate, what nobody saw."""
    told = Accounted()
    with parts.journal.read() as tx:
        incidents.load(tx, incident_id)
        finding = evidence.latest_finding(tx, incident_id)
        record = spending.latest(tx, incident_id)
    if finding is None:
        return Reply(text="No finding yet.", link=parts.link(incident_id), incident_id=incident_id)
    told.finding(finding)
    first = finding.text.splitlines()[0] if finding.text else "No finding yet."
    lines = [*_reasons(finding, told), *thoughts.reasons(record, told)]
    return reply(told, first, lines, parts.link(incident_id), incident_id)


def _reasons(finding: Finding, told: Accounted) -> Iterable[str]:
    yield from (f"• {said.text}" for said in finding.claims if said.claim.type != "CAUSE")
    for group in finding.groups:
        count = told.count(len(group.evidence))
        yield f"Signal {told.text(group.id)} seen from {group.vantage}: {count} piece(s) of evidence"
    for refuter in finding.refuters:
        word = {"clear": "Ruled out", "fired": "Against", "unknown": "Could not be checked"}[refuter.outcome.value]
        yield f"{word}: {refuter.text}"
    for gap in finding.not_checked:
        yield f"Not checked: {gap}"
    for drop in finding.dropped:
        yield f"Dropped by a gate ({drop.code}): {told.cut(drop.what)}"
    for suspect in finding.suspects:
        score = told.words(f"{suspect.score:.2f}")
        yield f"Suspect: {told.words(suspect.title)} on {told.name(suspect.entity)}, score {score}"
    yield "Each [ev_…] can be opened on the page, or by: firstresponder evidence show ID"


def history(service: str, parts: DeskParts) -> Reply:
    """Earlier incidents of a service, what was done, and whether it held."""
    told = Accounted()
    with parts.journal.read() as tx:
        rows = tx.all(
            select(t.incidents.c.id)
            .where(t.incidents.c.service == service)
            .order_by(t.incidents.c.id.desc())
            .limit(MOST + 1)
        )
        lines = [_told(IncidentId(r["id"]), tx, told) for r in rows[:MOST]]
    if not lines:
        return reply(told, f"No incident of {told.cut(service)} is on record.", ())
    more = ["… and earlier ones; the page has them"] if len(rows) > MOST else []
    note = "By service and alert only: likeness of symptoms is not compared yet."
    return reply(told, f"Incidents of {told.cut(service)}, newest first:", (*lines, *more, note))


def _told(incident_id: IncidentId, tx: Tx, told: Accounted) -> str:
    incident = incidents.load(tx, incident_id)
    finding = evidence.latest_finding(tx, incident_id)
    done = [f"{r.proposal.action.replace('_', ' ')}: {r.state.lower()}" for r in runs.of_incident(tx, incident_id)]
    verdict = tx.run(
        select(t.feedback.c.verdict)
        .where(t.feedback.c.incident_id == incident_id)
        .order_by(t.feedback.c.at.desc())
        .limit(1)
    ).scalar()
    said = f" · judged {verdict}" if verdict else ""
    found = _short(finding, told) if finding is not None else "no finding"
    did = "; ".join(done) or "nothing was done"
    at = told.words(f"{incident.opened_at:%Y-%m-%d %H:%M}")
    return f"{told.name(incident_id)} {at} · {told.cut(incident.title)} · {found} · {told.words(did)}{said}"


def pending(parts: DeskParts) -> Reply:
    """Questions that wait for people."""
    told = Accounted()
    with parts.journal.read() as tx:
        found = approvals.waiting(tx)
        lines = []
        for asked, incident_id in found[:MOST]:
            run = runs.view(tx, asked.run_id)
            effect = told.words(shortened(run.proposal.effect, EFFECT))
            lines.append(
                f"{told.name(asked.id)} {effect} · {told.words(incident_id)} · "
                f"votes {told.count(len(asked.votes))} of {told.count(asked.quorum)} · "
                f"until {told.at(asked.deadline)} · plan {told.name(asked.plan_hash[:8])}"
            )
    if not found:
        return Reply(text="No question waits for an answer.")
    how = f"Press a button on the card, or: {parts.prefix}approve ID, {parts.prefix}reject ID REASON"
    return reply(told, f"{told.count(len(found))} question(s) wait:", (*lines, told.words(how)))


def audit(subject: str, parts: DeskParts) -> Reply:
    """The trail of an incident. The observability audit of a service is not built yet, and says so."""
    told = Accounted()
    if not subject.startswith("INC_"):
        return reply(
            told,
            f"The observability audit of {told.cut(subject) if subject else 'a service'} is not built yet.",
            ("What could not be seen in an incident is named on its card, and by why.",),
        )
    with parts.journal.read() as tx:
        incidents.load(tx, IncidentId(subject))
        held = chain.verify(tx, IncidentId(subject))
        events = tx.all(
            select(t.events).where(t.events.c.incident_id == subject).order_by(t.events.c.number.desc()).limit(40)
        )
        total = tx.run(
            select(func.count()).select_from(t.events).where(t.events.c.incident_id == subject)
        ).scalar_one()
    lines = [f"{told.at(e['at'])} {told.cut(e['actor'])}: {named(e['kind'])}" for e in reversed(events)]
    left = told.count(total - len(events))
    more = [f"… and {left} earlier lines; the page has them all"] if total > len(events) else []
    return reply(
        told,
        f"{told.count(total)} line(s) of {told.words(subject)}. {_chained(held, told)}",
        (*(f"Broken: {told.cut(why)}" for why in held.broken), *more, *lines),
        parts.link(IncidentId(subject)),
    )


def _chained(held: Chain, told: Accounted) -> str:
    if not held.whole:
        return "The chain over its evidence and findings is BROKEN: something was changed since it was kept."
    kept = f"{told.count(held.links)} piece(s) of evidence and findings"
    return (
        f"{kept} hang together in one chain, last {told.name(held.head[:16])}."
        if held.links
        else "Nothing kept yet."
    )


def status(parts: DeskParts) -> Reply:
    """How the machine itself is."""
    with parts.journal.read() as tx:
        standing = stops.all_standing(tx)
        open_ = tx.run(
            select(func.count())
            .select_from(t.incidents)
            .where(t.incidents.c.state.not_in([s.value for s in OVER]))
        ).scalar_one()
        asked = len(approvals.waiting(tx))
        unheard = tx.run(
            select(func.count()).select_from(t.outbox).where(t.outbox.c.sent_at.is_(None))
        ).scalar_one()
        stored = tx.run(select(func.count()).select_from(t.inbox).where(t.inbox.c.state == "stored")).scalar_one()
        live = len(runs.in_state(tx, *(runs.LIVE - runs.WAITING)))
    people, told = parts.people(), Accounted()
    stopped = [
        f"Stopped: {'everything' if s.scope == '*' else told.name(s.scope)}, "
        f"by {told.person(people, s.stopped_by)} at {told.at(s.at)}"
        for s in standing
    ]
    return reply(
        told,
        "Stopped." if standing else "Running.",
        (
            *stopped,
            f"Incidents open: {told.count(open_)} · questions waiting: {told.count(asked)} · "
            f"actions under way: {told.count(live)}",
            f"Deliveries not parsed yet: {told.count(stored)} · jobs not rung yet: {told.count(unheard)}",
            "Budgets, breakers and phases per service are not built yet.",
        ),
    )


def joined(lines: Sequence[str], most: int) -> str:
    """Lines as one text of at most *most* characters, cut at a line with a visible mark."""
    out, used = [], 0
    for i, line in enumerate(lines):
        if used + len(line) + 1 > most - 40:
            out.append(f"… {len(lines) - i} more lines")
            break
        out.append(line)
        used += len(line) + 1
    return "\n".join(out)
