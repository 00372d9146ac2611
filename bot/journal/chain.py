"""One chain of hashes an incident: every piece of evidence and every finding, in the order it was kept.

A link names what was kept, the hash of its record, who kept it, and the link before. Whoever changes, takes away
or slips in a record afterwards breaks the chain; whoever cuts its end off is told by the head that was shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from agents.canonical import canonical, sha256
from agents.incident.ids import IncidentId
from bot.journal import tables as t
from bot.journal.journal import Tx

EVIDENCE, FINDING = "evidence", "finding"
_KEPT = {EVIDENCE: t.evidence, FINDING: t.findings}
_SINCE = {EVIDENCE: t.evidence.c.topic, FINDING: t.findings.c.linked}
"""What every record has that was kept since there are chains."""

START = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain as verified. ``head`` is the last link's hash, ``broken`` what does not hold, in words.

    ``before`` counts records that say of themselves that they were kept before there was a chain.
    """

    incident_id: IncidentId
    links: int
    head: str
    broken: tuple[str, ...]
    before: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing was changed, taken away or slipped in."""
        return not self.broken


def lock(tx: Tx, incident_id: IncidentId) -> None:
    """From here to the commit nobody else adds to the chain; the incident is locked before anything of it."""
    tx.run(select(t.incidents.c.id).where(t.incidents.c.id == incident_id).with_for_update(key_share=True))


def add(tx: Tx, incident_id: IncidentId, kept: Sequence[tuple[str, str, object, str]]) -> None:
    """Link what was just kept: (kind, id, record, actor) each. The chain must be locked."""
    last = tx.one(
        select(t.chain.c.sequence, t.chain.c.hash)
        .where(t.chain.c.incident_id == incident_id)
        .order_by(t.chain.c.sequence.desc())
        .limit(1)
    )
    sequence, previous = (last["sequence"], last["hash"]) if last is not None else (0, START)
    rows: list[Mapping[str, Any]] = []
    at = tx.now
    for kind, subject, record, actor in kept:
        sequence += 1
        row = {
            "incident_id": incident_id,
            "sequence": sequence,
            "previous": previous,
            "kind": kind,
            "subject": subject,
            "digest": sha256(canonical(record)),
            "actor": actor,
            "at": at,
        }
        previous = _hash(row)
        rows.append(row | {"hash": previous})
    if rows:
        tx.run(t.chain.insert(), rows)


def _hash(row: Mapping[str, Any]) -> str:
    at: datetime = row["at"]
    names = ("incident_id", "sequence", "previous", "kind", "subject", "digest", "actor")
    return sha256(canonical({**{name: row[name] for name in names}, "at": at.isoformat()}))


def verify(tx: Tx, incident_id: IncidentId) -> Chain:
    """Every link computed again, and every record and blob held against it."""
    links = tx.all(select(t.chain).where(t.chain.c.incident_id == incident_id).order_by(t.chain.c.sequence))
    broken = [*_links(links), *_blobs(tx, incident_id)]
    before = 0
    for kind, table in _KEPT.items():
        linked = {row["subject"]: row["digest"] for row in links if row["kind"] == kind}
        stored = tx.all(
            select(table.c.id, table.c.record, _SINCE[kind].label("since")).where(
                table.c.incident_id == incident_id
            )
        )
        for row in stored:
            digest = linked.pop(row["id"], None)
            if digest is None:
                old = row["since"] is None
                before += old
                broken += [] if old else [f"{kind} {row['id']} is in the journal and not in the chain"]
            elif digest != sha256(canonical(row["record"])):
                broken.append(f"{kind} {row['id']} was changed after it was kept")
        broken += [f"{kind} {subject} is in the chain and no longer in the journal" for subject in linked]
    return Chain(
        incident_id=incident_id,
        links=len(links),
        head=links[-1]["hash"] if links else START,
        broken=tuple(broken),
        before=before,
    )


def _links(links: Sequence[Mapping[str, Any]]) -> list[str]:
    broken = []
    previous = START
    for number, row in enumerate(links, start=1):
        if row["sequence"] != number or row["previous"] != previous:
            broken.append(f"link {row['sequence']} does not follow the one before it")
        if _hash(row) != row["hash"]:
            broken.append(f"link {row['sequence']} was changed")
        previous = row["hash"]
    return broken


def _blobs(tx: Tx, incident_id: IncidentId) -> list[str]:
    rows = tx.all(
        select(t.evidence.c.id, t.evidence.c.blob_sha256, t.blobs.c.bytes)
        .outerjoin(t.blobs, t.blobs.c.sha256 == t.evidence.c.blob_sha256)
        .where(t.evidence.c.incident_id == incident_id)
        .order_by(t.evidence.c.id)
    )
    return [
        f"the bytes of evidence {r['id']} are not those it was kept with (BLOB_MISMATCH)"
        for r in rows
        if r["bytes"] is None or sha256(r["bytes"]) != r["blob_sha256"]
    ]
