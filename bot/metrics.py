"""What the machine says of itself, for Prometheus: read from the journal, so that every process counts."""

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from bot.journal import intake, spending
from bot.journal import tables as t
from bot.journal.journal import Journal, Tx

CONTENT_TYPE = CONTENT_TYPE_LATEST


def text(journal: Journal) -> bytes:
    """The exposition format. Raises JournalUnavailable."""
    registry = CollectorRegistry(auto_describe=False)
    with journal.read() as tx:
        registry.register(_Read(tx))
        return generate_latest(registry)


class _Read(Collector):
    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def describe(self) -> Iterator[Metric]:
        """Nothing before it is asked."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Everything, as of now."""
        yield from _door(self._tx)
        yield from _incidents(self._tx)
        yield from _model(self._tx)


def _door(tx: Tx) -> Iterator[Metric]:
    oldest = intake.oldest_stored(tx)
    yield GaugeMetricFamily(
        "firstresponder_inbox_oldest_seconds",
        "Age of the oldest delivery that nobody has read",
        value=oldest.total_seconds() if oldest is not None else 0,
    )
    stored = (t.inbox.c.state == "stored") & t.inbox.c.system.not_in(intake.CHATS)
    unread = select(func.count()).select_from(t.inbox).where(stored)
    yield GaugeMetricFamily(
        "firstresponder_inbox_unread", "Deliveries that nobody has read", value=tx.run(unread).scalar_one()
    )
    refused = GaugeMetricFamily(
        "firstresponder_deliveries_refused_lately",
        "Deliveries refused in the last three days",
        labels=["source", "reason"],
    )
    counted = select(t.refusals.c.source, t.refusals.c.reason, func.sum(t.refusals.c.count).label("sum"))
    for row in tx.all(counted.group_by(t.refusals.c.source, t.refusals.c.reason)):
        refused.add_metric([row["source"], row["reason"]], float(row["sum"]))
    yield refused


def _incidents(tx: Tx) -> Iterator[Metric]:
    by_state = GaugeMetricFamily("firstresponder_incidents", "Incidents by state", labels=["state"])
    for row in tx.all(select(t.incidents.c.state, func.count().label("count")).group_by(t.incidents.c.state)):
        by_state.add_metric([row["state"]], row["count"])
    yield by_state


def _model(tx: Tx) -> Iterator[Metric]:
    families = {
        name: CounterMetricFamily(f"firstresponder_model_{name}", says, labels=["model", "off"])
        for name, says in (
            ("calls", "Calls of the language model"),
            ("input_tokens", "Tokens shown to the language model"),
            ("output_tokens", "Tokens written by the language model"),
            ("seconds", "Seconds spent on the language model"),
            ("cost_usd", "US dollars spent on the language model, where its price is known"),
        )
    }
    for total in spending.totals(tx):
        for name, family in families.items():
            value = getattr(total.spent, name)
            if value is not None:
                family.add_metric([total.model, total.off], float(value))
    yield from families.values()
