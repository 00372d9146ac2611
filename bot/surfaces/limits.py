"""A platform's limits, shared by everything that is said on it: what is urgent keeps a share of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.surfaces.ports import Kind, Lane

URGENT = frozenset({Lane.ASK, Lane.ESCALATION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most ``most`` calls in ``seconds``; ``reserved`` of them for questions and escalations alone.

    ``kinds`` are counted together, where a platform has one window for several; none named: the asked one alone.
    """

    most: int
    seconds: float
    reserved: int = 0
    kinds: frozenset[Kind] = frozenset()


class Budget:
    """Calls counted over sliding windows, by kind. Not safe between threads: one speaker has it."""

    def __init__(self, rates: Mapping[Kind, Sequence[Rate]], clock: Callable[[], float]) -> None:
        self._rates = rates
        self._clock = clock
        self._taken: dict[Kind, list[float]] = {kind: [] for kind in Kind}
        self._held: dict[Kind, float] = {}
        self._longest = max((r.seconds for each in rates.values() for r in each), default=0.0)

    def may(self, kind: Kind, lane: Lane) -> bool:
        """Take one call, if there is one left for this lane."""
        if not self.could(kind, lane):
            return False
        self._taken[kind].append(self._clock())
        return True

    def could(self, kind: Kind, lane: Lane) -> bool:
        """Whether there is a call left for this lane; takes none."""
        now = self._clock()
        if now < self._held.get(kind, 0.0):
            return False
        self._taken = {k: [at for at in taken if now - at < self._longest] for k, taken in self._taken.items()}
        for rate in self._rates.get(kind, ()):
            most = rate.most if lane in URGENT else rate.most - rate.reserved
            taken = [at for k in rate.kinds or {kind} for at in self._taken[k]]
            if sum(1 for at in taken if now - at < rate.seconds) >= most:
                return False
        return True

    def hold(self, kind: Kind, seconds: float) -> None:
        """The platform asks to wait: no call of this kind until then."""
        self._held[kind] = max(self._held.get(kind, 0.0), self._clock() + seconds)
