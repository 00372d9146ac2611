"""A finding in words. Every word comes from a template, every value from a verified claim.

The finished text is parsed again before it leaves (G14, ``accounting.py``): a number, name, quote, link or
citation that no verified fact accounts for stops the message.
"""

from collections.abc import Mapping
from dataclasses import replace

from agents.accounting import claim_tokens, leaks, tokens
from agents.facts import Reader
from agents.incident.claims import Cause, ChangeFact, Precedes
from agents.incident.finding import Finding, FindingState, RefuterOutcome, Suspect
from agents.saying import clock, number, quoted, say, short

__all__ = ["HEADLINES", "allowed", "clock", "leaks", "number", "quoted", "render", "say", "tokens"]

HEADLINES = {
    FindingState.DIAGNOSED: "Cause: {title} in `{entity}` ({signature})",
    FindingState.LIKELY: "Likely cause: {title} in `{entity}` ({signature})",
    FindingState.SUSPECTS: "Suspects only, no cause named",
    FindingState.INCONCLUSIVE: "No known fault fits what was seen",
    FindingState.BLIND: "Could not see enough to say anything",
    FindingState.NO_FAULT: "No fault now: the symptom is back inside its objective",
    FindingState.CONTESTED: "Retracted: new evidence contradicts the earlier finding",
}


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
        lines.append("Suspects: " + "; ".join(map(_suspect, finding.suspects)))
    if finding.not_checked:
        lines.append("Not checked: " + "; ".join(finding.not_checked))
    return replace(finding, text="\n".join(lines))


def _headline(finding: Finding) -> str:
    template = HEADLINES[finding.state]
    if finding.retracted is not None:
        return f"{template}: {_suspect(finding.retracted)}"
    if finding.signature is None or finding.entity is None or "{entity}" not in template:
        return template
    head = template.format(title=finding.title, entity=short(finding.entity), signature=finding.signature)
    note = f"; {finding.note}" if finding.note else ""
    replayed = f", {finding.replayed} replayed" if finding.replayed else ""
    return (
        f"{head}{note} · p {finding.p:.2f}, low {finding.p_low:.2f}, n {finding.n}{replayed} · "
        f"{finding.independent_groups} independent signals"
    )


def _suspect(suspect: Suspect) -> str:
    return f"{suspect.title} in `{short(suspect.entity)}` ({suspect.signature})"


def allowed(finding: Finding, readers: Mapping[str, Reader]) -> set[str]:
    """Every token a message about *finding* may hold, built from verified claims and not from its text."""
    names: set[str] = set()
    for claim in (s.claim for s in finding.claims):
        names |= claim_tokens(claim, readers)
    for seen in finding.refuters:
        names |= {seen.signature, short(seen.entity)}
        if seen.claim is not None:
            names |= claim_tokens(seen.claim, readers)
    for suspect in (*finding.suspects, *([finding.retracted] if finding.retracted is not None else [])):
        names |= {short(suspect.entity), suspect.signature}
    for line in finding.not_checked:
        names |= tokens(line)
    if finding.signature:
        names.add(finding.signature)
    if finding.entity:
        names.add(short(finding.entity))
    for value in (finding.p, finding.p_low):
        if value is not None:
            names.add(f"{value:.2f}")
    names |= {str(finding.n), str(finding.replayed), str(finding.independent_groups)}
    return names
