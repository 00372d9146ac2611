"""Evidence, its bytes, findings and change records: written once, read by whoever verifies or renders."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from agents.incident.errors import BadInput
from agents.incident.evidence import Evidence
from agents.incident.finding import Finding
from agents.incident.ids import IncidentId
from agents.incident.incident import Change
from bot.journal import tables as t
from bot.journal.codec import dump, load
from bot.journal.journal import Tx

TRIAGE, VERIFICATION = "triage", "verification"


def keep(
    tx: Tx, items: Sequence[Evidence], blobs: Mapping[str, bytes], *, attempt: int, look: int, purpose: str
) -> None:
    """Store evidence and the blobs it points to; what is already there is the same bytes."""
    known = set(tx.run(select(t.blobs.c.sha256).where(t.blobs.c.sha256.in_(list(blobs)))).scalars())
    new: list[dict[str, object]] = [
        {"sha256": digest, "bytes": data} for digest, data in blobs.items() if digest not in known
    ]
    if new:
        tx.run(_ignore(tx, t.blobs), new)
    rows = [
        {
            "id": item.id,
            "incident_id": item.incident_id,
            "attempt": attempt,
            "look": look,
            "purpose": purpose,
            "blob_sha256": item.blob_sha256,
            "record": dump(item),
            "fetched_at": item.fetched_at,
        }
        for item in items
    ]
    if rows:
        tx.run(_ignore(tx, t.evidence), rows)


def _ignore(tx: Tx, table: Any) -> Any:
    """INSERT that leaves an existing row alone, in either dialect."""
    from sqlalchemy.dialects import postgresql, sqlite

    dialect = tx.dialect
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    return insert.on_conflict_do_nothing()


def of_look(tx: Tx, incident_id: IncidentId, *, attempt: int, look: int) -> tuple[Evidence, ...]:
    """What was gathered for one look of one attempt."""
    rows = tx.all(
        select(t.evidence.c.record)
        .where(
            t.evidence.c.incident_id == incident_id,
            t.evidence.c.attempt == attempt,
            t.evidence.c.look == look,
            t.evidence.c.purpose == TRIAGE,
        )
        .order_by(t.evidence.c.id)
    )
    return tuple(load(Evidence, r["record"]) for r in rows)


def find(tx: Tx, evidence_id: str) -> tuple[Evidence, bytes]:
    """One piece of evidence and its bytes; a unique prefix is enough."""
    wanted = evidence_id.rstrip("….")
    rows = tx.all(
        select(t.evidence.c.record, t.blobs.c.bytes)
        .join(t.blobs, t.blobs.c.sha256 == t.evidence.c.blob_sha256)
        .where(t.evidence.c.id.startswith(wanted, autoescape=True))
        .limit(2)
    )
    if not rows:
        raise BadInput(f"there is no evidence {evidence_id!r}")
    if len(rows) > 1:
        raise BadInput(f"{evidence_id!r} is the beginning of more than one id; give more of it")
    return load(Evidence, rows[0]["record"]), rows[0]["bytes"]


def blob(tx: Tx, digest: str) -> bytes:
    """The bytes with this hash."""
    found = tx.one(select(t.blobs.c.bytes).where(t.blobs.c.sha256 == digest))
    if found is None:
        raise BadInput(f"blob {digest} is not in the journal")
    data: bytes = found["bytes"]
    return data


def save_finding(tx: Tx, finding: Finding) -> None:
    """Store a finding; one for each look."""
    tx.run(
        t.findings.insert().values(
            id=finding.id,
            incident_id=finding.incident_id,
            attempt=finding.attempt,
            look=finding.look,
            record=dump(finding),
            made_at=finding.made_at,
        )
    )


def latest_finding(tx: Tx, incident_id: IncidentId) -> Finding | None:
    """The newest finding."""
    row = tx.one(
        select(t.findings.c.record)
        .where(t.findings.c.incident_id == incident_id)
        .order_by(t.findings.c.attempt.desc(), t.findings.c.look.desc())
        .limit(1)
    )
    return load(Finding, row["record"]) if row is not None else None


def save_change(tx: Tx, change: Change) -> bool:
    """Store a change record; false when it is known already."""
    new = tx.one(
        _ignore(tx, t.changes)
        .values(
            id=change.id,
            kind=change.kind.value,
            service=change.service,
            environment=change.environment,
            at=change.at,
            record=dump(change),
        )
        .returning(t.changes.c.id)  # psycopg counts no rows of an INSERT
    )
    return new is not None


def changes_since(tx: Tx, services: Iterable[tuple[str, str]], since: datetime) -> tuple[Change, ...]:
    """Changes of (environment, service) pairs, oldest first."""
    wanted = set(services)
    rows = tx.all(select(t.changes.c.record).where(t.changes.c.at >= since).order_by(t.changes.c.at))
    found = (load(Change, r["record"]) for r in rows)
    return tuple(c for c in found if (c.environment, c.service) in wanted)
