"""What the bot tells when asked: from the journal, as it stands, and honest about what it does not have yet."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, select

from actions.policy import People
from agents.incident.finding import Finding
from agents.incident.ids import IncidentId
from agents.incident.incident import Incident
from agents.incident.lifecycle import IncidentState
from agents.render import quoted
from bot.journal import approvals, evidence, incidents, runs, stops
from bot.journal import tables as t
from bot.journal.incidents import OVER
from bot.journal.journal import Tx
from bot.surfaces.cards import STATES
from bot.surfaces.ports import Reply
from bot.wiring.parts import DeskParts

S = IncidentState
MOST = 15
"""Lines of a list; the page has the rest."""


def listed(parts: DeskParts, *, service: str = "", mine: str = "", every: bool = False) -> Reply:
    """Incidents, open ones unless all are asked for."""
    with parts.journal.read() as tx:
        query = select(t.incidents.c.id).order_by(t.incidents.c.id.desc())
        if not every:
            query = query.where(t.incidents.c.state.not_in([s.value for s in OVER]))
        if service:
            query = query.where(t.incidents.c.service == service)
        if mine:
            query = query.where(t.incidents.c.owner == mine)
        ids = [IncidentId(r["id"]) for r in tx.all(query.limit(200))]
        lines = [_line(incidents.load(tx, i), tx.now, tx, parts) for i in ids[:MOST]]
    what = f" of {service}" if service else " that you have" if mine else ""
    if not ids:
        return Reply(text=f"No {'' if every else 'open '}incidents{what}.")
    more = [f"… and {len(ids) - MOST} more; the page has them all"] if len(ids) > MOST else []
    return Reply(text=f"{len(ids)} {'' if every else 'open '}incident(s){what}:", lines=(*lines, *more))


def _line(incident: Incident, at: datetime, tx: Tx, parts: DeskParts) -> str:
    where = "/".join(p for p in (incident.environment, incident.service) if p) or "no service"
    finding = evidence.latest_finding(tx, incident.id)
    found = f" · {_short(finding)}" if finding is not None else ""
    owner = parts.people().by_id(incidents.owner(tx, incident.id) or "")
    has = f" · {owner.name} has it" if owner is not None else ""
    state = STATES.get(incident.state, incident.state.lower())
    age = _age(at, incident.opened_at)
    return f"`{incident.id}` {where} · {quoted(incident.title)} · {state} · {age}{found}{has}"


def _short(finding: Finding) -> str:
    return f"{finding.title}" if finding.signature else finding.state.value.lower()


def _age(now: datetime, then: datetime) -> str:
    minutes = int((now - then).total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


def one(incident_id: IncidentId, parts: DeskParts) -> Reply:
    """One incident in a few lines."""
    with parts.journal.read() as tx:
        incident = incidents.load(tx, incident_id)
        finding = evidence.latest_finding(tx, incident_id)
        lines = [_line(incident, tx.now, tx, parts)]
        lines += finding.text.splitlines() if finding is not None else ["No finding yet."]
        for run in runs.of_incident(tx, incident_id):
            lines.append(f"Action: {run.proposal.effect} · {run.state.lower().replace('_', ' ')}")
        if incident.reason:
            lines.append(f"Why it stands here: {quoted(incident.reason)}")
    return Reply(text=f"{incident_id}", lines=tuple(lines), link=parts.link(incident_id), incident_id=incident_id)


def why(incident_id: IncidentId, parts: DeskParts) -> Reply:
    """The evidence behind each line, what was ruled out, what was dropped and by which gate, what nobody saw."""
    with parts.journal.read() as tx:
        incidents.load(tx, incident_id)
        finding = evidence.latest_finding(tx, incident_id)
    if finding is None:
        return Reply(text="No finding yet.", link=parts.link(incident_id), incident_id=incident_id)
    return Reply(
        text=finding.text.splitlines()[0] if finding.text else "No finding yet.",
        lines=tuple(_reasons(finding)),
        link=parts.link(incident_id),
        incident_id=incident_id,
    )


def _reasons(finding: Finding) -> Iterable[str]:
    yield from (f"• {said.text}" for said in finding.claims if said.claim.type != "cause")
    for group in finding.groups:
        yield f"Signal {quoted(group.id)} seen from {group.vantage}: {len(group.evidence)} piece(s) of evidence"
    for refuter in finding.refuters:
        word = {"clear": "Ruled out", "fired": "Against", "unknown": "Could not be checked"}[refuter.outcome.value]
        yield f"{word}: {refuter.text}"
    for gap in finding.not_checked:
        yield f"Not checked: {gap}"
    for drop in finding.dropped:
        yield f"Dropped by a gate ({drop.code}): {quoted(drop.what)}"
    for suspect in finding.suspects:
        yield f"Suspect: {suspect.title} on `{suspect.entity}`, score {suspect.score:.2f}"
    yield "Each [ev_…] can be opened on the page, or by: firstresponder evidence show ID"


def history(service: str, parts: DeskParts) -> Reply:
    """Earlier incidents of a service, what was done, and whether it held."""
    with parts.journal.read() as tx:
        rows = tx.all(
            select(t.incidents.c.id)
            .where(t.incidents.c.service == service)
            .order_by(t.incidents.c.id.desc())
            .limit(MOST + 1)
        )
        lines = [_told(IncidentId(r["id"]), tx) for r in rows[:MOST]]
    if not lines:
        return Reply(text=f"No incident of {service} is on record.")
    more = ["… and earlier ones; the page has them"] if len(rows) > MOST else []
    note = "By service and alert only: likeness of symptoms is not compared yet."
    return Reply(text=f"Incidents of {service}, newest first:", lines=(*lines, *more, note))


def _told(incident_id: IncidentId, tx: Tx) -> str:
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
    found = _short(finding) if finding is not None else "no finding"
    did = "; ".join(done) or "nothing was done"
    return (
        f"`{incident_id}` {incident.opened_at:%Y-%m-%d %H:%M} · {quoted(incident.title)} · {found} · {did}{said}"
    )


def pending(parts: DeskParts) -> Reply:
    """Questions that wait for people."""
    with parts.journal.read() as tx:
        found = approvals.waiting(tx)
        lines = []
        for asked, incident_id in found[:MOST]:
            run = runs.view(tx, asked.run_id)
            lines.append(
                f"`{asked.id}` {run.proposal.effect} · {incident_id} · "
                f"votes {len(asked.votes)} of {asked.quorum} · until {asked.deadline:%H:%M:%S} · "
                f"plan `{asked.plan_hash[:8]}`"
            )
    if not found:
        return Reply(text="No question waits for an answer.")
    how = f"Press a button on the card, or: {parts.prefix}approve ID, {parts.prefix}reject ID REASON"
    return Reply(text=f"{len(found)} question(s) wait:", lines=(*lines, how))


def audit(subject: str, parts: DeskParts) -> Reply:
    """The trail of an incident. The observability audit of a service is not built yet, and says so."""
    if not subject.startswith("INC_"):
        return Reply(
            text=f"The observability audit of {subject or 'a service'} is not built yet.",
            lines=("What could not be seen in an incident is named on its card, and by why.",),
        )
    with parts.journal.read() as tx:
        incidents.load(tx, IncidentId(subject))
        events = tx.all(
            select(t.events).where(t.events.c.incident_id == subject).order_by(t.events.c.number.desc()).limit(40)
        )
        total = tx.run(
            select(func.count()).select_from(t.events).where(t.events.c.incident_id == subject)
        ).scalar_one()
    lines = [f"{e['at']:%H:%M:%S} {e['actor']}: {e['kind']}" for e in reversed(events)]
    more = [f"… and {total - len(events)} earlier lines; the page has them all"] if total > len(events) else []
    return Reply(
        text=f"{total} line(s) of {subject}. The chain of hashes over them is not built yet.",
        lines=(*more, *lines),
        link=parts.link(IncidentId(subject)),
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
    people = parts.people()
    stopped = [
        f"Stopped: {'everything' if s.scope == '*' else s.scope}, by {_person(people, s.stopped_by)} "
        f"at {s.at:%H:%M:%S}"
        for s in standing
    ]
    return Reply(
        text="Stopped." if standing else "Running.",
        lines=(
            *stopped,
            f"Incidents open: {open_} · questions waiting: {asked} · actions under way: {live}",
            f"Deliveries not parsed yet: {stored} · jobs not rung yet: {unheard}",
            "Budgets, breakers and phases per service are not built yet.",
        ),
    )


def _person(people: People, person_id: str) -> str:
    found = people.by_id(person_id)
    return found.name if found is not None else person_id


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
