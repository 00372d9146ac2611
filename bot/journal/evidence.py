"""Evidence, its bytes and findings: written once, read by whoever verifies or renders."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select

from agents.canonical import sha256
from agents.incident.errors import BadInput
from agents.incident.evidence import Evidence
from agents.incident.finding import Finding
from agents.incident.ids import IncidentId
from bot.journal import chain
from bot.journal import tables as t
from bot.journal.codec import dump, load
from bot.journal.journal import Tx

TRIAGE, VERIFICATION = "triage", "verification"


def keep(
    tx: Tx, items: Sequence[Evidence], blobs: Mapping[str, bytes], *, attempt: int, look: int, purpose: str
) -> None:
    """Store evidence and the blobs it points to; what is already there is the same bytes.

    An answer to a question that was answered before in this incident takes that answer's place.

    Raises:
        BadInput: A blob is not what its hash says; nothing was kept.
    """
    known = set(tx.run(select(t.blobs.c.sha256).where(t.blobs.c.sha256.in_(list(blobs)))).scalars())
    new: list[dict[str, object]] = []
    for digest, data in blobs.items():
        if digest in known:
            continue
        if sha256(data) != digest:
            raise BadInput(f"the bytes for blob {digest} have another hash (BLOB_MISMATCH); they were not kept")
        new.append({"sha256": digest, "bytes": data})
    if new:
        tx.run(tx.insert(t.blobs).on_conflict_do_nothing(), new)
    for incident_id in dict.fromkeys(item.incident_id for item in items):
        mine = [item for item in items if item.incident_id == incident_id]
        _keep(tx, incident_id, mine, attempt=attempt, look=look, purpose=purpose)


def _keep(
    tx: Tx, incident_id: IncidentId, items: Sequence[Evidence], *, attempt: int, look: int, purpose: str
) -> None:
    chain.lock(tx, incident_id)
    e = t.evidence
    held = tx.all(
        select(e.c.id, e.c.topic, e.c.purpose)
        .where(e.c.incident_id == incident_id)
        .order_by(e.c.fetched_at, e.c.id)
    )
    ids = {row["id"] for row in held}
    newest = {row["topic"]: row["id"] for row in held if row["topic"] and row["purpose"] == TRIAGE}
    rows = []
    for item in {i.id: i for i in items if i.id not in ids}.values():
        record = dump(item)
        topic = chain.topic(record)
        if purpose == TRIAGE and topic in newest:
            record["supersedes"] = newest[topic]
        rows.append(
            {
                "id": item.id,
                "incident_id": incident_id,
                "attempt": attempt,
                "look": look,
                "purpose": purpose,
                "blob_sha256": item.blob_sha256,
                "record": record,
                "fetched_at": item.fetched_at,
                "topic": topic,
            }
        )
    if rows:
        tx.run(t.evidence.insert(), rows)
        actors = {item.id: item.fetched_by.value for item in items}
        chain.add(
            tx, incident_id, [(chain.EVIDENCE, str(r["id"]), chain.placed(r), actors[r["id"]]) for r in rows]
        )


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


def find(tx: Tx, evidence_id: str, *, verified: bool = True) -> tuple[Evidence, bytes]:
    """One piece of evidence and its bytes; a unique prefix is enough.

    Args:
        verified: Whether bytes that are not those it was kept with are an error; else they are handed out.
    """
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
    item = load(Evidence, rows[0]["record"])
    data: bytes = rows[0]["bytes"]
    return item, _whole(item.blob_sha256, data) if verified else data


def blob(tx: Tx, digest: str) -> bytes:
    """The bytes with this hash, held against it again."""
    found = tx.one(select(t.blobs.c.bytes).where(t.blobs.c.sha256 == digest))
    if found is None:
        raise BadInput(f"blob {digest} is not in the journal")
    return _whole(digest, found["bytes"])


def _whole(digest: str, data: bytes) -> bytes:
    if sha256(data) != digest:
        raise BadInput(
            f"blob {digest} is not what was kept (BLOB_MISMATCH): firstresponder evidence verify INC_ID names "
            "what rests on it"
        )
    return data


def save_finding(tx: Tx, finding: Finding) -> None:
    """Store a finding, one for each look, and link it."""
    chain.lock(tx, finding.incident_id)
    record = dump(finding)
    tx.run(
        t.findings.insert().values(
            id=finding.id,
            incident_id=finding.incident_id,
            attempt=finding.attempt,
            look=finding.look,
            record=record,
            made_at=finding.made_at,
            linked=True,
        )
    )
    chain.add(tx, finding.incident_id, [(chain.FINDING, finding.id, record, "triage")])


def latest_finding(tx: Tx, incident_id: IncidentId) -> Finding | None:
    """The newest finding."""
    row = tx.one(
        select(t.findings.c.record)
        .where(t.findings.c.incident_id == incident_id)
        .order_by(t.findings.c.attempt.desc(), t.findings.c.look.desc())
        .limit(1)
    )
    return load(Finding, row["record"]) if row is not None else None
