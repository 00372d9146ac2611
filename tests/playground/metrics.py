"""The Prometheus metrics of one instance, on a registry of their own."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from tests.playground.httpd import Reply

BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5)
OUTCOMES = ("ok", "error", "timeout", "refused")


class _LabelledProcess(Collector):
    """The stock process metrics with the labels every other metric of the instance has."""

    def __init__(self, labels: dict[str, str]) -> None:
        self._labels = labels
        self._inner = ProcessCollector(registry=None)

    def collect(self) -> Iterable[Metric]:
        for family in self._inner.collect():
            family.samples = [
                sample._replace(labels={**sample.labels, **self._labels}) for sample in family.samples
            ]
            yield family


class Metrics:
    """Counts requests and upstream calls; gauges read their value when scraped."""

    def __init__(self, *, service: str, instance: str) -> None:
        """Create the metrics all services have."""
        disable_created_metrics()
        self.registry = CollectorRegistry()
        self._labels = {"service": service, "instance": instance}
        names = list(self._labels)
        self._requests = Counter(
            "http_server_requests_total",
            "Completed business requests.",
            [*names, "route", "code"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "http_server_request_duration_seconds",
            "Time from the request to its answer.",
            [*names, "route"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._upstream = Counter(
            "upstream_requests_total",
            "Calls to another service by outcome.",
            [*names, "upstream", "upstream_instance", "outcome"],
            registry=self.registry,
        )
        self.registry.register(_LabelledProcess(self._labels))

    def completed(self, *, route: str, code: int, seconds: float) -> None:
        """Count a business request that was answered."""
        self._requests.labels(**self._labels, route=route, code=str(code)).inc()
        self._seconds.labels(**self._labels, route=route).observe(seconds)

    def called(self, *, upstream: str, upstream_instance: str, outcome: str) -> None:
        """Count a call to another service."""
        self._upstream.labels(
            **self._labels, upstream=upstream, upstream_instance=upstream_instance, outcome=outcome
        ).inc()

    def expect(self, *, route: str, codes: Iterable[int]) -> None:
        """Show these series from the start: a rate over a series that appears late misses its first step."""
        for code in codes:
            self._requests.labels(**self._labels, route=route, code=str(code))

    def expect_upstream(self, *, upstream: str, instances: Iterable[str]) -> None:
        """Show the outcome series of these upstream instances from the start."""
        for instance in instances:
            for outcome in OUTCOMES:
                self._upstream.labels(
                    **self._labels, upstream=upstream, upstream_instance=instance, outcome=outcome
                )

    def gauge(self, name: str, text: str, read: Callable[[], float], **labels: str) -> None:
        """Add a gauge that calls `read` at every scrape."""
        every = {**self._labels, **labels}
        Gauge(name, text, list(every), registry=self.registry).labels(**every).set_function(read)

    def exposition(self) -> Reply:
        """The text a scrape gets."""
        return Reply(status=200, body=generate_latest(self.registry), content_type=CONTENT_TYPE_LATEST)
