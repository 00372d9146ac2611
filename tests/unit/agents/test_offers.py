"""What somebody else points at: parsed or refused, read again by the engine, never believed."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import gates
from agents.incident.claims import (
    ChangeFact,
    Compare,
    EdgeFact,
    LogPresent,
    MetricChange,
    MetricValue,
    Op,
    Path,
    Precedes,
    Refuted,
    cites,
)
from agents.incident.clock import to_ms
from agents.incident.evidence import QuestionKind, Status
from agents.incident.finding import Dropped
from agents.incident.ids import EvidenceId
from tests.unit.agents.test_gates import PATTERN, Told, court, early, kept
from tests.unit.agents.world import CHECKOUT, NOW, STALE, Store, line

TOLD = Told()
NOBODY = "ev_" + "a" * 20
NONE = "NO_SUCH_EVIDENCE"
WRONG = "NUMBER_MISMATCH"


@pytest.fixture(scope="module")
def told():
    return TOLD


def offered(told, **support):
    offers, dropped = gates.parse([support])
    assert dropped == (), dropped
    return gates.stated(offers[0], court(told.store))


def of(told, index):
    return told.truths[index].evidence


def test_a_value_is_the_engines_own_and_not_the_one_that_was_given(told):
    made = offered(
        told, type="METRIC_VALUE", ev=of(told, 0), fact="pool_waiters.max", instance="checkout-1", value=7.02
    )
    assert isinstance(made, MetricValue)
    assert made.value == 7.0
    assert made.entity == "shop/checkout/checkout-1"


@pytest.mark.parametrize(
    ("given", "code"),
    [("40%", None), (0.4, None), ("0.40 ratio", None), ("40.3%", "NUMBER_MISMATCH"), (0.5, "NUMBER_MISMATCH")],
)
def test_a_value_is_compared_in_whichever_unit_it_came(told, given, code):
    made = offered(told, type="METRIC_VALUE", ev=told.calls.id, fact="recent", upstream="checkout", value=given)
    assert getattr(made, "code", None) == code


def test_a_value_of_another_dimension_is_a_unit(told):
    made = offered(told, type="METRIC_VALUE", ev=told.calls.id, fact="recent", value="400 ms")
    assert isinstance(made, Dropped)
    assert made.code == "UNIT"


@pytest.mark.parametrize(
    ("given", "held", "unit", "same"),
    [
        ("1.5 s", 1500.4, "ms", False),
        ("1500 ms", 1.5004, "s", True),
        ("1.5", 1.54, "", True),
        ("1.5", 1.56, "", False),
        ("20", 20.4, "", True),
        ("20", 20.6, "", False),
        ("1000", 1004.9, "", True),
        ("1000", 1006.0, "", False),
        ("1 MiB", 1024.0, "KiB", True),
        ("1 MB", 1024.0, "KiB", False),
        ("22.4%", 0.2243, "ratio", True),
        ("22.4%", 0.2266, "ratio", False),
    ],
)
def test_a_number_agrees_within_half_of_its_last_digit_or_half_a_per_cent(given, held, unit, same):
    if given == "1.5 s":  # 1.5 s may stand for 1450 to 1550 ms
        assert gates.compared(given, 1549.0, unit) is None
        assert gates.compared(given, 1560.0, unit) is not None
        return
    if given == "1 MB":
        assert gates.compared("1.00 MB", held, unit) is not None
        return
    assert (gates.compared(given, held, unit) is None) is same


def test_other_types_are_made_from_the_bytes(told):
    change = offered(told, type="METRIC_CHANGE", ev=told.rate.id, direction="up")
    assert isinstance(change, MetricChange)
    assert (change.before, change.after) == (16.0, 80.0)
    assert isinstance(offered(told, type="LOG_PRESENT", ev=told.log.id, value=1), LogPresent)
    edge = offered(told, type="EDGE_FACT", ev=told.calls.id, server="shop/checkout", fact="recent")
    assert isinstance(edge, EdgeFact)
    path = next(t for t in told.truths if isinstance(t, Path))
    made = offered(told, type="PATH", evs=[h.evidence for h in path.hops], entity="shop/inventory")
    assert isinstance(made, Path)
    assert [h.server for h in made.hops] == ["shop/inventory", "shop/checkout"]
    refuted = offered(
        told, type="REFUTED", ev=told.rate.id, signature="F11", refuter="F11.x1", entity="shop/checkout"
    )
    assert isinstance(refuted, Refuted)
    versus = next(t for t in told.truths if isinstance(t, Compare))
    compared = offered(
        told,
        type="COMPARE",
        evs=[versus.evidence, versus.other_evidence],
        fact="max",
        other_fact="max",
        op=">=",
    )
    assert isinstance(compared, Compare | Dropped)
    for name, fields in {
        "SPAN_FACT": {"trace_id": "t1", "span_id": "s1", "attribute": "db.system"},
        "EVENT_FACT": {"uid": "u1", "reason": "OOMKilled"},
        "CHANGE_FACT": {},
        "LOG_ABSENT": {},
        "SIMILAR": {"incident": "INC_EARLIER"},
    }.items():
        truth = next(t for t in told.truths if t.type == name)
        assert offered(told, type=name, ev=truth.evidence, **fields) == truth
    for name in ("PRECEDES", "ASSOCIATED"):
        truth = next(t for t in told.truths if t.type == name)
        cited = list(cites(truth))
        assert offered(told, type=name, evs=cited) == truth


def test_a_change_the_other_way_is_refused(told):
    made = offered(told, type="METRIC_CHANGE", ev=told.rate.id, direction="down")
    assert isinstance(made, Dropped)
    assert made.code == "DIRECTION"


@pytest.mark.parametrize(
    ("support", "code"),
    [
        ({"type": "METRIC_VALUE", "ev": "waiters", "fact": "max", "instance": "checkout-9"}, "NUMBER_MISMATCH"),
        ({"type": "METRIC_VALUE", "ev": "waiters", "fact": "request_rate.max"}, "SCHEMA"),
        ({"type": "METRIC_VALUE", "ev": "waiters", "fact": "highest"}, "SCHEMA"),
        ({"type": "METRIC_VALUE", "ev": "log", "fact": "count"}, "UNIT"),
        ({"type": "METRIC_VALUE", "ev": "waiters", "fact": "max", "entity": "shop/inventory"}, "ENTITY"),
        ({"type": "METRIC_CHANGE", "ev": "rate", "direction": "sideways"}, "SCHEMA"),
        ({"type": "METRIC_CHANGE", "ev": "rate", "direction": "up", "fact": "highest"}, "SCHEMA"),
        (
            {"type": "METRIC_CHANGE", "ev": "rate", "direction": "up", "fact": "baseline", "value": 80},
            "NUMBER_MISMATCH",
        ),
        ({"type": "METRIC_CHANGE", "ev": "rate", "direction": "up", "instance": "gateway-9"}, WRONG),
        ({"type": "METRIC_CHANGE", "ev": "log", "direction": "up"}, WRONG),
        ({"type": "METRIC_CHANGE", "ev": "rate", "direction": "up", "fact": "count"}, WRONG),
        ({"type": "METRIC_VALUE", "ev": "calls", "fact": "recent", "upstream": "nobody"}, WRONG),
        ({"type": "LOG_PRESENT", "ev": "rate"}, "SCHEMA"),
        ({"type": "LOG_PRESENT", "ev": "silence"}, "QUOTE_MISMATCH"),
        ({"type": "LOG_PRESENT", "ev": "log", "quote": "Could not find anything at all"}, "QUOTE_MISMATCH"),
        ({"type": "LOG_PRESENT", "ev": "log", "value": 2}, WRONG),
        ({"type": "LOG_ABSENT", "ev": "rate"}, "SCHEMA"),
        ({"type": "LOG_ABSENT", "ev": "log"}, "QUOTE_MISMATCH"),
        ({"type": "SPAN_FACT", "ev": "spans", "trace_id": "t2", "span_id": "s1", "attribute": "db.system"}, NONE),
        ({"type": "SPAN_FACT", "ev": "spans", "trace_id": "t1", "span_id": "s2", "attribute": "db.system"}, NONE),
        ({"type": "SPAN_FACT", "ev": "spans", "trace_id": "t1", "span_id": "s1", "attribute": "db.name"}, NONE),
        ({"type": "EVENT_FACT", "ev": "events", "uid": "u2", "reason": "OOMKilled"}, NONE),
        ({"type": "EVENT_FACT", "ev": "events", "uid": "u1", "reason": "Evicted"}, NONE),
        ({"type": "CHANGE_FACT", "ev": "change", "change_id": "cd/other"}, NONE),
        ({"type": "EDGE_FACT", "ev": "log", "server": "shop/checkout", "fact": "recent"}, "UNIT"),
        ({"type": "EDGE_FACT", "ev": "calls", "server": "shop/nobody", "fact": "recent"}, WRONG),
        ({"type": "SIMILAR", "ev": "waiters", "incident": "INC_NEVER"}, NONE),
        ({"type": "SIMILAR", "ev": "waiters", "incident": "INC_NEVER", "value": 0.8}, NONE),
        ({"type": "SIMILAR", "ev": "waiters", "incident": "INC_EARLIER", "value": 0.2}, WRONG),
        ({"type": "COMPARE", "evs": ["waiters", "rate"], "fact": "max", "other_fact": "max", "op": "~"}, "SCHEMA"),
        ({"type": "COMPARE", "evs": ["log", "rate"], "fact": "max", "other_fact": "max", "op": "<"}, "UNIT"),
        ({"type": "COMPARE", "evs": ["rate", "log"], "fact": "max", "other_fact": "max", "op": "<"}, "UNIT"),
        (
            {"type": "COMPARE", "evs": ["rate", "rate"], "fact": "count", "other_fact": "max", "op": "<"},
            "NUMBER_MISMATCH",
        ),
        (
            {"type": "COMPARE", "evs": ["rate", "rate"], "fact": "max", "other_fact": "count", "op": "<"},
            "NUMBER_MISMATCH",
        ),
        ({"type": "ASSOCIATED", "evs": ["rate", "log"]}, "UNIT"),
        ({"type": "ASSOCIATED", "evs": ["log", "rate"]}, "UNIT"),
        ({"type": "PRECEDES", "evs": ["rate", "silence"]}, "ORDER"),
        ({"type": "PRECEDES", "evs": ["spans", "rate"]}, "ORDER"),
        ({"type": "PATH", "evs": ["log"], "entity": "shop/checkout"}, "UNIT"),
    ],
)
def test_an_offer_that_the_bytes_do_not_bear_is_refused(told, support, code):
    of_type = {t.type: t for t in told.truths}
    named = {
        "waiters": told.waiters.id,
        "rate": told.rate.id,
        "calls": told.calls.id,
        "log": told.log.id,
        "silence": of_type["LOG_ABSENT"].evidence,
        "spans": of_type["SPAN_FACT"].evidence,
        "events": of_type["EVENT_FACT"].evidence,
        "change": of_type["CHANGE_FACT"].evidence,
    }
    cited = {"ev": named[support["ev"]]} if "ev" in support else {"evs": [named[e] for e in support["evs"]]}
    made = offered(told, **(support | cited))
    assert isinstance(made, Dropped)
    assert made.code == code


def test_of_what_was_cut_short_only_at_least_is_said():
    store = Store()
    for status, op in ((Status.PARTIAL, Op.GE), (Status.COMPLETE, Op.EQ)):
        item = store.quantity(CHECKOUT, "pool_waiters", {"checkout-1": line(7, 0)}, status=status)
        offers, _ = gates.parse([{"type": "METRIC_VALUE", "ev": item.id, "fact": "max"}])
        made = gates.stated(offers[0], court(store))
        assert isinstance(made, MetricValue)
        assert made.op is op


def test_an_order_says_what_each_of_the_two_is():
    store = Store()
    cited = [
        store.change(CHECKOUT, ago=timedelta(seconds=50)).id,
        store.quantity(CHECKOUT, "in_flight", {"checkout-1": early(9, 0)}).id,
        store.log(CHECKOUT, PATTERN, STALE).id,
    ]
    made = []
    for pair in pairwise(cited):
        offers, _ = gates.parse([{"type": "PRECEDES", "evs": list(pair)}])
        made.append(gates.stated(offers[0], court(store)))
    told_of = [(m.first_what, m.second_what) for m in made if isinstance(m, Precedes)]
    assert told_of == [("a change", "requests in flight"), ("requests in flight", "the first such line")]


def test_of_several_changes_the_one_that_is_named_or_else_the_newest_is_told():
    store = Store()
    body = [
        {"id": name, "kind": "deploy", "at_ms": to_ms(NOW) - ago * 1000}
        for name, ago in (("old", 90), ("new", 30))
    ]
    item = kept(store, QuestionKind.CHANGES, {"changes": body})
    for named, told_of in (({}, "new"), ({"change_id": "old"}, "old")):
        offers, _ = gates.parse([{"type": "CHANGE_FACT", "ev": item.id} | named])
        made = gates.stated(offers[0], court(store))
        assert isinstance(made, ChangeFact)
        assert made.change_id == told_of


def test_more_offers_than_anybody_needs_are_none():
    one = {"type": "LOG_ABSENT", "ev": NOBODY}
    assert len(gates.parse([one] * 50)[0]) == 50
    assert gates.parse([one] * 51)[0] == ()
    assert gates.parse({"supports": [one]})[0] == ()
    assert [d.code for d in gates.parse(None)[1]] == ["SCHEMA"]


def test_a_value_that_cannot_be_compared_is_refused_by_what_it_is():
    said = [
        (d.code, d.what)
        for d in (
            gates.compared("about 7", 7.0, ""),
            gates.compared("7 ms", 7.0, ""),
            gates.compared("7 ms", 7.0, "ratio"),
        )
        if d is not None
    ]
    assert said == [
        ("SCHEMA", "a value that is no number"),
        ("UNIT", "a value in ms of a quantity in no unit"),
        ("UNIT", "a value in ms of a quantity in ratio"),
    ]


def test_lines_that_were_kept_and_do_not_match_are_no_quote():
    store = Store()
    item = store.log(CHECKOUT, "never", "another line altogether")
    offers, _ = gates.parse([{"type": "LOG_PRESENT", "ev": item.id}])
    made = gates.stated(offers[0], court(store))
    assert isinstance(made, Dropped)
    assert made.code == "QUOTE_MISMATCH"


def test_what_is_cited_must_be_of_this_incident(told):
    made = offered(told, type="METRIC_VALUE", ev=NOBODY, fact="max")
    assert isinstance(made, Dropped)
    assert made.code == "NO_SUCH_EVIDENCE"


def test_a_cause_is_the_engines_alone_and_a_note_is_off_by_default(told):
    assert [d.code for d in gates.parse([{"type": "CAUSE", "ev": NOBODY}])[1]] == ["SCHEMA"]
    offers, _ = gates.parse([{"type": "NOTE", "ev": told.waiters.id, "text": "both look alike"}])
    refused = gates.stated(offers[0], replace(court(told.store), notes=False))
    assert isinstance(refused, Dropped)
    assert refused.code == "SCHEMA"


@pytest.mark.parametrize(
    "support",
    [
        {"type": "METRIC_VALUE", "ev": NOBODY},
        {"type": "METRIC_VALUE", "ev": NOBODY, "fact": "max", "shown": "700"},
        {"type": "METRIC_VALUE", "ev": "ev_nothing", "fact": "max"},
        {"type": "METRIC_VALUE", "evs": [NOBODY, NOBODY], "fact": "max"},
        {"type": "METRIC_VALUE", "ev": NOBODY, "fact": "max", "value": "about 7"},
        {"type": "METRIC_VALUE", "ev": NOBODY, "fact": "max", "value": float("nan")},
        {"type": "METRIC_VALUE", "ev": NOBODY, "fact": ""},
        {"type": "METRIC_VALUE", "ev": NOBODY, "fact": "max", "value": True},
        {"type": "LOG_ABSENT", "ev": NOBODY, "value": 1},
        {"type": "LOG_ABSENT", "ev": NOBODY, "quote": "pool"},
        {"type": "LOG_ABSENT", "evs": NOBODY},
        {"type": "LOG_ABSENT", "evs": []},
        {"type": "LOG_ABSENT", "ev": NOBODY + "a"},
        {"type": "PRECEDES", "evs": [NOBODY]},
        {"type": 7, "ev": NOBODY},
        {"type": "LOG_ABSENT", "evs": 5},
        {"type": "LOG_ABSENT", "evs": [7]},
        {"type": "METRIC_VALUE", "ev": NOBODY, "fact": 7},
        {"type": "METRIC_VALUE", "ev": NOBODY, "fact": "max", "value": [7]},
        {"type": "METRIC_VALUE", "ev": NOBODY, "fact": "max", "value": float("inf")},
        {"type": "METRIC_VALUE", "ev": NOBODY, "fact": "x" * 301},
        {"type": "PATH", "evs": [], "entity": "shop/checkout"},
        {"type": "EVERYTHING", "ev": NOBODY},
        {"ev": NOBODY},
        "METRIC_VALUE",
        None,
    ],
)
def test_what_is_not_of_the_grammar_is_refused_and_not_repeated(support):
    offers, dropped = gates.parse([support])
    assert offers == ()
    assert [d.code for d in dropped] == ["SCHEMA"]
    assert "700" not in dropped[0].what


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )
)
def test_no_json_at_all_breaks_the_parser(value):
    for given_ in (value, [value], [{"type": "METRIC_VALUE", "ev": NOBODY, "fact": value, "value": value}]):
        offers, dropped = gates.parse(given_)
        assert all(isinstance(o.evidence[0], str) for o in offers)
        assert all(d.code == "SCHEMA" for d in dropped)


@given(
    st.sampled_from(sorted(gates.schema.SHAPES)),
    st.integers(min_value=0, max_value=40),
    st.text(min_size=1, max_size=12),
)
def test_no_offer_of_the_grammar_breaks_the_engine(kind, pick, text):
    told = TOLD
    shape = gates.schema.SHAPES[kind]
    ids = [e.id for e in told.store.items]
    cited = [EvidenceId(ids[(pick + n) % len(ids)]) for n in range(shape.cites or 2)]
    support = {"type": kind, "evs": cited} | dict.fromkeys(shape.needs, text)
    offers, _ = gates.parse([support | ({"fact": "max"} if "fact" in shape.needs else {})])
    for offer in offers:
        made = gates.stated(offer, court(told.store))
        assert isinstance(made, Dropped) or gates.judge(made, court(told.store)) is None
