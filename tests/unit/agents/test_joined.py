"""Claims of several parts beyond their parts: ways that join and got worse, orders that lines and changes have."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agents import gates
from agents.identity import identified
from agents.incident.claims import (
    Associated,
    Compare,
    EdgeFact,
    FactName,
    LogPresent,
    MetricValue,
    Op,
    Path,
    Precedes,
    Refuted,
    Where,
)
from agents.incident.clock import to_ms
from agents.incident.evidence import Answer, Lineage, Status, Window
from agents.onset import Interval
from agents.saying import say
from tests.unit.agents.test_gates import PATTERN, court, early
from tests.unit.agents.world import CHECKOUT, GATEWAY, INVENTORY, NOW, SHOP, STALE, Store, ask, line, replica

WEB = replace(GATEWAY, name="web", calls=("cart",), replicas=(replica("web-1"),))
CART = replace(CHECKOUT, name="cart", calls=(), replicas=(replica("cart-1"),))
ROUND = replace(CHECKOUT, calls=("inventory", "gateway"))
WIDER = replace(SHOP, services=(GATEWAY, ROUND, INVENTORY, WEB, CART))


def called(store, client, server, points=None, **changes):
    """A call of *client* to *server* of which four in ten fail now, and none did."""
    labels = {"instance": f"{client.name}-1", "upstream": server.name, "upstream_instance": f"{server.name}-1"}
    item = store.quantity(client, "upstream_failure_ratio", [(labels, points or line(0.4, 0.0, per=8.0))])
    usual = {
        "evidence": item.id,
        "client": client.id,
        "server": server.id,
        "fact": FactName.RECENT,
        "value": 0.4,
        "op": Op.GE,
        "threshold": 0.0,
    }
    return EdgeFact(**(usual | changes))


def code(claim, store, **changes):
    refused = gates.judge(claim, court(store, **({"catalogue": WIDER} | changes)))
    return None if refused is None else refused.code


def test_hops_that_do_not_meet_are_no_way():
    store = Store()
    hops = called(store, CHECKOUT, INVENTORY), called(store, WEB, CART)
    assert [code(hop, store) for hop in hops] == [None, None]
    assert code(Path(hops=hops), store) == "NO_PATH"
    assert code(Path(hops=(hops[0], called(store, GATEWAY, CHECKOUT))), store) is None


def test_a_way_does_not_come_back_to_where_it_was():
    store = Store()
    there, back = called(store, GATEWAY, CHECKOUT), called(store, ROUND, GATEWAY)
    assert [code(hop, store) for hop in (there, back)] == [None, None]
    assert code(Path(hops=(there, back)), store) == "NO_PATH"


def test_calls_without_a_present_are_no_way():
    store = Store()
    past = [p for p in line(0.0, 0.0, per=8.0) if p[0] < to_ms(NOW - timedelta(seconds=5))]
    hop = called(store, GATEWAY, CHECKOUT, past, fact=FactName.BASELINE, value=0.0)
    assert code(hop, store) is None
    assert code(Path(hops=(hop,)), store) == "NO_PATH"


@pytest.mark.parametrize("now", [0.004, 0.0])
def test_calls_that_hardly_got_worse_are_no_way(now):
    store = Store()
    hop = called(store, GATEWAY, CHECKOUT, line(now, 0.0, per=8.0), value=now)
    assert code(hop, store) is None
    assert code(Path(hops=(hop,)), store) == "NO_PATH"


# What began when


SKEW = timedelta(seconds=2)


def order(store, first, second, began: tuple[Interval, Interval]):
    claim = Precedes(
        first_evidence=first.id,
        second_evidence=second.id,
        first=began[0],
        second=began[1],
        first_what="x",
        second_what="y",
    )
    return code(claim, store)


def test_a_line_and_a_change_began_when_they_were_written_give_or_take_the_clocks():
    store = Store()
    logged = store.log(INVENTORY, PATTERN, STALE)
    changed = store.change(CHECKOUT, ago=timedelta(seconds=30))
    at = NOW - timedelta(seconds=30)
    written = (NOW - SKEW, NOW + SKEW)
    made = (at - SKEW, at + SKEW)
    assert order(store, changed, logged, (made, written)) is None
    assert order(store, logged, changed, (written, made)) == "ORDER"
    assert order(store, changed, logged, ((at, at), written)) == "ORDER"
    assert order(store, changed, logged, (made, (NOW, NOW))) == "ORDER"


def test_what_has_no_beginning_comes_before_nothing():
    store = Store()
    moved = store.quantity(CHECKOUT, "in_flight", {"checkout-1": early(9, 0)})
    quiet = store.log(INVENTORY, PATTERN)
    began = court(store).readers[moved.id].onset(Where())
    assert began is not None
    assert order(store, moved, quiet, (began, (NOW - SKEW, NOW + SKEW))) == "ORDER"


# What was cut short, and when


def test_a_way_or_a_refuter_stands_on_nothing_that_more_of_an_answer_could_undo():
    store = Store()
    hop = called(store, GATEWAY, CHECKOUT)
    store.items = [identified(replace(e, status=Status.PARTIAL)) for e in store.items]
    hop = replace(hop, evidence=store.items[0].id)
    assert code(Path(hops=(hop,)), store) is None
    assert code(Path(hops=(replace(hop, op=Op.LE, threshold=0.5),)), store) == "INCOMPLETE"
    cut = store.quantity(INVENTORY, "schema_cache_behind", {"inventory-1": line(0, 0)}, status=Status.PARTIAL)
    reading = MetricValue(
        evidence=cut.id,
        entity=INVENTORY.id,
        fact=FactName.LAST,
        where=Where(),
        value=0.0,
        op=Op.EQ,
        threshold=0.0,
    )
    refuted = Refuted(signature="F49", entity=INVENTORY.id, refuter="F49.x1", reading=reading)
    assert code(refuted, store) == "INCOMPLETE"


def test_a_number_needs_no_proof_that_its_source_is_alive_but_a_silence_does():
    store = Store()
    rate = store.quantity(INVENTORY, "request_rate", {"inventory-1": line(8, 8)}, alive=None)
    value = MetricValue(
        evidence=rate.id,
        entity=INVENTORY.id,
        fact=FactName.RECENT,
        where=Where(),
        value=8.0,
        op=Op.EQ,
        threshold=8.0,
    )
    assert code(value, store) is None


def looked(store, name, ago):
    """One number that was looked at over a minute which ended so long ago."""
    window = Window(start=NOW - ago - timedelta(minutes=1), end=NOW - ago, recent=timedelta(seconds=10))
    points = [[to_ms(window.end) - s * 1000.0, 5.0] for s in range(60, -1, -1)]
    return store.add(
        Answer(
            question=ask(CHECKOUT, name),
            status=Status.COMPLETE,
            query=name,
            lineage=Lineage(producers=("x",), pipeline="direct", quantity=name, place=CHECKOUT.id),
            body={"series": [{"labels": {"instance": "checkout-1"}, "points": points}]},
            entities=(CHECKOUT.id,),
            step=timedelta(seconds=1),
            window=window,
        )
    )


@pytest.mark.parametrize(
    ("ago", "refused"), [((0, 5), None), ((5, 0), None), ((0, 30), "WINDOW"), ((30, 0), "WINDOW")]
)
def test_two_numbers_are_compared_only_where_they_are_of_one_time(ago, refused):
    store = Store()
    first, second = (
        looked(store, name, timedelta(seconds=s))
        for name, s in zip(("in_flight", "pool_waiters"), ago, strict=True)
    )
    claim = Compare(
        evidence=first.id,
        other_evidence=second.id,
        entity=CHECKOUT.id,
        fact=FactName.RECENT,
        where=Where(),
        other_fact=FactName.RECENT,
        other_where=Where(),
        value=5.0,
        other_value=5.0,
        op=Op.EQ,
    )
    assert code(claim, store) == refused


def test_a_part_of_a_whole_is_compared_with_no_ratio_that_is_none():
    store = Store()
    calls, slow, failed = (
        store.quantity(CHECKOUT, name, {"one": line(1, 1, per=8.0)})
        for name in ("calls_per_request", "slow_request_ratio", "server_error_ratio")
    )
    claim = Compare(
        evidence=slow.id,
        other_evidence=failed.id,
        entity=CHECKOUT.id,
        fact=FactName.RECENT,
        where=Where(),
        other_fact=FactName.RECENT,
        other_where=Where(),
        value=1.0,
        other_value=1.0,
        op=Op.EQ,
    )
    assert code(claim, store) is None
    assert code(replace(claim, other_evidence=calls.id), store) == "UNIT"
    assert code(replace(claim, evidence=calls.id), store) == "UNIT"


def test_a_comparison_names_both_sides_where_they_differ():
    store = Store()
    mine, other, its = (
        store.quantity(service, name, {"one": line(5, 7)})
        for service, name in ((CHECKOUT, "pool_waiters"), (CHECKOUT, "in_flight"), (INVENTORY, "pool_waiters"))
    )
    readers = court(store).readers
    claim = Compare(
        evidence=mine.id,
        other_evidence=mine.id,
        entity=CHECKOUT.id,
        fact=FactName.RECENT,
        where=Where(),
        other_fact=FactName.BASELINE,
        other_where=Where(),
        value=7.0,
        other_value=5.0,
        op=Op.GT,
    )
    assert say(claim, readers).startswith("`checkout` pool waiters: 7 against usually 5 [")
    to_another = say(replace(claim, other_evidence=its.id), readers)
    assert to_another.startswith("`checkout` pool waiters: 7 against `inventory` pool waiters: usually 5 [")
    of_another = say(replace(claim, other_evidence=other.id), readers)
    assert of_another.startswith("`checkout` pool waiters: 7 against `checkout` requests in flight: usually 5 [")


def test_a_call_at_another_time_says_so():
    store = Store()
    hop = called(store, GATEWAY, CHECKOUT)
    readers = court(store).readers
    assert "upstream: 40.0% [" in say(hop, readers)
    assert "upstream: usually 0.0% [" in say(replace(hop, fact=FactName.BASELINE, value=0.0), readers)
    assert "upstream: never below 0.0% [" in say(replace(hop, fact=FactName.MIN, value=0.0), readers)


@pytest.mark.parametrize("other", [f for f in FactName if f not in {FactName.RECENT, FactName.RATIO_TO_BASELINE}])
def test_the_present_of_one_is_compared_with_the_present_of_another_alone(other):
    store = Store()
    mine, its = (store.quantity(s, "pool_waiters", {"one": line(5, 7)}) for s in (CHECKOUT, INVENTORY))
    value = court(store).readers[its.id].value(other, Where())
    if value is None:
        return
    claim = Compare(
        evidence=mine.id,
        other_evidence=its.id,
        entity=CHECKOUT.id,
        fact=FactName.RECENT,
        where=Where(),
        other_fact=other,
        other_where=Where(),
        value=5.0,
        other_value=value,
        op=Op.LE if value >= 5 else Op.GT,
    )
    assert code(claim, store) == "UNIT"


@pytest.mark.parametrize("fact", [FactName.MIN, FactName.BASELINE])
def test_of_what_was_read_in_part_no_least_and_no_usual_is_said(fact):
    store = Store()
    whole = store.quantity(INVENTORY, "in_flight", {"inventory-1": early(9, 0)})
    value = court(store).readers[whole.id].value(fact, Where())
    claim = MetricValue(
        evidence=whole.id,
        entity=INVENTORY.id,
        fact=fact,
        where=Where(),
        value=value,
        op=Op.GE,
        threshold=value,
    )
    assert code(claim, store) is None
    store.items = [identified(replace(whole, status=Status.PARTIAL))]
    claim = replace(claim, evidence=store.items[0].id)
    assert code(claim, store) == "INCOMPLETE"
    most = court(store).readers[store.items[0].id].value(FactName.MAX, Where())
    said = replace(claim, fact=FactName.MAX, value=most, threshold=most)
    assert code(said, store) is None
    assert " in what was read [" in say(said, court(store).readers)


@pytest.mark.parametrize("status", [Status.PARTIAL, Status.TRUNCATED])
def test_lines_that_were_read_in_part_are_at_least_so_many_and_have_no_first(status):
    store = Store()
    moved = store.quantity(CHECKOUT, "in_flight", {"checkout-1": early(9, 0)})
    logged = store.log(INVENTORY, PATTERN, STALE)
    began = court(store).readers[moved.id].onset(Where())
    written = (NOW - SKEW, NOW + SKEW)
    assert order(store, moved, logged, (began, written)) is None
    cut = identified(replace(logged, status=status))
    store.items = [moved, cut]
    assert order(store, moved, cut, (began, written)) == "ORDER"
    claim = LogPresent(evidence=cut.id, entity=INVENTORY.id, pattern=PATTERN, quote="x", count=1)
    assert " in at least 1 line " in say(claim, court(store).readers)


def test_one_quantity_by_two_probes_is_not_alike_with_itself():
    store = Store()
    one, two = (
        store.quantity(INVENTORY, "in_flight", {"inventory-1": early(9, 0)}, probe=probe) for probe in ("a", "b")
    )
    claim = Associated(
        evidence=one.id, other_evidence=two.id, where=Where(), other_where=Where(), rho=1.0, lag=timedelta(0)
    )
    assert code(claim, store) == "SINGLE_SIGNAL"
    apart = say(replace(claim, rho=-0.9), court(store).readers)
    assert "moved in opposite ways (rho -0.90)" in apart


def test_evidence_about_nobody_says_so():
    store = Store()
    rate = store.quantity(INVENTORY, "request_rate", {"inventory-1": line(8, 8)})
    store.items = [replace(rate, entities=())]
    claim = MetricValue(
        evidence=rate.id,
        entity=INVENTORY.id,
        fact=FactName.RECENT,
        where=Where(),
        value=8.0,
        op=Op.EQ,
        threshold=8.0,
    )
    refused = gates.judge(claim, court(store))
    assert refused is not None
    assert (refused.code, refused.what) == ("ENTITY", f"{INVENTORY.id} is not among nothing")
    store.items = [rate]
    foreign = gates.judge(replace(claim, entity=CHECKOUT.id), court(store))
    assert foreign is not None
    assert foreign.what == "shop/checkout is not among shop/inventory, shop/inventory/inventory-1"
