"""The action worker: the only wiring that names an executor or a write credential."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from actions.catalogue import CATALOGUE
from actions.executors.http_supervisor import HttpSupervisor
from actions.proposal import Proposal
from actions.redis_locks import RedisLocks
from actions.runner import Limits, Tools
from bot import configuration
from bot.acting import ActionParts
from bot.journal import codec
from bot.journal.ledger import JournalLedger
from bot.queue import connect_briefly
from bot.settings import ActionSettings, span
from bot.wiring.common import open_journal, start


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is read once, before the worker forks."""

    settings: ActionSettings
    tls: ssl.SSLContext
    log: Any


_prepared: list[Prepared] = []


def prepare(settings: ActionSettings) -> Prepared:
    """Read config/ and refuse what does not hold together."""
    log = start(settings, "actions", worker=True)
    codec.prime(Proposal)
    configuration.people(settings.config)
    configuration.policy(settings.config)
    _prepared[:] = [Prepared(settings=settings, tls=httpx.create_ssl_context(), log=log)]
    return _prepared[0]


@contextmanager
def open_parts() -> Iterator[ActionParts]:
    """Clients for one job."""
    ready = _prepared[0] if _prepared else prepare(ActionSettings())
    settings = ready.settings
    journal = open_journal(settings, ready.log)
    try:
        yield ActionParts(
            journal=journal,
            tools=Tools(
                # Read for every job: who may approve, and what may run alone, must not outlive the files.
                ledger=JournalLedger(
                    journal, configuration.people(settings.config), configuration.policy(settings.config)
                ),
                locks=RedisLocks(connect_briefly(settings.redis)),
                workloads=HttpSupervisor(
                    settings.supervisor_url,
                    settings.supervisor_token.get_secret_value(),
                    settings.supervisor_environment,
                    tls=ready.tls,
                ),
                catalogue=CATALOGUE,
                limits=Limits(lease=span(settings.lease_s), step=span(settings.lease_s * 2 / 3)),
            ),
            log=ready.log,
        )
    finally:
        journal.close()
