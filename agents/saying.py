"""A claim in words: every word from a fixed table, every value from the claim, every outside text in quotes."""

from collections.abc import Mapping
from datetime import datetime

from agents.facts import Reader
from agents.incident.claims import (
    Associated,
    Cause,
    ChangeFact,
    Claim,
    Compare,
    EdgeFact,
    EventFact,
    FactName,
    LogAbsent,
    LogPresent,
    MetricChange,
    MetricValue,
    Note,
    Path,
    Precedes,
    Refuted,
    Similar,
    SpanFact,
    Where,
    cites,
)
from agents.incident.evidence import CUT, QuestionKind
from agents.incident.ids import EvidenceId
from agents.incident.quantities import QUANTITIES, SHARES


def number(value: float, quantity: str) -> str:
    """A value with its unit, as people read it: shares in percent, rates per second, times in ms or s."""
    if quantity in SHARES:
        return f"{value * 100:.1f}%"
    unit = QUANTITIES[quantity].unit if quantity in QUANTITIES else ""
    if unit == "s":
        return f"{value * 1000:.1f} ms" if abs(value) < 1 else f"{value:.2f} s"
    text = f"{value:.0f}" if value == round(value) and unit == "" else f"{value:.2f}"
    return f"{text}{unit}" if unit.startswith("/") else text


def clock(at: datetime) -> str:
    """Time of day, UTC, whole seconds."""
    return at.strftime("%H:%M:%S")


def quoted(text: str) -> str:
    """*text* as a quote that cannot end early."""
    return "“" + text.replace("“", '"').replace("”", '"') + "”"


def short(entity: str) -> str:
    """An entity without its environment."""
    return entity.partition("/")[2] or entity


def _place(entity: str, where: Where) -> str:
    name = short(entity)
    if where.not_instance:
        return f"`{name}` peers"
    if where.upstream:
        target = where.upstream_instance or where.upstream
        others = " and not to " + f"`{where.not_upstream_instance}`" if where.not_upstream_instance else ""
        return f"`{name}` → `{target}`{others}"
    return f"`{name}`"


KINDS = {FactName.MAX: "up to ", FactName.MIN: "never below ", FactName.BASELINE: "usually "}
"""What is said of a value that is not the present one."""

PARTLY = " in what was read"


def say(claim: Claim, readers: Mapping[str, Reader]) -> str:
    """One claim in words, with its citation."""
    match claim:
        case MetricValue():
            quantity = readers[claim.evidence].evidence.question.name
            title = QUANTITIES[quantity].title
            shown = _reading(claim.evidence, claim.fact, claim.value, readers)
            place = _place(claim.entity, claim.where)
            return f"{place} {title}: {shown}{_partly(claim.evidence, readers)} [{claim.evidence}]"
        case MetricChange():
            quantity = readers[claim.evidence].evidence.question.name
            title = QUANTITIES[quantity].title
            onset = f", onset {clock(claim.onset[0])}–{clock(claim.onset[1])}" if claim.onset is not None else ""
            place = _place(claim.entity, claim.where)
            return (
                f"{place} {title}: {number(claim.before, quantity)} → {number(claim.after, quantity)}{onset}"
                f"{_partly(claim.evidence, readers)} [{claim.evidence}]"
            )
        case Compare():
            title = QUANTITIES[readers[claim.evidence].evidence.question.name].title
            other = readers[claim.other_evidence].evidence.question
            first = _reading(claim.evidence, claim.fact, claim.value, readers)
            second = _reading(claim.other_evidence, claim.other_fact, claim.other_value, readers)
            cited = f"[{claim.evidence}] [{claim.other_evidence}]"
            mine = f"{_place(claim.entity, claim.where)} {title}: "
            its = f"{_place(other.entity, claim.other_where)} {QUANTITIES[other.name].title}: "
            return f"{mine}{first} against {its if its != mine else ''}{second} {cited}"
        case LogPresent():
            lines = "line" if claim.count == 1 else "lines"
            count = f"at least {claim.count}" if _partly(claim.evidence, readers) else f"{claim.count}"
            name = short(claim.entity)
            return f"`{name}` logged {quoted(claim.quote)} in {count} {lines} [{claim.evidence}]"
        case LogAbsent():
            return f"`{short(claim.entity)}` logged nothing of the kind [{claim.evidence}]"
        case SpanFact():
            held = f"{quoted(claim.attribute)} is {quoted(claim.value)}"
            return f"`{short(claim.entity)}` in one call at {clock(claim.at)}: {held} [{claim.evidence}]"
        case EdgeFact():
            quantity = readers[claim.evidence].evidence.question.name
            calls = f"`{short(claim.client)}` → `{short(claim.server)}`"
            shown = _reading(claim.evidence, claim.fact, claim.value, readers)
            partly = _partly(claim.evidence, readers)
            return f"{calls} {QUANTITIES[quantity].title}: {shown}{partly} [{claim.evidence}]"
        case EventFact():
            return f"`{short(claim.entity)}` {quoted(claim.reason)} at {clock(claim.at)} [{claim.evidence}]"
        case ChangeFact():
            name = short(claim.entity)
            return f"{claim.kind} of `{name}` at {clock(claim.at)}, which confirms nothing [{claim.evidence}]"
        case Precedes():
            first = _begun(claim.first_what, claim.first_evidence, claim.first_where, readers)
            second = _begun(claim.second_what, claim.second_evidence, claim.second_where, readers)
            return f"{first} came before {second} [{claim.first_evidence}] [{claim.second_evidence}]"
        case Associated():
            first = _begun(readers[claim.evidence].quantity.title, claim.evidence, claim.where, readers)
            title = readers[claim.other_evidence].quantity.title
            second = _begun(title, claim.other_evidence, claim.other_where, readers)
            how = "together" if claim.rho >= 0 else "in opposite ways"
            return (
                f"{first} and {second} moved {how} (rho {claim.rho:.2f}), which confirms nothing "
                f"[{claim.evidence}] [{claim.other_evidence}]"
            )
        case Path():
            way = " → ".join(f"`{short(hop.client)}`" for hop in reversed(claim.hops))
            cited = " ".join(f"[{e}]" for e in cites(claim))
            return f"{way} → `{short(claim.hops[0].server)}`, each call seen {cited}"
        case Refuted():
            return f"not {claim.signature} in `{short(claim.entity)}`: {say(claim.reading, readers)}"
        case Similar():
            return f"like `{claim.incident}` ({claim.score:.2f}), which confirms nothing [{claim.evidence}]"
        case Note():
            return f"note: {quoted(claim.text)} {' '.join(f'[{e}]' for e in claim.evidence)}"
        case Cause():
            return f"{claim.title} in `{short(claim.entity)}`"


def _begun(what: str, evidence: EvidenceId, where: Where, readers: Mapping[str, Reader]) -> str:
    """What began or moved, and whose it is."""
    question = readers[evidence].evidence.question
    place = _place(f"{question.entity}/{where.instance}" if where.instance else question.entity, where)
    return f"{place} {what}" if question.kind is QuestionKind.QUANTITY else f"{what} of {place}"


def _reading(evidence: EvidenceId, fact: FactName, value: float, readers: Mapping[str, Reader]) -> str:
    if fact is FactName.RATIO_TO_BASELINE:
        return f"{value:.2f} times its baseline"
    return KINDS.get(fact, "") + number(value, readers[evidence].evidence.question.name)


def _partly(evidence: EvidenceId, readers: Mapping[str, Reader]) -> str:
    """Of an answer that was cut short, or that some process did not give: so much of it was read."""
    return PARTLY if readers[evidence].evidence.status in CUT else ""
