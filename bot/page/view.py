"""Journal → what the incident page says, as plain values; the templates only lay them out."""

from dataclasses import dataclass
from datetime import datetime

from actions.approval import ApprovalState
from actions.policy import People
from agents.incident.finding import Finding
from agents.incident.lifecycle import IncidentState
from bot.page import charts, words
from bot.page.case import Case, Row
from bot.page.plans import Plan, named, plans
from bot.page.seen import Seen, headline, seen
from bot.page.thought import Thought, thought
from bot.surfaces import timeline

SHOWN_EVENTS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of history."""

    number: int
    at: datetime
    text: str
    actor: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The incident page."""

    id: str
    version: int
    title: str
    summary: str
    severity: str
    where: str
    state: str
    tone: str
    since: datetime
    opened_at: datetime
    alert_started_at: datetime
    now: datetime
    over: bool
    firing: bool
    attempt: int
    reason: str
    next: str
    owner: str
    pleas: tuple[str, ...]
    stops: tuple[str, ...]
    feedback: tuple[str, ...]
    finding: Seen | None
    thought: Thought | None
    earlier: tuple[str, ...]
    charts: tuple[charts.Drawn, ...]
    plans: tuple[Plan, ...]
    lines: tuple[Line, ...]
    lines_before: tuple[Line, ...]


def view(case: Case, people: People) -> View:
    """The whole page."""
    incident = case.incident
    waits = bool(_waiting(case))
    lines = tuple(_line(e) for e in case.events)
    return View(
        id=incident.id,
        version=case.row["card_version"],
        title=incident.title,
        summary=incident.summary,
        severity=incident.severity.value,
        where=" / ".join(p for p in (incident.environment, incident.service) if p) or "no service named",
        state="Waiting for approval" if waits else words.STATES[incident.state],
        tone="wait" if waits else tone(incident.state),
        since=case.row["state_since"],
        opened_at=incident.opened_at,
        alert_started_at=incident.alert_started_at,
        now=case.now,
        over=incident.state in words.OVER,
        firing=incident.alert_firing,
        attempt=incident.attempt,
        reason=incident.reason,
        next=_next(case),
        owner=named(people, case.row["owner"]) if case.row.get("owner") else "",
        pleas=tuple(_plea(e, people) for e in case.escalations if e["closed_at"] is None),
        stops=tuple(_stop(s, people) for s in case.stops),
        feedback=tuple(_feedback(f, people) for f in case.feedback),
        finding=seen(case, case.finding) if case.finding is not None else None,
        thought=thought(case.model) if case.finding is not None else None,
        earlier=tuple(_earlier(f) for f in reversed(case.findings[:-1])),
        charts=charts.drawn(case),
        plans=plans(case, people),
        lines=lines[-SHOWN_EVENTS:],
        lines_before=lines[:-SHOWN_EVENTS],
    )


def tone(state: IncidentState) -> str:
    """How loud a state is shown: never by colour alone, its words stand beside it."""
    if state is IncidentState.NEEDS_HUMAN:
        return "bad"
    return "good" if state in words.OVER else "busy"


def _waiting(case: Case) -> list[Row]:
    return [q for qs in case.questions.values() for q in qs if q["state"] == ApprovalState.AWAITING.value]


def _next(case: Case) -> str:
    """What is waited for, and from whom."""
    waiting = _waiting(case)
    if waiting:
        left = words.span(waiting[0]["deadline"] - case.now)
        return (
            f"An answer is needed by {waiting[0]['deadline']:%H:%M:%S} (in {left}). Decide in chat or on "
            "the console; if nobody answers, nothing is run."
        )
    match case.incident.state:
        case IncidentState.NEEDS_HUMAN:
            return "The bot has stopped here. What happens next is for a person to decide."
        case IncidentState.RECEIVED | IncidentState.TRIAGING | IncidentState.REOPENED:
            return "Readings are being gathered; this page changes by itself when there is a finding."
        case IncidentState.VERIFYING:
            return "The effect is in place. Samples are taken until every criterion held or time is up."
        case _:
            return ""


def _plea(row: Row, people: People) -> str:
    asked = f"A person is asked for since {row['opened_at']:%H:%M:%S}: {row['reason']}"
    if row["acked_by"]:
        return f"{asked}. {named(people, row['acked_by'])} has it since {row['acked_at']:%H:%M:%S}."
    times = "once" if row["times"] == 1 else words.count(row["times"], "time")
    return f"{asked}. Asked {times}, nobody has said yet that they have it."


def _stop(row: Row, people: People) -> str:
    what = "everything" if row["scope"] == "*" else row["scope"]
    why = f": {row['reason']}" if row["reason"] else ""
    return (
        f"Stopped for {what} by {named(people, row['stopped_by'])} at {row['at']:%H:%M:%S}{why}. Nothing is run."
    )


def _feedback(row: Row, people: People) -> str:
    cause = f", cause: {row['cause']}" if row["cause"] else ""
    return f"{named(people, row['person_id'])} at {row['at']:%H:%M:%S}: {row['verdict']}{cause}"


def _earlier(finding: Finding) -> str:
    return f"Attempt {finding.attempt}, look {finding.look} at {finding.made_at:%H:%M:%S}: {headline(finding)}"


def _line(event: Row) -> Line:
    said = timeline.line(event).partition("  ")[2]
    return Line(number=event["number"], at=event["at"], text=said, actor=event["actor"], kind=event["kind"])
