"""What keeps a hypothesis from being named, what takes a finding back, and what each sentence stands on."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agents import scoring
from agents.facts import Reader
from agents.gather import keep
from agents.hypotheses import coverage, explained, margin, ranked, weigh
from agents.incident.claims import LogPresent, MetricChange, MetricValue, UngroundedClaim
from agents.incident.clock import to_ms
from agents.incident.evidence import Answer, Question, QuestionKind, Status
from agents.incident.finding import FindingState, RefuterOutcome
from agents.incident.grounds import LineAt, PointAt
from agents.incident.ids import FindingId
from agents.signatures.evaluate import Bench, Entity
from agents.statements import NO_PROBE, not_checked
from agents.triage import Knowledge, triage
from tests.unit.agents import world
from tests.unit.agents.world import (
    CHECKOUT,
    GATEWAY,
    INVENTORY,
    NOW,
    SHOP,
    SIGNATURES,
    WINDOW,
    Store,
    line,
    upstream,
)

S = FindingState


def bench(store):
    return Bench(Reader(e, store.blobs[e.blob_sha256]) for e in store.items)


def held(signature, service, store, replica=None):
    found = next(s for s in SIGNATURES if s.id == signature)
    return weigh(found, Entity(service=service, replica=replica), bench(store), SHOP, NOW)


def without(store, name, service=None):
    store.items = [
        e for e in store.items if e.question.name != name or (service and e.question.service != service.name)
    ]
    return store


def since(seconds, now, before):
    """Sixty seconds of points: *before* until so many seconds ago, then *now*."""
    end = to_ms(NOW)
    return [[float(end - s * 1000), now if s <= seconds else before] for s in range(60, -1, -1)]


def looked_again(store, earlier):
    return triage(
        world.incident(),
        store.items,
        unasked={},
        read_blob=lambda digest: store.blobs[digest],
        knowledge=Knowledge(catalogue=SHOP, signatures=SIGNATURES, calibration=world.SURE),
        finding_id=FindingId("FI_AGAIN"),
        at=NOW,
        earlier=earlier,
    )


# Order


def late_pool():
    """The calls failed eleven seconds ago; the pool filled only in the last second."""
    store = without(without(world.pool_leak(), "pool_waiters"), "pool_used_ratio")
    store = without(store, "upstream_failure_ratio", GATEWAY)
    store.quantity(CHECKOUT, "pool_waiters", {"checkout-1": since(1, 9, 0)})
    store.quantity(CHECKOUT, "pool_used_ratio", {"checkout-1": since(1, 1.0, 0.4)})
    labels = {"instance": "gateway-1", "upstream": "checkout", "upstream_instance": "checkout-1"}
    points = [[t, v * 8.0, 8.0] for t, v in since(14, 0.4, 0.0)]
    store.quantity(GATEWAY, "upstream_failure_ratio", [(labels, points)])
    return store


def test_a_mechanism_that_began_after_its_symptom_is_refuted():
    finding = late_pool().finding()
    assert finding.signature is None
    (fired,) = finding.refuters
    assert (fired.id, fired.hard, fired.outcome) == ("F11.order", True, RefuterOutcome.FIRED)
    assert "only after what it would have caused" in finding.text


def test_intervals_that_overlap_refute_nothing():
    assert held("F11", CHECKOUT, world.pool_leak()).late is None
    assert world.pool_leak().finding().signature == "F11"


# Rivals


def test_a_symptom_that_a_cause_explains_supports_its_rivals_less():
    store = world.pool_leak()
    best = held("F11", CHECKOUT, store)
    rival = replace(best, true_groups=best.true_groups[1:], ratios=best.ratios[1:])
    alone = scoring.score(rival.prior, rival.ratios, rival.soft)
    assert explained(rival, best) < alone
    assert explained(rival, best) > scoring.score(rival.prior, [], rival.soft)


def test_what_is_specific_to_a_rival_is_not_explained_away():
    store = world.pool_leak()
    best = held("F11", CHECKOUT, store)
    rival = replace(best, true_groups=best.true_groups[:1], ratios=best.ratios[:1])
    assert explained(rival, best) == pytest.approx(scoring.score(rival.prior, rival.ratios, rival.soft))


@pytest.mark.parametrize("ratio", [1.0, 2.0, 4.0, 12.0])
def test_explaining_away_never_adds_and_never_speaks_against(ratio):
    for by in (1.0, 2.0, 4.0, 12.0):
        assert 1.0 <= scoring.explained_away(ratio, by) <= ratio + 1e-9
    assert scoring.explained_away(ratio, 1.0) == pytest.approx(ratio)


def test_something_else_is_always_among_the_competitors():
    best = held("F11", CHECKOUT, world.pool_leak())
    assert margin(best, 0.6, []) == pytest.approx(0.6 - scoring.OTHER)


def test_of_two_that_score_alike_the_one_whose_mechanism_was_seen_there_is_first():
    here = held("F11", CHECKOUT, world.pool_leak())
    there = replace(here, local=False)
    assert here.local
    assert ranked([there, here])[0].local
    assert ranked([replace(there, score=here.score + 0.1), here])[0].local is False


def test_errors_that_a_cause_does_not_explain_keep_it_unnamed():
    store = without(world.pool_leak(), "server_error_ratio", CHECKOUT)
    store.quantity(CHECKOUT, "server_error_ratio", {"checkout-1": line(0.4, 0.0, per=8.0)})
    assert coverage(CHECKOUT, GATEWAY, bench(store), SHOP) == 1.0
    assert coverage(INVENTORY, GATEWAY, bench(store), SHOP) == 1.0  # whoever relies on it, as was seen
    assert coverage(GATEWAY, GATEWAY, bench(store), SHOP) == 0.5


def test_a_cause_that_covers_too_little_says_which_rule_kept_it():
    store = world.surge()
    without(store, "server_error_ratio", CHECKOUT)
    store.quantity(CHECKOUT, "server_error_ratio", {"checkout-1": line(0.4, 0.0, per=8.0)})
    store.quantity(INVENTORY, "server_error_ratio", {"inventory-1": line(0.4, 0.0, per=8.0)})
    finding = store.finding()
    assert finding.signature is None
    assert "COVERAGE" in {d.code for d in finding.dropped}


def test_what_changed_while_it_was_read_is_read_again_before_it_is_named():
    store = world.pool_leak()
    store.items = [e for e in store.items if e.question.kind is not QuestionKind.CHANGES]
    store.change(CHECKOUT, ago=timedelta(0))
    finding = store.finding()
    assert finding.state is S.SUSPECTS
    assert "TAINTED" in {d.code for d in finding.dropped}


def test_a_finding_carries_its_margin_and_its_coverage():
    finding = world.pool_leak().finding()
    assert finding.margin is not None
    assert finding.score is not None
    assert scoring.MARGIN <= finding.margin <= finding.score - scoring.OTHER
    assert finding.coverage == 1.0


# Taking back


def refuted_now():
    store = without(world.pool_leak(), "upstream_failure_ratio", CHECKOUT)
    labels = {"instance": "checkout-1", "upstream": "inventory", "upstream_instance": "inventory-1"}
    store.quantity(CHECKOUT, "upstream_failure_ratio", [(labels, line(0.3, 0.0, per=8.0))])
    return store


@pytest.mark.parametrize("calibration", [world.SURE, world.LIKELY])
def test_a_later_look_whose_hard_refuter_fires_takes_the_finding_back(calibration):
    earlier = world.pool_leak().finding(calibration)
    again = looked_again(refuted_now(), earlier)
    assert again.state is S.CONTESTED
    assert again.contests == earlier.id
    assert again.signature is None
    assert again.text.startswith("Retracted: new evidence contradicts the earlier finding: ")
    assert "pool exhausted in `checkout` (F11)" in again.text
    assert "Against: calls to its own upstream fail" in again.text


def test_a_later_look_that_sees_the_same_says_the_same():
    earlier = world.pool_leak().finding()
    again = looked_again(world.pool_leak(), earlier)
    assert (again.state, again.signature, again.contests) == (S.DIAGNOSED, "F11", None)


@pytest.mark.parametrize("state", [S.SUSPECTS, S.INCONCLUSIVE])
def test_what_never_named_a_cause_is_not_taken_back(state):
    earlier = replace(world.pool_leak().finding(), state=state)
    assert looked_again(refuted_now(), earlier).state is not S.CONTESTED


def test_another_cause_that_is_refuted_takes_nothing_back():
    earlier = replace(world.pool_leak().finding(), signature="F49", entity="shop/inventory")
    assert looked_again(refuted_now(), earlier).state is not S.CONTESTED


def test_contested_and_what_it_contests_go_together():
    finding = world.pool_leak().finding()
    with pytest.raises(UngroundedClaim):
        replace(finding, state=S.CONTESTED)
    with pytest.raises(UngroundedClaim):
        replace(finding, contests=FindingId("FI_X"))


# What nobody was asked


def test_a_reason_why_nobody_was_asked_reaches_the_finding():
    own, other = world.ask(GATEWAY, "request_rate"), world.ask(CHECKOUT, "in_flight")
    refused = "shop/checkout belongs to another project (shop, project b); this incident is of shop"
    gaps = not_checked(bench(Store()), {own: NO_PROBE, other: refused})
    assert gaps == (
        "`gateway` (no probe is configured for its requests and errors)",
        f"`checkout` ({refused})",
    )


def test_without_reasons_no_probe_is_configured():
    gaps = not_checked(bench(Store()), (world.ask(GATEWAY, "request_rate"), world.ask(GATEWAY, "pool_waiters")))
    assert gaps == ("`gateway` (no probe is configured for its requests and errors)",)


def test_what_moved_is_told_where_nothing_known_fits():
    store = world.well(Store())
    store.quantity(GATEWAY, "server_error_ratio", {"gateway-1": line(0.35, 0.0, per=16.0)})
    store.quantity(INVENTORY, "in_flight", {"inventory-1": line(30, 2)})
    finding = store.finding()
    assert finding.state is S.INCONCLUSIVE
    moved = [s.claim.entity for s in finding.claims if isinstance(s.claim, MetricChange)]
    assert moved == ["shop/inventory"]
    assert "`inventory` requests in flight: 2 → 30" in finding.text


# What a sentence stands on


def test_each_number_carries_its_fact_and_the_bytes_it_was_read_from():
    store = world.pool_leak()
    said, claim = next((s, s.claim) for s in store.finding().claims if isinstance(s.claim, MetricValue))
    (fact,) = said.facts
    assert (fact.name, fact.value, fact.inputs) == ("pool_waiters.max", 7.0, (claim.evidence,))
    assert fact.n_samples == 10  # five points of each replica lie in the recent part
    blob = store.blobs[next(e for e in store.items if e.id == claim.evidence).blob_sha256]
    assert said.excerpts
    for excerpt in said.excerpts:
        assert blob[excerpt.byte_start : excerpt.byte_end].decode() == excerpt.text
        assert isinstance(excerpt.pointer, PointAt)
        assert excerpt.pointer.labels["instance"] == "checkout-1"
        assert excerpt.text == f"[{excerpt.pointer.at_ms:.0f},7]"


def test_each_quote_points_at_its_line():
    store = world.stale_schema()
    said, claim = next((s, s.claim) for s in store.finding().claims if isinstance(s.claim, LogPresent))
    blob = store.blobs[next(e for e in store.items if e.id == claim.evidence).blob_sha256]
    assert len(said.excerpts) == claim.count == 2
    assert len({e.byte_start for e in said.excerpts}) == 2
    for excerpt in said.excerpts:
        assert blob[excerpt.byte_start : excerpt.byte_end] == claim.quote.encode()
        assert isinstance(excerpt.pointer, LineAt)
        assert excerpt.pointer.labels == {"instance": "inventory-1"}
        assert excerpt.pointer.at == NOW.isoformat()


# What an answer is


def answered(**named):
    usual: dict[str, Any] = {
        "question": Question(
            kind=QuestionKind.QUANTITY, service="checkout", environment="shop", name="pool_waiters"
        ),
        "status": Status.COMPLETE,
        "query": 'sum( pool_waiters{a="x  y"} )',
        "lineage": world.pool_leak().items[0].lineage,
        "body": {"series": [{"labels": {}, "points": [[1, 2], [2, 3]]}]},
    }
    return keep(Answer(**(usual | named)), world.INC, "prometheus", WINDOW, timedelta(0))[0]


def test_two_backends_of_one_kind_are_two_and_one_question_has_one_spelling():
    assert answered(backend="a").id != answered(backend="b").id
    assert answered(query='sum(pool_waiters{a="x  y"})').id == answered().id
    assert answered(query='sum(pool_waiters{a="x y"})').id != answered().id


def test_how_much_came_is_counted_in_the_body():
    whole = answered().completeness
    assert (whole.rows, whole.limit_hit, whole.warnings) == (2, False, ())
    assert answered(status=Status.TRUNCATED).completeness.limit_hit
    assert answered(warnings=("password=hunter22",)).completeness.warnings != ("password=hunter22",)


def test_a_second_signal_must_be_from_another_vantage_and_of_another_process():
    store = without(world.pool_leak(), "upstream_failure_ratio", GATEWAY)
    store.quantity(GATEWAY, "upstream_failure_ratio", [upstream(0.4)], producers=("shop/checkout/checkout-1",))
    assert "SINGLE_SIGNAL" in {d.code for d in store.finding().dropped}
