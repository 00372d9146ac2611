"""How many independent signals there are: union-find over who measured what, through which pipe.

Sharing one key is enough to merge two pieces of evidence, and merging is transitive.
"""

from collections.abc import Hashable, Iterable, Sequence

from agents.incident.evidence import Evidence, Trust


def _keys(evidence: Evidence) -> Iterable[Hashable]:
    lineage = evidence.lineage
    for producer in lineage.producers:
        # One process goes by several names (a replica's, an address): what one service's own processes say of it
        # is one signal, whatever they are called.
        yield "producer", "/".join(producer.split("/")[:2])
    for sample in lineage.derived_from:
        yield "sample", sample
    yield "quantity", lineage.place, lineage.quantity
    if lineage.trust is Trust.USER_PAYLOAD:
        yield ("payload",)
    for mechanism in lineage.construction:
        yield "construction", mechanism
    if evidence.alive is not True:
        # A pipe that two readings share and nobody saw alive could by itself have made both.
        yield "pipeline", lineage.pipeline


def independent(groups: Sequence[Sequence[Evidence]]) -> int:
    """The number of independent sets among *groups*; a group, however large, counts once at most."""
    parent: dict[Hashable, Hashable] = {}

    def find(key: Hashable) -> Hashable:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    filled = [(i, group) for i, group in enumerate(groups) if group]
    for i, group in filled:
        for evidence in group:
            for key in _keys(evidence):
                parent[find(key)] = find(("group", i))
    return len({find(("group", i)) for i, _ in filled})
