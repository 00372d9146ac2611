"""A live incident written down: it replays to what was found, and no secret gets into it."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from actions.catalogue import CATALOGUE
from agents.incident.catalogue import Service
from agents.incident.clock import now
from agents.incident.errors import BadInput, Refused
from agents.incident.ids import EvidenceId, FindingId, IncidentId, PersonId, new_id
from bot import record, replay, walk
from bot.grouping import Grouping, Rules
from bot.journal import episodes, evidence
from bot.journal import tables as t
from bot.journal.journal import Journal, open_engine
from bot.recordings import reading, writing
from bot.recordings.recording import Broken, Recording
from bot.wiring.parts import TriageParts
from tests.builders import a_policy
from tests.evals import transforms as to
from tests.evals.recorded import SAMPLES
from tests.unit.test_house import run


@pytest.fixture(name="journal")
def _journal(sqlite_url: str) -> Iterator[Journal]:
    journal = Journal(open_engine(sqlite_url))
    yield journal
    journal.close()


def live(name: str) -> Recording:
    """A sample, its last look alone, as if it were happening now."""
    recording = live_looks(name)
    return replace(recording, looks=recording.looks[-1:])


def live_looks(name: str) -> Recording:
    """A sample as if its last look were now."""
    recording = reading.read(SAMPLES / name)
    return to.shifted(recording, now() - recording.looks[-1].at)


def diagnosed(journal: Journal, recording: Recording) -> IncidentId:
    """The walk's own triage of it, over probes that answer as was recorded."""
    knowledge = replay.knowledge_of(recording)
    parts = TriageParts(**_parts(journal, recording, knowledge=knowledge))
    with journal.write("test.alert") as tx:
        (incident_id,) = episodes.apply(tx, recording.alerts[0], parts.grouping)
    assert incident_id is not None
    walk.diagnose(incident_id, parts)
    return incident_id


def _parts(journal: Journal, recording: Recording, **named: Any) -> dict[str, Any]:
    return {
        "journal": journal,
        "senders": {},
        "grouping": Grouping(rules=Rules(), catalogue=recording.catalogue),
        "probes": replay.probes(recording.looks[0]),
        "budget": timedelta(seconds=10),
        "catalogue": CATALOGUE,
        "policy": a_policy(),
        "log": structlog.get_logger(),
        **named,
    }


def recorded(journal: Journal, incident_id: IncidentId, like: Recording) -> Recording:
    with journal.read() as tx:
        return record.recording(tx, incident_id, like.catalogue)


@pytest.mark.parametrize("name", ["pool-leak-12", "hung-replica-16", "stale-schema-20", "quiet-16", "edge-unread"])
def test_what_was_found_live_is_found_again_in_its_recording(journal, tmp_path, name):
    given = live(name)
    incident_id = diagnosed(journal, given)
    with journal.read() as tx:
        then = evidence.latest_finding(tx, incident_id)
    assert then is not None
    record.write(recorded(journal, incident_id, given), tmp_path / "made")
    written = reading.read(tmp_path / "made")
    again = replay.replay(written, replay.knowledge_of(written)).finding
    assert again == replace(then, id=again.id)


def test_the_command_writes_what_the_journal_holds(journal, sqlite_url, tmp_path):
    given = live("quiet-16")
    incident_id = diagnosed(journal, given)
    (tmp_path / "config").mkdir()
    shutil.copy(SAMPLES / "quiet-16" / "services.yaml", tmp_path / "config")
    env = {"FIRSTRESPONDER_JOURNAL_URL": sqlite_url, "FIRSTRESPONDER_CONFIG": str(tmp_path / "config")}
    done = run("record", incident_id, str(tmp_path / "made"), **env)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    made = {str(p.relative_to(tmp_path / "made")): p.read_text() for p in (tmp_path / "made").iterdir()}
    assert made == writing.written(record.redacted(recorded(journal, incident_id, given)))


def test_a_recording_holds_neither_addresses_nor_owners_nor_another_environment(journal, tmp_path):
    given = live("quiet-16")
    told = replace(
        given.catalogue,
        services=tuple(
            replace(
                s,
                owners=("Ana of payments",),
                replicas=tuple(replace(r, metrics_url=f"http://10.0.0.7/{r.name}") for r in s.replicas),
            )
            for s in given.catalogue.services
        ),
    )
    told = replace(told, services=(*told.services, Service(name="ledger", environment="staging")))
    incident_id = diagnosed(journal, given)
    record.write(recorded(journal, incident_id, replace(given, catalogue=told)), tmp_path / "made")
    text = "".join(p.read_text() for p in (tmp_path / "made").rglob("*") if p.is_file())
    assert "gateway-1" in text
    assert "10.0.0.7" not in text
    assert "Ana" not in text
    assert "ledger" not in text


def test_every_look_of_the_last_attempt_is_written(journal, tmp_path):
    given = live_looks("pool-leak-16")
    first, second, _ = given.looks
    early = to.without(replace(given, looks=(first,)), to.asks("pool_waiters"))
    with journal.write("test.alert") as tx:
        (incident_id,) = episodes.apply(tx, given.alerts[0], Grouping(rules=Rules(), catalogue=given.catalogue))
        assert incident_id is not None
        for number, look in enumerate((early.looks[0], second), start=1):
            one = replace(given, id=incident_id, looks=(look,))
            done = replay.replay(one, replay.knowledge_of(one))
            finding = replace(done.finding, attempt=2, look=number, id=FindingId(f"FI_{number}"))
            items, blobs = done.gathered.evidence, done.gathered.blobs
            evidence.keep(tx, items, blobs, attempt=2, look=number, purpose=evidence.TRIAGE)
            evidence.save_finding(tx, finding)
        evidence.save_finding(tx, replace(finding, attempt=1, look=3, id=FindingId("FI_earlier")))
    record.write(recorded(journal, incident_id, given), tmp_path / "made")
    written = reading.read(tmp_path / "made")
    assert (tmp_path / "made" / "later" / "2" / "look.yaml").exists()
    again = replay.replay(written, replay.knowledge_of(written)).finding
    assert (again.look, again.signature) == (2, "F11")
    assert again == replace(finding, id=again.id, attempt=1)


def test_answers_stand_in_the_order_in_which_they_were_read(journal):
    given = live("pool-leak-12")
    incident_id = diagnosed(journal, given)
    with journal.read() as tx:
        finding = evidence.latest_finding(tx, incident_id)
        stored = {e.id: e for e in evidence.of_look(tx, incident_id, attempt=1, look=1)}
    assert finding is not None
    (look,) = recorded(journal, incident_id, given).looks
    read = [stored[e] for e in finding.evidence]
    assert [(k.probe, k.answer.question) for k in look.kept] == [(e.probe, e.question) for e in read]


def test_of_two_answers_within_one_look_the_later_one_is_written(journal):
    given = live("quiet-16")
    incident_id = diagnosed(journal, given)
    with journal.write("test.again") as tx:
        (first, *_) = (
            e for e in evidence.of_look(tx, incident_id, attempt=1, look=1) if "rate" in e.question.name
        )
        blob = evidence.blob(tx, first.blob_sha256)
        again = replace(first, id=EvidenceId("ev_again"), query="asked again", fetched_at=now())
        blobs = {again.blob_sha256: blob}
        evidence.keep(tx, [again], blobs, attempt=1, look=1, purpose=evidence.TRIAGE)
    (look,) = recorded(journal, incident_id, given).looks
    queries = [k.answer.query for k in look.kept if (k.probe, k.answer.question) == (first.probe, first.question)]
    assert queries == ["asked again"]


def test_nothing_is_known_of_the_cause_until_somebody_says(journal):
    given = live("pool-leak-12")
    incident_id = diagnosed(journal, given)
    assert recorded(journal, incident_id, given).truth.cause is None
    _feedback(journal, incident_id, "right")
    assert recorded(journal, incident_id, given).truth.cause == (
        Broken(what="connection pool exhausted", signature="F11", entity="playground/checkout"),
    )
    _feedback(journal, incident_id, "wrong", "a full disk")
    assert recorded(journal, incident_id, given).truth.cause == (Broken(what="a full disk"),)
    _feedback(journal, incident_id, "wrong")
    assert recorded(journal, incident_id, given).truth.cause is None


def _feedback(journal: Journal, incident_id: IncidentId, verdict: str, cause: str = "") -> None:
    with journal.write("test.feedback") as tx:
        finding = evidence.latest_finding(tx, incident_id)
        assert finding is not None
        tx.run(
            t.feedback.insert().values(
                id=new_id("FB"),
                incident_id=incident_id,
                finding_id=finding.id,
                person_id=PersonId("ana"),
                verdict=verdict,
                cause=cause,
                at=tx.now,
            )
        )


def test_an_incident_without_a_finding_cannot_be_recorded(journal):
    given = live("quiet-16")
    with journal.write("test.alert") as tx:
        (incident_id,) = episodes.apply(tx, given.alerts[0], Grouping(rules=Rules(), catalogue=given.catalogue))
    assert incident_id is not None
    with pytest.raises(BadInput, match="no finding yet"):
        recorded(journal, incident_id, given)
    with pytest.raises(BadInput):
        recorded(journal, IncidentId("INC_none"), given)


def test_secrets_in_words_and_answers_are_taken_out(tmp_path):
    given = reading.read(SAMPLES / "quiet-16")
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2
    alert = replace(given.alerts[0], summary=f"failed with token {secret}")
    loose = to.each(
        replace(given, alerts=(alert,), title=f"Bad {secret}"),
        lambda one: replace(one, answer=replace(one.answer, reason=f"refused {secret}")),
    )
    record.write(loose, tmp_path / "made")
    text = "".join(p.read_text() for p in (tmp_path / "made").rglob("*") if p.is_file())
    assert secret not in text
    assert "refused" in text


def test_what_still_looks_like_a_secret_stops_everything_and_is_named_with_its_place(tmp_path: Path):
    given = reading.read(SAMPLES / "quiet-16")
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2

    def named(one: Any) -> Any:
        """In a name, which nobody may change without changing what it is about."""
        lineage = replace(one.answer.lineage, producers=(secret,))
        return replace(one, answer=replace(one.answer, lineage=lineage))

    with pytest.raises(Refused) as stopped:
        record.write(to.each(given, named), tmp_path / "made")
    assert ".jsonl line 1 " in str(stopped.value)
    assert "rule " in str(stopped.value)
    assert secret not in str(stopped.value)
    assert not (tmp_path / "made").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(BadInput, match="holds something already"):
        record.write(reading.read(SAMPLES / "quiet-16"), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
