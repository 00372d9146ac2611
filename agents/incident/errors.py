"""What may go wrong, named by what the caller does next.

ResponderError
├─ Transient        wait retry_after, try again
├─ Refused          show the reason, never retry
├─ OutcomeUnknown   a write may have happened: stop, ask the target, then a person
└─ BadInput         a payload or a file is not what it claims to be
"""

from datetime import timedelta


class ResponderError(Exception):
    """Root of every error this project raises on purpose."""


class Transient(ResponderError):
    """The other side could not serve us now."""

    def __init__(self, message: str, *, retry_after: timedelta = timedelta(seconds=5)) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ProbeUnreachable(Transient):
    """A probe could not look: connection, time-out or a server error."""


class QueueUnreachable(Transient):
    """Redis did not answer; the journal still holds what was to be rung."""


class JournalUnavailable(Transient):
    """The journal could not be read or written; nothing was promised."""


class LockHeld(Transient):
    """Another action holds a resource this one needs."""


class Refused(ResponderError):
    """The answer is no, and asking again will not change it."""


class FenceRefused(Refused):
    """The target has seen a newer token: somebody else acts there now."""


class PreconditionFailed(Refused):
    """What the plan relied on is no longer so; nothing was done."""


class OutcomeUnknown(ResponderError):
    """A write was sent and its answer was lost."""


class BadInput(ResponderError):
    """What was given does not hold together; the message says what was met."""


class BadProof(Refused):
    """A delivery did not prove who sent it."""
