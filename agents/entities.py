"""Who an entity belongs to: a pod to its workload, a workload to its service."""

import re

from agents.incident.catalogue import Catalogue

_POD = re.compile(r"^(?P<workload>.+?)(?:-[a-z0-9]{8,10})?-(?:[a-z0-9]{5}|\d{1,4})$")
"""``checkout-7c9f4b6d5-x2abc`` (ReplicaSet), ``checkout-x2abc`` (DaemonSet), ``checkout-0`` (StatefulSet)."""


def lineages(entity: str, catalogue: Catalogue | None) -> frozenset[str]:
    """*entity* and everything it is a part of, as ``environment/service[/replica]``.

    A replica that stands under its service belongs to it. One that stands alone is looked up by its own name among
    the replicas that the catalogue knows, then by the name of the workload that its own name ends from.
    """
    environment, _, rest = entity.partition("/")
    service, _, replica = rest.partition("/")
    found = {entity}
    if replica:
        found.add(f"{environment}/{service}")
    if catalogue is None:
        return frozenset(found)
    named = catalogue.place(service, environment)
    if named is not None:
        found.add(named.id)
        return frozenset(found)
    owners = [s for s in catalogue.within(environment) if any(r.name == service for r in s.replicas)]
    pod = _POD.match(service)
    if not owners and pod is not None:
        owner = catalogue.place(pod.group("workload"), environment)
        owners = [owner] if owner is not None else []
    if len(owners) == 1:
        found |= {owners[0].id, f"{owners[0].id}/{service}"}
    return frozenset(found)
