"""The two lists: incidents, open ones first; and the questions that wait for an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from actions.approval import ApprovalState, Verdict
from actions.policy import People
from actions.proposal import Proposal
from agents.incident.finding import FindingState
from agents.incident.lifecycle import ActionState, IncidentState
from agents.render import HEADLINES
from bot.journal import tables as t
from bot.journal.codec import load
from bot.journal.journal import Tx
from bot.page import words
from bot.page.checks import must, place
from bot.page.plans import named
from bot.page.view import tone

S = IncidentState
MAX_OPEN = 200
MAX_RECENT = 100
LOUDNESS = {"critical": 0, "warning": 1, "unknown": 2, "info": 3}
FILTERS = ("", "open", "over", *(s.value.lower() for s in S))


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One incident in a list."""

    id: str
    title: str
    severity: str
    where: str
    state: str
    tone: str
    since: datetime
    opened_at: datetime
    finding: str
    waits: bool
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Both lists, what they are filtered by, and what they could be filtered by."""

    open: tuple[Item, ...]
    recent: tuple[Item, ...]
    open_total: int
    recent_total: int
    state: str
    service: str
    services: tuple[str, ...]
    pending: int
    now: datetime
    version: int
    stops: tuple[str, ...]


def overview(tx: Tx, people: People, *, state: str, service: str) -> Overview:
    """Open incidents, those that need somebody first, then recent ones that are over."""
    state = state if state in FILTERS else ""
    over = [s.value for s in words.OVER]
    chosen = [t.incidents.c.service == service] if service else []
    if state not in {"", "open", "over"}:
        chosen.append(t.incidents.c.state == state.upper())
    waiting = _waiting(tx)
    is_over = t.incidents.c.state.in_(over)
    opened: list[Mapping[str, Any]] = []
    recent: list[Mapping[str, Any]] = []
    newest = t.incidents.c.id.desc()
    if state != "over":
        opened = tx.all(select(t.incidents).where(~is_over, *chosen).order_by(newest).limit(MAX_OPEN))
    if state != "open":
        recent = tx.all(select(t.incidents).where(is_over, *chosen).order_by(newest).limit(MAX_RECENT))
    count = select(func.count()).select_from(t.incidents)
    findings = _findings(tx, [r["id"] for r in (*opened, *recent)])
    items = [_item(r, findings, waiting, people) for r in opened]
    items.sort(key=lambda i: i.opened_at, reverse=True)
    items.sort(key=lambda i: (not (i.waits or i.tone == "bad"), LOUDNESS.get(i.severity, 2)))
    services = tx.run(
        select(t.incidents.c.service).distinct().where(t.incidents.c.service.is_not(None)).limit(500)
    ).scalars()
    stops = tx.all(select(t.stops).where(t.stops.c.lifted_at.is_(None)))
    return Overview(
        open=tuple(items),
        recent=tuple(_item(r, findings, waiting, people) for r in recent),
        open_total=tx.run(count.where(~is_over, *chosen)).scalar_one() if state != "over" else 0,
        recent_total=tx.run(count.where(is_over, *chosen)).scalar_one() if state != "open" else 0,
        state=state,
        service=service,
        services=tuple(sorted({*services, *([service] if service else [])})),
        pending=len(waiting),
        now=tx.now,
        version=tx.run(select(func.max(t.events.c.number))).scalar() or 0,
        stops=tuple(
            f"Stopped for {'everything' if s['scope'] == '*' else s['scope']} by {named(people, s['stopped_by'])} "
            f"since {s['at']:%d %b %H:%M:%S}{': ' + s['reason'] if s['reason'] else ''}"
            for s in stops
        ),
    )


def _waiting(tx: Tx) -> frozenset[str]:
    rows = tx.run(
        select(t.action_runs.c.incident_id)
        .join(t.approvals, t.approvals.c.run_id == t.action_runs.c.id)
        .where(t.approvals.c.state == ApprovalState.AWAITING.value)
    )
    return frozenset(rows.scalars())


def _findings(tx: Tx, ids: Sequence[str]) -> Mapping[str, str]:
    """The newest headline of each; the record is read as it is stored, for lists are long."""
    rows = tx.all(
        select(t.findings.c.incident_id, t.findings.c.record)
        .where(t.findings.c.incident_id.in_(list(ids)))
        .order_by(t.findings.c.attempt, t.findings.c.look)
    )
    return {r["incident_id"]: _headline(r["record"]) for r in rows}


def _headline(record: Mapping[str, Any]) -> str:
    template = HEADLINES[FindingState(record["state"])]
    if "{entity}" not in template:
        return template
    entity = (record["entity"] or "").partition("/")[2]
    return template.format(title=record["title"], entity=entity, signature=record["signature"])


def _item(row: Mapping[str, Any], findings: Mapping[str, str], waiting: frozenset[str], people: People) -> Item:
    state = S(row["state"])
    return Item(
        id=row["id"],
        title=row["title"],
        severity=row["severity"],
        where=" / ".join(p for p in (row["environment"], row["service"]) if p) or "no service named",
        state="Waiting for approval" if row["id"] in waiting else words.STATES[state],
        tone="wait" if row["id"] in waiting else tone(state),
        since=row["state_since"],
        opened_at=row["opened_at"],
        finding=findings.get(row["id"], ""),
        waits=row["id"] in waiting,
        owner=named(people, row["owner"]) if row["owner"] else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """One question that waits."""

    incident_id: str
    title: str
    where: str
    severity: str
    effect: str
    tier: str
    undo: str
    checks: tuple[str, ...]
    votes: tuple[str, ...]
    quorum: int
    deadline: datetime
    asked_at: datetime
    hash: str
    held: bool
    finding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Every question that waits, the most urgent first, and who may answer."""

    items: tuple[Pending, ...]
    approvers: str
    now: datetime
    version: int


def approvals(tx: Tx, people: People) -> Waiting:
    """Pending approvals by deadline."""
    rows = tx.all(
        select(t.approvals, t.proposals.c.record, t.proposals.c.made_at, t.action_runs.c.incident_id)
        .add_columns(t.action_runs.c.state.label("run_state"))
        .join(t.action_runs, t.action_runs.c.id == t.approvals.c.run_id)
        .join(t.proposals, t.proposals.c.id == t.approvals.c.proposal_id)
        .where(t.approvals.c.state == ApprovalState.AWAITING.value)
        .order_by(t.approvals.c.deadline)
        .limit(MAX_OPEN)
    )
    ids = [r["incident_id"] for r in rows]
    about = {r["id"]: r for r in tx.all(select(t.incidents).where(t.incidents.c.id.in_(ids)))}
    votes = tx.all(
        select(t.votes).where(
            t.votes.c.approval_id.in_([r["id"] for r in rows]), t.votes.c.verdict == Verdict.APPROVE.value
        )
    )
    findings = _findings(tx, ids)
    return Waiting(
        items=tuple(_pending(r, about[r["incident_id"]], votes, findings, people) for r in rows),
        approvers=", ".join(p.name for p in people.approvers()),
        now=tx.now,
        version=tx.run(select(func.max(t.events.c.number))).scalar() or 0,
    )


def _pending(
    row: Mapping[str, Any],
    incident: Mapping[str, Any],
    votes: Sequence[Mapping[str, Any]],
    findings: Mapping[str, str],
    people: People,
) -> Pending:
    proposal = load(Proposal, row["record"])
    return Pending(
        incident_id=row["incident_id"],
        title=incident["title"],
        where=" / ".join(p for p in (incident["environment"], incident["service"]) if p) or "no service named",
        severity=incident["severity"],
        effect=proposal.effect,
        tier=words.TIERS.get(proposal.tier, f"Tier {proposal.tier}"),
        undo=proposal.undo,
        checks=tuple(
            f"{place(x)} {x.criterion.quantity.replace('_', ' ')} {must(x)}" for x in proposal.check.targets
        ),
        votes=tuple(named(people, v["person_id"]) for v in votes if v["approval_id"] == row["id"]),
        quorum=row["quorum"],
        deadline=row["deadline"],
        asked_at=row["made_at"],
        hash=row["plan_hash"],
        held=row["run_state"] == ActionState.HELD.value,
        finding=findings.get(row["incident_id"], ""),
    )
