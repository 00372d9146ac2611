"""An incident as it is shown to a model: ids, the engine's facts, log templates. Never a stored answer itself."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agents.deliberation.menu import Menu, entity_ref
from agents.deliberation.templates import abstract, templates_of
from agents.deliberation.view import View
from agents.facts import Reader
from agents.hypotheses import Hypothesis
from agents.incident.catalogue import Catalogue
from agents.incident.claims import FactName, Where
from agents.incident.clock import iso
from agents.incident.evidence import QuestionKind, Status, Trust
from agents.incident.incident import Incident
from agents.signatures.evaluate import Bench, Seen, Truth
from agents.signatures.model import Signature

MAX_READINGS = 80
MAX_TEMPLATES_SHOWN = 40
MAX_EXEMPLARS = 3
_SHOWN = (FactName.RECENT, FactName.BASELINE, FactName.MAX, FactName.MIN, FactName.RATIO_TO_BASELINE)
_SAFE = re.compile(r"^[A-Za-z][A-Za-z0-9_-]{0,79}$")
_OUTCOMES = {Truth.TRUE: "refuted", Truth.FALSE: "not_refuted", Truth.UNKNOWN: "unknown"}


def view_of(
    incident: Incident,
    menu: Menu,
    bench: Bench,
    catalogue: Catalogue,
    signatures: Sequence[Signature],
    hypotheses: Sequence[Hypothesis],
    refused: Mapping[str, int],
) -> View:
    """The incident as it stands, for a plan or for hypotheses."""
    inventory = names_of(catalogue)
    shown, logs = _readings(bench, menu, inventory)
    body = {
        "incident": incident.id,
        "now": iso(menu.now),
        "alert": {
            "name": _safely(incident.title, inventory),
            "service": entity_ref(f"{incident.environment}/{incident.service}"),
            "severity": incident.severity.value,
            "since": iso(incident.alert_started_at),
        },
        "entities": [
            {
                "id": ref,
                "name": e.replica or e.service.name,
                "kind": "replica" if e.replica else "service",
                "of": entity_ref(e.service.id) if e.replica else None,
                "calls": [] if e.replica else [entity_ref(s.id) for s in catalogue.callees(e.service)],
            }
            for ref, e in menu.entities.items()
        ],
        "signatures": [
            {
                "id": s.id,
                "fault": s.title,
                "of": s.subject.value,
                "signals": [g.id for g in s.groups],
                "refuters": [{"id": r.id, "means": r.means} for r in s.refuters],
            }
            for s in signatures
        ],
        "menu": [{"template": o.id, "asks": o.means} for o in menu.offers.values()],
        "readings": shown,
        "log_templates": logs,
        "engine": [
            {
                "signature": h.signature.id,
                "entity": entity_ref(h.entity.id),
                "signals": [g.id for g, _ in h.true_groups],
                "refuters": [
                    {"id": r.id, "outcome": _OUTCOMES[truth], "read": list(dict.fromkeys(_read(seen, truth)))}
                    for r, truth, seen in h.refuters
                ],
            }
            for h in hypotheses[:5]
            if h.true_groups
        ],
        "refused_queries": dict(refused),
    }
    return View(incident=incident.id, text=json.dumps(body, ensure_ascii=True, separators=(",", ":")))


def _read(seen: Iterable[Seen], truth: Truth) -> Iterable[str]:
    """The evidence in which a refuter was read as it came out."""
    return (s.reader.evidence.id for s in seen if s.truth is truth)


def view_to_order(incident_id: str, lines: Sequence[tuple[str, str]]) -> View:
    """A finding's own lines, each under an id, with what they quote left out."""
    body = {
        "incident": incident_id,
        "lines": [{"id": i, "says": re.sub(r"“[^”]*”", "<STR>", t)} for i, t in lines],
    }
    return View(
        incident=incident_id,
        text=json.dumps(body, ensure_ascii=True, separators=(",", ":")),
        lines=tuple(i for i, _ in lines),
    )


def names_of(catalogue: Catalogue) -> frozenset[str]:
    """Names of the inventory: what may be shown although it is no plain word."""
    return frozenset(n for s in catalogue.services for n in (s.name, *s.aliases, *(r.name for r in s.replicas)))


def _safely(text: str, inventory: frozenset[str]) -> str:
    """*text* if nobody could hide a sentence in it, else its length and digest."""
    if _SAFE.match(text) or text in inventory:
        return text
    return abstract(text)


def _readings(bench: Bench, menu: Menu, inventory: frozenset[str]) -> tuple[list[Any], list[Any]]:
    numbers: list[tuple[float, dict[str, Any]]] = []
    logs: list[dict[str, Any]] = []
    for reader in bench.readers.values():
        evidence = reader.evidence
        head: dict[str, Any] = {
            "ev": evidence.id,
            "entity": entity_ref(evidence.question.entity),
            "template": menu.template_of(evidence.question),
            "status": evidence.status.value,
        }
        match evidence.question.kind:
            case QuestionKind.QUANTITY:
                facts = _facts(reader)
                moved = reader.value(FactName.RATIO_TO_BASELINE, Where()) if facts else None
                numbers.append((1.0 if moved is None else moved, head | {"facts": facts}))
            case QuestionKind.LOG:
                logs += _logs(reader, head, inventory)
            case QuestionKind.CHANGES:
                numbers.append((1.0, head | {"changes": [_change(c) for c in reader.changes()[-MAX_EXEMPLARS:]]}))
    numbers.sort(key=lambda pair: (-abs(pair[0] - 1.0), pair[1]["ev"]))
    return [shown for _, shown in numbers[:MAX_READINGS]], logs[:MAX_TEMPLATES_SHOWN]


def _facts(reader: Reader) -> dict[str, float | str]:
    if reader.evidence.status in {Status.ERROR, Status.EMPTY}:
        return {}
    facts: dict[str, Any] = {
        name.value: float(f"{value:.4g}") for name in _SHOWN if (value := reader.value(name, Where())) is not None
    }
    onset = reader.onset(Where())
    return facts | ({"onset_from": iso(onset[0]), "onset_to": iso(onset[1])} if onset is not None else {})


def _logs(reader: Reader, head: Mapping[str, Any], inventory: frozenset[str]) -> Iterable[dict[str, Any]]:
    trust = Trust.USER_PAYLOAD if reader.evidence.lineage.trust is Trust.USER_PAYLOAD else Trust.APP
    for template in templates_of((line["text"] for line in reader.lines()), inventory):
        yield dict(head) | {
            "line": template.text,
            "count": template.count,
            "examples": list(template.examples),
            "trust": trust.value,
            "parameters": Trust.USER_PAYLOAD.value,
        }


def _change(record: Mapping[str, object]) -> dict[str, object]:
    at = record.get("at_ms")
    return {"kind": str(record.get("kind", ""))[:20], "at_ms": at if isinstance(at, int | float) else None}
