"""Claims over several readings, as a model may point at them: by ids alone, and through the same gates."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from agents.deliberation import answers
from agents.deliberation.suggestions import grounds
from agents.incident.claims import Associated, Compare, EdgeFact, Path, Precedes, Refuted
from agents.incident.evidence import Evidence
from tests.unit.agents.test_gates import Told, early
from tests.unit.agents.thinking import Case, ent, propose, script
from tests.unit.agents.world import CHECKOUT, INVENTORY, UNSURE, Store, line, surge, upstream

NOBODY = "ev_" + "a" * 20


def failing(store: Store) -> Store:
    """The surge, with calls to inventory failing as well and requests piling up before they do."""
    store.items = [e for e in store.items if (e.question.service, e.question.name) != ("checkout", FAILED)]
    labels = {"instance": "checkout-1", "upstream": "inventory", "upstream_instance": "inventory-1"}
    store.quantity(CHECKOUT, FAILED, [(labels, line(0.5, 0.0, per=8.0))])
    store.quantity(CHECKOUT, "in_flight", {"checkout-1": early(9, 0)})
    store.quantity(INVENTORY, FAILED, [upstream(0.0, instance="gateway-1")])
    return store


FAILED = "upstream_failure_ratio"
STORE = failing(surge())


def held(service: str, name: str) -> Evidence:
    return next(e for e in STORE.items if (e.question.service, e.question.name) == (service, name))


WAITERS, RATE, FLYING = (
    held("checkout", "pool_waiters"),
    held("gateway", "request_rate"),
    held("checkout", "in_flight"),
)
ABOVE, BELOW, IDLE = held("gateway", FAILED), held("checkout", FAILED), held("inventory", FAILED)
ANCHOR = {"type": "METRIC_CHANGE", "ev": WAITERS.id, "fact": "recent", "direction": "up"}
TRUE: dict[str, tuple[type, dict[str, Any]]] = {
    "compare": (
        Compare,
        {
            "type": "COMPARE",
            "ev": WAITERS.id,
            "also": [FLYING.id],
            "fact": "pool_waiters.max",
            "other_fact": "in_flight.max",
            "op": ">",
        },
    ),
    "edge": (
        EdgeFact,
        {"type": "EDGE_FACT", "ev": ABOVE.id, "fact": "recent", "entity": ent("checkout"), "value": 0.6},
    ),
    "precedes": (Precedes, {"type": "PRECEDES", "ev": FLYING.id, "also": [RATE.id]}),
    "associated": (Associated, {"type": "ASSOCIATED", "ev": WAITERS.id, "also": [RATE.id], "value": 1.0}),
    "path": (Path, {"type": "PATH", "ev": BELOW.id, "also": [ABOVE.id], "entity": ent("inventory")}),
    "refuted": (
        Refuted,
        {"type": "REFUTED", "ev": RATE.id, "refuter": "F11.x1", "entity": ent("checkout")},
    ),
}
LIES: dict[str, tuple[str, dict[str, Any], str]] = {
    "the wrong sign": ("compare", {"op": "<"}, "DIRECTION"),
    "another unit": ("compare", {"also": [RATE.id], "other_fact": "max"}, "UNIT"),
    "the other side is not said": ("compare", {"other_fact": None}, "SCHEMA"),
    "the sign is not said": ("compare", {"op": None}, "SCHEMA"),
    "a fact of another quantity": ("compare", {"other_fact": "pool_waiters.max"}, "SCHEMA"),
    "against itself": ("compare", {"also": [WAITERS.id], "other_fact": "max", "op": "=="}, "SINGLE_SIGNAL"),
    "one side only": ("compare", {"also": []}, "SCHEMA"),
    "a third side": ("compare", {"also": [FLYING.id, RATE.id]}, "SCHEMA"),
    "the second is of another incident": ("compare", {"also": [NOBODY]}, "NO_SUCH_EVIDENCE"),
    "swapped": ("precedes", {"ev": RATE.id, "also": [FLYING.id]}, "ORDER"),
    "at the same time": ("precedes", {"ev": RATE.id, "also": [WAITERS.id]}, "ORDER"),
    "before itself": ("precedes", {"also": [FLYING.id]}, "ORDER"),
    "before another incident": ("precedes", {"also": [NOBODY]}, "NO_SUCH_EVIDENCE"),
    "like itself": ("associated", {"also": [WAITERS.id]}, "SINGLE_SIGNAL"),
    "like another incident": ("associated", {"also": [NOBODY]}, "NO_SUCH_EVIDENCE"),
    "another likeness": ("associated", {"value": 0.4}, "NUMBER_MISMATCH"),
    "like a line that never moves": ("associated", {"also": [IDLE.id], "value": None}, "INCOMPLETE"),
    "nobody is called": ("edge", {"entity": None}, "SCHEMA"),
    "another is called": ("edge", {"entity": ent("inventory")}, "NUMBER_MISMATCH"),
    "somebody unknown is called": ("edge", {"entity": "ent_" + "a" * 12}, "NUMBER_MISMATCH"),
    "another number of calls": ("edge", {"value": 0.7}, "NUMBER_MISMATCH"),
    "upside down": ("path", {"ev": ABOVE.id, "also": [BELOW.id], "entity": ent("checkout")}, "NUMBER_MISMATCH"),
    "a hop is missing": ("path", {"ev": ABOVE.id, "also": []}, "NUMBER_MISMATCH"),
    "a hop twice": ("path", {"also": [BELOW.id, ABOVE.id]}, "NUMBER_MISMATCH"),
    "no such call": ("path", {"ev": IDLE.id, "also": [], "entity": ent("checkout")}, "NO_PATH"),
    "from nowhere": ("path", {"entity": None}, "SCHEMA"),
    "a hop of another incident": ("path", {"also": [NOBODY]}, "NO_SUCH_EVIDENCE"),
    "a number it does not read": ("refuted", {"ev": WAITERS.id}, "DIRECTION"),
    "a refuter that does not fire": ("refuted", {"refuter": "F11.x3"}, "DIRECTION"),
    "a refuter of nothing": ("refuted", {"refuter": "F11.x9"}, "DIRECTION"),
    "on a replica of which it is not said": ("refuted", {"entity": ent("checkout/checkout-1")}, "DIRECTION"),
    "on somebody unknown": ("refuted", {"entity": "ent_" + "a" * 12}, "DIRECTION"),
    "on nobody": ("refuted", {"entity": None}, "SCHEMA"),
    "a field of another type": ("edge", {"refuter": "F11.x1"}, "SCHEMA"),
}


def case() -> Case:
    return Case(store=STORE, calibration=UNSURE)


def think(*supports: dict[str, Any]) -> Any:
    said = {
        "signature": "OTHER",
        "entity": ent("checkout"),
        "supports": list(supports),
        "would_settle": ["changes"],
    }
    return case().think(script(proposals=[propose(said)])).record


@pytest.mark.parametrize("name", TRUE)
def test_a_true_claim_over_several_readings_is_told_in_the_engines_words(name):
    kind, support = TRUE[name]
    record = think(ANCHOR, support)
    made = [f for f in record.facts if isinstance(f.claim, kind)]
    assert record.off is None
    assert len(made) == 1, record.dropped
    assert all(f"[{ev}]" in made[0].text for ev in (support["ev"], *support.get("also", ())))


@pytest.mark.parametrize("lie", LIES)
def test_a_false_one_is_dropped_with_its_code(lie):
    name, changed, code = LIES[lie]
    kind, support = TRUE[name]
    record = think(ANCHOR, support | changed)
    assert record.off is None
    assert not [f for f in record.facts if isinstance(f.claim, kind)]
    assert [d.code for d in record.dropped] == [code]


@pytest.mark.parametrize("name", ["precedes", "associated", "refuted"])
def test_order_likeness_and_what_is_ruled_out_carry_no_suspicion(name):
    record = think(TRUE[name][1])
    assert record.suspects == ()
    assert record.facts == ()
    assert [d.code for d in record.dropped] == ["UNSUPPORTED"]


@pytest.mark.parametrize("name", ["compare", "edge", "path"])
def test_what_is_read_of_the_place_itself_does(name):
    assert [s.signature for s in think(TRUE[name][1]).suspects] == ["OTHER"]


def test_which_claims_are_no_ground_to_suspect_anybody():
    none = {"ASSOCIATED", "CHANGE_FACT", "PRECEDES", "REFUTED", "SIMILAR"}
    truths = Told().truths
    assert {t.type for t in truths if not grounds([t])} == none
    assert grounds(truths)
    assert not grounds([])


def test_a_replica_is_ruled_out_by_its_peers_alone():
    store = surge()
    failing = store.quantity(
        CHECKOUT,
        "health_failing",
        {"checkout-1": line(1, 0), "checkout-2": line(0, 0)},
        producers=("firstresponder/http",),
        pipeline="health",
    )
    found = []
    for replica in ("checkout-1", "checkout-2"):
        support = {
            "type": "REFUTED",
            "ev": failing.id,
            "refuter": "F34.x2",
            "entity": ent(f"checkout/{replica}"),
        }
        said = {
            "signature": "OTHER",
            "entity": ent("checkout"),
            "supports": [
                support,
                ANCHOR | {"ev": next(e.id for e in store.items if e.question.name == "pool_waiters")},
            ],
            "would_settle": ["changes"],
        }
        made = Case(store=store, calibration=UNSURE).think(script(proposals=[propose(said)])).record
        found.append([f.claim.entity for f in made.facts if isinstance(f.claim, Refuted)])
    assert found == [[], ["shop/checkout/checkout-2"]]


def test_a_look_alike_of_two_parts_needs_both():
    store = surge()
    flying = store.quantity(INVENTORY, "in_flight", {"inventory-1": line(5, 0)})
    busy = {"type": "REFUTED", "ev": flying.id, "refuter": "F11.x4", "entity": ent("checkout")}
    told = []
    for rate in (8, 0):
        store.quantity(INVENTORY, "request_rate", {"inventory-1": line(rate, 8)})
        anchor = ANCHOR | {"ev": next(e.id for e in store.items if e.question.name == "pool_waiters")}
        said = {"signature": "OTHER", "entity": ent("checkout"), "supports": [busy, anchor]}
        thought = Case(store=store, calibration=UNSURE).think(
            script(proposals=[propose(said | {"would_settle": ["changes"]})])
        )
        told.append(any(isinstance(f.claim, Refuted) for f in thought.record.facts))
        store.items.pop()
    assert told == [False, True]


def test_the_view_says_in_which_evidence_a_refuter_was_read():
    reasoner = script()
    case().think(reasoner)
    view = json.loads(reasoner.asked[0][1].text)
    refuters = {r["id"]: r for held in view["engine"] for r in held["refuters"]}
    assert refuters["F11.x1"] == {"id": "F11.x1", "outcome": "refuted", "read": [RATE.id]}
    assert refuters["F11.x3"] == {"id": "F11.x3", "outcome": "unknown", "read": []}


# The shape stays closed


def _parts(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, dict):
        return [schema, *(p for value in schema.values() for p in _parts(value))]
    return [p for value in schema for p in _parts(value)] if isinstance(schema, list) else []


@pytest.mark.parametrize("kind", [answers.PlanAnswer, answers.ProposalAnswer, answers.OrderAnswer])
def test_no_part_of_an_answer_takes_free_text_or_has_no_end(kind):
    parts = _parts(answers.schema_of(kind))
    texts = [p for p in parts if p.get("type") == "string"]
    assert texts
    assert all({"pattern", "enum", "const"} & p.keys() for p in texts)
    assert all("maxItems" in p for p in parts if p.get("type") == "array")
    assert all(p.get("additionalProperties") is False for p in parts if p.get("type") == "object")


@pytest.mark.parametrize(
    "changed",
    [
        {"also": [NOBODY] * 5},
        {"also": "everything"},
        {"also": ["ev_short"]},
        {"op": "because"},
        {"entity": "checkout"},
        {"refuter": "F11.x1 and more"},
        {"other_fact": "as high as it gets"},
        {"quote": "pool timeout"},
        {"instance": "checkout-1"},
    ],
)
def test_a_support_of_another_shape_is_no_support(changed):
    support = {"type": "COMPARE", "ev": NOBODY}
    answers.Support.model_validate_json(json.dumps(support))
    with pytest.raises(ValidationError):
        answers.Support.model_validate_json(json.dumps(support | changed))
