"""One chain of hashes an incident: every piece of evidence and every finding, in the order it was kept.

A link names what was kept, the hash of its record, who kept it, and the link before. Whoever changes, takes away
or slips in a record afterwards, or files it elsewhere, breaks the chain; whoever cuts its end off is told by the
head that was shown. What evidence was read for is not in its record, so links hash it beside the record; those
written before they did hash the record alone, and stay good.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select

from agents.canonical import canonical, sha256
from agents.incident.ids import IncidentId
from bot.journal import tables as t
from bot.journal.codec import load
from bot.journal.journal import Tx

EVIDENCE, FINDING = "evidence", "finding"
_KEPT = {EVIDENCE: t.evidence, FINDING: t.findings}
_SINCE = {EVIDENCE: "topic", FINDING: "linked"}
"""What every record has that was kept since there are chains."""

_AT = {EVIDENCE: "fetched_at", FINDING: "made_at"}
_SAID = {
    EVIDENCE: ("id", "incident_id", "blob_sha256", "fetched_at"),
    FINDING: ("id", "incident_id", "attempt", "look", "made_at"),
}
"""Columns that records are found by, and that the record itself has too."""

START = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain as verified. ``head`` is the last link's hash, ``broken`` what does not hold, in words.

    ``before`` counts records that were kept before there was a chain, as far as can be told.
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


def topic(record: Mapping[str, Any]) -> str:
    """Who was asked what, of a record of evidence."""
    return sha256(canonical([record.get(name) for name in ("probe", "backend_fp", "question")]))


def placed(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record of evidence with what it was read for, as it is linked."""
    return {name: row[name] for name in ("record", "attempt", "look", "purpose")}


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
        stored = tx.all(select(table).where(table.c.incident_id == incident_id).order_by(table.c.id))
        wrong, older = _records(kind, stored, links)
        broken += wrong
        before += older
    return Chain(
        incident_id=incident_id,
        links=len(links),
        head=links[-1]["hash"] if links else START,
        broken=tuple(broken),
        before=before,
    )


def _records(
    kind: str, stored: Sequence[Mapping[str, Any]], links: Sequence[Mapping[str, Any]]
) -> tuple[list[str], int]:
    """What of the records does not hold, and how many of them are from before there was a chain."""
    linked = {row["subject"]: row["digest"] for row in links if row["kind"] == kind}
    held = [row for row in stored if row["id"] in linked]
    broken = []
    older = 0
    for row in stored:
        digest = linked.pop(row["id"], None)
        wrong = _unlinked(kind, row, held, links) if digest is None else _linked(kind, row, digest)
        if wrong:
            broken.append(f"{kind} {row['id']} {wrong}")
        elif digest is None:
            older += 1
    broken += [f"{kind} {subject} is in the chain and no longer in the journal" for subject in linked]
    return broken, older


def _linked(kind: str, row: Mapping[str, Any], digest: str) -> str:
    """What does not hold of a record that has a link; empty where all of it does."""
    good = [row["record"], *([placed(row)] if kind == EVIDENCE else [])]
    if digest not in {sha256(canonical(each)) for each in good}:
        return "was changed after it was kept"
    said = _said(kind, row["record"])
    return _misfiled(row, said | {"topic": topic(row["record"])} if kind == EVIDENCE else said)


def _unlinked(
    kind: str, row: Mapping[str, Any], held: Sequence[Mapping[str, Any]], links: Sequence[Mapping[str, Any]]
) -> str:
    """What does not hold of a record without a link; empty where it can be from before there was a chain.

    Its own word for that is not enough: it must be older than the first link, and a finding of an earlier look
    than every one that has a link.
    """
    if row[_SINCE[kind]] is not None:
        return "is in the journal and not in the chain"
    late = bool(links) and row[_AT[kind]] >= links[0]["at"]
    if late or (kind == FINDING and any(_look(row) >= _look(other) for other in held)):
        return "is in the journal as if from before there was a chain, and is not in the chain"
    return _misfiled(row, _said(kind, row["record"]))


def _look(row: Mapping[str, Any]) -> tuple[int, int]:
    return row["attempt"], row["look"]


def _said(kind: str, record: object) -> dict[str, object]:
    """What the columns that a record is found by must hold."""
    known = record if isinstance(record, Mapping) else {}
    return {name: known.get(name) for name in _SAID[kind]}


def _misfiled(row: Mapping[str, Any], said: Mapping[str, object]) -> str:
    """Which columns do not hold what the record has; empty where all do."""
    wrong = [name for name, value in said.items() if not _same(row[name], value)]
    return f"is filed under another {', '.join(wrong)} than its record has" if wrong else ""


def _same(column: object, said: object) -> bool:
    if not isinstance(column, datetime):
        return column == said
    try:
        return column == load(datetime, said)
    except ValidationError:
        return False


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
