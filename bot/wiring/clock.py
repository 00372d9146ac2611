"""The clock: no secrets beyond the journal and Redis."""

from actions.redis_locks import RedisLocks
from bot import clock, configuration
from bot.clock import ClockParts, Limits
from bot.queue import Doorbell, connect_briefly
from bot.settings import ClockSettings, span
from bot.wiring.common import open_journal, start


def tick_forever(settings: ClockSettings) -> None:
    """Run the clock until the process ends."""
    log = start(settings, "clock")
    connection = connect_briefly(settings.redis)
    clock.run(
        ClockParts(
            journal=open_journal(settings, log),
            doorbell=Doorbell(connection),
            locks=RedisLocks(connection),
            limits=Limits(
                tick=span(settings.tick_s),
                reconcile=span(settings.reconcile_s),
                lease=span(settings.lease_s),
                triage_silence=span(settings.triage_silence_s),
            ),
            grouping=configuration.grouping(settings.config),
            log=log,
        )
    )
