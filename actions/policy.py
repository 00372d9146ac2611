"""What the owner has decided: who may say yes, what may run alone, how long a question stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase

from agents.incident.ids import PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who may be known on several surfaces; one person is one voter."""

    id: PersonId
    name: str
    roles: frozenset[str]
    accounts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scopes: tuple[str, ...] = ("*",)

    def may(self, role: str, subject: str = "") -> bool:
        """Whether this person has a role, over *subject* (``environment/service``) where one is named."""
        return role in self.roles and (not subject or any(fnmatchcase(subject, scope) for scope in self.scopes))


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The directory. Whoever is not in it may do nothing."""

    people: tuple[Person, ...] = ()
    on_call: tuple[str, ...] = ()

    def by_account(self, surface: str, account: str) -> Person | None:
        """The person an account of a surface belongs to."""
        return next((p for p in self.people if account in p.accounts.get(surface, ())), None)

    def by_id(self, person: str) -> Person | None:
        """The person with this id."""
        return next((p for p in self.people if p.id == person), None)

    def approvers(self, subject: str = "") -> tuple[Person, ...]:
        """Everybody who may approve and reject, over *subject* where one is named."""
        return tuple(p for p in self.people if p.may("approver", subject))

    def called(self, subject: str = "") -> tuple[Person, ...]:
        """Whom an escalation calls: who is on call, else everybody who may respond or approve."""
        on_call = tuple(p for p in self.people if p.id in self.on_call)
        return on_call or tuple(
            p for p in self.people if p.may("responder", subject) or p.may("approver", subject)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """How long a fix is watched."""

    settle: timedelta = timedelta(seconds=30)
    interval: timedelta = timedelta(seconds=30)
    horizon: timedelta = timedelta(minutes=10)
    good_samples: int = 5
    give_up: timedelta = timedelta(minutes=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """config/policy.yaml. ``trusted`` names Tier 1 actions the owner lets run alone; it can name no other."""

    version: str
    phase: int = 3
    trusted: frozenset[str] = frozenset()
    deadline: timedelta = timedelta(minutes=30)
    quorum: Mapping[str, int] = field(default_factory=dict)
    max_attempts: int = 3
    windows: Windows = Windows()
