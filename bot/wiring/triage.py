"""The triage worker: configuration read before it forks, clients opened after."""

import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from agents.signatures import load as signature_files
from agents.triage import Knowledge
from bot import configuration
from bot.configuration import Probes, Source
from bot.grouping import Grouping
from bot.journal import changes, codec, labels
from bot.queue import connect_briefly
from bot.receiver import sources
from bot.receiver.sources import Sender
from bot.settings import TriageSettings, span
from bot.spans import SpanStore
from bot.thinking import Thinking, with_thinking
from bot.wiring.common import open_journal, start
from bot.wiring.parts import TriageParts
from bot.wiring.probes import Surroundings, probes_of
from bot.wiring.thinking import thinking_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is read once, before the worker forks."""

    settings: TriageSettings
    knowledge: Knowledge
    policy: Policy
    sources: Mapping[str, Source]
    senders: Mapping[str, Sender]
    grouping: Grouping
    probes: Probes
    tls: ssl.SSLContext
    thinking: Thinking | None
    log: Any


_prepared: list[Prepared] = []


def prepare(settings: TriageSettings) -> Prepared:
    """Read config/, refuse what does not hold together, and build what every job would build again."""
    log = start(settings, "triage", worker=True)
    folder = settings.config
    rows = configuration.sources(folder)
    mappings = configuration.mappings(folder) if any(row.mapping for row in rows.values()) else {}
    prepared = Prepared(
        settings=settings,
        knowledge=Knowledge(
            catalogue=configuration.services(folder),
            signatures=signature_files.load(folder / "signatures"),
            calibration=calibration.load(folder / "calibration.yaml"),
        ),
        policy=configuration.policy(folder),
        sources=rows,
        senders=sources.ready(rows, {}, mappings, fetching=False),
        grouping=configuration.grouping(folder),
        probes=configuration.probes(folder),
        tls=httpx.create_ssl_context(),  # costs 50 ms and more: made once, not in every job
        thinking=thinking_of(settings.model, folder),
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
    spans = SpanStore(connect_briefly(ready.settings.redis), span(ready.settings.spans_window_s))

    def read_changes(services: Iterable[tuple[str, str]], since: datetime) -> Sequence[Change]:
        with journal.read() as tx:
            return changes.changes_since(tx, services, since)

    try:
        with journal.read() as tx:
            given = labels.given(tx, {s.id: s.family for s in ready.knowledge.signatures})
        parts = TriageParts(
            journal=journal,
            senders=ready.senders,
            grouping=ready.grouping,
            knowledge=replace(ready.knowledge, calibration=calibration.merged(ready.knowledge.calibration, given)),
            probes=probes_of(ready.probes, _surroundings(ready), spans=spans.between, changes=read_changes),
            budget=span(ready.settings.gather_budget_s),
            catalogue=CATALOGUE,
            policy=ready.policy,
            log=ready.log,
        )
        yield parts if ready.thinking is None else with_thinking(parts, ready.thinking)
    finally:
        journal.close()


def _surroundings(ready: Prepared) -> Surroundings:
    return Surroundings(
        catalogue=ready.knowledge.catalogue,
        sources=ready.sources,
        tokens=ready.settings.probe_tokens,
        spans_kept=span(ready.settings.spans_window_s),
        tls=ready.tls,
    )
