"""Changes from what deliveries say: which one, what kind, how far it came, where, and what may be gone back to."""

import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from agents.incident.errors import BadInput
from agents.incident.incident import ChangeKind, ChangeOutcome
from bot.journal.changes import joined
from bot.receiver import systems
from bot.receiver.outcomes import outcome
from bot.receiver.systems import generic
from bot.receiver.systems.reading import Category, Item
from tests.unit.receiver.deliveries import RECEIVED, SHOP, change, of_body, of_item, of_reading

K, C = ChangeKind, ChangeOutcome
SAMPLES = Path(__file__).parents[2] / "samples"
DEPLOYED = json.loads((SAMPLES / "cdevents_service_deployed.json").read_text())


def at(hour, minute=0):
    return datetime(2026, 11, 27, hour, minute, tzinfo=UTC)


def said(hour, minute=0):
    return at(hour, minute).strftime("%Y-%m-%dT%H:%M:%SZ")


def of(system, document, headers=None, **row):
    """The changes of a JSON body."""
    return of_body(system, json.dumps(document).encode(), headers, **row).changes


def github(event, document):
    body = {"repository": {"full_name": "acme/checkout"}, "sender": {"login": "mira"}, **document}
    headers = {"content-type": "application/json", "x-github-event": event}
    return of("github", body, headers, catalogue=SHOP)[0]


def deployment(state=None, *, number=88, minute=0):
    document = {
        "deployment": {"id": number, "environment": "prod", "sha": "abc", "created_at": said(11)},
        "action": "created",
    }
    if state is None:
        return github("deployment", document)
    status = {"state": state, "created_at": said(11, minute)}
    return github("deployment_status", {**document, "deployment_status": status})


# Which change, and how its events are one


def test_a_deployment_is_one_change_from_its_making_to_its_end():
    made, running, done = deployment(), deployment("in_progress", minute=1), deployment("success", minute=5)
    assert {made.id, running.id, done.id} == {"mine:88"}
    assert [c.outcome for c in (made, running, done)] == [C.STARTED, C.STARTED, C.SUCCEEDED]
    assert [(c.started_at, c.finished_at) for c in (made, running, done)] == [
        (None, None),
        (at(11, 1), None),
        (None, at(11, 5)),
    ]
    whole = joined(joined(made, running), done)
    assert (whole.at, whole.finished_at, whole.word) == (at(11, 1), at(11, 5), "success")
    assert (whole.service, whole.environment, whole.version) == ("checkout", "production", "abc")


def test_a_run_a_job_and_a_deployment_of_one_number_are_three_changes():
    run = github("workflow_run", {"workflow_run": {"id": 88, "status": "queued"}})
    job = github("workflow_job", {"workflow_job": {"id": 88, "status": "queued"}})
    release = github("release", {"release": {"id": 88}, "action": "published"})
    assert len({c.id for c in (deployment(), run, job, release)}) == 4
    assert [c.kind for c in (deployment(), run, job, release)] == [K.DEPLOY, K.BUILD, K.BUILD, K.BUILD]


def test_equal_numbers_of_two_sources_are_two_changes():
    body = json.dumps(DEPLOYED).encode()
    one, two = (of_body("cdevents", body, source=source).changes[0].id for source in ("a", "b"))
    assert one != two


def test_each_deploy_of_a_service_is_a_change_of_its_own():
    def event(number, service="checkout"):
        context = DEPLOYED["context"] | {"id": number}
        return of("cdevents", DEPLOYED | {"context": context, "subject": DEPLOYED["subject"] | {"id": service}})[
            0
        ].id

    assert event("1") == event("1") == "mine:/playground/cd/1"
    assert event("1") != event("2")


def test_a_flag_turned_twice_is_two_changes():
    body = {"object_kind": "feature_flag", "project": {"id": 1}, "object_attributes": {"id": 6, "name": "cart"}}

    def turned(**headers):
        return of("gitlab", body, {"x-gitlab-event": "Feature Flag Hook", **headers})[0]

    first, again, second = (turned(**{"webhook-id": number}) for number in ("a", "a", "b"))
    assert first.kind is K.FLAG
    assert first.id == again.id != second.id
    assert turned().id == f"mine:6@{RECEIVED.isoformat()}"


@pytest.mark.parametrize(("kind", "wanted"), [("flag", K.FLAG), ("segment", K.FLAG), ("environment", K.CONFIG)])
def test_an_entry_of_an_audit_log_is_a_change_of_its_own(kind, wanted):
    entry = {"_id": "e-1", "kind": kind, "name": "cart", "date": 1795777200000, "accesses": []}
    (found,) = of("launchdarkly", entry)
    assert (found.id, found.kind, found.outcome) == ("mine:e-1", wanted, C.SUCCEEDED)


def flux(reason, revision, hour=11):
    event = {
        "involvedObject": {"kind": "HelmRelease", "namespace": "shop", "name": "checkout"},
        "reason": reason,
        "timestamp": said(hour),
        "metadata": {"helm.toolkit.fluxcd.io/revision": revision} if revision else {},
    }
    return of("flux", event)[0]


def test_an_object_that_is_deployed_again_and_again_is_known_by_its_revision():
    begun, failed, other = flux("Progressing", "1.2"), flux("UpgradeFailed", "1.2"), flux("UpgradeFailed", "1.3")
    assert begun.id == failed.id == "mine:HelmRelease/shop/checkout@1.2"
    assert other.id != failed.id
    assert [c.outcome for c in (begun, failed)] == [C.STARTED, C.FAILED]
    assert flux("UpgradeFailed", None).id != flux("UpgradeFailed", None, 12).id


def test_a_change_without_an_identity_is_source_subject_and_revision():
    item = Item(status="failed", service="checkout", extras={"revision": "1.2"})
    found = of_item(item, category=Category.DEPLOY)
    assert found.changes[0].id == "mine:checkout@1.2"
    assert any("has no identity" in note for note in found.notes)
    assert change(dedup_key=" ", title=None).id == f"mine:-@{RECEIVED.isoformat()}"


def test_a_revision_synced_again_later_is_another_change():
    def sync(begun, phase):
        return of(
            "argocd",
            {
                "firstresponder": 1,
                "system": "argocd",
                "app": "checkout",
                "namespace": "argocd",
                "operation": {"phase": phase, "startedAt": begun, "revision": "abc"},
            },
        )[0]

    begun, done, again = sync(said(9), "Running"), sync(said(9), "Succeeded"), sync(said(11), "Succeeded")
    assert begun.id == done.id != again.id
    assert (done.at, done.version) == (at(9), "abc")


def test_a_pipelines_stage_does_not_end_the_pipeline():
    def told(**detail):
        event = {
            "detail-type": "CodePipeline Execution State Change",
            "source": "aws.codepipeline",
            "id": "e",
            "time": said(11),
            "detail": {"execution-id": "x", "pipeline": "p", **detail},
        }
        return of("aws_eventbridge", event)[0]

    whole, stage = told(state="STARTED"), told(state="SUCCEEDED", stage="Build")
    action = told(state="SUCCEEDED", stage="Build", action="Unit")
    assert whole.id == told(state="SUCCEEDED").id
    assert len({whole.id, stage.id, action.id}) == 3


def test_one_revision_in_two_environments_is_two_changes():
    def deploy(environment):
        body = {"event": "deployed", "project": {}, "message": "m", "deploy": {"revision": "a"}}
        return of("honeybadger", body | {"deploy": {"revision": "a", "environment": environment}})[0]

    assert deploy("staging").id != deploy("production").id


def test_a_long_identity_of_a_change_is_cut_and_keeps_its_difference():
    one, two = (change(dedup_key="x" * 10_000 + end).id for end in "ab")
    assert len(one) == len(two) == 200
    assert one != two


# What kind, and how far


@pytest.mark.parametrize(
    ("category", "kind"),
    [
        (Category.DEPLOY, K.DEPLOY),
        (Category.CI, K.BUILD),
        (Category.JOB, K.JOB),
        (Category.CHANGE, K.CONFIG),
        (Category.SERVICE_CHANGE, K.CONFIG),
    ],
)
def test_a_kind_is_that_of_its_category_where_the_item_says_none(category, kind):
    assert change(category=category).kind is kind
    assert change(category=category, kind="scale").kind is K.SCALE


@pytest.mark.parametrize(
    ("system", "word", "wanted"),
    [
        *(("github", w, C.STARTED) for w in ("queued", "in_progress", "pending", "waiting", "created")),
        ("github", "success", C.SUCCEEDED),
        *(("github", w, C.FAILED) for w in ("failure", "error", "cancelled", "timed_out", "startup_failure")),
        *(("github", w, C.UNKNOWN) for w in ("inactive", "skipped", "neutral", "", "hello world", "deleted")),
        *(("gitlab", w, C.FAILED) for w in ("failed", "canceled")),
        *(("gitlab", w, C.STARTED) for w in ("running", "blocked", "manual", "waiting_for_resource")),
        *(("vercel", w, C.SUCCEEDED) for w in ("succeeded", "ready", "promoted")),
        *(("vercel", w, C.FAILED) for w in ("error", "canceled")),
        ("vercel", "rollback", C.ROLLED_BACK),
        *(("netlify", w, C.STARTED) for w in ("building", "enqueued", "uploading")),
        ("flux", "UpgradeSucceeded", C.SUCCEEDED),
        ("flux", "ValidationFailed", C.FAILED),
        ("flux", "RollbackSucceeded", C.ROLLED_BACK),
        ("flux", "RollbackFailed", C.FAILED),
        ("rundeck", "success/succeeded", C.SUCCEEDED),
        ("rundeck", "start/running", C.STARTED),
        ("rundeck", "failure/failed-with-retry", C.FAILED),
        ("aws_eventbridge", "READY", C.STARTED),
        ("aws_eventbridge", "SERVICE_DEPLOYMENT_COMPLETED", C.SUCCEEDED),
        ("aws_eventbridge", "UPDATE_ROLLBACK_COMPLETE", C.ROLLED_BACK),
        ("aws_eventbridge", "UPDATE_ROLLBACK_IN_PROGRESS", C.STARTED),
        ("cdevents", "deployed", C.SUCCEEDED),
        ("cdevents", "rolledback", C.ROLLED_BACK),
        ("cdevents", "finished", C.UNKNOWN),
    ],
)
def test_how_far_a_change_came_is_read_from_its_senders_word(system, word, wanted):
    assert outcome(system, Category.DEPLOY, word) is wanted


def test_an_outcome_beside_the_word_counts_first():
    assert outcome("cdevents", Category.CI, "finished", "failure") is C.FAILED
    assert outcome("cdevents", Category.CI, "finished", "success") is C.SUCCEEDED


def test_what_is_told_once_it_has_happened_has_happened():
    assert outcome("pagerduty_webhook_v3", Category.SERVICE_CHANGE, "created") is C.SUCCEEDED
    assert outcome("cdevents", Category.CHANGE, "modified") is C.SUCCEEDED


def test_the_senders_own_word_is_kept():
    assert (change(status="Hello World").word, change(status="Hello World").outcome) == ("Hello World", C.UNKNOWN)


# Where


def test_a_repository_is_placed_by_the_catalogue():
    found = change(SHOP, service="acme/checkout", environment="staging")
    assert (found.service, found.environment, found.placed) == ("checkout", "staging", True)


@pytest.mark.parametrize("named", [{"service": "acme/checkout"}, {"environment": "production"}, {}])
def test_a_change_without_service_or_environment_is_unplaced(named):
    item = Item(status="success", title="t", dedup_key="7", **named)
    found = of_item(item, category=Category.DEPLOY, catalogue=SHOP)
    assert not found.changes[0].placed
    assert any("unplaced" in note for note in found.notes)
    assert not any("unplaced" in n for n in of_item(item, category=Category.CI, catalogue=SHOP).notes)


def test_a_preview_is_not_the_sources_own_environment():
    def made(target):
        payload = {"deployment": {"id": "d", "name": "shop"}, "target": target}
        body = {"type": "deployment.created", "payload": payload}
        return of("vercel", body, environment="production")[0].environment

    assert (made(None), made("production"), made("staging")) == ("preview", "production", "staging")


# When


def test_a_change_without_times_counts_for_when_it_was_told():
    found = change(event_at="2026-11-27T11:00:00 (no tz in source)")
    assert (found.at, found.said_at, found.finished_at) == (RECEIVED, None, None)


def test_a_time_ahead_of_its_delivery_is_not_the_changes():
    assert change(event_at="2030-01-01T00:00:00Z").at == RECEIVED


def test_a_build_has_the_times_it_states():
    found = change(category=Category.CI, started_at=said(9), ended_at=said(10))
    assert (found.at, found.started_at, found.finished_at, found.said_at) == (at(9), at(9), at(10), at(10))


# What was there before


def test_a_deploy_record_names_its_undo_target():
    (found,) = of("cdevents", DEPLOYED)
    assert (found.kind, found.service, found.environment) == (K.DEPLOY, "checkout", "playground")
    assert (found.revision, found.previous_revision, found.schema_version) == (42, 41, 1)
    assert (found.artifact, found.version) == ("pkg:oci/checkout@2", "pkg:oci/checkout@2")
    assert (found.outcome, found.at) == (C.SUCCEEDED, datetime(2026, 11, 24, 14, 4, 30, tzinfo=UTC))


def test_a_migration_says_so_and_which_it_was():
    (found,) = of("cdevents", DEPLOYED | {"customData": {"kind": "migration", "migration": "0002_add_updated_at"}})
    assert (found.kind, found.note) == (K.MIGRATION, "0002_add_updated_at")


@pytest.mark.parametrize(
    "custom",
    [{"revision": 2**53}, {"revision": -1}, {"previous_revision": "new"}, {"kind": "flag"}, {"kind": ["a"]}],
)
def test_a_record_that_cannot_be_right_is_refused_by_name(custom):
    with pytest.raises(BadInput, match="customData"):
        of("cdevents", DEPLOYED | {"customData": custom})


@pytest.mark.parametrize("custom", ["text", [1], None, {}])
def test_custom_data_of_another_kind_is_not_ours(custom):
    (found,) = of("cdevents", DEPLOYED | {"customData": custom})
    assert (found.kind, found.revision) == (K.DEPLOY, None)


def test_a_service_is_named_by_the_last_part_of_a_subjects_id():
    assert of("cdevents", DEPLOYED | {"subject": {"id": "/playground/checkout"}})[0].service == "checkout"


def test_a_rollback_is_a_change_of_its_own_that_names_both_deployments():
    payload = {
        "project": {"id": "prj"},
        "projectName": "shop",
        "fromDeploymentId": "dpl_2",
        "toDeploymentId": "dpl_1",
    }
    body = {"id": "evt", "type": "deployment.rollback", "createdAt": 1795777200000, "payload": payload}
    (found,) = of("vercel", body)
    assert (found.id, found.outcome, found.kind) == ("mine:rollback/evt", C.ROLLED_BACK, K.DEPLOY)
    assert (found.version, found.previous_version) == ("dpl_1", "dpl_2")
    assert (found.service, found.environment) == ("shop", "production")


def test_a_rollback_told_by_the_service_names_what_runs_now():
    context = DEPLOYED["context"] | {"type": "dev.cdevents.service.rolledback.0.3.0"}
    (found,) = of("cdevents", DEPLOYED | {"context": context, "customData": {}})
    assert (found.outcome, found.version) == (C.ROLLED_BACK, "pkg:oci/checkout@2")


HEROKU = {
    "category": "deploy",
    "identity": {"all": ["$.app", "$.release"], "joined": "@"},
    "status": {"value": "succeeded"},
    "title": "$.git_log",
    "service": "$.app",
    "environment": {"value": "production"},
    "version": "$.head",
    "previous_version": "$.prev_head",
    "actor": "$.user",
}


def mapped(fields, **changes):
    rules = generic.Rules.model_validate(HEROKU | changes)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return of_reading("generic", generic.read_with("heroku", rules, headers, urlencode(fields).encode()))


@pytest.mark.parametrize(("first", "second"), [(("a@b", "c"), ("a", "b@c")), (("a\\", "b"), ("a", "\\b"))])
def test_what_is_joined_to_an_identity_is_never_the_same_for_other_parts(first, second):
    made = {
        mapped({"app": app, "release": release, "git_log": "x", "head": "1"}).changes[0].id
        for app, release in (first, second)
    }
    assert len(made) == 2


def test_what_is_joined_to_a_title_reads_as_it_was_sent():
    fields = {"app": "a/b", "release": "c", "git_log": "x", "head": "1"}
    joined = {"all": ["$.app", "$.release"]}
    (found,) = mapped(fields, identity="$.release", title=joined).changes
    assert "a/b/c" in found.subject


def test_a_form_by_a_mapping_says_what_to_go_back_to():
    fields = {
        "app": "checkout",
        "release": "v7",
        "head": "b2",
        "prev_head": "a1",
        "user": "mira",
        "git_log": "Mend",
    }
    (found,) = mapped(fields).changes
    assert (found.id, found.kind, found.outcome) == ("mine:checkout@v7", K.DEPLOY, C.SUCCEEDED)
    assert (found.version, found.previous_version, found.actor) == ("b2", "a1", "mira")
    assert (found.service, found.environment, found.subject) == ("checkout", "production", "Mend")
    (first,) = mapped({**fields, "prev_head": ""}).changes
    assert first.previous_version is None
    assert mapped(fields, kind="config").changes[0].kind is K.CONFIG


@pytest.mark.parametrize(
    ("extras", "version"),
    [
        ({"sha": "abc", "ref": "main"}, "abc"),
        ({"sha": "0" * 40, "ref": "refs/heads/gone"}, None),
        ({"ref": "main"}, None),
        ({"artifact": "pkg:a"}, "pkg:a"),
        ({"version": "v", "sha": "abc"}, "v"),
    ],
)
def test_a_version_is_what_runs_and_never_a_branch(extras, version):
    assert change(extras=extras).version == version


def test_no_secret_gets_into_a_change():
    secret = "password=hunter2secret"
    found = change(title=secret, summary=secret, link=f"https://x.example.com?{secret}", extras={"actor": secret})
    assert not any("hunter2secret" in (v or "") for v in (found.subject, found.note, found.link, found.actor))


def test_a_delivery_names_itself_by_its_source_its_number_and_its_kind():
    reading = systems.read("cdevents", {}, json.dumps(DEPLOYED).encode())
    assert reading.delivery_key == "/playground/cd/6f1f3c2e-0000-4000-8000-000000000042/service.deployed"
