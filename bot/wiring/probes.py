"""Every probe of the triage worker, each behind what it may be asked and by whom."""

import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from agents.incident.catalogue import Catalogue, Scope
from agents.ports import Probe
from agents.probes import http_health
from agents.probes.backend import Backend
from agents.probes.changes import Changes, ReadChanges
from agents.probes.http_health import HttpHealth
from agents.probes.json_logs import JsonLogs
from agents.probes.openmetrics import OpenMetrics, Query, Selector
from agents.probes.otlp_traces import OtlpTraces, Placed, ReadSpans
from agents.probes.prometheus import Prometheus, Template
from agents.probes.reach import Reach
from agents.probes.scoped import Scoped
from bot.configuration import Gauge, Probes, PrometheusTarget, Ratio, Source
from bot.configuration import Selector as SelectorRow
from bot.services import placed_scope
from bot.settings import span


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What probes are built with beside their own file. ``tokens`` go by backend or environment."""

    catalogue: Catalogue
    sources: Mapping[str, Source]
    tokens: Mapping[str, SecretStr]
    spans_kept: timedelta
    tls: ssl.SSLContext


def probes_of(config: Probes, around: Surroundings, *, spans: ReadSpans, changes: ReadChanges) -> Sequence[Probe]:
    """One for each configured backend, those that look themselves for each scope, and our own stores."""
    return (
        *(_prometheus(target, config, around) for target in config.prometheus),
        *(probe for scope in around.catalogue.scopes() for probe in _direct(scope, config, around)),
        OtlpTraces(spans, keep=around.spans_kept, placed=placing(around.sources, around.catalogue)),
        Scoped(Changes(changes)),
    )


def _prometheus(target: PrometheusTarget, config: Probes, around: Surroundings) -> Prometheus:
    scope = placed_scope(around.catalogue, target.scope)
    token = token_of(target, around.tokens)
    templates = {
        quantity: Template(value=q.value, numerator=q.numerator, denominator=q.denominator)
        for quantity, q in config.prometheus_queries.items()
    }
    return Prometheus(
        templates,
        interval=around.catalogue.telemetry_interval,
        backend=Backend(
            Reach(target.name, scope, around.catalogue.held_by(target.name, scope)),
            base_url=target.url,
            timeout=span(config.timeout_s),
            tls=around.tls,
            headers={"Authorization": f"Bearer {token}"} if token else {},
        ),
    )


def _direct(scope: Scope, config: Probes, around: Surroundings) -> Iterator[Probe]:
    """What looks at the replicas of one scope themselves; each scope has clients of its own."""
    services = [s for s in around.catalogue.services if s.scope == scope]
    timeout = span(config.timeout_s)
    yield OpenMetrics(
        {quantity: _query(q) for quantity, q in config.openmetrics_queries.items()},
        window=span(config.openmetrics_window_s),
        backend=Backend(Reach(OpenMetrics.name, scope, services), timeout=timeout, tls=around.tls),
    )
    yield JsonLogs(Reach(JsonLogs.name, scope, services))
    yield HttpHealth(
        config.health_fields,
        backend=Backend(
            Reach(HttpHealth.name, scope, services), timeout=min(timeout, http_health.TIMEOUT), tls=around.tls
        ),
    )


def placing(sources: Mapping[str, Source], catalogue: Catalogue) -> Placed:
    """Which environment a span counts for.

    One that names none counts for what its source states, where there is one source of spans and it states that;
    else for the only environment there is, and where there are several, for none.
    """
    stated = {source.environment for source in sources.values() if source.system == "otlp"}
    known = catalogue.known_environments()
    if len(stated) == 1 and None not in stated:
        unnamed = catalogue.environment_named(*stated)
    else:
        unnamed = known[0] if len(known) == 1 else None
    return lambda said: catalogue.environment_named(said) if said else unnamed


def token_of(target: PrometheusTarget, tokens: Mapping[str, SecretStr]) -> str:
    """A backend's own token; the one kept for its environment only where it belongs to no project."""
    token = tokens.get(target.name)
    if token is None and target.project is None:
        token = tokens.get(f"prometheus.{target.environment}")
    return token.get_secret_value() if token is not None else ""


def _query(query: Ratio | Gauge) -> Query:
    def selectors(items: Iterable[SelectorRow]) -> tuple[Selector, ...]:
        return tuple(Selector(metric=s.metric, match=s.match, sign=s.sign) for s in items)

    if isinstance(query, Ratio):
        top, bottom, level = selectors(query.numerator), selectors(query.denominator), False
    else:
        top, bottom, level = selectors([query.gauge]), selectors([query.over] if query.over else []), True
    return Query(top=top, bottom=bottom, labels=query.labels, level=level)
