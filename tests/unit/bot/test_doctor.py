"""``firstresponder doctor``, also with ``--chat``, and one-time codes. The test plays the receiver."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from agents.incident.ids import PersonId
from bot import doctor
from bot.__main__ import app
from bot.journal import access, hearings, intake, selftests
from bot.journal import tables as t
from bot.journal.journal import Journal, open_engine
from bot.processes import PREFIX
from bot.setup import checks
from bot.setup.waiting import Waiting
from bot.surfaces import speaker
from tests.stubs.client import SlackStub, TelegramStub
from tests.unit.agents.world import CONFIG

PEOPLE = """\
schema: 1
people:
  ana: {name: Ana, roles: [approver], accounts: {slack: [U0ANA], telegram: ["1001"]}}
  ben: {name: Ben, roles: [viewer], accounts: {slack: [U0BEN]}}
  cat: {name: Cat, roles: [responder]}
"""


@pytest.fixture(scope="module", name="slack")
def _slack() -> Iterator[SlackStub]:
    with SlackStub() as stub:
        yield stub


@pytest.fixture(scope="module", name="telegram")
def _telegram() -> Iterator[TelegramStub]:
    with TelegramStub() as stub:
        yield stub


@pytest.fixture(name="environment", autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> pytest.MonkeyPatch:
    for name in [n for n in os.environ if n.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    shutil.copytree(CONFIG, tmp_path / "config")
    (tmp_path / "config" / "people.yaml").write_text(PEOPLE)
    monkeypatch.setenv(PREFIX + "CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv(PREFIX + "JOURNAL_URL", sqlite_url)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


@pytest.fixture(name="book")
def _book(sqlite_url: str) -> Iterator[Journal]:
    journal = Journal(open_engine(sqlite_url))
    yield journal
    journal.close()


@pytest.fixture(name="with_slack")
def _with_slack(environment: pytest.MonkeyPatch, slack: SlackStub) -> SlackStub:
    slack.reset()
    for name, value in {
        "BOT_TOKEN": slack.bot_token,
        "APP_TOKEN": slack.app_token,
        "CHANNEL": "C0INCIDENTS",
        "API_URL": slack.api_url,
    }.items():
        environment.setenv(f"{PREFIX}SLACK__{name}", value)
    return slack


@pytest.fixture(name="with_telegram")
def _with_telegram(environment: pytest.MonkeyPatch, telegram: TelegramStub) -> TelegramStub:
    telegram.reset()
    for name, value in {"TOKEN": telegram.token, "CHAT": "-100200", "API_URL": telegram.url}.items():
        environment.setenv(f"{PREFIX}TELEGRAM__{name}", value)
    return telegram


class Receiver:
    """What a running receiver and a person would do, one step each time the doctor waits."""

    def __init__(self, book: Journal, surface: str, *steps: Callable[[Journal, str], None]) -> None:
        self.book, self.surface, self.steps = book, surface, list(steps)
        self.now = 0.0
        self.said: list[str] = []
        self.test_id = ""

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.01)
        if not self.test_id:
            with self.book.read() as tx:
                self.test_id = selftests.to_post(tx, self.surface)[0]
        if self.steps:
            self.steps.pop(0)(self.book, self.test_id)

    def waiting(self) -> Waiting:
        return Waiting(
            timeout_s=30,
            progress=lambda text, left: self.said.append(f"{text} {left:.0f}"),
            sleep=self.sleep,
            clock=lambda: self.now,
        )

    def examined(self, surface: str = "") -> list[doctor.Examined]:
        return list(doctor.try_chats(surface, self.waiting()))


def post(book: Journal, test_id: str) -> None:
    with book.write("posted") as tx:
        selftests.posted(tx, test_id, "C0INCIDENTS:1.1")


def pressed_by(account: str, *, again: bool = False) -> Callable[[Journal, str], None]:
    """The receiver stores a press, works on it and answers; *again* counts it another time when it is replayed."""

    def press(book: Journal, test_id: str) -> None:
        sent = json.dumps({"user": {"id": account}, "actions": [{"value": f"p:{test_id}"}]}).encode()
        (row,) = intake.store_said(book, [intake.Said(system="slack", key=f"k{again}", body=sent)])
        with book.write("pressed") as tx:
            selftests.pressed(tx, test_id, account)
        assert row is not None
        intake.keep_said(book, {row: {"text": "It works"}}, {row: ""})

    return press


def swept(book: Journal, test_id: str, *, counts: bool = False) -> None:
    """The receiver takes up what was left behind; where it *counts*, that has another effect."""
    with book.read() as tx:
        rows = [r["id"] for r in tx.all(select(t.inbox.c.id).where(t.inbox.c.state == "stored"))]
    intake.keep_said(book, {row: {"text": "pressed before"} for row in rows}, dict.fromkeys(rows, ""))
    if counts:
        with book.write("twice") as tx:
            tx.run(t.selftests.update().where(t.selftests.c.id == test_id).values(account="U0TWICE"))


def typed(body: object) -> Callable[[Journal, str], None]:
    def say(book: Journal, _: str) -> None:
        (row,) = intake.store_said(book, [intake.Said(system="slack", key=None, body=json.dumps(body).encode())])
        assert row is not None
        intake.keep_said(book, {}, {row: ""})

    return say


def spoken(book: Journal, _: str) -> None:
    """The receiver brings every card up to date."""
    with book.read() as tx:
        asks = tx.all(select(t.action_runs.c.id, t.action_runs.c.incident_id, t.action_runs.c.state))
    with book.write("spoken") as tx:
        for ask in asks:
            key = f"{ask['incident_id']}/ask:{ask['id']}"
            digest = ("?" if ask["state"] == "AWAITING_APPROVAL" else "-") + "0" * 63
            tx.run(t.messages.delete().where(t.messages.c.key == key))
            values = {"surface": "slack", "key": key, "incident_id": ask["incident_id"], "ref": "C:1"}
            tx.run(t.messages.insert().values(**values, digest=digest, posted_at=tx.now, shown_at=tx.now))


COMMAND = typed({"command": "/fr", "text": "status"})
MENTION = typed({"event": {"type": "app_mention", "thread_ts": "1.1", "text": "status"}})
WELL = (COMMAND, MENTION, spoken, spoken, swept)


def by_step(found: list[doctor.Examined]) -> dict[str, doctor.Examined]:
    return {f.what.removeprefix("slack "): f for f in found}


def refused(surface: str, body: object) -> Callable[[Journal, str], None]:
    def press(book: Journal, test_id: str) -> None:
        sent = json.dumps(body).replace("ID", f"p:{test_id}").encode()
        (row,) = intake.store_said(book, [intake.Said(system=surface, key=None, body=sent)])
        assert row is not None
        intake.keep_said(book, {}, {row: ""})

    return press


def test_a_press_that_comes_back_is_told_with_who_and_how_long(with_slack, book):
    receiver = Receiver(book, "slack", post, pressed_by("U0ANA"), *WELL)
    found = by_step(receiver.examined())
    assert all(f.ok for f in found.values()), found
    assert list(found)[-7:] == ["card", "press", "stranger", "command", "mention", "silence", "replay"]
    assert "#incidents" in found["card"].says
    assert "from Ana (slack account U0ANA); may approve" in found["press"].says
    assert "s from slack's" in found["clock"].says
    assert any("press the button in #incidents" in said for said in receiver.said)


def test_somebody_without_the_role_is_told_the_line_that_gives_it(with_slack, book):
    found = by_step(Receiver(book, "slack", post, pressed_by("U0BEN"), *WELL).examined())
    assert found["press"].ok
    assert "may NOT approve" in found["press"].says
    assert "people.yaml, under ben, `roles: [approver, viewer]`" in found["press"].says


def test_what_is_kept_of_a_self_test_is_a_closed_incident_with_a_line_for_each_step(with_slack, book):
    Receiver(book, "slack", post, pressed_by("U0ANA"), *WELL).examined()
    with book.read() as tx:
        (incident,) = tx.all(select(t.incidents))
        said = [e["data"] for e in tx.all(select(t.events).where(t.events.c.kind == "selftest.step"))]
    assert (incident["source"], incident["state"]) == ("selftest", "RESOLVED")
    assert "nothing is wrong" in incident["title"]
    assert [s["step"] for s in said] == [
        f"slack {s}" for s in ("stranger", "command", "mention", "silence", "replay")
    ]


def test_a_press_that_counts_twice_fails(with_slack, book):
    def twice(book: Journal, test_id: str) -> None:
        swept(book, test_id, counts=True)

    steps = (COMMAND, MENTION, spoken, spoken, twice)
    found = by_step(Receiver(book, "slack", post, pressed_by("U0ANA"), *steps).examined())
    assert not found["replay"].ok
    assert "counted twice" in found["replay"].says
    assert found["silence"].ok


def test_what_nobody_takes_up_types_or_posts_fails_and_names_what_to_change(with_slack, book):
    found = by_step(Receiver(book, "slack", post, pressed_by("U0ANA")).examined())
    assert [s for s, f in found.items() if not f.ok] == ["command", "mention", "silence", "replay"]
    assert "Slash Commands" in found["command"].says
    assert "app_mention" in found["mention"].says
    assert "was not posted" in found["silence"].says
    assert "FIRSTRESPONDER_JOURNAL_URL" in found["replay"].says


def test_a_card_that_never_turns_fails(with_slack, book):
    found = by_step(Receiver(book, "slack", post, pressed_by("U0ANA"), COMMAND, MENTION, spoken).examined())
    assert "did not turn" in found["silence"].says


def test_the_account_of_nobody_in_the_directory_fails(with_slack, book, tmp_path):
    people = PEOPLE + "  eve: {name: Eve, roles: [approver], accounts: {slack: [selftest-nobody]}}\n"
    (tmp_path / "config" / "people.yaml").write_text(people)
    found = by_step(Receiver(book, "slack", post, pressed_by("U0ANA"), *WELL).examined())
    assert not found["stranger"].ok
    assert "people.yaml" in found["stranger"].says


@pytest.mark.parametrize(("off", "ok"), [(0, True), (299, True), (301, False), (-3600, False)])
def test_a_clock_that_is_off_is_told_by_how_much(off, ok):
    now = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
    found = checks.clock("slack", format_datetime(now - timedelta(seconds=off), usegmt=True), now)
    assert found.ok is ok
    assert f"{off:+d} s" in found.says
    assert ok or "NTP" in found.says
    assert "not compared" in checks.clock("slack", "", now).says


@pytest.mark.parametrize(
    ("surface", "body", "line"),
    [
        ("slack", {"user": {"id": "U0NEW"}, "actions": [{"value": "ID"}]}, "accounts: {slack: [U0NEW]}"),
        ("telegram", {"callback_query": {"from": {"id": 77}, "data": "ID"}}, 'accounts: {telegram: ["77"]}'),
    ],
)
def test_a_press_of_somebody_unknown_is_told_with_the_line_to_add(
    with_slack, with_telegram, book, surface, body, line
):
    found = Receiver(book, surface, post, refused(surface, body)).examined(surface)
    assert not found[-1].ok
    assert "is nobody in" in found[-1].says
    assert line in found[-1].says


def test_a_receiver_that_does_not_run_is_named_after_a_quarter_of_a_minute(with_slack, book):
    receiver = Receiver(book, "slack")
    found = receiver.examined()
    assert not found[-1].ok
    assert 15 <= receiver.now < 17
    assert "`firstresponder serve` (or up) is not running" in found[-1].says
    assert "FIRSTRESPONDER_SLACK__BOT_TOKEN" in found[-1].says


def test_a_receiver_that_runs_and_cannot_post_is_told_from_one_that_does_not_run(with_slack, book):
    speaker.hold(book, "slack", "SP_1", timedelta(minutes=5))
    found = Receiver(book, "slack").examined()
    assert "a receiver speaks on slack but posted nothing" in found[-1].says


@pytest.mark.parametrize(
    ("surface", "more", "names"),
    [
        ("slack", {}, ("Interactivity", "SLACK__APP_TOKEN", "connections:write", "Socket Mode")),
        (
            "slack",
            {"SLACK__MODE": "http", "SLACK__SIGNING_SECRET": "s"},
            ("/v1/chat/slack", "SLACK__SIGNING_SECRET"),
        ),
        ("telegram", {}, ("another program polls", "a webhook is set", "TELEGRAM__CHAT", "privacy")),
        (
            "telegram",
            {
                "TELEGRAM__MODE": "webhook",
                "TELEGRAM__WEBHOOK_URL": "https://a.example",
                "TELEGRAM__WEBHOOK_SECRET": "s",
            },
            ("TELEGRAM__WEBHOOK_URL", "TELEGRAM__WEBHOOK_SECRET"),
        ),
    ],
)
def test_a_press_that_never_comes_names_the_likely_settings(
    environment, with_slack, with_telegram, book, surface, more, names
):
    for name, value in more.items():
        environment.setenv(PREFIX + name, value)
    found = Receiver(book, surface, post).examined(surface)
    assert not found[-1].ok
    assert "no press came back within 30 s" in found[-1].says
    for name in names:
        assert name in found[-1].says


def test_credentials_are_tried_before_anything_is_posted(environment, with_slack, book):
    environment.setenv(PREFIX + "SLACK__APP_TOKEN", "xapp-wrong")
    receiver = Receiver(book, "slack")
    found = receiver.examined()
    assert [f.ok for f in found] == [True, True, False]  # the bot, the clock, the socket
    assert "connections:write" in found[-1].says
    assert receiver.now == 0
    assert "xapp-wrong" not in repr(found)


def test_a_chat_that_is_not_configured_fails(with_slack, book):
    assert "FIRSTRESPONDER_TELEGRAM__TOKEN is empty" in Receiver(book, "telegram").examined("telegram")[0].says


def test_with_chat_the_status_says_whether_all_came_back(environment):
    done = CliRunner().invoke(app, ["doctor", "--chat"])
    assert done.exit_code == 1
    assert "is not configured" in done.output


def test_a_chat_that_is_half_set_up_is_named_and_hides_nothing_else(environment):
    environment.setenv(PREFIX + "SLACK__BOT_TOKEN", "xoxb-stub")
    found = {f.what: f for f in doctor.examine()}
    assert "SLACK__CHANNEL" in found["receiver settings"].says
    assert not found["receiver settings"].ok
    assert found["journal"].ok


def test_what_is_forgotten_is_said(environment):
    environment.setenv(PREFIX + "PAGE__URL", "http://pages.example")
    found = {f.what: f for f in doctor.examine()}
    assert "neither Slack nor Telegram" in found["chat"].says
    assert not found["page address"].ok
    assert not found["person cat"].ok
    assert "firstresponder link cat" in found["person cat"].says
    assert "person ana" not in found
    assert "no on_call" in found["on call"].says
    assert not found["source alertmanager"].ok


def test_a_source_that_takes_anything_is_said(tmp_path):
    (tmp_path / "config" / "sources.yaml").write_text(
        "schema: 1\nsources: {open: {system: alertmanager, allow_unsigned: true}}\n"
    )
    found = {f.what: f for f in doctor.examine()}
    assert "allow_unsigned" in found["source open"].says
    assert not found["source open"].ok


@pytest.mark.parametrize(
    ("row", "tokens", "ok", "says"),
    [
        ("{system: github}", ["s"], True, "proven by GitHub"),
        ("{system: github}", [], False, "has no token: refused"),
        ("{system: datadog, proof: url}", ["s"], False, "proof url is weak"),
        ("{system: generic, proof: statuscake}", ["s"], False, "proof statuscake is weak"),
        ("{system: aws_sns, topics: ['arn:aws:sns:eu-west-1:123456789012:a']}", [], True, "proven by AWS SNS"),
    ],
)
def test_each_source_is_said_with_how_it_is_proven(environment, tmp_path, row, tokens, ok, says):
    (tmp_path / "config" / "sources.yaml").write_text(f"schema: 1\nsources: {{one: {row}}}\n")
    environment.setenv(PREFIX + "WEBHOOK_TOKENS", json.dumps({"one": tokens}))
    found = {f.what: f for f in doctor.examine()}["source one"]
    assert (found.ok, says in found.says) == (ok, True)


def test_secrets_by_name_are_known_and_one_for_nobody_is_said(environment):
    environment.setenv(PREFIX + "WEBHOOK_TOKENS", json.dumps({"alertmanager": {"spring": "s"}, "gone": ["s"]}))
    found = {f.what: f for f in doctor.examine()}
    assert found["source alertmanager"].ok
    assert not found["source gone"].ok


def test_a_row_that_does_not_hold_together_is_said_by_file_and_source(tmp_path):
    (tmp_path / "config" / "sources.yaml").write_text("schema: 1\nsources: {one: {system: githb}}\n")
    found = {f.what: f for f in doctor.examine()}["sources.yaml"]
    assert not found.ok
    assert "one: unknown system 'githb'; nearest: github" in found.says


def test_a_linked_account_counts(book):
    from bot import configuration
    from bot.journal import directory

    with book.write("link") as tx:
        people = configuration.people(Path(os.environ[PREFIX + "CONFIG"]))
        assert directory.link(tx, people, "slack", "U0CAT", "cat")
    assert "person cat" not in {f.what for f in doctor.examine()}


def test_nobody_who_may_approve_is_said(tmp_path):
    (tmp_path / "config" / "people.yaml").write_text("schema: 1\npeople: {}\n")
    found = {f.what: f for f in doctor.examine()}
    assert not found["approvers"].ok
    assert not found["on call"].ok


@pytest.mark.parametrize("purpose", ["link", "login"])
def test_a_code_is_printed_once_and_good_for_its_purpose_alone(environment, book, purpose):
    done = CliRunner().invoke(app, [purpose, "ana"])
    assert done.exit_code == 0, done.output
    code = done.stdout.strip().rpartition("/")[2]
    assert done.stdout.startswith("http://127.0.0.1:8080/login/" if purpose == "login" else code)
    with book.write("test") as tx:
        assert access.redeem(tx, code, "other") is None
        assert access.redeem(tx, code, purpose) == "ana"
        assert access.redeem(tx, code, purpose) is None


def test_logging_somebody_out_ends_every_session_and_the_links_not_used_yet(book):
    with book.write("test") as tx:
        ends = [access.open_session(tx, PersonId(who), timedelta(hours=1)) for who in ("ana", "ana", "ben")]
        code = access.make_code(tx, PersonId("ana"), access.LOGIN, timedelta(hours=1))
    done = CliRunner().invoke(app, ["logout", "ana"])
    assert (done.exit_code, done.stdout) == (0, "2 session(s) of ana ended\n")
    with book.write("test") as tx:
        assert [access.person_of_session(tx, token) for token in ends] == [None, None, "ben"]
        assert access.redeem(tx, code, access.LOGIN) is None
    assert CliRunner().invoke(app, ["logout", "gone"]).stdout.startswith("0 session(s)")


def test_a_source_that_is_silent_beyond_its_habit_is_said_and_one_never_heard_is_not_wrong(book):
    found = {f.what: f for f in doctor.examine()}
    assert found["heard alertmanager"].ok
    assert found["heard alertmanager"].says == "nothing yet"
    with book.write("test") as tx:
        for beat in ("", "Watchdog"):
            for n in range(20, 0, -1):
                hearings.note(tx, "alertmanager", tx.now - timedelta(minutes=40 + n), beat)
        hearings.note(tx, "gone", tx.now - timedelta(days=1))
    found = {f.what: f for f in doctor.examine()}
    assert found["heard alertmanager"].ok  # nothing is missed within the hour
    assert found["heard alertmanager"].says == "41 min ago; missed after 60 min"
    assert not found["heard alertmanager, Watchdog"].ok
    assert "it fires always" in found["heard alertmanager, Watchdog"].says
    assert not any("gone" in what for what in found if what.startswith("heard"))


def test_of_a_journal_that_cannot_be_read_nothing_is_said_to_be_silent(environment, tmp_path):
    environment.setenv(PREFIX + "JOURNAL_URL", f"sqlite:///{tmp_path / 'none.db'}")
    assert not [f for f in doctor.examine() if f.what.startswith("heard")]


def test_a_code_for_nobody_is_refused():
    done = CliRunner().invoke(app, ["link", "zoe"])
    assert "has no 'zoe'; it has ana, ben, cat" in str(done.exception)


def test_the_settings_file_of_the_example_is_read_by_a_shell():
    script = f"set -a; . {CONFIG}/env.example; set +a"
    assert subprocess.run(["sh", "-eu", "-c", script], check=False).returncode == 0
