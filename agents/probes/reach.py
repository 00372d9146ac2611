"""Whom a system may be asked about, and by whom: checked again by every probe, whatever was planned."""

from collections.abc import Callable, Iterable, Sequence

from agents.gather import could_not_look
from agents.incident.catalogue import Scope, Service
from agents.incident.errors import BadInput
from agents.incident.evidence import Answer
from agents.ports import Asked


class Reach:
    """One system's name and scope, and the services that it holds, each exactly as the catalogue has it.

    Raises:
        BadInput: One of *services* must not be asked of a system of this scope.
    """

    def __init__(self, name: str, scope: Scope, services: Iterable[Service]) -> None:
        self.name = name
        self.scope = scope
        self._services = {s.id: s for s in services}
        for service in self._services.values():
            if why := self._apart(service):
                raise BadInput(f"{why}; give it services of its own environment and project")

    def _apart(self, service: Service) -> str:
        if service.scope.admits(self.scope):
            return ""
        return f"{self.name} belongs to {service.scope.another(self.scope)} than {service.id}"

    def holds(self, service: Service) -> bool:
        """Whether this very service, with these very addresses, is one of this system's."""
        return self._services.get(service.id) == service

    def refusal(self, service: Service, scope: Scope) -> str:
        """Why an incident of *scope* may not ask this system about *service*; empty when it may."""
        if why := service.closed_to(scope) or self._apart(service):
            return why
        return (
            "" if self.holds(service) else f"{self.name} does not hold {service.id} as config/services.yaml has it"
        )

    def parted(
        self, asked: Sequence[Asked], scope: Scope, pipeline: str
    ) -> tuple[tuple[Asked, ...], tuple[Answer, ...]]:
        """What may be asked here for an incident of *scope*, and the answers to the rest."""
        return part(asked, pipeline, lambda service: self.refusal(service, scope))


def part(
    asked: Sequence[Asked], pipeline: str, why_not: Callable[[Service], str]
) -> tuple[tuple[Asked, ...], tuple[Answer, ...]]:
    """The questions whose own service is not refused, and a "could not look" for each of the others."""
    kept: list[Asked] = []
    refused: list[Answer] = []
    for question, service in asked:
        why = why_not(service)
        if question.entity != service.id:
            why = f"the question is about {question.entity} and was held against {service.id}"
        if why:
            refused.append(could_not_look(question, pipeline, why))
        else:
            kept.append((question, service))
    return tuple(kept), tuple(refused)
