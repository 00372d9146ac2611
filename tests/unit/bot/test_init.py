"""``firstresponder init`` against programs that stand in for Slack, Telegram and Prometheus."""

import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from bot import configuration
from bot.__main__ import app
from bot.processes import PREFIX
from bot.settings import ReceiverSettings
from bot.setup import files, yamls
from tests.stubs.client import SlackStub, TelegramStub


def _free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


PORT = _free_port()
SLACK_TOKENS = {
    "FIRSTRESPONDER_SLACK__BOT_TOKEN": "xoxb-stub",
    "FIRSTRESPONDER_SLACK__APP_TOKEN": "xapp-stub",
}


class _Prometheus(BaseHTTPRequestHandler):
    token = ""

    def do_GET(self) -> None:
        if self.token and self.headers["Authorization"] != f"Bearer {self.token}":
            self.send_error(401)
            return
        body = json.dumps({"status": "success", "data": {"version": "3.5.0"}}).encode()
        self.send_response(200 if "buildinfo" in self.path else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module", name="slack")
def _slack() -> Iterator[SlackStub]:
    with SlackStub() as stub:
        yield stub


@pytest.fixture(scope="module", name="telegram")
def _telegram() -> Iterator[TelegramStub]:
    with TelegramStub() as stub:
        yield stub


@pytest.fixture(name="prometheus")
def _prometheus() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Prometheus)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    _Prometheus.token = ""


@pytest.fixture(name="here", autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slack: SlackStub, telegram: TelegramStub) -> Path:
    for name in [n for n in os.environ if n.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    slack.reset()
    telegram.reset()
    return tmp_path


def init(*words: str, typed: str | None = None, env: dict[str, str] | None = None) -> Any:
    return CliRunner().invoke(app, ["init", "--port", PORT, *words], input=typed, env=env or {})


def said(result: Any) -> str:
    return f"{result.output}{result.exception or ''}"


def with_slack(slack: SlackStub, *words: str) -> list[str]:
    return ["--yes", "--slack", "--slack-api-url", slack.api_url, "--no-prometheus", *words]


def everything(here: Path) -> dict[str, tuple[bytes, int]]:
    return {str(p): (p.read_bytes(), p.stat().st_mode) for p in here.rglob("*") if p.is_file()}


def test_a_stranger_has_everything_in_one_command_and_a_second_run_changes_nothing(
    here, slack, telegram, prometheus, monkeypatch
):
    secret = here / "telegram.token"
    secret.write_text(f"{telegram.token}\n")
    words = [
        *("--yes", "--slack", "--slack-api-url", slack.api_url, "--slack-channel", "C0INCIDENTS"),
        *("--telegram", "--telegram-api-url", telegram.url, "--telegram-token-file", str(secret)),
        *("--telegram-chat=-100200", "--prometheus", prometheus, "--prometheus-environment", "live"),
        *("--service", "checkout", "--service", "payments", "--person", "ana", "--person-name", "Ana"),
        *("--person-role", "approver", "--slack-user", "U0ANA", "--telegram-user", "1001"),
    ]
    done = init(*words, env=SLACK_TOKENS)
    assert done.exit_code == 0, said(done)
    assert "set -a; . var/env; set +a; " in done.output
    assert "up" in done.output
    assert "doctor --chat" in done.output
    assert "/v1/webhooks/alertmanager" in done.output

    people = configuration.people(here / "config")
    assert people.approvers()[0].accounts == {"slack": ("U0ANA",), "telegram": ("1001",)}
    assert {s.environment for s in configuration.services(here / "config").services} == {"live"}
    assert configuration.probes(here / "config").prometheus[0].url == prometheus

    env = here / "var" / "env"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    for name, value in files.variables(env.read_text(), env).items():
        monkeypatch.setenv(name, value)
    settings = ReceiverSettings()
    assert settings.slack.channel == "C0INCIDENTS"
    assert settings.telegram.chat == "-100200"
    token_file = here / "var" / "alertmanager.token"
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    token = token_file.read_text().strip()
    assert list(settings.webhook_secrets()["alertmanager"].values()) == [token]
    for hidden in ("xoxb-stub", "xapp-stub", telegram.token, token):
        assert hidden not in done.output

    before = everything(here)
    again = init(*words)
    assert again.exit_code == 0, said(again)
    assert "nothing changes" in again.output
    assert everything(here) == before


def test_without_questions_it_says_everything_that_is_missing_and_writes_nothing(here):
    done = init("--yes", "--slack")
    for what in ("--slack-bot-token-file", "--slack-app-token-file", "--slack-channel", "--prometheus URL"):
        assert f"missing: {what}" in said(done)
    assert not everything(here)
    assert "--slack, --telegram or --no-chat" in said(init("--yes"))


def test_what_is_missing_can_be_read_by_a_program(here):
    done = init("--yes", "--json", "--no-chat")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["missing"] == ["--prometheus URL or --no-prometheus"]


@pytest.mark.parametrize(
    ("channel", "says"),
    [("C0NOWHERE", "no such channel"), ("C0OTHER", "not a member of #other"), ("#incidents", "a channel's id")],
)
def test_a_channel_where_nothing_could_be_posted_is_refused(here, slack, channel, says):
    done = init(*with_slack(slack, "--slack-channel", channel), env=SLACK_TOKENS)
    assert says in said(done)
    assert done.exit_code != 0
    assert not everything(here)


@pytest.mark.parametrize(
    ("name", "token", "says"),
    [
        ("BOT_TOKEN", "xoxb-wrong", "invalid_auth"),
        ("APP_TOKEN", "xapp-wrong", "Socket Mode"),
        ("BOT_TOKEN", "xapp-stub", "must begin with xoxb-"),
    ],
)
def test_a_wrong_slack_token_is_named_by_its_setting_and_not_shown(here, slack, name, token, says):
    env = {**SLACK_TOKENS, f"FIRSTRESPONDER_SLACK__{name}": token}
    done = init(*with_slack(slack, "--slack-channel", "C0INCIDENTS"), env=env)
    assert says in said(done)
    assert f"SLACK__{name}" in said(done)
    assert token not in said(done)
    assert not everything(here)


def test_a_missing_scope_is_named(slack):
    slack.workspace(scopes=["chat:write", "channels:read"])
    done = init(*with_slack(slack, "--slack-channel", "C0INCIDENTS"), env=SLACK_TOKENS)
    assert "files:write" in said(done)


def test_a_slack_that_cannot_be_reached_is_said_and_can_be_believed_away(here):
    words = ("--yes", "--slack", "--slack-api-url", "http://127.0.0.1:9/api/", "--slack-channel", "C0INCIDENTS")
    done = init(*words, "--no-prometheus", env=SLACK_TOKENS)
    assert "http://127.0.0.1:9 cannot be reached" in said(done)
    assert init(*words, "--no-prometheus", "--skip-checks", env=SLACK_TOKENS).exit_code == 0
    assert (here / "var" / "env").exists()


@pytest.mark.parametrize(
    ("token", "chat", "says"),
    [
        ("123456789:wrong-token-of-the-bot-wrong-token-00", "-100200", "does not know this token"),
        (None, "-100999", "TELEGRAM__CHAT"),
        (None, "incidents", "must be a chat's number"),
    ],
)
def test_a_wrong_telegram_answer_is_refused(here, telegram, token, chat, says):
    token = token or telegram.token
    words = ("--yes", "--telegram", "--telegram-api-url", telegram.url, f"--telegram-chat={chat}")
    done = init(*words, "--no-prometheus", env={"FIRSTRESPONDER_TELEGRAM__TOKEN": token})
    assert says in said(done)
    assert token not in said(done)
    assert not everything(here)


def test_a_telegram_group_without_the_bot_is_refused(telegram):
    telegram.membership(-100200, "kicked")
    words = ("--yes", "--telegram", "--telegram-api-url", telegram.url, "--telegram-chat=-100200")
    done = init(*words, "--no-prometheus", env={"FIRSTRESPONDER_TELEGRAM__TOKEN": telegram.token})
    assert "add the bot" in said(done)


def test_a_prometheus_that_is_down_is_refused(here):
    done = init("--yes", "--no-chat", "--prometheus", "http://127.0.0.1:9")
    assert "Prometheus http://127.0.0.1:9: cannot be reached" in said(done)
    assert not everything(here)


def test_a_prometheus_that_asks_for_a_token_gets_one_from_a_file(here, prometheus):
    _Prometheus.token = "read-only-secret"
    assert "asks for a token" in said(init("--yes", "--no-chat", "--prometheus", prometheus))
    (here / "token").write_text("read-only-secret")
    done = init("--yes", "--no-chat", "--prometheus", prometheus, "--prometheus-token-file", "token")
    assert done.exit_code == 0, said(done)
    env = files.variables((here / "var" / "env").read_text(), here)
    assert json.loads(env["FIRSTRESPONDER_PROBE_TOKENS"]) == {"prometheus.production": "read-only-secret"}
    assert "read-only-secret" not in done.output


def test_a_page_without_tls_is_refused_unless_it_is_this_machine():
    done = init("--yes", "--no-chat", "--no-prometheus", "--page-url", "http://pages.example")
    assert "is not https" in said(done)


def test_a_failing_answer_can_be_given_again_and_is_not_shown(here, slack, prometheus):
    typed = [
        "slack",
        *("xoxb-typo", "xoxb-stub", "xapp-stub"),
        *("C0OTHER", "C0INCIDENTS"),
        "alertmanager",
        *("http://127.0.0.1:9", prometheus, "production"),
        "checkout, payments",
        *("ana", "Ana", "approver lead", "U0ANA"),
        "y",
    ]
    done = init("--slack-api-url", slack.api_url, typed="\n".join(typed) + "\n")
    assert done.exit_code == 0, said(done)
    assert "not a member of #other" in done.output
    assert "#incidents, and the bot is in it" in done.output
    for hidden in ("xoxb-typo", "xoxb-stub", "xapp-stub"):
        assert hidden not in done.output
    assert configuration.people(here / "config").approvers()[0].accounts == {"slack": ("U0ANA",)}
    assert [s.name for s in configuration.services(here / "config").services] == ["checkout", "payments"]


def test_nothing_is_written_without_a_yes(here):
    done = init("--no-chat", "--no-prometheus", "--alertmanager-source", "am", typed="\n\nn\n")
    assert done.exit_code != 0
    assert "To be written" in done.output
    assert not everything(here)


def test_what_is_there_is_kept_unless_it_is_forced(here):
    assert init("--yes", "--no-chat", "--no-prometheus", "--page-url", "https://a.example").exit_code == 0
    done = init("--yes", "--no-chat", "--no-prometheus", "--page-url", "https://b.example")
    assert "--force" in said(done)
    assert "https://a.example" in (here / "var" / "env").read_text()
    assert (
        init("--yes", "--no-chat", "--no-prometheus", "--page-url", "https://b.example", "--force").exit_code == 0
    )
    assert "https://b.example" in (here / "var" / "env").read_text()


def test_a_people_file_of_ones_own_keeps_its_comments(here):
    assert init("--yes", "--no-chat", "--no-prometheus").exit_code == 0
    file = here / "config" / "people.yaml"
    file.write_text(
        "# ours\nschema: 1\npeople:  # the team\n    ben:  # since May\n        name: Ben\n"
        "        roles: [approver]  # and no more\n        accounts: {console: [ben]}  # his desk\n\n"
        "# end of the team\non_call: [ben]\n"
    )
    words = ("--yes", "--no-chat", "--no-prometheus")
    assert (
        init(*words, "--person", "ana", "--person-name", "Ana: the first", "--console-user", "ana").exit_code == 0
    )
    assert init(*words, "--person", "ben", "--slack-user", "U0BEN").exit_code == 0
    text = file.read_text()
    for comment in ("# ours", "# the team", "# since May", "# and no more", "# his desk", "# end of the team"):
        assert comment in text
    people = configuration.people(here / "config")
    assert {p.id: dict(p.accounts) for p in people.people} == {
        "ben": {"console": ("ben",), "slack": ("U0BEN",)},
        "ana": {"console": ("ana",)},
    }
    assert people.on_call == ("ben",)


def test_an_account_that_is_somebody_elses_is_refused_and_the_file_stays(here):
    words = ("--yes", "--no-chat", "--no-prometheus", "--slack-user", "U0ANA")
    assert init(*words, "--person", "ana").exit_code == 0
    before = everything(here)
    done = init(*words, "--person", "ben")
    assert "given to ana and ben" in said(done)
    assert everything(here) == before


def test_a_shape_that_cannot_be_edited_is_left_alone_and_the_lines_are_told():
    flow = "schema: 1\npeople: {ben: {name: Ben, roles: [viewer]}}\n"
    with pytest.raises(Exception, match="ana:"):
        yamls.person(flow, "ana", name="Ana", roles=("approver",), accounts={})


def test_a_second_prometheus_joins_the_first_and_a_moved_one_is_replaced():
    text = "prometheus: []  # where\nopenmetrics_queries: {}\n"
    one = yamls.prometheus(text, "http://a:9090", "production")
    two = yamls.prometheus(one, "http://b:9090", "staging")
    moved = yamls.prometheus(two, "http://c:9090", "production")
    assert yaml.safe_load(moved)["prometheus"] == [
        {"url": "http://c:9090", "environment": "production"},
        {"url": "http://b:9090", "environment": "staging"},
    ]
    assert "# where" in moved


def test_variables_are_what_a_shell_reads():
    env = files.with_variables("# A=1\n#B=2\nC=3\n", {"B": '{"a": ["x y"]}', "C": "4", "D": "$HOME"})
    assert env == "# A=1\nB='{\"a\": [\"x y\"]}'\nC=4\nD='$HOME'\n"
    assert files.variables(env, Path("env")) == {"B": '{"a": ["x y"]}', "C": "4", "D": "$HOME"}
    with pytest.raises(Exception, match="quote"):
        files.with_variables("", {"A": "it's"})


def test_a_write_that_fails_leaves_the_old_file(here, monkeypatch):
    file = here / "env"
    file.write_text("old\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Exception, match="No space left"):
        files.write(files.Change(path=file, old="old\n", new="new\n", private=True))
    assert file.read_text() == "old\n"
    assert [p.name for p in here.iterdir()] == ["env"]


def test_help_names_every_flag_and_none_takes_a_secret():
    shown = CliRunner().invoke(app, ["init", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    for flag in (
        *("--config", "--env-file", "--state", "--slack", "--telegram", "--no-chat", "--slack-channel"),
        *("--telegram-chat", "--slack-api-url", "--telegram-api-url", "--prometheus", "--prometheus-environment"),
        *("--alertmanager-source", "--service", "--person", "--person-name", "--person-role", "--slack-user"),
        *("--telegram-user", "--page-url", "--yes", "--force", "--skip-checks", "--json"),
        *("--slack-bot-token-file", "--slack-app-token-file", "--telegram-token-file"),
    ):
        assert flag in shown
    assert "--slack-bot-token " not in shown
    assert "--telegram-token " not in shown
