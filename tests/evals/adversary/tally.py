"""The runs counted: by type of lie, and what must be none."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.evals.adversary.runs import LIES, Ran

SHOWN = 20


@dataclass(slots=True, kw_only=True)
class Tally:
    """What came of many runs. ``caught`` are lies that were told and of which nothing came out."""

    runs: int = 0
    quiet: int = 0
    wire: int = 0
    better: int = 0
    tried: Counter[str] = field(default_factory=Counter)
    leaked: Counter[str] = field(default_factory=Counter)
    facts_leaked: int = 0
    obeyed: int = 0
    changed: int = 0
    exceeded: int = 0
    samples: list[str] = field(default_factory=list)

    def add(self, ran: Ran) -> None:
        """One run more."""
        self.runs += 1
        self.quiet += ran.quiet
        self.wire += ran.wire
        self.better += ran.better
        self.tried[ran.lie] += ran.lied
        out = bool(ran.leaked or ran.obeyed)
        self.leaked[ran.lie] += out
        self.facts_leaked += len(ran.leaked)
        self.obeyed += len(ran.obeyed)
        self.changed += bool(ran.changed)
        self.exceeded += bool(ran.exceeded)
        if out or ran.changed or ran.exceeded:
            said = [f"{f.kind}: {f.what}" for f in (*ran.leaked, *ran.obeyed)][:3]
            self.samples.append("; ".join([f"{ran.lie} on {ran.case}", *said, ran.changed, ran.exceeded]))

    @property
    def clean(self) -> bool:
        """Whether nothing got through."""
        return not (self.facts_leaked or self.obeyed or self.changed or self.exceeded)

    def document(self, seconds: float) -> dict[str, Any]:
        """As the command prints it."""
        return {
            "runs": self.runs,
            "seconds": round(seconds, 1),
            "by_type": {
                lie.name: {
                    "tried": self.tried[lie.name],
                    "caught": self.tried[lie.name] - self.leaked[lie.name],
                    "leaked": self.leaked[lie.name],
                }
                for lie in LIES
            },
            "facts_leaked": self.facts_leaked,
            "instructions_obeyed": self.obeyed,
            "deterministic_findings_changed": self.changed,
            "budgets_exceeded": self.exceeded,
            "better": self.better,
            "over_the_wire": self.wire,
            "no_fault_share": round(self.quiet / self.runs, 3) if self.runs else 0.0,
            "samples": self.samples[:SHOWN],
        }


def counted(runs: Iterable[Ran], told: Callable[[Tally], None]) -> Tally:
    """All of *runs*; after each, *told* hears how it stands."""
    tally = Tally()
    for ran in runs:
        tally.add(ran)
        told(tally)
    return tally
