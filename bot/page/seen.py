"""A finding for the page: each sentence with its proof, and everything that was not said."""

from dataclasses import dataclass
from datetime import datetime

from agents.incident.claims import Cause, ChangeFact, Claim, Precedes, cites
from agents.incident.finding import Finding, FindingState, RefuterOutcome, RefuterSeen
from agents.render import HEADLINES
from bot.page import words
from bot.page.case import Case
from bot.page.proof import Proof, prove


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One sentence and what stands behind it."""

    key: str
    kind: str
    text: str
    proofs: tuple[Proof, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """What was not said, and which gate kept it back."""

    gate: str
    why: str
    what: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A finding as the page shows it."""

    headline: str
    named: bool
    odds: str
    note: str
    withheld: str
    statements: tuple[Statement, ...]
    order: tuple[Statement, ...]
    ruled_out: tuple[Statement, ...]
    against: tuple[Statement, ...]
    not_checked: tuple[str, ...]
    dropped: tuple[Drop, ...]
    suspects: tuple[str, ...]
    signals: tuple[str, ...]
    independent: int
    made_at: datetime
    evidence: int


def headline(finding: Finding) -> str:
    """The first line."""
    template = HEADLINES[finding.state]
    if "{entity}" not in template:
        return template
    entity = (finding.entity or "").partition("/")[2]
    return template.format(title=finding.title, entity=entity, signature=finding.signature)


def seen(case: Case, finding: Finding) -> Seen:
    """*finding* with every sentence's proof."""
    told = [(i, s) for i, s in enumerate(finding.claims, 1) if not isinstance(s.claim, Cause)]
    context = [(i, s) for i, s in told if isinstance(s.claim, ChangeFact | Precedes)]
    odds = ""
    if finding.p is not None and finding.p_low is not None:
        shipped = f", {finding.replayed} of which came with the release" if finding.replayed else ""
        odds = (
            f"Scores like this one were right in {finding.p:.0%} of {finding.n} labelled runs{shipped} "
            f"(low estimate {finding.p_low:.0%})"
        )
    return Seen(
        headline=headline(finding),
        named=finding.state in {FindingState.DIAGNOSED, FindingState.LIKELY},
        odds=odds,
        note=finding.note,
        withheld=finding.text if any(d.code == "RENDER_LEAK" for d in finding.dropped) else "",
        statements=tuple(
            _statement(f"claim-{i}", s.claim, s.text, case) for i, s in told if (i, s) not in context
        ),
        order=tuple(_statement(f"claim-{i}", s.claim, s.text, case) for i, s in context),
        ruled_out=_look_alikes(finding, RefuterOutcome.CLEAR, case),
        against=_look_alikes(finding, RefuterOutcome.FIRED, case),
        not_checked=finding.not_checked,
        dropped=tuple(drop(d.code, d.what) for d in finding.dropped),
        suspects=tuple(
            f"{s.title} in `{s.entity.partition('/')[2]}` ({s.signature}), score {s.score:.2f}"
            for s in finding.suspects
        ),
        signals=tuple(
            f"{g.id.replace('_', ' ')}, seen from {g.vantage}: {words.count(len(g.evidence), 'reading')}"
            for g in finding.groups
        ),
        independent=finding.independent_groups,
        made_at=finding.made_at,
        evidence=len(finding.evidence),
    )


def _look_alikes(finding: Finding, outcome: RefuterOutcome, case: Case) -> tuple[Statement, ...]:
    return tuple(_look_alike(r, case) for r in finding.refuters if r.outcome is outcome)


def _look_alike(refuter: RefuterSeen, case: Case) -> Statement:
    return _statement(f"look-alike-{refuter.id}", refuter.claim, refuter.text, case)


def _statement(key: str, claim: Claim | None, text: str, case: Case) -> Statement:
    found = [case.stored[e] for e in cites(claim) if e in case.stored] if claim is not None else []
    return Statement(
        key=key,
        kind=claim.type if claim is not None else "",
        text=text,
        proofs=tuple(prove(claim, item, blob) for item, blob in found) if claim is not None else (),
    )


def drop(code: str, what: str) -> Drop:
    """What was not said, with the gate that stands for *code*."""
    gate, why = words.GATES.get(code, ("", "it did not hold"))
    return Drop(gate=gate, why=why, what=what, code=code)
