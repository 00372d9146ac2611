"""What we believe, how sure we are, and what we could not see. Policy and cards read nothing else."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agents.incident.claims import Claim, FactName, Op, UngroundedClaim, Where, cites
from agents.incident.grounds import Excerpt, Fact
from agents.incident.ids import EvidenceId, FindingId, IncidentId
from agents.incident.incident import Change


class FindingState(StrEnum):
    """How far a finding goes. The wording of a card is keyed by this, never by a model."""

    DIAGNOSED = "DIAGNOSED"
    LIKELY = "LIKELY"
    SUSPECTS = "SUSPECTS"
    INCONCLUSIVE = "INCONCLUSIVE"
    BLIND = "BLIND"
    NO_FAULT = "NO_FAULT"
    CONTESTED = "CONTESTED"


MAY_ACT = frozenset({FindingState.DIAGNOSED, FindingState.LIKELY})
"""The states that name a cause, and on which something may be proposed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A claim that passed its gates, with the words rendered from it and what it stands on."""

    claim: Claim
    text: str
    facts: tuple[Fact, ...] = ()
    excerpts: tuple[Excerpt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A claim that did not hold, and the code of the gate that said so."""

    code: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSeen:
    """One confirming group of the signature and the evidence that filled it."""

    id: str
    vantage: str
    evidence: tuple[EvidenceId, ...]


class RefuterOutcome(StrEnum):
    """What a refuter said. ``UNKNOWN`` is listed under "not checked"."""

    FIRED = "fired"
    CLEAR = "clear"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuterSeen:
    """One look-alike that was checked, or could not be; for or against ``signature`` on ``entity``."""

    id: str
    means: str
    hard: bool
    outcome: RefuterOutcome
    text: str
    claim: Claim | None
    signature: str = ""
    entity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A hypothesis that was scored; not called a cause."""

    signature: str
    title: str
    entity: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A diagnosis whose every claim passed the gates, or an honest abstention.

    ``replayed`` of the ``n`` labels behind ``p`` came with the release. ``margin`` is the distance to the next
    hypothesis, ``coverage`` the share of what is sick that the cause explains. ``contests`` is the earlier finding
    that this one takes back, ``retracted`` what that one named.
    """

    id: FindingId
    incident_id: IncidentId
    attempt: int
    look: int
    state: FindingState
    signature: str | None
    title: str
    note: str
    service: str | None
    environment: str | None
    entity: str | None
    replica: str | None
    p: float | None
    p_low: float | None
    n: int | None
    score: float | None
    claims: tuple[Said, ...]
    groups: tuple[GroupSeen, ...]
    independent_groups: int
    refuters: tuple[RefuterSeen, ...]
    not_checked: tuple[str, ...]
    suspects: tuple[Suspect, ...]
    dropped: tuple[Dropped, ...]
    change: Change | None
    chart: EvidenceId | None
    evidence: tuple[EvidenceId, ...]
    made_at: datetime
    text: str = ""
    margin: float | None = None
    coverage: float | None = None
    contests: FindingId | None = None
    retracted: Suspect | None = None
    replayed: int | None = None

    def __post_init__(self) -> None:
        held = set(self.evidence)
        for said in self.claims:
            if not held.issuperset(cites(said.claim)):
                raise UngroundedClaim(f"finding {self.id} cites evidence it does not hold: {said.text}")
        if self.state in MAY_ACT and (
            self.independent_groups < 2 or self.signature is None or self.entity is None
        ):
            raise UngroundedClaim(f"finding {self.id} names a cause on {self.independent_groups} group(s)")
        if (self.state is FindingState.CONTESTED) != (self.contests is not None):
            raise UngroundedClaim(f"finding {self.id} is {self.state} and contests {self.contests or 'nothing'}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """An action a signature names: first listed is first tried. ``only_if`` is a change kind or empty."""

    action: str
    only_if: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """What must be read again to call a fix a fix; fixed before acting.

    ``role`` is mechanism, user_facing, capacity or neighbour. ``of_baseline`` makes the threshold a share of
    the value read before acting.
    """

    role: str
    quantity: str
    service: str
    environment: str
    where: Where
    fact: FactName
    op: Op
    threshold: float
    of_baseline: bool = False
