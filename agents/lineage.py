"""How many independent signals there are: union-find over who measured what, from which sample, by which pipe.

Sharing one key is enough to merge two pieces of evidence, and merging is transitive. What a pipe, a node or a
collector that nobody saw alive could by itself have made is one signal, however many readings came through it.
"""

from collections.abc import Hashable, Iterable, Sequence

from agents.incident.evidence import Evidence, QuestionKind, Trust

A_CHANGE = "a change was made"
"""The construction of a reading that only says again that something was changed."""


def counts(evidence: Evidence) -> bool:
    """Whether a piece of evidence may be a signal at all: that something was changed confirms nothing."""
    told = any(mechanism.endswith(A_CHANGE) for mechanism in evidence.lineage.construction)
    return evidence.question.kind is not QuestionKind.CHANGES and not told


def keys(evidence: Evidence) -> Iterable[Hashable]:
    """What *evidence* must not share with another piece for the two to be independent."""
    lineage = evidence.lineage
    # One process goes by several names (a replica's, an address): what one service's own processes say of it is
    # one signal, whatever they are called.
    producers = tuple("/".join(p.split("/")[:2]) for p in lineage.producers)
    for producer in producers:
        yield "producer", producer
        for request in lineage.request_ids:
            yield "request", producer, request
    if lineage.exporter:
        yield "producer", lineage.exporter
    for sample in (*lineage.samples, *lineage.derived_from):
        yield "sample", sample
    yield "quantity", lineage.place, lineage.quantity
    if lineage.trust is Trust.USER_PAYLOAD:
        yield ("payload",)
    for mechanism in lineage.construction:
        yield "construction", mechanism
    if evidence.alive is not True:
        yield from shared(evidence)


def shared(evidence: Evidence) -> Iterable[Hashable]:
    """The components whose failure alone could have made this reading; a health fact of them clears it."""
    yield "pipeline", evidence.lineage.pipeline
    if evidence.backend_fp:
        yield "backend", evidence.backend_fp
    if evidence.lineage.node:
        yield "node", evidence.lineage.node


def independent(groups: Sequence[Sequence[Evidence]]) -> int:
    """The number of independent sets among *groups*; a group, however large, counts once at most."""
    parent: dict[Hashable, Hashable] = {}

    def find(key: Hashable) -> Hashable:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    filled = [(i, kept) for i, group in enumerate(groups) if (kept := [e for e in group if counts(e)])]
    for i, group in filled:
        for evidence in group:
            for key in keys(evidence):
                parent[find(key)] = find(("group", i))
    return len({find(("group", i)) for i, _ in filled})
