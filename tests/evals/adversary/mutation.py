"""Each gate switched off in turn: something false must get out, or the gate is held up by nothing.

``python -m tests.evals.adversary.mutation`` prints which lie told of which gate; exit 1 if one was missed by all.
"""

import contextlib
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unittest import mock

from agents import gates
from agents.deliberation import answers
from agents.gates import convictions, court, registry
from agents.gates.convictions import Case, convict
from agents.incident.finding import Dropped, Finding
from agents.ports import Task
from agents.render import render, say
from agents.signatures.evaluate import Truth
from bot import replay
from bot.surfaces import speaker
from tests.evals.adversary import forged
from tests.evals.adversary.cases import Stand
from tests.evals.adversary.lies import TALE
from tests.evals.adversary.lying import Lie
from tests.evals.adversary.oracle.judge import Own, judge
from tests.evals.adversary.outgoing import Outgoing, cards
from tests.evals.adversary.runs import asked_of, run, stand, world_of

SPOILED_IN = ("pool-leak-16", "stale-schema-16", "surge-12")
ASKED_IN = "permission-denied"
"""A recording in which a model is asked for hypotheses."""

Escapes = Iterator[str]
"""The names of the lies that got out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One gate, how it is switched off, and the runs in which that is to be noticed."""

    gate: str
    off: Callable[[], contextlib.AbstractContextManager[object]]
    escapes: Callable[[], Escapes]


def _accepts(*_: object) -> Dropped | None:
    return None


def _without(module: Any, name: str, gate: object) -> contextlib.AbstractContextManager[object]:
    held = getattr(module, name)
    return mock.patch.object(module, name, tuple(_accepts if g is gate else g for g in held))


def claims() -> Escapes:
    """Forged claims before the court."""
    for name in SPOILED_IN:
        at = stand(name)
        for lie, _ in forged.escaped(forged.forgeries(at), at, world_of(name)):
            yield lie


def hypotheses() -> Escapes:
    """Forged hypotheses: one signal, a refuter nobody ran, one that fired, a cause that no call leads to."""
    at = stand("pool-leak-16")
    signature = next(s for s in at.knowledge.signatures if s.id == "F11")
    said = at.finding
    held = {e.id: e for e in at.gathered.evidence}
    groups = {g.id: g for g in signature.groups}
    confirmed = [(groups[g.id], tuple(held[e] for e in g.evidence)) for g in said.groups]
    service = said.entity or ""
    true = Case(
        what="F11",
        service=service,
        confirmed=confirmed,
        refuters=[(r, Truth.FALSE) for r in signature.refuters],
        reached=frozenset({service}),
    )
    assert convict(true) is None
    lies = {
        "one_signal_twice": replace(true, confirmed=[(g, confirmed[0][1]) for g, _ in confirmed]),
        "refuter_skipped": replace(true, refuters=[(r, Truth.UNKNOWN) for r in signature.refuters]),
        "refuter_inverted": replace(true, refuters=[(r, Truth.TRUE) for r in signature.refuters]),
        "path_through_no_edge": replace(true, reached=frozenset()),
    }
    yield from (name for name, case in lies.items() if convict(case) is None)


def shapes() -> Escapes:
    """A model's prose where an id belongs, through the whole loop."""

    def prose(scene: Any) -> object:
        scene.hypothesis()["signature"] = TALE
        return scene.answer

    lie = Lie(name="prose_as_signature", group="form", task=Task.PROPOSE, make=prose)
    ran = run(lie, ASKED_IN, 1, Outgoing())
    if ran.leaked:
        yield lie.name


def _loosened(kind: Any, body: str, incident_id: str | None = None) -> Any:
    """``answers.read`` that takes whatever comes."""

    def built(model: Any, data: Mapping[str, Any]) -> Any:
        parts = {"hypotheses": answers.HypothesisAnswer, "supports": answers.Support}
        parts |= {"refuters_checked": answers.RefuterChecked}
        made = {k: tuple(built(parts[k], v) for v in value) if k in parts else value for k, value in data.items()}
        return model.model_construct(**made)

    if kind is not answers.ProposalAnswer:
        return answers.PlanAnswer.model_construct(
            version=1, incident=incident_id or "", status="abstain", queries=()
        )
    return built(kind, json.loads(body))


def blobs() -> Escapes:
    """Stored bytes that were changed under their hash."""
    at = stand("pool-leak-16")
    own, tampered = Own(cited=asked_of([at.gathered])), _tampered(at)
    for claim in forged.true_claims(tampered):
        if judge([say(claim, dict(tampered.readers))], world_of("pool-leak-16"), own):
            yield "tampered_blob"


def _tampered(at: Stand) -> gates.Court:
    def altered(digest: str) -> bytes:
        ASKED_FOR.append(digest)
        body = json.loads(at.gathered.blobs[digest])
        for series in body.get("series", ()):
            series["points"] = [[p[0], *(7 * x + 1 for x in p[1:])] for p in series["points"]]
        return json.dumps(body).encode()

    readers, _ = gates.admit(at.gathered.evidence, altered)
    return replace(forged.court_of(at), readers={r.evidence.id: r for r in readers})


ASKED_FOR: list[str] = []
"""Hashes under which bytes were asked for: the mutant believes the newest without a look at the bytes."""


def messages() -> Escapes:
    """A renderer that adds a line of its own, and a card that somebody wrote into."""
    at = stand("pool-leak-16")
    own = Own(
        cited=asked_of([at.gathered]),
        p=at.finding.p,
        p_low=at.finding.p_low,
        n=at.finding.n,
        replayed=at.finding.replayed,
    )
    own = replace(
        own, groups=at.finding.independent_groups, names=frozenset({at.case.first.title}), links=("http",)
    )
    added = "9. `checkout` pool waiters: up to 4321 [{}]"

    def lying(finding: Finding) -> Finding:
        made = render(finding)
        return replace(made, text=f"{made.text}\n{added.format(made.evidence[0])}")

    with mock.patch("agents.triage.render", lying):
        told = replay.replay(at.case.first, at.knowledge).finding
    if any("4321" in f.what for f in judge([told.text], world_of("pool-leak-16"), own)):
        yield "renderer_adds_a_line"
    real = speaker.parsed

    def written(message: Any, card: Any) -> Any:
        return real(replace(message, lines=(*message.lines, "4321 requests were lost")), card)

    with mock.patch("tests.evals.adversary.outgoing.parsed", written):
        texts = cards(at.finding, at.case.first.alerts[0], (at.gathered,))
    if any("4321" in f.what for f in judge(texts, world_of("pool-leak-16"), own)):
        yield "card_says_more"


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    with (
        mock.patch("agents.triage.leaks", lambda *_: ()),
        mock.patch.object(speaker, "leaks", lambda *_: ()),
    ):
        yield


def mutants() -> Iterator[Mutant]:
    """Every gate there is, as the registries have them: a new one is here at once."""
    yield Mutant(gate="g1_shape", off=lambda: mock.patch.object(answers, "read", _loosened), escapes=shapes)
    yield Mutant(
        gate="g2_hash",
        off=lambda: mock.patch.object(court, "sha256", lambda _: ASKED_FOR[-1] if ASKED_FOR else ""),
        escapes=blobs,
    )
    for gate in registry.CLAIM_GATES:
        yield Mutant(
            gate=gate.__name__,
            off=partial(_without, registry, "CLAIM_GATES", gate),
            escapes=claims,
        )
    for judges in convictions.CONVICTION_GATES:
        yield Mutant(
            gate=judges.__name__,
            off=partial(_without, convictions, "CONVICTION_GATES", judges),
            escapes=hypotheses,
        )
    yield Mutant(gate="g14_render", off=_deaf, escapes=messages)


def caught() -> dict[str, dict[str, int]]:
    """By gate, the lies that got out without it, and how often."""
    found = {}
    for mutant in mutants():
        with mutant.off():
            found[mutant.gate] = dict(Counter(mutant.escapes()))
    return found


def whole() -> dict[str, int]:
    """What gets out with every gate in its place: nothing may."""
    every = {m.escapes for m in mutants()}
    return dict(Counter(lie for escapes in every for lie in escapes()))


def main() -> int:
    """Print the table."""
    random.seed(1)
    before, by_gate = whole(), caught()
    print(json.dumps({"with_every_gate": before, "without": by_gate}, indent=1))
    return 0 if not before and all(by_gate.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
