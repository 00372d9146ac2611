"""What several processes open alike: the journal with its doorbell, logs, crash tests."""

from typing import Any

from agents.incident import crash
from agents.incident.errors import QueueUnreachable
from bot import logs, redacting
from bot.journal.journal import Journal, open_engine
from bot.journal.outbox import sent
from bot.queue import Doorbell, connect_briefly
from bot.settings import Settings


def start(settings: Settings, process: str, *, worker: bool = False) -> Any:
    """Logs, and crash points where a test armed them. Returns the logger."""
    redacting.begin(settings)
    logs.configure(process=process, as_json=settings.log_json)
    if settings.crash_file is not None:
        crash.arm(settings.crash_file.with_name(f"{settings.crash_file.name}.{process}"), with_parent=worker)
    return logs.get()


def open_journal(settings: Settings, log: Any) -> Journal:
    """The journal of this process; what it rings is told at once, and by the clock if that fails."""
    doorbell = Doorbell(connect_briefly(settings.redis))
    engine = open_engine(settings.journal)
    quiet = Journal(engine)

    def ring(row: int, job: str, subject: str) -> None:
        try:
            doorbell.ring(job, subject)
        except QueueUnreachable as error:
            log.warning("queue.unreachable", job=job, subject=subject, error=str(error))
            return
        with quiet.write("outbox.sent") as tx:
            sent(tx, [row])

    return Journal(engine, ring)
