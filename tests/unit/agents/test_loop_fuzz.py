"""Whatever a model answers, of the right shape or none: the finding stays, and every fact shown is true."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents import gates
from agents.deliberation.menu import entity_ref
from agents.facts import Reader
from agents.incident.claims import FactName
from agents.incident.finding import FindingState
from agents.incident.quantities import QUANTITIES
from agents.render import say
from agents.triage import MAX_AGE
from tests.unit.agents.test_loop import quiet
from tests.unit.agents.thinking import Case, script
from tests.unit.agents.world import INC, NOW, SHOP, SIGNATURES

CASE = quiet()
CONTROL = CASE.finding()
READERS: dict[str, Reader] = {e.id: Reader(e, CASE.store.blobs[e.blob_sha256]) for e in CASE.store.items}
TEXT = st.text(max_size=20)
ENTITIES = st.sampled_from([entity_ref(s.id) for s in SHOP.services]) | st.just("ent_" + "a" * 12) | TEXT
EVIDENCE = st.sampled_from(sorted(READERS)) | st.just("ev_" + "a" * 20) | TEXT
FACTS = st.sampled_from([f.value for f in FactName]) | st.just("vibes") | TEXT
TEMPLATES = st.sampled_from([*(f"quantity:{q}" for q in QUANTITIES), "changes", "log:F49.1"]) | TEXT
SUPPORTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            [
                "METRIC_VALUE",
                "METRIC_CHANGE",
                "LOG_PRESENT",
                "CHANGE_FACT",
                "COMPARE",
                "EDGE_FACT",
                "PRECEDES",
                "ASSOCIATED",
                "PATH",
                "REFUTED",
                "CAUSE",
            ]
        ),
        "ev": EVIDENCE,
    },
    optional={
        "fact": FACTS,
        "direction": st.sampled_from(["up", "down", "sideways"]),
        "value": st.floats() | TEXT,
        "also": st.lists(EVIDENCE, max_size=3),
        "other_fact": FACTS,
        "op": st.sampled_from(["==", "<", ">=", "because"]),
        "entity": ENTITIES,
        "refuter": st.sampled_from(["F11.x1", "F11.x2", "F49.x1", "F34.x1"]) | TEXT,
    },
)
HYPOTHESES = st.fixed_dictionaries(
    {"signature": st.sampled_from(["F11", "F34", "F41", "F49", "OTHER", "F99"]), "entity": ENTITIES},
    optional={
        "supports": st.lists(SUPPORTS, max_size=4),
        "refuters_checked": st.lists(
            st.fixed_dictionaries(
                {
                    "id": st.sampled_from(["F11.x1", "F11.x2", "F49.x1"]),
                    "outcome": st.sampled_from(["refuted", "not_refuted", "unknown"]),
                }
            ),
            max_size=3,
        ),
        "would_settle": st.lists(TEMPLATES, max_size=3),
        "confidence": st.floats(),
    },
)
PROPOSALS = st.fixed_dictionaries(
    {"version": st.just(1), "incident": st.just(INC), "status": st.sampled_from(["propose", "abstain"])},
    optional={"hypotheses": st.lists(HYPOTHESES, max_size=6), "unexplained": st.lists(ENTITIES, max_size=3)},
)
QUERIES = st.fixed_dictionaries(
    {
        "template": TEMPLATES,
        "args": st.fixed_dictionaries({"service": ENTITIES}),
        "window": st.fixed_dictionaries(
            {"from": st.sampled_from(["onset-30m", "now-24h", "now-99h", "yesterday"]), "to": st.just("now")}
        ),
    }
)
PLANS = st.fixed_dictionaries(
    {"version": st.just(1), "incident": st.just(INC), "status": st.just("plan")},
    optional={"queries": st.lists(QUERIES, max_size=12)},
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PLANS | ANYTHING, min_size=1, max_size=2), st.lists(PROPOSALS | ANYTHING, min_size=1, max_size=2))
def test_whatever_is_answered_the_finding_stays_and_the_facts_are_true(
    plans: list[Any], proposals: list[Any]
) -> None:
    thought = Case(store=CASE.store).think(script(plans, proposals))
    assert thought.finding == CONTROL
    assert CONTROL.state is FindingState.INCONCLUSIVE
    court = gates.Court(
        incident_id=INC,
        readers=READERS,
        now=NOW,
        max_age=MAX_AGE,
        lookback=MAX_AGE,
        catalogue=SHOP,
        signatures=SIGNATURES,
    )
    for fact in thought.record.facts:
        assert gates.judge(fact.claim, court) is None
        assert fact.text == say(fact.claim, READERS)
    assert {s.signature for s in thought.record.suspects} <= {"F11", "F34", "F41", "F49", "OTHER"}
    assert {s.entity.split("/")[1] for s in thought.record.suspects} <= {s.name for s in SHOP.services}
    if thought.record.off is not None:
        assert (thought.record.suspects, thought.record.facts) == ((), ())
