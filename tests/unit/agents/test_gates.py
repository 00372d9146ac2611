"""Every gate refuses its lies; with the gate taken away one of them passes, so the test stands on the gate."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agents import gates
from agents.gates import bounds, convictions, registry
from agents.incident.claims import (
    Associated,
    ChangeFact,
    Compare,
    EdgeFact,
    EventFact,
    FactName,
    LogAbsent,
    LogPresent,
    MetricChange,
    MetricValue,
    Note,
    Op,
    Path,
    Precedes,
    Refuted,
    Similar,
    SpanFact,
    UngroundedClaim,
    Where,
)
from agents.incident.clock import to_ms
from agents.incident.evidence import Answer, Lineage, Question, QuestionKind, Status
from agents.incident.ids import EvidenceId, IncidentId
from agents.signatures.evaluate import Truth
from tests.unit.agents import world
from tests.unit.agents.world import CHECKOUT, GATEWAY, INC, INVENTORY, NOW, SHOP, STALE, Store, line, upstream

PATTERN = "Could not find the .* column"
HOUR = timedelta(hours=1)
ELSEWHERE = tuple(
    ({"instance": "gateway-1", "upstream": name}, line(0.4, 0.0, per=8.0)) for name in ("elsewhere", "inventory")
)
NOWHERE = EvidenceId("ev_" + "a" * 20)


def court(store, **changes):
    readers, _ = gates.admit(store.items, lambda digest: store.blobs[digest])
    made = gates.Court(
        incident_id=INC,
        readers={r.evidence.id: r for r in readers},
        now=NOW,
        max_age=timedelta(minutes=2),
        lookback=HOUR,
        catalogue=SHOP,
        signatures=world.SIGNATURES,
        similar={"INC_EARLIER": 0.8},
        notes=True,
    )
    return replace(made, **changes)


def early(now, before):
    """Sixty seconds of points: *before* until fourteen seconds ago, then *now*."""
    end = to_ms(NOW)
    return [[float(end - s * 1000), now if s <= 14 else before] for s in range(60, -1, -1)]


def kept(store, kind, body, **named):
    usual: dict[str, Any] = {
        "question": Question(kind=kind, service="checkout", environment="shop", name="x"),
        "status": Status.COMPLETE,
        "query": "x",
        "lineage": Lineage(producers=("platform",), pipeline="api", quantity="x", place=CHECKOUT.id),
        "body": body,
        "entities": (CHECKOUT.id,),
        "alive": True,
    }
    return store.add(Answer(**(usual | named)))


class Told:
    """Truths of every type, and the lies that each gate is there for."""

    def __init__(self) -> None:
        self.store = store = Store()
        waiters = store.quantity(CHECKOUT, "pool_waiters", {"checkout-1": line(7, 0), "checkout-2": line(2, 0)})
        rate = store.quantity(GATEWAY, "request_rate", {"gateway-1": line(80, 16)})
        first = store.quantity(CHECKOUT, "in_flight", {"checkout-1": early(9, 0)})
        part = store.quantity(CHECKOUT, "health_failing", {"checkout-1": line(0, 0)}, status=Status.PARTIAL)
        log = store.log(INVENTORY, PATTERN, STALE)
        quiet = store.log(CHECKOUT, PATTERN)
        mute = kept(store, QuestionKind.LOG, {"lines": []}, status=Status.EMPTY, alive=None)
        full = kept(store, QuestionKind.LOG, {"lines": []}, limit_hit=True)
        still = kept(store, QuestionKind.LOG, {"lines": []}, alive=None, query="y")
        broken, empty = (
            store.quantity(CHECKOUT, "pool_waiters", {"checkout-1": line(7, 0)}, status=status, probe="other")
            for status in (Status.ERROR, Status.EMPTY)
        )
        change = store.change(CHECKOUT)
        old = store.change(INVENTORY, ago=3 * HOUR)
        calls = store.quantity(GATEWAY, "upstream_failure_ratio", [upstream(0.4), *ELSEWHERE])
        below = {"instance": "checkout-1", "upstream": "inventory", "upstream_instance": "inventory-1"}
        inner = store.quantity(CHECKOUT, "upstream_failure_ratio", [(below, line(0.5, 0.0, per=8.0))])
        moment = NOW - timedelta(seconds=20)
        span = {
            "trace_id": "t1",
            "span_id": "s1",
            "service": "checkout",
            "at_ms": to_ms(moment),
            "attributes": {"db.system": "postgresql"},
        }
        spans = kept(store, QuestionKind.SPANS, {"spans": [span, span | {"span_id": "s0", "at_ms": 0}]})
        event = {"uid": "u1", "reason": "OOMKilled", "at_ms": to_ms(moment)}
        events = kept(store, QuestionKind.EVENTS, {"events": [event]})
        forged = store.quantity(CHECKOUT, "request_rate", {"checkout-1": line(8, 8)})
        store.items = [replace(e, status=Status.PARTIAL) if e.id == forged.id else e for e in store.items]
        again = store.quantity(INVENTORY, "in_flight", {"inventory-1": line(3, 3)})
        newer = replace(store.quantity(INVENTORY, "in_flight", {"inventory-1": line(4, 4)}), supersedes=again.id)
        store.items[-1] = newer
        self.waiters, self.rate, self.calls, self.log = waiters, rate, calls, log

        value = MetricValue(
            evidence=waiters.id,
            entity=f"{CHECKOUT.id}/checkout-1",
            fact=FactName.MAX,
            where=Where(instance="checkout-1"),
            value=7.0,
            op=Op.GE,
            threshold=1.0,
        )
        rise = MetricChange(
            evidence=rate.id,
            entity=GATEWAY.id,
            where=Where(),
            before=16.0,
            after=80.0,
            onset=self.reader(rate).onset(Where()),
            op=Op.GE,
            threshold=2.0,
        )
        quote = LogPresent(evidence=log.id, entity=INVENTORY.id, pattern=PATTERN, quote=STALE, count=1)
        silence = LogAbsent(evidence=quiet.id, entity=CHECKOUT.id, pattern=PATTERN)
        record = ChangeFact(
            evidence=change.id,
            entity=CHECKOUT.id,
            change_id="cd/checkout",
            kind="deploy",
            at=NOW - timedelta(seconds=30),
        )
        order = Precedes(
            first_evidence=first.id,
            second_evidence=rate.id,
            first=self.reader(first).onset(Where()),
            second=self.reader(rate).onset(Where()),
            first_what="requests in flight",
            second_what="requests completed",
        )
        versus = Compare(
            evidence=first.id,
            other_evidence=waiters.id,
            entity=CHECKOUT.id,
            fact=FactName.MAX,
            where=Where(),
            other_fact=FactName.MAX,
            other_where=Where(instance="checkout-1"),
            value=9.0,
            other_value=7.0,
            op=Op.GT,
        )
        spoke = SpanFact(
            evidence=spans.id,
            entity=CHECKOUT.id,
            trace_id="t1",
            span_id="s1",
            attribute="db.system",
            value="postgresql",
            at=moment,
        )
        killed = EventFact(evidence=events.id, entity=CHECKOUT.id, uid="u1", reason="OOMKilled", at=moment)
        edge = EdgeFact(
            evidence=calls.id,
            client=GATEWAY.id,
            server=CHECKOUT.id,
            fact=FactName.RECENT,
            value=0.4,
            op=Op.GE,
            threshold=0.05,
        )
        lower = replace(edge, evidence=inner.id, client=CHECKOUT.id, server=INVENTORY.id, value=0.5)
        path = Path(hops=(lower, edge))
        fine = store.quantity(GATEWAY, "calls_per_request", [upstream(0.0)])
        healthy = replace(edge, evidence=fine.id, value=0.0, threshold=0.0)
        young = store.quantity(GATEWAY, "slow_request_ratio", [(upstream(0.4)[0], line(0.4, 0.0, per=8.0)[-6:])])
        new = replace(edge, evidence=young.id)
        together = Associated(
            evidence=waiters.id,
            other_evidence=rate.id,
            where=Where(),
            other_where=Where(),
            rho=1.0,
            lag=timedelta(0),
        )
        times = replace(
            versus,
            evidence=rate.id,
            entity=GATEWAY.id,
            fact=FactName.RATIO_TO_BASELINE,
            value=5.0,
            other_fact=FactName.RATIO_TO_BASELINE,
            other_where=Where(),
            other_value=9.0,
            op=Op.LT,
        )
        fewer = store.quantity(GATEWAY, "in_flight", {"gateway-1": line(2, 9)})
        fall = replace(rise, evidence=fewer.id, before=9.0, after=2.0, onset=None, op=Op.LE, threshold=1.0)
        little = store.quantity(INVENTORY, "request_rate", {"inventory-1": line(8.2, 8.0)}, alive=None)
        slight = replace(
            rise, evidence=little.id, entity=INVENTORY.id, before=8.0, after=8.2, onset=None, threshold=1.0
        )
        short = store.log(GATEWAY, "oops", "oops")
        whole = replace(quote, evidence=short.id, entity=GATEWAY.id, pattern="oops", quote="oops")
        surge = MetricValue(
            evidence=rate.id,
            entity=GATEWAY.id,
            fact=FactName.RATIO_TO_BASELINE,
            where=Where(),
            value=5.0,
            op=Op.GE,
            threshold=2.0,
        )
        refuted = Refuted(signature="F11", entity=CHECKOUT.id, refuter="F11.x1", reading=surge)
        similar = Similar(incident="INC_EARLIER", score=0.8, evidence=waiters.id)
        note = Note(text="both replicas look alike", evidence=(waiters.id,))
        self.truths: list[Any] = [
            value,
            rise,
            replace(rise, onset=None),
            fall,
            replace(quote, quote=STALE[:20]),
            whole,
            times,
            quote,
            silence,
            record,
            order,
            versus,
            spoke,
            killed,
            edge,
            path,
            together,
            surge,
            refuted,
            similar,
            note,
        ]
        half = self.reader(inner).onset(Where())
        self.lies: dict[str, list[Any]] = {
            "g1_closed": [("SCHEMA", note, {"notes": False})],
            "g2_exists": [
                ("NO_SUCH_EVIDENCE", replace(value, evidence=NOWHERE), {}),
                ("NO_SUCH_EVIDENCE", replace(order, second_evidence=NOWHERE), {}),
                (
                    "NO_SUCH_EVIDENCE",
                    replace(
                        value,
                        evidence=again.id,
                        entity=INVENTORY.id,
                        where=Where(),
                        value=3.0,
                    ),
                    {},
                ),
            ],
            "g3_provenance": [
                (
                    "UNBROKERED",
                    replace(value, evidence=forged.id, entity=CHECKOUT.id, where=Where(), value=8.0),
                    {},
                )
            ],
            "g2_record": [
                ("NO_SUCH_EVIDENCE", replace(record, change_id="cd/other"), {}),
                ("NO_SUCH_EVIDENCE", replace(record, at=record.at - timedelta(seconds=1)), {}),
                ("NO_SUCH_EVIDENCE", replace(spoke, value="mysql"), {}),
                ("NO_SUCH_EVIDENCE", replace(spoke, trace_id="t2"), {}),
                ("NO_SUCH_EVIDENCE", replace(spoke, at=spoke.at + timedelta(seconds=1)), {}),
                ("NO_SUCH_EVIDENCE", replace(killed, reason="Evicted"), {}),
            ],
            "g4_quote": [
                ("QUOTE_MISMATCH", replace(quote, quote=STALE.replace("stock", "stick")), {}),
                ("QUOTE_MISMATCH", replace(quote, quote="Could"), {}),
                ("NUMBER_MISMATCH", replace(quote, count=2), {}),
                ("QUOTE_MISMATCH", replace(silence, evidence=log.id, entity=INVENTORY.id), {}),
                ("NUMBER_MISMATCH", replace(quote, pattern="column"), {}),
                ("QUOTE_MISMATCH", replace(silence, pattern="anything"), {}),
            ],
            "g4_note": [
                ("SCHEMA", replace(note, text="9 of them wait"), {}),
                ("SCHEMA", replace(note, text="the pool caused it"), {}),
                ("SCHEMA", replace(note, text="x" * 201), {}),
            ],
            "g5_number": [
                ("NUMBER_MISMATCH", replace(value, value=7.1), {}),
                ("NUMBER_MISMATCH", replace(value, fact=FactName.COUNT), {}),
                ("NUMBER_MISMATCH", replace(rise, before=10.0), {}),
                ("NUMBER_MISMATCH", replace(versus, other_value=2.0), {}),
                ("NUMBER_MISMATCH", replace(edge, value=0.9), {}),
                ("NUMBER_MISMATCH", replace(together, rho=-1.0), {}),
                ("NUMBER_MISMATCH", replace(together, lag=timedelta(seconds=1)), {}),
                ("NUMBER_MISMATCH", replace(together, other_evidence=newer.id), {}),
                ("NUMBER_MISMATCH", replace(times, other_value=1.0), {}),
                ("UNIT", replace(times, other_fact=FactName.MAX, other_value=9.0), {}),
                (
                    "UNIT",
                    replace(
                        versus,
                        other_fact=FactName.RATIO_TO_BASELINE,
                        other_where=Where(),
                        other_value=9.0,
                        op=Op.EQ,
                    ),
                    {},
                ),
                (
                    "UNIT",
                    replace(
                        value, evidence=log.id, entity=INVENTORY.id, fact=FactName.COUNT, where=Where(), value=1.0
                    ),
                    {},
                ),
                ("NUMBER_MISMATCH", replace(similar, score=0.9), {}),
                (
                    "UNIT",
                    replace(versus, other_evidence=rate.id, other_where=Where(), other_value=80.0, op=Op.LT),
                    {},
                ),
            ],
            "g6_direction": [
                ("DIRECTION", replace(value, op=Op.LT), {}),
                ("DIRECTION", replace(rise, op=Op.LE), {}),
                ("DIRECTION", replace(rise, threshold=9.0), {}),
                ("DIRECTION", slight, {}),
                ("DIRECTION", replace(versus, op=Op.LT), {}),
                ("DIRECTION", replace(edge, threshold=0.9), {}),
                ("DIRECTION", replace(refuted, refuter="F11.x3"), {}),
                ("DIRECTION", replace(refuted, signature="F34"), {}),
                ("DIRECTION", replace(refuted, entity=f"{CHECKOUT.id}/checkout-1"), {}),
                ("DIRECTION", replace(refuted, entity=f"{INVENTORY.environment}/elsewhere"), {}),
                ("DIRECTION", replace(refuted, reading=replace(surge, threshold=1.5)), {}),
                ("DIRECTION", refuted, {"signatures": ()}),
            ],
            "g7_entity": [
                ("ENTITY", replace(value, entity=INVENTORY.id), {}),
                ("ENTITY", replace(value, entity=f"{CHECKOUT.id}/checkout-2"), {}),
                ("NO_PATH", replace(edge, server=f"{INVENTORY.environment}/elsewhere"), {}),
                ("NO_PATH", replace(edge, server="other/checkout"), {}),
                ("NO_PATH", edge, {"catalogue": None}),
                ("ENTITY", replace(edge, client=CHECKOUT.id, server=INVENTORY.id), {}),
            ],
            "g8_window": [
                (
                    "WINDOW",
                    replace(
                        record, evidence=old.id, entity=INVENTORY.id, change_id="cd/inventory", at=NOW - 3 * HOUR
                    ),
                    {},
                ),
                ("STALE", value, {"now": NOW + timedelta(minutes=5)}),
                ("WINDOW", value, {"now": NOW - timedelta(minutes=5)}),
                ("WINDOW", replace(spoke, span_id="s0", at=world.NOW.fromtimestamp(0, NOW.tzinfo)), {}),
                ("WINDOW", replace(rise, onset=(NOW - HOUR, NOW - HOUR)), {}),
            ],
            "g9_order": [
                ("ORDER", replace(order, first_evidence=inner.id, first=half), {}),
                ("ORDER", replace(order, first=(NOW - HOUR, NOW - HOUR)), {}),
            ],
            "g10_completeness": [
                (
                    "INCOMPLETE",
                    replace(
                        value,
                        evidence=part.id,
                        value=0.0,
                        op=Op.EQ,
                        threshold=0.0,
                    ),
                    {},
                ),
                ("INCOMPLETE", LogAbsent(evidence=mute.id, entity=CHECKOUT.id, pattern="x"), {}),
                ("INCOMPLETE", LogAbsent(evidence=full.id, entity=CHECKOUT.id, pattern="x"), {}),
                ("INCOMPLETE", LogAbsent(evidence=still.id, entity=CHECKOUT.id, pattern="x"), {}),
                ("INCOMPLETE", replace(value, evidence=broken.id), {}),
                ("INCOMPLETE", replace(value, evidence=empty.id), {}),
            ],
            "g11_two": [
                (
                    "SINGLE_SIGNAL",
                    replace(versus, other_evidence=first.id, other_where=Where(), other_value=9.0, op=Op.EQ),
                    {},
                ),
                ("SINGLE_SIGNAL", replace(together, other_evidence=waiters.id), {}),
            ],
            "g13_hops": [
                ("NO_PATH", Path(hops=(edge, lower)), {}),
                ("NO_PATH", Path(hops=(lower, edge, lower, edge)), {}),
                ("NO_PATH", Path(hops=(healthy,)), {}),
                ("NO_PATH", Path(hops=(lower, new)), {}),
            ],
        }

    def reader(self, item):
        return court(self.store).readers[item.id]


@pytest.fixture(scope="module")
def told():
    return Told()


def test_the_truth_of_every_type_passes_every_gate(told):
    judged = {t.type for t in told.truths}
    assert [t for t in told.truths if gates.judge(t, court(told.store)) is not None] == []
    grammar = {"METRIC_VALUE", "METRIC_CHANGE", "COMPARE", "LOG_PRESENT", "LOG_ABSENT", "SPAN_FACT", "EDGE_FACT"}
    grammar |= {"EVENT_FACT", "CHANGE_FACT", "PRECEDES", "ASSOCIATED", "PATH", "REFUTED", "SIMILAR", "NOTE"}
    assert judged == grammar


@pytest.mark.parametrize("name", [g.__name__ for g in registry.CLAIM_GATES])
def test_each_gate_refuses_its_lies_and_with_an_open_gate_in_its_place_one_passes(told, name, monkeypatch):
    before = court(told.store)
    for code, lie, changes in told.lies[name]:
        refused = gates.judge(lie, replace(before, **changes))
        assert refused is not None, (name, lie)
        assert refused.code == code, (name, refused)
    opened = tuple(_open if g.__name__ == name else g for g in registry.CLAIM_GATES)
    monkeypatch.setattr(registry, "CLAIM_GATES", opened)
    passed = [_passes(lie, replace(before, **changes)) for _, lie, changes in told.lies[name]]
    assert any(passed), f"no lie gets through without {name}: the gate is not what stops it"


def _open(claim, court):
    return None


def _passes(lie, before):
    try:
        return gates.judge(lie, before) is None
    except KeyError:
        return True  # without G2 nothing stops a citation of nothing


def test_a_call_is_seen_where_its_own_series_has_points(told):
    edge = next(t for t in told.truths if isinstance(t, EdgeFact))
    silent = Store()
    none = silent.quantity(GATEWAY, "upstream_failure_ratio", [(upstream(0.4)[0], [])])
    refused = bounds.g7_entity(replace(edge, evidence=none.id), court(silent))
    assert refused is not None
    assert refused.code == "ENTITY"
    assert bounds.g7_entity(edge, court(told.store)) is None


def test_evidence_of_another_incident_is_no_evidence(told):
    store = Store()
    foreign = store.quantity(CHECKOUT, "pool_waiters", {"checkout-1": line(7, 0)})
    refused = gates.judge(
        replace(told.truths[0], evidence=foreign.id), court(store, incident_id=IncidentId("INC_B"))
    )
    assert refused is not None
    assert refused.code == "NO_SUCH_EVIDENCE"


def test_changed_bytes_are_not_admitted(told):
    readers, dropped = gates.admit(told.store.items, lambda _: b"{}")
    assert readers == ()
    assert {d.code for d in dropped} == {"BLOB_MISMATCH"}
    assert told.waiters.id in dropped[0].what


def test_a_path_or_a_note_without_evidence_cannot_be_built():
    with pytest.raises(UngroundedClaim):
        Path(hops=())
    with pytest.raises(UngroundedClaim):
        Note(text="x", evidence=())


def test_a_pod_stands_for_its_workload_and_its_service():
    store = Store()
    pod = kept(
        store,
        QuestionKind.EVENTS,
        {"events": [{"uid": "u", "reason": "Evicted", "at_ms": to_ms(NOW)}]},
        entities=("shop/checkout-7c9f4b6d5f-x2abc",),
    )
    claim = EventFact(evidence=pod.id, entity=CHECKOUT.id, uid="u", reason="Evicted", at=NOW)
    assert gates.judge(claim, court(store)) is None
    other = gates.judge(replace(claim, entity=INVENTORY.id), court(store))
    assert other is not None
    assert other.code == "ENTITY"
    unknown = gates.judge(claim, court(store, catalogue=None))
    assert unknown is not None


# What convicts


def a_case(**changes):
    store = world.pool_leak()
    f11 = next(s for s in world.SIGNATURES if s.id == "F11")
    of = {g.id: g for g in f11.groups}
    evidence = {e.question.name: e for e in store.items if e.question.service != "inventory"}
    calls = next(
        e for e in store.items if (e.question.service, e.question.name) == ("gateway", "upstream_failure_ratio")
    )
    usual: dict[str, Any] = {
        "what": "F11",
        "service": CHECKOUT.id,
        "confirmed": [(of["pool"], (evidence["pool_waiters"],)), (of["callers"], (calls,))],
        "refuters": [(r, Truth.FALSE) for r in f11.refuters],
        "reached": frozenset({GATEWAY.id, CHECKOUT.id}),
    }
    return gates.Case(**(usual | changes))


def convictions_lies():
    good = a_case()
    hard = next(r for r, _ in good.refuters if r.hard)
    required = next(r for r, _ in good.refuters if r.required)
    callers = good.confirmed[1]
    pool = good.confirmed[0]
    same = (callers[0], pool[1])
    of_no_mechanism = (replace(pool[0], mechanism=False), pool[1])
    of_one_vantage = (replace(callers[0], vantage=pool[0].vantage), callers[1])
    return {
        "g11_independence": [
            ("SINGLE_SIGNAL", replace(good, confirmed=good.confirmed[:1])),
            ("SINGLE_SIGNAL", replace(good, confirmed=[good.confirmed[0], same])),
            ("SINGLE_SIGNAL", replace(good, confirmed=[callers, callers])),
            ("SINGLE_SIGNAL", replace(good, confirmed=[of_no_mechanism, callers])),
            ("SINGLE_SIGNAL", replace(good, confirmed=[pool, of_one_vantage])),
        ],
        "g12_refuters": [("REFUTER_SKIPPED", replace(good, refuters=[(required, Truth.UNKNOWN)]))],
        "g12_unrefuted": [("REFUTED", replace(good, refuters=[(hard, Truth.TRUE)]))],
        "g13_path": [("NO_PATH", replace(good, reached=frozenset({GATEWAY.id})))],
    }


@pytest.mark.parametrize("name", [g.__name__ for g in convictions.CONVICTION_GATES])
def test_each_gate_on_hypotheses_refuses_and_without_it_the_hypothesis_stands(name, monkeypatch):
    assert gates.convict(a_case()) is None
    told = convictions_lies()[name]
    for code, lie in told:
        refused = gates.convict(lie)
        assert refused is not None
        assert refused.code == code
    opened = tuple((lambda _: None) if g.__name__ == name else g for g in convictions.CONVICTION_GATES)
    monkeypatch.setattr(convictions, "CONVICTION_GATES", opened)
    assert all(gates.convict(lie) is None for _, lie in told)


def test_a_look_alike_that_need_not_be_asked_or_only_weighs_leaves_a_hypothesis_standing():
    refuter, _ = a_case().refuters[0]
    assert gates.convict(a_case(refuters=[(replace(refuter, required=False), Truth.UNKNOWN)])) is None
    assert gates.convict(a_case(refuters=[(replace(refuter, hard=False), Truth.TRUE)])) is None
