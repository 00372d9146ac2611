"""``firstresponder doctor --chat`` with the real receiver: the whole way of a press, there and back."""

import subprocess
import sys

from sqlalchemy import select

from bot.journal import tables as t
from tests.chats.conftest import Receiver, account, until
from tests.chats.platforms import SLACK_CHANNEL, TELEGRAM_CHAT, Platform, Slack, Telegram
from tests.stubs.telegram import BOT_USERNAME


def _doctor(receiver: Receiver, timeout: int = 30) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bot", "doctor", "--chat", "--timeout", str(timeout)],
        env=receiver.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _mention(platform: Platform) -> None:
    """The bot by its name, below the card that was pressed."""
    if isinstance(platform, Slack):
        thread = str(platform.messages()[0]["ts"])
        platform.stub.mention(platform.account(), "@bot status", channel=SLACK_CHANNEL, thread_ts=thread)
    else:
        assert isinstance(platform, Telegram)
        below = platform.messages()[0]["message_id"]
        platform.stub.say(f"@{BOT_USERNAME} status", 1001, chat_id=int(TELEGRAM_CHAT), reply_to=below)


def _card(receiver: Receiver, platform: Platform) -> None:
    """The test card stands in the channel, and the journal knows: nobody can press sooner than that."""

    def posted() -> bool:
        with receiver.journal.read() as tx:
            return tx.one(select(t.selftests.c.id).where(t.selftests.c.ref != "")) is not None

    until(posted, receiver.logged())
    assert platform.has("Press me")


def _tests(receiver: Receiver) -> list[str]:
    with receiver.journal.read() as tx:
        rows = tx.all(select(t.incidents.c.state).where(t.incidents.c.source == "selftest"))
    return [r["state"] for r in rows]


def test_every_step_of_a_chat_that_is_well_is_told_and_kept(receiver: Receiver, platform: Platform):
    doctor = _doctor(receiver)
    _card(receiver, platform)
    assert "It works" in platform.press("Press me")
    until(lambda: _tests(receiver), receiver.logged())
    receiver.a_minute_passes()  # the replayed press is left behind already
    platform.say("status")
    _mention(platform)
    said, _ = doctor.communicate(timeout=90)
    assert doctor.returncode == 0, said + receiver.logged()[-3000:]
    assert "ana" in said.lower()
    for step in ("clock", "stranger", "command", "mention", "silence", "replay"):
        assert f"ok    {platform.name} {step}:" in said
    assert _tests(receiver) == ["RESOLVED"]
    with receiver.journal.read() as tx:
        rows = tx.all(select(t.events.c.data).where(t.events.c.kind == "selftest.step"))
        assert tx.all(select(t.votes)) == []
        assert tx.all(select(t.escalations)) == []
    assert [r["data"]["ok"] for r in rows] == [True] * 5
    until(lambda: "Expired by" in "\n".join(platform.texts()))
    assert platform.violations() == []


def test_a_command_that_never_comes_names_what_to_change(receiver: Receiver, platform: Platform):
    doctor = _doctor(receiver, timeout=3)
    _card(receiver, platform)
    platform.press("Press me")
    until(lambda: _tests(receiver), receiver.logged())
    receiver.a_minute_passes()
    said, _ = doctor.communicate(timeout=90)
    assert doctor.returncode == 1
    assert f"FAIL  {platform.name} command: none arrived within 3 s" in said
    assert f"FAIL  {platform.name} mention: none arrived within 3 s" in said
    assert ("Slash Commands" if platform.name == "slack" else "TELEGRAM__CHAT") in said
    assert f"ok    {platform.name} silence:" in said
    assert _tests(receiver) == ["RESOLVED"]


def test_a_press_by_somebody_unknown_names_the_line_that_is_missing(receiver: Receiver, platform: Platform):
    doctor = _doctor(receiver)
    stranger = platform.stranger()
    _card(receiver, platform)
    assert "do not know you" in platform.press("Press me", account=stranger)
    said, _ = doctor.communicate(timeout=40)
    assert doctor.returncode == 1
    assert stranger in said
    assert "people.yaml" in said
    assert account(platform, "ana") not in said
