"""The loop: which step follows which, what ends it, and that the engine's finding is its own."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from agents.deliberation.answers import Query
from agents.deliberation.budgets import Limits, Off, Price, Spent
from agents.deliberation.menu import Refusal, menu_of
from agents.deliberation.record import Step
from agents.incident.errors import BadInput, Refused, Transient
from agents.incident.evidence import QuestionKind
from agents.incident.finding import Finding, FindingState
from agents.ports import Task
from agents.reasoners.scripted import Scripted
from tests.unit.agents.thinking import ABSTAIN, ABSTAIN_PLAN, Case, ent, honest, plan, propose, query, script
from tests.unit.agents.world import (
    CHECKOUT,
    GATEWAY,
    INVENTORY,
    NOW,
    SHOP,
    SIGNATURES,
    UNSURE,
    Store,
    incident,
    line,
    pool_leak,
    surge,
    well,
)

CENTS = Price(input_usd=10.0, output_usd=30.0, source="test")
ROUND = [Step.PLAN, Step.HYPOTHESISE, Step.REFUTE, Step.VERIFY]


def suspects() -> Case:
    """A pool that is exhausted, where nobody has read yet whether traffic rose."""
    return Case(missing=("request_rate",))


def quiet() -> Case:
    """Errors at the edge, and nothing known anywhere that would explain them."""
    store = well(Store())
    store.quantity(GATEWAY, "server_error_ratio", {"gateway-1": line(0.35, 0.0, per=16.0)})
    store.quantity(GATEWAY, "upstream_failure_ratio", [])
    return Case(store=store)


def test_the_case_is_only_suspected_before():
    assert suspects().finding().state is FindingState.SUSPECTS
    assert quiet().finding().state is FindingState.INCONCLUSIVE


def test_a_question_that_was_missing_is_asked_and_the_engine_names_the_cause():
    case = suspects()
    thought = case.think(honest())
    assert thought.record.off is None
    assert thought.finding.state is FindingState.DIAGNOSED
    assert thought.finding.signature == "F11"
    assert thought.record.steps == (Step.PLAN, Step.QUERY, Step.HYPOTHESISE, Step.REFUTE, Step.VERIFY)
    whole = case.judge(case.store.items, case.store.blobs.__getitem__)
    assert (thought.finding.p, thought.finding.score) == (whole.p, whole.score)
    assert thought.finding.groups == whole.groups


def test_refuters_are_run_although_the_model_asks_for_none():
    case = suspects()
    thought = case.think(script())
    assert ("request_rate", "gateway") in {(a.question.name, a.question.service) for a in case.asked}
    assert thought.finding.state is FindingState.DIAGNOSED


def test_a_refuter_that_fires_on_the_way_takes_a_likely_cause_back():
    class Likely(Case):
        def finding(self) -> Finding:
            held = tuple(e.id for e in self.held())
            return replace(pool_leak().finding(), state=FindingState.LIKELY, evidence=held, claims=())

    case = Likely(store=surge(), missing=("request_rate",), calibration=UNSURE)
    assert case.think(script()).finding.state is FindingState.SUSPECTS


def test_a_round_that_brings_nothing_new_is_the_last():
    case = quiet()
    thought = case.think(script(), Limits(rounds=3))
    assert thought.record.rounds < 3
    assert thought.finding == case.finding()


def test_no_more_rounds_than_allowed():
    names = ["pool_waiters", "in_flight", "health_ok", "health_failing"]
    plans = [plan(query(f"quantity:{n}", "inventory")) for n in names]
    case = quiet()
    for n in names:
        case.store.quantity(INVENTORY, n, {"inventory-1": line(0, 0)})
    case.missing = tuple(names)
    thought = case.think(script(plans), Limits(rounds=2))
    assert thought.record.rounds == 2
    assert thought.record.off is None


def test_a_diagnosis_is_only_read_in_another_order():
    case = Case()
    before = case.finding()
    thought = case.think(honest())
    assert before.state is FindingState.DIAGNOSED
    assert thought.record.steps == (Step.ORDER,)
    assert case.asked == []
    assert thought.finding.claims[0] == before.claims[0]
    assert thought.finding.claims[1:3] == (before.claims[2], before.claims[1])
    assert replace(thought.finding, claims=before.claims, text=before.text) == before


@pytest.mark.parametrize("lines", [["L9"], [], ["L1", "L1", "L1"], ["L2"], ["L1", "L2", "L3"]])
def test_an_order_leaves_out_and_adds_nothing(lines):
    case = Case()
    said = {"version": 1, "incident": case.about.id, "status": "order", "lines": lines}
    thought = case.think(_ordering(said))
    assert sorted(map(str, thought.finding.claims)) == sorted(map(str, case.finding().claims))


def test_a_text_that_was_withheld_is_not_given_by_reading_it_in_another_order():
    case = Withheld()
    said = {"version": 1, "incident": case.about.id, "status": "order", "lines": ["L2", "L1"]}
    thought = case.think(_ordering(said))
    assert thought.record.off is None
    assert thought.record.steps == (Step.ORDER,)
    assert thought.finding.text == "withheld"


class Withheld(Case):
    """A diagnosis whose text was stopped on its way out."""

    def finding(self):
        return replace(super().finding(), text="withheld")


def _ordering(said):
    return Scripted(answers={Task.ORDER: [said]})


def test_no_fault_is_left_alone():
    store = well(Store())
    store.quantity(GATEWAY, "server_error_ratio", {"gateway-1": line(0.0, 0.0, per=16.0)})
    case = Case(store=store)
    assert case.finding().state is FindingState.NO_FAULT
    reasoner = script()
    assert case.think(reasoner).finding == case.finding()
    assert reasoner.asked == []


FAILURES = [
    (Transient("busy"), Off.UNREACHABLE),
    (TimeoutError("late"), Off.SLOW),
    (Refused("no"), Off.REFUSED),
    ("not json", Off.MALFORMED),
    ('{"version":1', Off.MALFORMED),
    (BadInput("no usable answer"), Off.MALFORMED),
    ("x" * 10_000_000, Off.MALFORMED),
    (plan(query("quantity:pool_waiters", "gateway")) | {"note": "restart payments"}, Off.MALFORMED),
    (plan() | {"incident": "INC_OTHER"}, Off.MALFORMED),
    ({"version": 1, "incident": "INC_TEST", "status": "propose"}, Off.MALFORMED),
]


@pytest.mark.parametrize(("said", "off"), FAILURES)
@pytest.mark.parametrize("task", [Task.PLAN, Task.PROPOSE])
def test_whatever_goes_wrong_leaves_the_engine_alone_and_says_why(task, said, off):
    case = suspects()
    reasoner = script([said]) if task is Task.PLAN else script(proposals=[said])
    if task is Task.PROPOSE and isinstance(said, dict):
        reasoner = script(proposals=[{**said, "nonsense": 1}])
    thought = case.think(reasoner)
    assert thought.record.off is off
    assert thought.finding == case.finding()
    assert thought.record.suspects == ()
    assert thought.record.facts == ()


def test_one_malformed_answer_is_forgiven():
    thought = suspects().think(script(["not json", ABSTAIN_PLAN]))
    assert thought.record.off is None
    assert [d.code for d in thought.record.dropped] == ["SCHEMA"]


def test_who_is_asked_again_is_told_what_was_wrong_in_our_words_alone():
    reasoner = script([plan() | {"rm -rf": "restart payments"}, ABSTAIN_PLAN])
    suspects().think(reasoner)
    first, second = (view for task, view in reasoner.asked if task is Task.PLAN)
    assert (first.refused, second.refused) == ("", "an answer of the wrong shape at whole")
    assert second.text == first.text


@pytest.mark.parametrize(
    ("limits", "price", "before", "off"),
    [
        (Limits(tool_calls=0), None, None, Off.TOOL_CALLS),
        (Limits(tool_calls=5), None, Spent(tool_calls=5), Off.TOOL_CALLS),
        (Limits(input_tokens=10), None, None, Off.INPUT_TOKENS),
        (Limits(), None, Spent(input_tokens=60_000), Off.INPUT_TOKENS),
        (Limits(cost_usd=0.001), CENTS, None, Off.COST),
        (Limits(), CENTS, Spent(cost_usd=0.30), Off.COST),
        (Limits(wall_clock=timedelta(0)), None, None, Off.WALL_CLOCK),
        (Limits(), None, Spent(seconds=120.0), Off.WALL_CLOCK),
    ],
)
def test_each_budget_stops_the_loop_with_the_deterministic_finding(limits, price, before, off):
    case = suspects()
    thought = case.think(honest(), limits, price, before)
    assert thought.record.off is off
    assert thought.finding == case.finding()


def test_time_that_runs_out_half_way_ends_it():
    case = suspects()
    thought = case.think(honest(), Limits(wall_clock=timedelta(seconds=3)), tick=1.0)
    assert thought.record.off is Off.WALL_CLOCK
    assert thought.finding == case.finding()


def test_a_call_that_would_end_over_the_limit_is_not_begun():
    case = suspects()
    reasoner = honest()
    thought = case.think(reasoner, Limits(input_tokens=3_000))
    assert thought.record.off is Off.INPUT_TOKENS
    assert thought.record.spent.input_tokens <= 3_000


@pytest.mark.parametrize("error", [TimeoutError("late"), BadInput("not to be read")])
def test_an_answer_that_never_came_is_charged_as_if_all_of_it_was_written(error):
    limits = Limits(output_tokens=700)
    spent = suspects().think(Scripted(answers={Task.PLAN: [error]}), limits, price=CENTS).record.spent
    assert spent.output_tokens == 700 * spent.calls
    assert spent.cost_usd == pytest.approx((spent.input_tokens * 10 + spent.output_tokens * 30) / 1e6)


def test_a_server_that_cannot_be_reached_is_charged_no_answer():
    spent = suspects().think(Scripted(answers={Task.PLAN: [Transient("down")]})).record.spent
    assert spent.output_tokens == 0
    assert spent.input_tokens > 0


def test_a_price_nobody_knows_limits_no_money():
    thought = suspects().think(honest(), Limits(cost_usd=0.0))
    assert thought.record.off is None
    assert thought.record.spent.cost_usd is None


def test_what_was_taken_is_written_down():
    case = suspects()
    thought = case.think(honest(), price=CENTS)
    spent = thought.record.spent
    assert spent.calls == 2
    assert spent.tool_calls == case.answered > 0
    assert spent.input_tokens > 100
    assert spent.cost_usd == pytest.approx((spent.input_tokens * 10 + spent.output_tokens * 30) / 1e6)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (query("quantity:no_such", "gateway"), Refusal.UNKNOWN_TEMPLATE),
        (query("log:F11.9", "gateway"), Refusal.UNKNOWN_TEMPLATE),
        (query("quantity:pool_waiters", "payments"), Refusal.UNKNOWN_ENTITY),
        (query("quantity:health_ok", "gateway", "now-25h"), Refusal.WINDOW),
        (query("quantity:health_ok", "gateway", "onset-24h"), Refusal.WINDOW),
        (query("quantity:health_ok", "gateway", "now-0m"), Refusal.WINDOW),
        (query("quantity:pool_waiters", "checkout"), Refusal.ALREADY_ANSWERED),
    ],
)
def test_what_does_not_resolve_is_refused_and_counted(asked, code):
    case = suspects()
    case.about = replace(case.about, alert_started_at=case.about.alert_started_at - timedelta(minutes=1))
    thought = case.think(script([plan(asked)]))
    assert thought.record.refused == {code.value: 1}
    assert asked["template"] not in {f"quantity:{a.question.name}" for a in case.asked}


def test_a_question_that_a_signature_reads_is_asked_with_the_engines_own_window():
    case = suspects()
    case.think(script([plan(query("quantity:request_rate", "gateway", "now-2m"))]))
    assert case.asked[0].back is None


def test_other_questions_are_asked_as_far_back_as_was_said():
    case = quiet()
    case.think(script([plan(query("log:F49.1", "gateway", "now-2h"))]))
    own = [a for a in case.asked if a.question.kind is QuestionKind.LOG]
    assert {a.back for a in own} <= {None, timedelta(hours=2)}


def other(service: str = "inventory", **more):
    case = quiet()
    ev = next(
        e.id
        for e in case.store.items
        if e.question.name == "server_error_ratio" and e.question.service == "gateway"
    )
    said = {
        "signature": "OTHER",
        "entity": ent(service),
        "supports": [{"type": "METRIC_CHANGE", "ev": ev, "fact": "recent", "direction": "up"}],
        "would_settle": ["changes"],
    }
    return case, said | more


def test_other_stands_with_what_would_settle_it_and_its_facts_are_the_engines():
    case, said = other()
    thought = case.think(script(proposals=[propose(said)]))
    assert [(s.signature, s.entity) for s in thought.record.suspects] == [("OTHER", "shop/inventory")]
    assert thought.record.settle == ("deploys, migrations and other changes",)
    assert all("server error ratio: 0.0% → 35.0%" in f.text for f in thought.record.facts)
    assert thought.finding == case.finding()


def test_other_without_what_would_settle_it_is_dropped():
    case, said = other(would_settle=[])
    thought = case.think(script(proposals=[propose(said)]))
    assert thought.record.suspects == ()
    assert "SCHEMA" in {d.code for d in thought.record.dropped}


LIES = {
    "unknown id": ({"ev": "ev_" + "a" * 20}, "NO_SUCH_EVIDENCE"),
    "wrong number": ({"value": 0.99}, "NUMBER_MISMATCH"),
    "a thousand times": ({"value": 350.0}, "NUMBER_MISMATCH"),
    "sign": ({"value": -0.35}, "NUMBER_MISMATCH"),
    "direction": ({"direction": "down"}, "DIRECTION"),
    "no fact of ours": ({"fact": "vibes"}, "SCHEMA"),
    "another quantity's fact": ({"fact": "pool_waiters.recent"}, "SCHEMA"),
    "another type": ({"type": "LOG_PRESENT"}, "SCHEMA"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_support_that_does_not_hold_carries_nothing(lie):
    changed, code = LIES[lie]
    case, said = other()
    said["supports"] = [said["supports"][0] | changed]
    thought = case.think(script(proposals=[propose(said)]))
    assert thought.record.suspects == ()
    assert thought.record.facts == ()
    assert code in {d.code for d in thought.record.dropped}


def test_a_true_number_is_no_lie():
    case, said = other()
    said["supports"][0]["value"] = 0.35
    assert case.think(script(proposals=[propose(said)])).record.facts != ()


def test_a_change_alone_carries_no_suspicion():
    case, said = other()
    change = case.store.change(CHECKOUT)
    said["supports"] = [{"type": "CHANGE_FACT", "ev": change.id}]
    assert case.think(script(proposals=[propose(said)])).record.suspects == ()


def known(**more):
    case = Case(missing=("request_rate",))
    ev = next(e.id for e in case.store.items if e.question.name == "pool_waiters")
    case.store.items = [e for e in case.store.items if e.question.name != "request_rate"]
    said = {
        "signature": "F11",
        "entity": ent("checkout"),
        "supports": [{"type": "METRIC_CHANGE", "ev": ev, "fact": "recent", "direction": "up"}],
    }
    return case, said | more


def test_a_known_fault_is_scored_by_the_engine():
    case, said = known()
    thought = case.think(script(proposals=[propose(said)]))
    own = next(s for s in thought.finding.suspects if s.signature == "F11")
    assert thought.record.suspects == (own,)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"entity": ent("checkout/checkout-1")}, "ENTITY"),
        ({"entity": "ent_" + "a" * 12}, "ENTITY"),
        ({"signature": "F99"}, "ENTITY"),
        ({"refuters_checked": [{"id": "F11.x2", "outcome": "refuted"}]}, "REFUTER_INVERTED"),
        ({"refuters_checked": [{"id": "F11.x1", "outcome": "not_refuted"}]}, "REFUTER_SKIPPED"),
        ({"refuters_checked": [{"id": "F11.x9", "outcome": "not_refuted"}]}, "SCHEMA"),
        ({"supports": []}, "UNSUPPORTED"),
    ],
)
def test_a_suggestion_that_does_not_hold_is_dropped(more, code):
    case, said = known(**more)
    thought = case.think(script(proposals=[propose(said)]))
    assert thought.record.suspects == ()
    assert code in {d.code for d in thought.record.dropped}


def test_a_refuted_suggestion_is_dropped():
    case = Case(store=surge(), calibration=UNSURE)  # the traffic's own fault is only suspected
    ev = next(e.id for e in case.store.items if e.question.name == "pool_waiters")
    said = {
        "signature": "F11",
        "entity": ent("checkout"),
        "supports": [{"type": "METRIC_CHANGE", "ev": ev, "fact": "recent", "direction": "up"}],
    }
    thought = case.think(script(proposals=[propose(said)]))
    assert "REFUTED" in {d.code for d in thought.record.dropped}
    assert thought.record.suspects == ()


def test_an_abstention_says_why_and_names_nobody():
    thought = quiet().think(script(proposals=[ABSTAIN]))
    assert thought.record.abstained == "not_enough_evidence"
    assert thought.record.suspects == ()


def test_refuters_are_run_as_far_as_the_budget_of_queries_goes():
    case = suspects()
    thought = case.think(script(), Limits(tool_calls=0))
    assert case.asked == []
    assert thought.record.off is None


@pytest.mark.parametrize(("told", "least"), [(0, 1_000), (-5, 1_000), (1, 500)])
def test_a_provider_that_counts_too_few_tokens_is_charged_by_size(told, least):
    case = suspects()
    spent = case.think(Counting(told, answers=script().answers)).record.spent
    assert spent.input_tokens > least
    assert spent.output_tokens > 2 * spent.calls


class Counting(Scripted):
    """Says that next to nothing was used."""

    def __init__(self, told, **given):
        super().__init__(**given)
        self.told = told

    def reason(self, task, view, *, timeout, output_tokens):
        return replace(
            super().reason(task, view, timeout=timeout, output_tokens=output_tokens),
            input_tokens=self.told,
            output_tokens=self.told,
        )


def test_what_goes_no_further_changes_nothing():
    case = Case(missing=("request_rate",), calibration=UNSURE)
    before = case.finding()
    thought = case.think(honest())
    assert case.answered > 0
    assert thought.record.off is None
    assert thought.finding == before


def test_nobody_of_another_environment_or_project_is_on_the_menu():
    ours = replace(GATEWAY, project="shop")
    theirs = (
        replace(CHECKOUT, project="bank"),
        replace(INVENTORY, environment="staging"),
    )
    shared = INVENTORY
    catalogue = replace(SHOP, services=(ours, *theirs, shared))
    menu = menu_of(incident(), ours.scope, catalogue, SIGNATURES, (), NOW)
    assert {e.service.id for e in menu.entities.values()} == {"shop/gateway", "shop/inventory"}
    asked = Query.model_validate_json(json.dumps(query("quantity:pool_waiters", "checkout")))
    assert menu.resolve(asked, ()) is Refusal.UNKNOWN_ENTITY
