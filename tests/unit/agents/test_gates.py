"""Every gate refuses its lie; with the gate taken away the same lie passes, so the test stands on the gate."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agents import gates
from agents.incident.claims import (
    ChangeFact,
    FactName,
    LogPresent,
    MetricChange,
    MetricValue,
    Op,
    Precedes,
    Where,
)
from agents.incident.evidence import Status
from agents.incident.ids import EvidenceId, IncidentId
from tests.unit.agents import world
from tests.unit.agents.world import CHECKOUT, GATEWAY, INC, INVENTORY, NOW, STALE, Store, line

PATTERN = "Could not find the .* column"


@pytest.fixture
def store():
    return Store()


def court(store, **changes):
    readers, _ = gates.admit(store.items, lambda digest: store.blobs[digest])
    made = gates.Court(
        incident_id=INC,
        readers={r.evidence.id: r for r in readers},
        now=NOW,
        max_age=timedelta(minutes=2),
        lookback=timedelta(hours=1),
    )
    return replace(made, **changes)


def value(evidence, **changes):
    made = MetricValue(
        evidence=evidence.id,
        entity=CHECKOUT.id,
        fact=FactName.MAX,
        where=Where(),
        value=7.0,
        op=Op.GE,
        threshold=1.0,
    )
    return replace(made, **changes)


def lies(store):
    """(name of the gate, its code, a lie)."""
    waiters = store.quantity(CHECKOUT, "pool_waiters", {"checkout-1": line(7, 0)})
    rate = store.quantity(GATEWAY, "request_rate", {"gateway-1": line(80, 16)})
    part = store.quantity(CHECKOUT, "in_flight", {"checkout-1": line(0, 0)}, status=Status.PARTIAL)
    log = store.log(INVENTORY, PATTERN, STALE)
    change = store.change(CHECKOUT)
    old = store.change(CHECKOUT, ago=timedelta(hours=3))
    quote = LogPresent(evidence=log.id, entity=INVENTORY.id, pattern=PATTERN, quote=STALE, count=1)
    rise = MetricChange(
        evidence=rate.id,
        entity=GATEWAY.id,
        where=Where(),
        before=16.0,
        after=80.0,
        onset=None,
        op=Op.GE,
        threshold=2.0,
    )
    record = ChangeFact(
        evidence=change.id,
        entity=CHECKOUT.id,
        change_id="cd/checkout",
        kind="deploy",
        at=NOW - timedelta(seconds=30),
    )
    early = (NOW - timedelta(seconds=9), NOW - timedelta(seconds=5))
    late = (NOW - timedelta(seconds=6), NOW - timedelta(seconds=2))
    order = Precedes(
        first_evidence=waiters.id,
        second_evidence=rate.id,
        first=early,
        second=late,
        first_what="a",
        second_what="b",
    )
    truths = [
        value(waiters),
        quote,
        rise,
        record,
        replace(order, first=early, second=(early[1], late[1])),
    ]
    return truths, {
        "g2_exists": [("NO_SUCH_EVIDENCE", replace(value(waiters), evidence=EvidenceId("ev_" + "a" * 20)))],
        "g4_quote": [
            ("QUOTE_MISMATCH", replace(quote, quote=STALE.replace("stock", "stick"))),
            ("QUOTE_MISMATCH", replace(quote, quote="Could")),
            ("NUMBER_MISMATCH", replace(quote, count=2)),
        ],
        "change_exists": [("NO_SUCH_EVIDENCE", replace(record, change_id="cd/other"))],
        "g5_number": [
            ("NUMBER_MISMATCH", value(waiters, value=70.0)),
            ("NUMBER_MISMATCH", replace(rise, before=10.0)),
        ],
        "g6_direction": [
            ("DIRECTION", value(waiters, op=Op.LT)),
            ("DIRECTION", replace(rise, op=Op.LE)),
        ],
        "g7_entity": [("ENTITY", value(waiters, entity=INVENTORY.id))],
        "g8_window": [
            ("WINDOW", replace(record, evidence=old.id, at=NOW - timedelta(hours=3))),
        ],
        "g9_order": [("ORDER", order)],
        "g10_completeness": [
            (
                "INCOMPLETE",
                value(part, value=0.0, op=Op.EQ, threshold=0.0),
            )
        ],
    }


def test_the_truth_passes_every_gate(store):
    truths, _ = lies(store)
    assert [gates.judge(t, court(store)) for t in truths] == [None] * len(truths)


@pytest.mark.parametrize("name", [g.__name__ for g in gates.CLAIM_GATES])
def test_each_gate_refuses_its_lie_and_without_it_the_lie_passes(store, name, monkeypatch):
    _, told = lies(store)
    before = court(store)
    for code, lie in told[name]:
        refused = gates.judge(lie, before)
        assert refused is not None, (name, lie)
        assert refused.code == code
    others = tuple(g for g in gates.CLAIM_GATES if g.__name__ != name)
    monkeypatch.setattr(gates, "CLAIM_GATES", others)
    passed = []
    for _, lie in told[name]:
        try:
            passed.append(gates.judge(lie, before) is None)
        except KeyError:
            passed.append(True)  # without G2 nothing stops a citation of nothing
    assert any(passed), f"no lie gets through without {name}: the gate is not what stops it"


def test_evidence_of_another_incident_is_no_evidence(store):
    foreign = store.add(_answer(), incident_id=IncidentId("INC_OTHER"))
    refused = gates.judge(value(foreign), court(store))
    assert refused is not None
    assert refused.code == "NO_SUCH_EVIDENCE"


def test_stale_evidence_is_refused(store):
    waiters = store.quantity(CHECKOUT, "pool_waiters", {"checkout-1": line(7, 0)})
    refused = gates.judge(value(waiters), court(store, now=NOW + timedelta(minutes=5)))
    assert refused is not None
    assert refused.code == "STALE"


def test_changed_bytes_are_not_admitted(store):
    waiters = store.quantity(CHECKOUT, "pool_waiters", {"checkout-1": line(7, 0)})
    readers, dropped = gates.admit(store.items, lambda _: b"{}")
    assert readers == ()
    assert [d.code for d in dropped] == ["BLOB_MISMATCH"]
    assert waiters.id in dropped[0].what


def _answer():
    from agents.incident.evidence import Answer, Lineage

    return Answer(
        question=world.ask(CHECKOUT, "pool_waiters"),
        status=Status.COMPLETE,
        query="pool_waiters",
        lineage=Lineage(producers=("x",), pipeline="direct", quantity="pool_waiters", place=CHECKOUT.id),
        body={"series": [{"labels": {"instance": "checkout-1"}, "points": line(7, 0)}]},
        entities=(CHECKOUT.id,),
    )
