"""The house itself: names that resolve here, and a command line that helps."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from bot.journal import migrate
from bot.journal.journal import REVISION

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["bot", "agents", "actions"])
def test_each_common_name_is_this_checkout(name):
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).parent == ROOT / name


def test_the_revision_long_running_processes_ask_for_is_the_newest():
    assert migrate.head() == REVISION


def run(*words, cwd=ROOT, **env):
    import os

    given = {"PATH": os.environ["PATH"], "COLUMNS": "100", "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(
        [sys.executable, "-m", "bot", *words],
        env=given,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_every_command():
    text = run("--help").stdout
    for command in (
        "demo",
        "up",
        "serve",
        "work",
        "clock",
        "console",
        "migrate",
        "init",
        "doctor",
        "link",
        "login",
        "parse",
        "record",
        "replay",
        "evidence",
        "incident",
        "inbox",
        "changes",
        "logout",
    ):
        assert command in text


def test_an_unknown_fault_is_named_with_those_there_are():
    done = run("demo", "--fault", "earthquake")
    assert done.returncode == 2
    assert "pool-leak" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_fresh_journal_is_made_read_and_searched(tmp_path):
    url = {"FIRSTRESPONDER_JOURNAL_URL": f"sqlite:///{tmp_path / 'j.db'}"}
    assert run("incident", "list", **url).returncode == 2
    assert run("migrate", **url).returncode == 0
    assert run("migrate", **url).returncode == 0
    assert "no incidents" in run("incident", "list", **url).stderr
    for words in (("incident", "show", "INC_X"), ("evidence", "show", "ev_x")):
        done = run(*words, **url)
        assert done.returncode == 2
        assert "there is no" in done.stderr
        assert "Traceback" not in done.stderr


def test_doctor_says_what_would_go_wrong_and_fails(tmp_path):
    done = run("doctor", FIRSTRESPONDER_JOURNAL_URL=f"sqlite:///{tmp_path / 'none.db'}")
    assert done.returncode == 1
    for wrong in ("approvers", "services", "source alertmanager", "journal", "redis", "actions"):
        assert f"FAIL  {wrong}" in done.stdout, done.stdout
    assert "ok    signatures" in done.stdout
