"""What Prometheus is told, on both databases."""

from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agents.deliberation.budgets import Off, Spent
from agents.deliberation.record import Deliberation
from agents.incident.ids import FindingId
from bot import metrics
from bot.journal import intake, refusals, spending
from bot.journal.intake import Delivery
from bot.journal.journal import Journal
from bot.journal.refusals import Refusal
from tests.builders import open_incident


def read(journal: Journal) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name.removeprefix("firstresponder_"), tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(metrics.text(journal).decode())
        for sample in family.samples
    }


def test_an_empty_journal_is_told_as_such(journal: Journal) -> None:
    found = read(journal)
    assert found["inbox_oldest_seconds", ()] == 0
    assert found["inbox_unread", ()] == 0


def test_what_waits_what_was_refused_and_what_a_model_took_are_counted(journal: Journal) -> None:
    with journal.write("test.counted") as tx:
        one = Delivery(source="am", system="alertmanager", key=None, headers={}, body=b"{}")
        intake.store_all(tx, [one, one])
    intake.store_said(journal, [intake.Said(system="slack", key=None, body=b"{}")])
    with journal.write("test.refused") as tx:
        minute = tx.now.replace(second=0, microsecond=0)
        for ago in (0, 1):
            when = minute - timedelta(minutes=ago)
            refusals.add(tx, {Refusal(source="am", reason="unproven", minute=when): 3})
        incident = open_incident(tx)
        assert spending.order(tx, incident)
        spending.finish(
            tx,
            Deliberation(
                incident_id=incident.id,
                finding_id=FindingId("FI_1"),
                attempt=1,
                look=2,
                model="ollama:tiny",
                off=Off.SLOW,
                steps=(),
                rounds=1,
                spent=Spent(calls=2, tool_calls=1, input_tokens=300, output_tokens=20, seconds=1.5, cost_usd=0.25),
            ),
        )
    found = read(journal)
    assert found["inbox_unread", ()] == 2
    assert found["inbox_oldest_seconds", ()] >= 0
    assert found["deliveries_refused_lately", ("unproven", "am")] == 6
    assert found["incidents", ("RECEIVED",)] == 1
    slow = ("ollama:tiny", Off.SLOW.name.lower())
    assert found["model_calls_total", slow] == 2
    assert found["model_input_tokens_total", slow] == 300
    assert found["model_cost_usd_total", slow] == pytest.approx(0.25)
