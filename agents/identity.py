"""What makes one stored answer itself: the fields its id is derived from, and where its bytes come from."""

from collections.abc import Mapping
from dataclasses import replace

from agents.canonical import evidence_id
from agents.incident.clock import iso
from agents.incident.evidence import Completeness, Evidence, Lineage, Question, QuestionKind
from agents.incident.ids import EvidenceId
from agents.incident.quantities import CONSTRUCTION, QUANTITIES

SCHEMA = 2
ROWS = ("series", "lines", "changes", "spans", "events")


def identity(evidence: Evidence) -> Mapping[str, object]:
    """The fields that an id stands for: who was asked what, over which window, and the hash of what came."""
    return {
        "schema": SCHEMA,
        "kind": evidence.question.kind.value,
        "name": evidence.question.name,
        "incident": evidence.incident_id,
        "probe": evidence.probe,
        "backend": evidence.backend_fp,
        "pipeline": evidence.lineage.pipeline,
        "entity": evidence.question.entity,
        "query": evidence.query_canonical,
        "start": iso(evidence.window.start),
        "end": iso(evidence.window.end),
        "step_ms": round(evidence.step.total_seconds() * 1000),
        "limit": evidence.limit,
        "status": evidence.status.value,
        "result_sha256": evidence.blob_sha256,
    }


def identified(evidence: Evidence) -> Evidence:
    """*evidence* under the id that its own fields give it."""
    return replace(evidence, id=derived_id(evidence))


def derived_id(evidence: Evidence) -> EvidenceId:
    """The id *evidence* must have, if the broker made it."""
    return evidence_id(identity(evidence))


def traced(lineage: Lineage, question: Question) -> Lineage:
    """*lineage* with what the query catalogue knows of a quantity: what it is computed from, and by what."""
    if question.kind is not QuestionKind.QUANTITY or question.name not in QUANTITIES:
        return lineage
    raw = (f"{lineage.place}:{sample}" for sample in QUANTITIES[question.name].made_of)
    made = (f"{lineage.place}:{mechanism}" for mechanism in CONSTRUCTION.get(question.name, ()))
    return replace(
        lineage,
        derived_from=tuple(dict.fromkeys((*lineage.derived_from, *raw))),
        construction=tuple(dict.fromkeys((*lineage.construction, *made))),
    )


def completeness(body: object, *, limit_hit: bool, warnings: tuple[str, ...]) -> Completeness:
    """How much came, counted in the body itself: points of series, else lines, records, spans or events."""
    return Completeness(rows=_rows(body), limit_hit=limit_hit, warnings=warnings)


def _rows(body: object) -> int:
    if not isinstance(body, Mapping):
        return 0
    held = [(name, item) for name in ROWS if isinstance(body.get(name), list | tuple) for item in body[name]]
    return sum(_points(item) if name == "series" else 1 for name, item in held)


def _points(series: object) -> int:
    points = series.get("points") if isinstance(series, Mapping) else None
    return len(points) if isinstance(points, list | tuple) else 0
