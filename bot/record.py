"""A live incident → a recording, from the journal alone; what looks like a secret stops it."""

import json
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from agents.incident.catalogue import Catalogue
from agents.incident.errors import BadInput, Refused
from agents.incident.evidence import Answer, Evidence, Window
from agents.incident.finding import Finding
from agents.incident.ids import IncidentId
from agents.incident.incident import Alert, AlertStatus, Incident, Severity
from agents.incident.redaction import redact, redact_tree, suspicious
from bot.journal import codec, evidence, incidents
from bot.journal import tables as t
from bot.journal.journal import Tx
from bot.recordings import writing
from bot.recordings.recording import Broken, Kept, Look, Recording, Truth
from bot.walk import RECENT

RIGHT = "right"


def kept(item: Evidence, blob: bytes) -> Kept:
    """One stored answer as its probe gave it, less what was redacted."""
    return Kept(
        probe=item.probe,
        answer=Answer(
            question=item.question,
            status=item.status,
            query=item.query,
            lineage=item.lineage,
            body=json.loads(blob),
            unit=item.unit,
            entities=item.entities,
            reason=item.reason,
            alive=item.alive,
            step=item.step,
            window=item.window,
            backend=item.backend_fp,
            canonical_query=item.query_canonical,
            limit=item.limit,
            limit_hit=item.completeness.limit_hit,
            warnings=item.completeness.warnings,
            rate_window=item.rate_window,
            ingest_lag=item.ingest_lag,
        ),
    )


def recording(tx: Tx, incident_id: IncidentId, catalogue: Catalogue) -> Recording:
    """Every look of the incident's last attempt that led to a finding.

    Raises:
        BadInput: There is no such incident, or nothing was found out about it yet.
    """
    incident = incidents.load(tx, incident_id)
    rows = tx.all(select(t.findings.c.record).where(t.findings.c.incident_id == incident_id))
    found = [codec.load(Finding, row["record"]) for row in rows]
    last = max((f.attempt for f in found), default=0)
    findings = sorted((f for f in found if f.attempt == last), key=lambda f: f.look)
    if not findings:
        raise BadInput(f"{incident_id} has no finding yet; record it when it has been looked into")
    return Recording(
        id=incident_id,
        title=incident.title,
        service=incident.service,
        environment=incident.environment,
        alerts=_alerts(tx, incident),
        catalogue=_around(incident, catalogue),
        looks=tuple(_look(tx, f, catalogue) for f in findings),
        truth=_truth(tx, findings[-1]),
    )


def _look(tx: Tx, finding: Finding, catalogue: Catalogue) -> Look:
    stored = evidence.of_look(tx, finding.incident_id, attempt=finding.attempt, look=finding.look)
    read = {name: number for number, name in enumerate(finding.evidence)}
    # Asked again within a look, the later answer took the place of the earlier one.
    newest = {(e.probe, e.question): e for e in sorted(stored, key=lambda e: e.fetched_at)}
    held = sorted(newest.values(), key=lambda e: read.get(e.id, len(read)))
    recent = RECENT * catalogue.telemetry_interval
    start = min((e.window.start for e in held), default=finding.made_at - recent)
    end = max((e.window.end for e in held), default=finding.made_at)
    return Look(
        at=finding.made_at,
        window=Window(start=start, end=end, recent=recent),
        kept=tuple(kept(e, evidence.blob(tx, e.blob_sha256)) for e in held),
    )


def _around(incident: Incident, catalogue: Catalogue) -> Catalogue:
    """The services of the incident's own environment."""
    service = catalogue.find(incident.service, incident.environment)
    environment = service.environment if service is not None else incident.environment
    return replace(
        catalogue,
        services=tuple(s for s in catalogue.services if s.environment == environment),
        environments={},
    )


def _alerts(tx: Tx, incident: Incident) -> tuple[Alert, ...]:
    e = t.episodes
    rows = tx.all(select(e).where(e.c.incident_id == incident.id).order_by(e.c.started_at, e.c.id))
    return tuple(
        Alert(
            source=row["source"],
            identity=row["identity"],
            status=AlertStatus.FIRING,
            title=row["title"],
            severity=Severity(row["severity"]),
            service=row["service"],
            environment=row["environment"],
            started_at=row["started_at"],
            at=row["at"],
            entity=row["entity"],
            labels=row["labels"],
        )
        for row in rows
    ) or (
        Alert(
            source=incident.source,
            identity=incident.identity,
            status=AlertStatus.FIRING,
            title=incident.title,
            severity=incident.severity,
            service=incident.service,
            environment=incident.environment,
            started_at=incident.alert_started_at,
            summary=incident.summary,
        ),
    )


def _truth(tx: Tx, finding: Finding) -> Truth:
    """What people said of the finding last; unknown unless somebody said that it is right or what it was."""
    f = t.feedback
    row = tx.one(
        select(f).where(f.c.incident_id == finding.incident_id).order_by(f.c.at.desc(), f.c.id.desc()).limit(1)
    )
    made = {"by": "firstresponder record"}
    if row is None:
        return Truth(cause=None, made=made)
    says = f"a person called the finding {row['verdict']}"
    if row["verdict"] == RIGHT and finding.signature and finding.entity:
        named = Broken(what=finding.title, signature=finding.signature, entity=finding.entity)
        return Truth(cause=(named,), says=says, made=made)
    if row["cause"]:
        return Truth(cause=(Broken(what=row["cause"]),), says=says, made=made)
    return Truth(cause=None, says=says, made=made)


def write(made: Recording, folder: Path) -> None:
    """Write *made*, redacted, into a new folder.

    Raises:
        Refused: What would be written still looks like it holds a secret; the rule and the place are named, and
            nothing was written.
        BadInput: *folder* holds something already.
    """
    clean = redacted(made)
    for name, text in writing.written(clean).items():
        for number, line in enumerate(text.splitlines(), start=1):
            if hits := suspicious(line):
                raise Refused(
                    f"{name} line {number} would hold what looks like a secret (rule {hits[0].kind});"
                    " nothing was written. Find where it comes from and have it left out there"
                )
    writing.write(clean, folder)


def redacted(made: Recording) -> Recording:
    """*made* without what looks like a secret, in its words and in every answer."""
    return replace(
        made,
        title=redact(made.title),
        alerts=tuple(codec.load(Alert, redact_tree(codec.dump(a))) for a in made.alerts),
        looks=tuple(replace(look, kept=tuple(_redacted(k) for k in look.kept)) for look in made.looks),
        truth=replace(
            made.truth,
            says=redact(made.truth.says),
            cause=made.truth.cause and tuple(replace(b, what=redact(b.what)) for b in made.truth.cause),
        ),
    )


def _redacted(one: Kept) -> Kept:
    body = redact_tree(one.answer.body)
    assert isinstance(body, dict)  # noqa: S101  # of a mapping it makes one
    answer = replace(
        one.answer,
        body=body,
        query=redact(one.answer.query),
        canonical_query=redact(one.answer.canonical_query),
        reason=redact(one.answer.reason),
        warnings=tuple(redact(w) for w in one.answer.warnings),
    )
    return replace(one, answer=answer)
