"""The triage worker: configuration read before it forks, clients opened after."""

import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from actions.catalogue import CATALOGUE
from actions.policy import Policy
from actions.proposal import Proposal
from actions.verification import Check, Sample
from agents import calibration
from agents.incident.evidence import Evidence
from agents.incident.finding import Finding
from agents.incident.incident import Change
from agents.ports import Probe
from agents.probes.changes import Changes
from agents.probes.http_health import HttpHealth
from agents.probes.json_logs import JsonLogs
from agents.probes.openmetrics import OpenMetrics, Query, Selector
from agents.probes.otlp_traces import OtlpTraces
from agents.probes.prometheus import Prometheus, Template
from agents.signatures import load as signature_files
from agents.triage import Knowledge
from bot import configuration
from bot.configuration import Probes, Ratio, Source
from bot.journal import codec, evidence
from bot.journal.journal import Journal
from bot.queue import connect_briefly
from bot.settings import TriageSettings, span
from bot.spans import SpanStore
from bot.wiring.common import open_journal, start
from bot.wiring.parts import TriageParts


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is read once, before the worker forks."""

    settings: TriageSettings
    knowledge: Knowledge
    policy: Policy
    sources: Mapping[str, Source]
    probes: Probes
    tls: ssl.SSLContext
    log: Any


_prepared: list[Prepared] = []


def prepare(settings: TriageSettings) -> Prepared:
    """Read config/, refuse what does not hold together, and build what every job would build again."""
    log = start(settings, "triage", worker=True)
    folder = settings.config
    prepared = Prepared(
        settings=settings,
        knowledge=Knowledge(
            catalogue=configuration.services(folder),
            signatures=signature_files.load(folder / "signatures"),
            calibration=calibration.load(folder / "calibration.yaml"),
        ),
        policy=configuration.policy(folder),
        sources=configuration.sources(folder),
        probes=configuration.probes(folder),
        tls=httpx.create_ssl_context(),  # costs 50 ms and more: made once, not in every job
        log=log,
    )
    for kind in (Evidence, Finding, Change, Proposal, Check, Sample):
        codec.prime(kind)
    _prepared[:] = [prepared]
    return prepared


@contextmanager
def open_parts() -> Iterator[TriageParts]:
    """Clients for one job."""
    ready = _prepared[0] if _prepared else prepare(TriageSettings())
    journal = open_journal(ready.settings, ready.log)
    try:
        yield TriageParts(
            journal=journal,
            sources=ready.sources,
            knowledge=ready.knowledge,
            probes=_probes(ready, journal),
            budget=span(ready.settings.gather_budget_s),
            catalogue=CATALOGUE,
            policy=ready.policy,
            log=ready.log,
        )
    finally:
        journal.close()


def _probes(ready: Prepared, journal: Journal) -> Sequence[Probe]:
    config, settings = ready.probes, ready.settings
    timeout = span(config.timeout_s)
    interval = ready.knowledge.catalogue.telemetry_interval
    spans = SpanStore(connect_briefly(settings.redis), span(settings.spans_window_s))

    def read_changes(services: Iterable[tuple[str, str]], since: datetime) -> Sequence[Change]:
        with journal.read() as tx:
            return evidence.changes_since(tx, services, since)

    templates = {
        quantity: Template(value=q.value, numerator=q.numerator, denominator=q.denominator)
        for quantity, q in config.prometheus_queries.items()
    }
    return (
        *(
            Prometheus(
                target.url,
                target.environment,
                templates,
                interval=interval,
                timeout=timeout,
                tls=ready.tls,
                token=_secret(settings, f"prometheus.{target.environment}"),
            )
            for target in config.prometheus
        ),
        OpenMetrics(
            {quantity: _query(q) for quantity, q in config.openmetrics_queries.items()},
            window=span(config.openmetrics_window_s),
            timeout=timeout,
            tls=ready.tls,
        ),
        JsonLogs(),
        OtlpTraces(spans.between, keep=span(settings.spans_window_s)),
        HttpHealth(config.health_fields, timeout=timeout, tls=ready.tls),
        Changes(read_changes),
    )


def _secret(settings: TriageSettings, name: str) -> str:
    token = settings.probe_tokens.get(name)
    return token.get_secret_value() if token is not None else ""


def _query(query: Ratio | configuration.Gauge) -> Query:
    def selectors(items: Iterable[configuration.Selector]) -> tuple[Selector, ...]:
        return tuple(Selector(metric=s.metric, match=s.match, sign=s.sign) for s in items)

    if isinstance(query, Ratio):
        top, bottom, level = selectors(query.numerator), selectors(query.denominator), False
    else:
        top, bottom, level = selectors([query.gauge]), selectors([query.over] if query.over else []), True
    return Query(top=top, bottom=bottom, labels=query.labels, level=level)
