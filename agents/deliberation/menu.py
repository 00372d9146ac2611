"""The broker's menu: what may be asked of whom, filled in by ids, checked before anything is run.

A model sees ids it can only repeat. What does not resolve is refused and counted. The moment that is judged is
never chosen by it, nor the window of a question that a signature reads: those are asked as the engine asks them.
"""

import base64
import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from agents.deliberation.answers import Query
from agents.incident.catalogue import Catalogue, Scope, Service
from agents.incident.evidence import Question, QuestionKind
from agents.incident.incident import Incident
from agents.incident.quantities import QUANTITIES
from agents.signatures.evaluate import Entity
from agents.signatures.model import Signature, predicates

LONGEST = timedelta(hours=24)
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_SPAN = re.compile(r"^(onset|now)-(\d{1,4})([smh])$")


class Refusal(StrEnum):
    """Why the broker did not ask."""

    UNKNOWN_TEMPLATE = "unknown_template"
    UNKNOWN_ENTITY = "unknown_entity"
    WINDOW = "window_too_long"
    ALREADY_ANSWERED = "already_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One template: its id, what it asks, and the kind and name that a question of it has."""

    id: str
    kind: QuestionKind
    name: str
    means: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question that may be run, and how far back; ``None`` is the engine's own window."""

    question: Question
    back: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """Everything one incident's model may name. ``own`` are the questions that signatures read here."""

    entities: Mapping[str, Entity]
    offers: Mapping[str, Offer]
    own: frozenset[Question]
    onset: datetime
    now: datetime

    def id_of(self, entity: str) -> str:
        """The id under which ``environment/service`` or a replica of it is offered; empty if it is not."""
        found = entity_ref(entity)
        return found if found in self.entities else ""

    def resolve(self, query: Query, answered: Collection[Question]) -> Ask | Refusal:
        """The question that *query* stands for, or why there is none."""
        offer = self.offers.get(query.template)
        if offer is None:
            return Refusal.UNKNOWN_TEMPLATE
        entity = self.entities.get(query.args.service)
        if entity is None:
            return Refusal.UNKNOWN_ENTITY
        back = self._back(query.window.from_)
        if not timedelta(0) < back <= LONGEST:
            return Refusal.WINDOW
        question = _question(offer, entity.service)
        if question in answered:
            return Refusal.ALREADY_ANSWERED
        return Ask(question=question, back=None if question in self.own else back)

    def template_of(self, question: Question) -> str:
        """The template that *question* is an instance of; empty when there is none."""
        return next((o.id for o in self.offers.values() if (o.kind, o.name) == (question.kind, question.name)), "")

    def _back(self, written: str) -> timedelta:
        found = _SPAN.match(written)
        if found is None:
            return timedelta(0)
        span = timedelta(seconds=int(found[2]) * _SECONDS[found[3]])
        return span + (max(self.now - self.onset, timedelta(0)) if found[1] == "onset" else timedelta(0))


def menu_of(
    incident: Incident,
    scope: Scope,
    catalogue: Catalogue,
    signatures: tuple[Signature, ...],
    own: Collection[Question],
    now: datetime,
) -> Menu:
    """What may be asked for *incident*: quantities, log patterns and changes of the services of its scope."""
    entities: dict[str, Entity] = {}
    for service in catalogue.services:
        if scope.admits(service.scope):
            for entity in (
                Entity(service=service),
                *(Entity(service=service, replica=r.name) for r in service.replicas),
            ):
                entities[entity_ref(entity.id)] = entity
    offers = [
        Offer(id=f"quantity:{name}", kind=QuestionKind.QUANTITY, name=name, means=quantity.title)
        for name, quantity in QUANTITIES.items()
    ]
    for signature in signatures:
        for number, pattern in enumerate(_patterns(signature), 1):
            offers.append(
                Offer(
                    id=f"log:{signature.id}.{number}",
                    kind=QuestionKind.LOG,
                    name=pattern,
                    means=f"log lines that speak of {signature.title}",
                )
            )
    offers.append(
        Offer(id="changes", kind=QuestionKind.CHANGES, name="", means="deploys, migrations and other changes")
    )
    return Menu(
        entities=entities,
        offers={o.id: o for o in offers},
        own=frozenset(own),
        onset=incident.alert_started_at,
        now=now,
    )


def entity_ref(entity: str) -> str:
    """An opaque id for an entity's name."""
    return "ent_" + base64.b32encode(hashlib.sha256(entity.encode()).digest()).decode().lower()[:12]


def _question(offer: Offer, service: Service) -> Question:
    return Question(kind=offer.kind, service=service.name, environment=service.environment, name=offer.name)


def _patterns(signature: Signature) -> tuple[str, ...]:
    conditions = (*(g.condition for g in signature.groups), *(r.condition for r in signature.refuters))
    return tuple(dict.fromkeys(p.log for c in conditions for p in predicates(c) if p.log))
