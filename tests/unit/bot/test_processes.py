"""What each process may know, and how one machine keeps them running."""

import sys
import time

import pytest
from pydantic import SecretStr

from agents.incident.errors import BadInput
from bot import settings
from bot.processes import KNOWS, PREFIX, Child, environment

KINDS = {
    "": settings.Settings,
    "receiver": settings.ReceiverSettings,
    "triage": settings.TriageSettings,
    "actions": settings.ActionSettings,
    "clock": settings.ClockSettings,
    "console": settings.ConsoleSettings,
}


@pytest.mark.parametrize("name", KINDS)
def test_the_table_is_what_the_settings_are(name):
    fields = {f.upper() for f in KINDS[name].model_fields}
    assert fields == KNOWS[""] | KNOWS[name]


def test_every_secret_belongs_to_one_process():
    given = {
        PREFIX + "WEBHOOK_TOKENS": "w",
        PREFIX + "PROBE_TOKENS": "p",
        PREFIX + "SUPERVISOR_TOKEN": "s",
        PREFIX + "JOURNAL_URL": "j",
        "AWS_SECRET_ACCESS_KEY": "x",
        "PATH": "/bin",
    }
    seen = {name: set(environment(name, given)) - {PREFIX + "JOURNAL_URL", "PATH"} for name in KNOWS if name}
    assert seen == {
        "receiver": {PREFIX + "WEBHOOK_TOKENS"},
        "triage": {PREFIX + "PROBE_TOKENS"},
        "actions": {PREFIX + "SUPERVISOR_TOKEN"},
        "clock": set(),
        "console": set(),
        "migrate": set(),
    }


def test_a_secret_does_not_show_in_what_is_printed(monkeypatch):
    monkeypatch.setenv(PREFIX + "SUPERVISOR_TOKEN", "very-secret")
    read = settings.read(settings.ActionSettings)
    assert isinstance(read.supervisor_token, SecretStr)
    assert "very-secret" not in repr(read)


def test_a_wrong_setting_is_named(monkeypatch):
    monkeypatch.setenv(PREFIX + "PORT", "many")
    with pytest.raises(BadInput, match="FIRSTRESPONDER_PORT"):
        settings.read(settings.ReceiverSettings)


def test_a_child_that_dies_is_started_again_after_a_growing_pause():
    child = Child(name="x", command=[sys.executable, "-c", "raise SystemExit(3)"], env={})
    child.start()
    pauses: list[float] = []
    deadline = time.monotonic() + 10
    while len(pauses) < 3 and time.monotonic() < deadline:
        status = child.watch()
        if status is not None:
            assert status == 3
            pauses.append(child.again_at - time.monotonic())
        time.sleep(0.01)
    assert pauses == sorted(pauses)
    assert pauses[2] > pauses[0] * 2
    child.stop()


def test_a_child_is_ended_by_asking_and_then_by_force():
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    child = Child(name="x", command=[sys.executable, "-c", code], env={})
    child.start()
    time.sleep(0.5)
    started = time.monotonic()
    child.stop(patience_s=0.3)
    assert time.monotonic() - started < 5
    assert child.process is not None
    assert child.process.poll() == -9
