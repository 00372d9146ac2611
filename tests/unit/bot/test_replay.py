"""Recorded incidents through the engine: what is named, what is not, and that only the evidence decides."""

import json
import math
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
import yaml

from agents.gather import Gathered
from agents.incident.errors import BadInput
from agents.incident.evidence import Question, QuestionKind, Status
from agents.incident.finding import Finding, FindingState, RefuterOutcome
from agents.incident.incident import Incident
from agents.triage import Knowledge
from bot import replay
from bot.recordings import reading, writing
from bot.recordings.recording import Expected, Kept, Recording
from tests.evals import transforms as to
from tests.evals.recorded import LICENCE, SAMPLES, half_of
from tests.unit.test_house import run

S = FindingState
NAMED = frozenset({S.DIAGNOSED, S.LIKELY})
NAMES = sorted(p.name for p in SAMPLES.iterdir() if p.is_dir())
MOST_BYTES = 200_000
FAULTS = ("pool-leak-16", "hung-replica-16", "stale-schema-16", "surge-12")
"""One of each fault that the library knows."""

CAUSES = ("pool-leak-20", "hung-replica-12", "stale-schema-12", "surge-12")


@pytest.fixture(scope="module", name="library")
def _library() -> Knowledge:
    """The shipped signatures and calibration, read once."""
    return replay.knowledge_of(reading.read(SAMPLES / NAMES[0]))


@pytest.fixture(scope="module", name="verdict")
def _verdict(library: Knowledge) -> Callable[[str], Finding]:
    """What is found in a sample, found once."""
    return cache(lambda name: found(sample(name), library))


@cache
def sample(name: str) -> Recording:
    return reading.read(SAMPLES / name)


def found(recording: Recording, library: Knowledge) -> Finding:
    return replay.replay(recording, replace(library, catalogue=recording.catalogue)).finding


def told(finding: Finding) -> tuple[FindingState, str | None, str | None]:
    return finding.state, finding.signature, finding.entity


def fits(finding: Finding, expected: Expected) -> bool:
    return finding.state in expected.states and (finding.signature, finding.entity) == (
        expected.signature,
        expected.entity,
    )


# What is found in each


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_incident_is_found_to_be_what_it_was(name, verdict):
    truth = sample(name).truth
    assert truth.expected is not None
    finding = verdict(name)
    assert fits(finding, truth.miss or truth.expected), finding.text
    if truth.miss is not None:
        assert not fits(finding, truth.expected), "this is no miss any more: take it out of truth.yaml"
    wanted = truth.miss or truth.expected
    assert {s.signature for s in finding.suspects}.issuperset(wanted.suspects)
    assert {r.id for r in finding.refuters if r.outcome is RefuterOutcome.FIRED}.issuperset(wanted.fired)


def test_what_is_expected_follows_from_the_cause_and_is_not_read_off_the_engine():
    for name in NAMES:
        truth = sample(name).truth
        assert truth.expected is not None
        assert truth.cause is not None
        causes = {(b.signature, b.entity) for b in truth.cause}
        if truth.expected.signature is not None:
            assert causes == {(truth.expected.signature, truth.expected.entity)}, name
        else:
            assert not NAMED & set(truth.expected.states), name
        if S.NO_FAULT in truth.expected.states:
            assert not truth.cause, name


def test_nothing_is_given_a_cause_that_is_not_its_own(verdict):
    wrong = {}
    for name in NAMES:
        finding = verdict(name)
        causes = {(b.signature, b.entity) for b in sample(name).truth.cause or ()}
        if finding.signature is not None and (finding.signature, finding.entity) not in causes:
            wrong[name] = finding.signature
    assert wrong == {}


def test_a_pool_that_is_full_of_queries_waiting_for_a_lock_stays_a_suspect(verdict):
    finding = verdict("database-locked-8")
    assert finding.state is S.SUSPECTS
    assert [s.signature for s in finding.suspects][:1] == ["F11"]


# What the whole set is made of


def test_there_are_enough_of_each_kind():
    truths = {name: sample(name).truth for name in NAMES}
    assert len(NAMES) >= 30
    quiet = [n for n, t in truths.items() if t.cause == ()]
    assert len(quiet) >= 0.3 * len(NAMES)
    named = Counter(t.expected.signature for t in truths.values() if t.expected and t.expected.signature)
    assert set(named) == {"F11", "F34", "F41", "F49"}
    assert min(named.values()) >= 4
    entities = {
        s: {t.expected.entity for t in truths.values() if t.expected and t.expected.signature == s} for s in named
    }
    assert all(len(e) >= 2 for e in entities.values()), entities
    uncovered = [t for t in truths.values() if t.cause and any(not b.signature for b in t.cause)]
    assert len(uncovered) >= 6
    assert sum(1 for t in truths.values() if t.cause and len(t.cause) > 1) >= 2
    assert sum(1 for t in truths.values() if t.expected and S.BLIND in t.expected.states) >= 4


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_small_licensed_and_in_the_half_its_name_says(name):
    folder = SAMPLES / name
    truth = sample(name).truth
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) <= MOST_BYTES
    assert truth.licence == LICENCE
    assert truth.half == half_of(name)
    assert truth.made
    assert truth.says


# The same bytes, the same finding


def test_a_recording_reads_back_as_it_was_written(tmp_path):
    for name in NAMES[::5]:
        recording = sample(name)
        writing.write(recording, tmp_path / name)
        assert reading.read(tmp_path / name) == recording
        for path in (tmp_path / name).rglob("*"):
            if path.is_file():
                assert path.read_bytes() == (SAMPLES / name / path.relative_to(tmp_path / name)).read_bytes()


@pytest.mark.parametrize("alive", [True, False, None])
def test_a_source_seen_dead_is_told_from_one_that_nobody_looked_at(alive, tmp_path):
    made = to.each(sample("quiet-16"), lambda one: replace(one, answer=replace(one.answer, alive=alive)))
    writing.write(made, tmp_path / "made")
    assert {one.answer.alive for one in reading.read(tmp_path / "made").looks[0].kept} == {alive}


def test_no_connection_is_opened(library, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert found(sample("pool-leak-16"), library).signature == "F11"


def test_the_command_prints_the_same_bytes_twice_and_one_document_with_json(library):
    folder = str(SAMPLES / "pool-leak-16")
    first, second = (run("replay", folder, "--json") for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == second.stdout
    document = json.loads(first.stdout)
    assert (document["state"], document["signature"]) == ("DIAGNOSED", "F11")
    held = {e["id"] for e in document["evidence"]}
    assert document["claims"]
    assert all(held.issuperset(c["evidence"]) for c in document["claims"])
    assert any(c["facts"] for c in document["claims"])
    again = replay.replay(sample("pool-leak-16"), library)
    assert json.loads(json.dumps(replay.document(again))) == document
    people = replay.printed(again)
    assert document["text"] in people
    for claim in document["claims"]:
        assert claim["text"] in people


def test_an_unsettled_look_is_followed_by_the_next_one(library):
    recording = sample("pool-leak-16")
    later = recording.looks[-1]
    early = to.without(replace(recording, looks=(recording.looks[0],)), to.asks("pool_waiters")).looks[0]
    once = replace(recording, looks=(early,))
    assert found(once, library).state in {S.SUSPECTS, S.INCONCLUSIVE}
    twice = found(replace(recording, looks=(early, later)), library)
    assert (twice.look, twice.signature) == (2, "F11")
    settled = found(replace(recording, looks=(later, early)), library)
    assert (settled.look, settled.signature) == (1, "F11")


def test_a_model_is_shown_the_finding_of_the_engine_and_the_one_it_leaves_stands(library):
    recording = sample("quiet-16")
    alone = found(recording, library)
    shown: list[Finding] = []

    def think(incident: Incident, finding: Finding, gathered: Gathered) -> Finding:
        assert {e.id for e in gathered.evidence} == set(finding.evidence)
        assert incident.id == recording.id
        shown.append(finding)
        return replace(finding, text="other words")

    done = replay.replay(recording, replace(library, catalogue=recording.catalogue), think=think)
    assert shown == [alone]
    assert done.finding == replace(alone, text="other words")


# Only the evidence decides


@pytest.mark.parametrize("name", FAULTS)
def test_other_names_change_nothing_but_names(name, library):
    names = {"gateway": "porch", "checkout": "till", "inventory": "depot", "playground": "elsewhere"}
    before = found(sample(name), library)
    after = found(to.renamed(sample(name), names), library)
    entity = before.entity or ""
    for old, new in names.items():
        entity = entity.replace(old, new)
    assert told(after) == (before.state, before.signature, entity)
    assert after.score == pytest.approx(before.score)
    assert after.independent_groups == before.independent_groups
    assert [r.outcome for r in after.refuters] == [r.outcome for r in before.refuters]


@pytest.mark.parametrize("name", FAULTS)
def test_another_hour_changes_nothing_but_the_hour(name, library):
    before = found(sample(name), library)
    after = found(to.shifted(sample(name), timedelta(days=-400, hours=5, milliseconds=17)), library)
    assert told(after) == told(before)
    assert after.score == pytest.approx(before.score)


@pytest.mark.parametrize("name", FAULTS)
def test_the_order_of_series_and_lines_decides_nothing(name, library):
    before = found(sample(name), library)
    for seed in range(3):
        after = found(to.permuted(sample(name), seed), library)
        assert told(after) == told(before)
        assert after.score == pytest.approx(before.score)


def answering(questions: Collection[Question]) -> Callable[[Kept], bool]:
    return lambda one: one.answer.question in questions


def asked_of_groups(recording: Recording, library: Knowledge) -> list[set[Question]]:
    """What each group of the finding was read from."""
    whole = replay.replay(recording, replace(library, catalogue=recording.catalogue))
    assert whole.finding.state is S.DIAGNOSED
    asked = {e.id: e.question for e in whole.gathered.evidence}
    return [{asked[e] for e in group.evidence} for group in whole.finding.groups]


@pytest.mark.parametrize("name", ["pool-leak-20", "stale-schema-12", "surge-12"])
def test_without_one_of_two_groups_no_cause_is_named(name, library):
    recording = sample(name)
    groups = asked_of_groups(recording, library)
    assert len(groups) == 2
    for questions in groups:
        less = found(to.without(recording, answering(questions)), library)
        assert (less.state in NAMED, less.signature) == (False, None), questions


def test_a_replica_that_hangs_may_lose_one_witness_of_three_and_no_more(library):
    recording = sample("hung-replica-12")
    mechanism, callers, health = asked_of_groups(recording, library)
    assert found(to.without(recording, answering(callers)), library).state not in NAMED  # nor is the path seen
    assert found(to.without(recording, answering(health)), library).state is S.DIAGNOSED
    assert found(to.without(recording, answering(mechanism)), library).state not in NAMED


@pytest.mark.parametrize("name", CAUSES)
def test_without_the_evidence_of_its_cause_it_abstains(name, library):
    recording = sample(name)
    questions = set().union(*asked_of_groups(recording, library))
    less = found(to.without(recording, answering(questions)), library)
    assert (less.state in NAMED, less.signature) == (False, None)


@pytest.mark.parametrize(
    ("name", "tells_apart", "signature"),
    [
        ("database-full", to.asks("database_connections_used_ratio"), "F11"),
        ("all-unhealthy", to.asks("health_failing"), "F34"),
        ("retry-storm", to.asks("calls_per_request"), "F41"),
    ],
)
def test_without_what_tells_it_apart_a_look_alike_is_named(name, tells_apart, signature, library):
    assert found(sample(name), library).signature is None
    assert found(to.without(sample(name), tells_apart), library).signature == signature


@pytest.mark.parametrize("name", ["quiet-16", "quiet-12", "quiet-20", "quiet-8"])
def test_deploys_of_everything_make_no_fault_of_a_quiet_window(name, library):
    recording = sample(name)
    for service in ("gateway", "checkout", "inventory"):
        recording = to.decoy(recording, service)
    assert told(found(recording, library)) == told(found(sample(name), library))


# Lines that were kept whole


def test_a_pattern_that_was_never_asked_is_told_from_all_the_lines(library):
    recording = sample("stale-schema-16")
    less = to.without(recording, lambda one: "schema cache" in one.answer.question.name)
    assert found(less, library).signature == "F49"


def test_lines_cut_off_show_presence_and_never_absence():
    from agents.probes.canned import Canned

    recording = sample("stale-schema-16")
    service = next(s for s in recording.catalogue.services if s.name == "inventory")
    whole = Question(kind=QuestionKind.LOG, service=service.name, environment=service.environment)
    kept = next(k for k in recording.looks[0].kept if k.answer.question == whole)
    cut = Canned("logs", [replace(kept.answer, status=Status.TRUNCATED)])
    complete = Canned("logs", [replace(kept.answer, status=Status.COMPLETE)])

    def status(probe: Canned, pattern: str) -> Status:
        asked = replace(whole, name=pattern)
        assert probe.answers(asked, service)
        (answer,) = probe.look([(asked, service)], recording.looks[0].window, timedelta(seconds=1))
        return answer.status

    assert status(cut, "schema cache") is Status.TRUNCATED
    assert status(cut, "no such line") is Status.TRUNCATED
    assert status(complete, "schema cache") is Status.COMPLETE
    assert status(complete, "no such line") is Status.EMPTY
    other = replace(whole, service="gateway", name="anything")
    assert not complete.answers(other, service)


# Numbers that nothing can measure


def absurd(recording: Recording, question: Question) -> Recording:
    """*recording* whose answers to *question* end in three values near the end of the floats."""

    def on(one: Kept) -> Kept:
        if one.answer.question != question:
            return one
        body = json.loads(json.dumps(one.answer.body))
        for series in body.get("series", ()):
            for point in series["points"][-3:]:
                point[1] = 1.7e308
        return replace(one, answer=replace(one.answer, body=body))

    return to.each(recording, on)


QUESTIONS = sorted(
    {
        k.answer.question
        for look in sample("pool-leak-12").looks
        for k in look.kept
        if k.answer.question.kind is QuestionKind.QUANTITY and "series" in k.answer.body
    },
    key=lambda q: (q.service, q.name),
)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: f"{q.service}-{q.name}")
def test_an_absurd_value_of_one_quantity_ends_no_triage_and_becomes_no_fact(question, library):
    recording = absurd(sample("pool-leak-12"), question)
    done = replay.replay(recording, replace(library, catalogue=recording.catalogue))
    document = replay.document(done)
    json.dumps(document, allow_nan=False)
    facts = [f.value for said in done.finding.claims for f in said.facts]
    assert all(abs(value) < 1e9 for value in facts)
    assert all(abs(value) < 1e9 for claim in document["claims"] for value in claim["facts"].values())
    assert (done.finding.signature, done.finding.entity) in {("F11", "playground/checkout"), (None, None)}


# A folder that does not hold together


def _line(change: object) -> object:
    def on(path: Path) -> None:
        first, *rest = path.read_text().splitlines()
        row = json.loads(first)
        assert callable(change)
        change(row)
        path.write_text("\n".join([json.dumps(row), *rest]) + "\n")

    return on


def _text(old: str, new: str) -> object:
    return lambda path: path.write_text(path.read_text().replace(old, new, 1))


def _more(text: str) -> object:
    return lambda path: path.write_text(f"{path.read_text()}\n{text}\n")


def _yaml(change: object) -> object:
    def on(path: Path) -> None:
        row = yaml.safe_load(path.read_text())
        assert callable(change)
        change(row)
        path.write_text(yaml.safe_dump(row))

    return on


def _turned(row: Mapping[str, Mapping[str, object]]) -> Mapping[str, object]:
    return {"start": row["window"]["end"], "end": row["window"]["start"]}


def _change(**told: object) -> object:
    place = {"id": "x", "kind": "deploy", "service": "checkout", "environment": "playground"}
    return _line(lambda row: row.update(body={"changes": [place | told]}))


def _logged(at: str) -> object:
    return _line(lambda row: row.update(body={"lines": [{"at": at, "instance": "a", "text": "b"}]}))


BROKEN = [
    ("incident.yaml", Path.unlink, ["incident.yaml is missing"]),
    ("traces.jsonl", Path.unlink, ["traces.jsonl is missing", "empty where nothing was answered"]),
    ("services.yaml", Path.unlink, ["services.yaml is missing"]),
    ("truth.yaml", _text("schema: 1", "schema: 2"), ["truth.yaml", "schema"]),
    ("incident.yaml", _text("at: '2026", "at: '1926x"), ["incident.yaml", "at:"]),
    ("incident.yaml", _text("telemetry_interval_s: 1", "telemetry_interval_s: 15"), ["make them one"]),
    ("incident.yaml", _text("identity:", "identify:"), ["incident.yaml: alerts[0]", "'identify'"]),
    ("services.yaml", _text("- inventory", "- nowhere"), ["services.yaml", "nowhere"]),
    ("metrics.jsonl", _line(lambda row: row.pop("probe")), ["metrics.jsonl line 1", "probe", "required"]),
    ("metrics.jsonl", _line(lambda row: row["lineage"].pop("pipeline")), ["line 1: lineage", "pipeline"]),
    ("metrics.jsonl", _line(lambda row: row["lineage"].update(colour="red")), ["line 1: lineage", "'colour'"]),
    ("metrics.jsonl", _line(lambda row: row.update(kind="log")), ["line 1", "kind log", "move it"]),
    ("metrics.jsonl", _line(lambda row: row.pop("name")), ["line 1", "name is missing"]),
    ("metrics.jsonl", _line(lambda row: row.update(body={"series": [{}]})), ["line 1: body.series.0.labels"]),
    ("changes.jsonl", _line(lambda row: row.update(body={"changes": [{"id": "x"}]})), ["line 1: body.changes.0."]),
    ("logs.jsonl", _line(lambda row: row.update(body={"lines": [{"at": "now"}]})), ["line 1: body.lines.0."]),
    ("logs.jsonl", lambda path: path.write_text(path.read_text() + "{half a line"), ["logs.jsonl line", "JSON"]),
    (
        "changes.jsonl",
        lambda path: path.write_text(path.read_text() * 2),
        ["changes.jsonl line", "line 1 already"],
    ),
    (
        "metrics.jsonl",
        lambda path: path.write_bytes(b"\xff\xfe{}\n"),
        ["metrics.jsonl", "byte 0", "save it as UTF-8"],
    ),
    ("incident.yaml", lambda path: path.write_bytes(b"\xff\xfe{}\n"), ["incident.yaml", "save it as UTF-8"]),
    ("services.yaml", lambda path: path.write_bytes(b"\xff\xfe{}\n"), ["services.yaml", "save it as UTF-8"]),
    ("incident.yaml", _yaml(lambda row: row["window"].update(recent_s=math.inf)), ["window.recent_s", "finite"]),
    ("incident.yaml", _yaml(lambda row: row["window"].update(recent_s=1e300)), ["window.recent_s", "31622400"]),
    (
        "incident.yaml",
        _yaml(lambda row: row.update(telemetry_interval_s=math.inf)),
        ["telemetry_interval_s", "finite"],
    ),
    ("services.yaml", _yaml(lambda row: row.update(telemetry_interval_s=1e300)), ["services.yaml", "86400"]),
    ("services.yaml", _yaml(lambda row: row.update(telemetry_interval_s=math.inf)), ["services.yaml", "finite"]),
    ("metrics.jsonl", _line(lambda row: row.update(step_s=1e300)), ["line 1: step_s", "31622400"]),
    ("metrics.jsonl", _line(lambda row: row.update(rate_window_s=1e300)), ["line 1: rate_window_s"]),
    ("metrics.jsonl", _line(lambda row: row.update(ingest_lag_s=1e300)), ["line 1: ingest_lag_s"]),
    ("truth.yaml", _more("made_on: 2026-02-31"), ["truth.yaml line", "day is out of range", "correct it"]),
    ("truth.yaml", _more("seed: " + 5000 * "9"), ["truth.yaml line", "5000 digits"]),
    ("truth.yaml", _more("sure: !!bool perhaps"), ["truth.yaml line", "perhaps"]),
    ("truth.yaml", lambda path: path.write_text(5000 * "["), ["truth.yaml", "nested too deeply", "flatten it"]),
    ("services.yaml", _more("since: 2026-02-31"), ["services.yaml line", "day is out of range"]),
    ("incident.yaml", _text("title: ", 'title: "\\ud800" #'), ["incident.yaml line", "lone surrogate"]),
    ("incident.yaml", _yaml(lambda row: row.update(at="0001-01-01T00:00:00+14:00")), ["at:", "2000"]),
    ("incident.yaml", _yaml(lambda row: row.update(at="9999-12-31T23:59:59-10:00")), ["at:", "2200"]),
    (
        "incident.yaml",
        _yaml(lambda row: row["window"].update(start="0001-01-01T00:00:00Z")),
        ["window.start", "2000"],
    ),
    ("incident.yaml", _yaml(lambda row: row["window"].update(_turned(row))), ["window: end is before start"]),
    (
        "incident.yaml",
        _yaml(lambda row: row["alerts"][0].update(started_at="2026-01-01T00:00:00")),
        ["alerts[0]", "zone"],
    ),
    ("incident.yaml", _yaml(lambda row: row["alerts"][0].update(identity="")), ["alerts[0]", "no identity"]),
    (
        "metrics.jsonl",
        _line(lambda row: row["window"].update(_turned(row))),
        ["line 1: window: end is before start"],
    ),
    (
        "metrics.jsonl",
        _line(lambda row: row["window"].update(end="9999-12-31T23:59:59-10:00")),
        ["window.end", "2200"],
    ),
    ("changes.jsonl", _change(at_ms="NaN"), ["line 1: body.changes.0.at_ms", "valid number"]),
    ("changes.jsonl", _change(at_ms=1e300), ["line 1: body.changes.0.at_ms", "less than"]),
    ("changes.jsonl", _change(at_ms=1, finished_ms=-1e300), ["line 1: body.changes.0.finished_ms"]),
    ("changes.jsonl", _change(at_ms=1, kind="party"), ["line 1: body.changes.0.kind"]),
    (
        "changes.jsonl",
        _line(lambda row: row.update(kind="events", body={"events": [{"uid": "u"}]})),
        ["body.events.0."],
    ),
    ("traces.jsonl", _line(lambda row: row.update(kind="spans", body={"spans": [{}]})), ["line 1: body.spans.0."]),
    ("logs.jsonl", _logged("nope"), ["line 1: body.lines.0.at", "nope"]),
    ("logs.jsonl", _logged("2026-01-01T00:00:00"), ["line 1: body.lines.0.at", "no zone"]),
    ("logs.jsonl", _logged("0001-01-01T00:00:00+10:00"), ["line 1: body.lines.0.at", "end of the calendar"]),
    ("later/2/look.yaml", Path.unlink, ["later/2/look.yaml is missing"]),
    ("later/2", lambda path: path.rename(path.with_name("9")), ["later", "without a gap"]),
]


@pytest.mark.parametrize(("name", "damage", "says"), BROKEN)
def test_a_folder_that_does_not_hold_together_is_refused_in_one_line(tmp_path, name, damage, says):
    folder = tmp_path / "bad"
    shutil.copytree(SAMPLES / "pool-leak-16", folder)
    damage(folder / name)
    with pytest.raises(BadInput) as refused:
        reading.read(folder)
    assert "\n" not in str(refused.value)
    for word in says:
        assert word in str(refused.value)


def test_the_command_ends_with_two_and_one_line_on_a_bad_folder(tmp_path):
    folder = tmp_path / "bad"
    shutil.copytree(SAMPLES / "quiet-16", folder)
    for held, said in ((b"{}\n", " line 1"), (b"\xff\xfe{}\n", ": byte 0 is not UTF-8")):
        (folder / "metrics.jsonl").write_bytes(held)
        done = run("replay", str(folder))
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.strip().splitlines()) == 1
        assert f"{folder / 'metrics.jsonl'}{said}" in done.stderr


def test_a_recording_of_times_that_only_its_senders_believe_is_read(tmp_path):
    folder = tmp_path / "odd"
    shutil.copytree(SAMPLES / "pool-leak-16", folder)
    odd = _yaml(
        lambda row: row["alerts"][0].update(started_at="1970-01-01T00:00:00Z", ended_at="0001-01-03T00:00:00Z")
    )
    assert callable(odd)
    odd(folder / "incident.yaml")
    assert reading.read(folder).alerts[0].started_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_folder_that_is_not_there_is_refused_with_what_it_would_hold(tmp_path):
    with pytest.raises(BadInput, match="no folder; name one that holds"):
        reading.read(tmp_path / "none")
