"""A finding in words. Every word comes from a template, every value from a verified claim.

The finished text is parsed again before it leaves (G14): a number, name, quote or citation that no verified
fact accounts for stops the message.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from agents.facts import Reader
from agents.incident.claims import (
    Cause,
    ChangeFact,
    Claim,
    FactName,
    LogPresent,
    MetricChange,
    MetricValue,
    Precedes,
    Where,
)
from agents.incident.evidence import Status
from agents.incident.finding import Finding, FindingState, RefuterOutcome
from agents.incident.quantities import QUANTITIES, SHARES

HEADLINES = {
    FindingState.DIAGNOSED: "Cause: {title} in `{entity}` ({signature})",
    FindingState.LIKELY: "Likely cause: {title} in `{entity}` ({signature})",
    FindingState.SUSPECTS: "Suspects only, no cause named",
    FindingState.INCONCLUSIVE: "No known fault fits what was seen",
    FindingState.BLIND: "Could not see enough to say anything",
    FindingState.NO_FAULT: "No fault now: the symptom is back inside its objective",
    FindingState.CONTESTED: "Retracted: new evidence contradicts the earlier finding",
}

_TOKEN = re.compile(r"[A-Za-z_]*\d[\w.:,]*")
_NAME = re.compile(r"`([^`]*)`")
_QUOTE = re.compile(r"“([^”]*)”", re.S)
_CITE = re.compile(r"\[(ev_[a-z2-7]{20})\]")


def number(value: float, quantity: str) -> str:
    """A value with its unit, as people read it: shares in percent, rates per second."""
    if quantity in SHARES:
        return f"{value * 100:.1f}%"
    unit = QUANTITIES[quantity].unit if quantity in QUANTITIES else ""
    text = f"{value:.0f}" if value == round(value) and unit == "" else f"{value:.2f}"
    return f"{text}{unit}" if unit.startswith("/") else text


def clock(at: datetime) -> str:
    """Time of day, UTC, whole seconds."""
    return at.strftime("%H:%M:%S")


def quoted(text: str) -> str:
    """*text* as a quote that cannot end early."""
    return "“" + text.replace("“", '"').replace("”", '"') + "”"


def _place(entity: str, where: Where, quantity: str) -> str:
    name = entity.partition("/")[2] or entity
    if where.not_instance:
        return f"`{name}` peers"
    if where.upstream:
        target = where.upstream_instance or where.upstream
        others = " and not to " + f"`{where.not_upstream_instance}`" if where.not_upstream_instance else ""
        return f"`{name}` → `{target}`{others}"
    return f"`{name}`"


def say(claim: Claim, readers: dict[str, Reader]) -> str:
    """One claim in words, with its citation."""
    match claim:
        case MetricValue():
            quantity = readers[claim.evidence].evidence.question.name
            title = QUANTITIES[quantity].title
            kind = {FactName.MAX: "up to ", FactName.MIN: "never below "}.get(claim.fact, "")
            shown = (
                f"{claim.value:.2f} times its baseline"
                if claim.fact is FactName.RATIO_TO_BASELINE
                else number(claim.value, quantity)
            )
            place = _place(claim.entity, claim.where, quantity)
            return f"{place} {title}: {kind}{shown} [{claim.evidence}]"
        case MetricChange():
            quantity = readers[claim.evidence].evidence.question.name
            title = QUANTITIES[quantity].title
            onset = f", onset {clock(claim.onset[0])}–{clock(claim.onset[1])}" if claim.onset is not None else ""
            place = _place(claim.entity, claim.where, quantity)
            return (
                f"{place} {title}: {number(claim.before, quantity)} → {number(claim.after, quantity)}{onset} "
                f"[{claim.evidence}]"
            )
        case LogPresent():
            lines = "line" if claim.count == 1 else "lines"
            cut = readers[claim.evidence].evidence.status is Status.TRUNCATED
            count = f"at least {claim.count}" if cut else f"{claim.count}"
            name = claim.entity.partition("/")[2]
            return f"`{name}` logged {quoted(claim.quote)} in {count} {lines} [{claim.evidence}]"
        case ChangeFact():
            name = claim.entity.partition("/")[2]
            return f"{claim.kind} of `{name}` at {clock(claim.at)}, which confirms nothing [{claim.evidence}]"
        case Precedes():
            return (
                f"{claim.first_what} came before {claim.second_what} "
                f"[{claim.first_evidence}] [{claim.second_evidence}]"
            )
        case Cause():
            return f"{claim.title} in `{claim.entity.partition('/')[2]}`"


def render(finding: Finding) -> Finding:
    """*finding* with its text."""
    lines = [_headline(finding)]
    number_ = 0
    for said in finding.claims:
        if isinstance(said.claim, Cause):
            continue
        if isinstance(said.claim, ChangeFact | Precedes):
            lines.append(f"- {said.text}")
        else:
            number_ += 1
            lines.append(f"{number_}. {said.text}")
    ruled_out = [r for r in finding.refuters if r.outcome is RefuterOutcome.CLEAR]
    if ruled_out:
        lines.append("Ruled out: " + "; ".join(r.text for r in ruled_out))
    fired = [r for r in finding.refuters if r.outcome is RefuterOutcome.FIRED]
    if fired:
        lines.append("Against: " + "; ".join(r.text for r in fired))
    if finding.suspects:
        lines.append(
            "Suspects: "
            + "; ".join(f"{s.title} in `{s.entity.partition('/')[2]}` ({s.signature})" for s in finding.suspects)
        )
    if finding.not_checked:
        lines.append("Not checked: " + "; ".join(finding.not_checked))
    return replace(finding, text="\n".join(lines))


def _headline(finding: Finding) -> str:
    template = HEADLINES[finding.state]
    if finding.signature is None or finding.entity is None or "{entity}" not in template:
        return template
    head = template.format(
        title=finding.title, entity=finding.entity.partition("/")[2], signature=finding.signature
    )
    note = f"; {finding.note}" if finding.note else ""
    return (
        f"{head}{note} · p {finding.p:.2f}, low {finding.p_low:.2f}, n {finding.n} · "
        f"{finding.independent_groups} independent signals"
    )


def allowed(finding: Finding, readers: dict[str, Reader]) -> set[str]:
    """Every token a message about *finding* may hold, built from verified claims and not from its text."""
    names: set[str] = set()
    for claim in (s.claim for s in finding.claims):
        names |= _claim_tokens(claim, readers)
    for seen in finding.refuters:
        if seen.claim is not None:
            names |= _claim_tokens(seen.claim, readers)
    for suspect in finding.suspects:
        names |= {suspect.entity.partition("/")[2], suspect.signature}
    for line in finding.not_checked:
        names |= tokens(line)
    if finding.signature:
        names.add(finding.signature)
    if finding.entity:
        names.add(finding.entity.partition("/")[2])
    for value in (finding.p, finding.p_low):
        if value is not None:
            names.add(f"{value:.2f}")
    names |= {str(finding.n), str(finding.independent_groups)}
    return names


def _claim_tokens(claim: Claim, readers: dict[str, Reader]) -> set[str]:
    match claim:
        case Cause():
            return {claim.entity.partition("/")[2], claim.signature, *claim.evidence}
        case Precedes():
            return {claim.first_evidence, claim.second_evidence} | tokens(
                claim.first_what + " " + claim.second_what
            )
        case LogPresent():
            quote = quoted(claim.quote)[1:-1]
            return {quote, str(claim.count), claim.evidence, claim.entity.partition("/")[2]}
        case ChangeFact():
            return {clock(claim.at), claim.evidence, claim.entity.partition("/")[2]}
        case MetricValue() | MetricChange():
            reader = readers[claim.evidence]
            quantity = reader.evidence.question.name
            shown = {claim.evidence, claim.entity.partition("/")[2]}
            shown |= {
                name
                for name in (
                    claim.where.upstream,
                    claim.where.upstream_instance,
                    claim.where.not_upstream_instance,
                )
                if name
            }
            again = [reader.value(name, claim.where) for name in (FactName.BASELINE, FactName.RECENT, claim.fact)]
            for value in again:
                if value is not None:
                    shown |= tokens(number(value, quantity)) | tokens(f"{value:.2f}")
            if isinstance(claim, MetricChange) and claim.onset is not None:
                shown |= {clock(claim.onset[0]), clock(claim.onset[1])}
            shown |= tokens(QUANTITIES[quantity].title)
            return shown


def tokens(text: str) -> set[str]:
    """The parts of a message that must be accounted for: citations, quotes, names in backticks, numerals."""
    found = set(_CITE.findall(text))
    text = _CITE.sub(" ", text)
    found |= set(_QUOTE.findall(text))
    text = _QUOTE.sub(" ", text)
    found |= set(_NAME.findall(text))
    text = _NAME.sub(" ", text)
    numbered = re.sub(r"(?m)^\d+\. ", "", text)  # the list's own numbering
    return found | {t.rstrip(".,:") for t in _TOKEN.findall(numbered)}


def leaks(text: str, accounted: Iterable[str]) -> Sequence[str]:
    """What *text* says that nothing accounts for (G14); empty is what lets a message leave."""
    return sorted(tokens(text) - set(accounted))
