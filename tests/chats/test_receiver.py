"""Cards, presses and commands through the real receiver, on each chat."""

import signal
from pathlib import Path

from sqlalchemy import select

from agents.incident.lifecycle import ActionState, IncidentState
from bot.journal import approvals, incidents, runs
from bot.journal import tables as t
from tests.builders import ask, open_incident
from tests.chats.conftest import Receiver, a_receiver, account, until
from tests.chats.platforms import Platform, Slack, Telegram
from tests.stubs.client import SlackStub, TelegramStub

A = ActionState


def test_a_question_is_asked_answered_and_its_card_turns(receiver: Receiver, platform: Platform):
    question = ask(receiver.journal)
    until(lambda: platform.has("Approve"), receiver.logged())
    assert "Approved by you" in platform.press("Approve")
    with receiver.journal.read() as tx:
        assert runs.view(tx, question.run_id).state is A.READY
    until(lambda: not platform.has("Approve"), receiver.logged())
    until(
        lambda: any("Approved by “Ana”" in text.replace("`", "") for text in platform.texts()), receiver.logged()
    )
    assert platform.violations() == []


def test_whoever_may_not_is_told_and_nothing_changes(receiver: Receiver, platform: Platform):
    question = ask(receiver.journal)
    until(lambda: platform.has("Approve"), receiver.logged())
    assert "may not decide" in platform.press("Approve", account=account(platform, "cat"))
    stranger = platform.stranger()
    assert "do not know you" in platform.press("Approve", account=stranger)
    with receiver.journal.read() as tx:
        assert runs.view(tx, question.run_id).state is A.AWAITING_APPROVAL


def test_a_rejection_counts_at_the_press(receiver: Receiver, platform: Platform):
    question = ask(receiver.journal)
    until(lambda: platform.has("Reject"), receiver.logged())
    assert "Rejected by you" in platform.press("Reject")
    with receiver.journal.read() as tx:
        assert runs.view(tx, question.run_id).state is A.REJECTED


def test_a_command_opens_an_incident_that_gets_its_card(receiver: Receiver, platform: Platform):
    platform.say("diagnose checkout 1h")

    def opened() -> list[str]:
        with receiver.journal.read() as tx:
            return [i.id for i in incidents.recent(tx) if i.asked_by == "ana"]

    incident_id = until(opened, receiver.logged())[0]
    until(lambda: any("asked for in chat" in text for text in platform.texts()), receiver.logged())
    with receiver.journal.read() as tx:
        assert tx.one(select(t.messages).where(t.messages.c.incident_id == incident_id)) is not None


def test_a_person_is_called_by_name_until_somebody_has_it(receiver: Receiver, platform: Platform):
    with receiver.journal.write("test.needs") as tx:
        open_incident(tx, IncidentState.NEEDS_HUMAN)
    until(lambda: any("A person is needed" in text for text in platform.texts()), receiver.logged())
    assert "It is yours, Ana" in platform.press("Take over")
    until(lambda: any("has it" in text for text in platform.texts()), receiver.logged())


def test_a_press_that_was_stored_before_a_crash_is_worked_on_after_it(
    sqlite_url: str, platform: Platform, tmp_path: Path
):
    receiver = a_receiver(tmp_path, sqlite_url, platform)
    try:
        receiver.start()
        question = ask(receiver.journal)
        until(lambda: platform.has("Approve"), receiver.logged())
        until(lambda: kept(receiver), receiver.logged())  # or nobody could find the question on Telegram again
        receiver.kill()
        # Killed at the moment after it was stored: the point is armed for the next process.
        (tmp_path / "crash.receiver").write_text("inbox.stored:after")
        receiver.start(FIRSTRESPONDER_CRASH_FILE=str(tmp_path / "crash"))
        _press_and_forget(platform)
        assert receiver.process is not None
        assert receiver.process.wait(20) == -signal.SIGKILL
        receiver.process = None
        with receiver.journal.read() as tx:
            stored = tx.all(select(t.inbox.c.state))
            assert {r["state"] for r in stored} == {"stored"}
        receiver.a_minute_passes()
        receiver.start()

        def decided() -> bool:
            with receiver.journal.read() as tx:
                return runs.view(tx, question.run_id).state is A.READY

        until(decided, receiver.logged())
        until(lambda: not platform.has("Approve"), receiver.logged())
    finally:
        receiver.stop()


def kept(receiver: Receiver) -> bool:
    """Whether the receiver knows where everything stands that it has said."""
    with receiver.journal.read() as tx:
        return all(row["ref"] for row in tx.all(select(t.messages.c.ref)))


def _press_and_forget(platform: Platform) -> None:
    if isinstance(platform, Slack):
        from tests.chats.platforms import buttons

        value = [b["Approve"] for m in platform.messages() if "Approve" in (b := buttons(m))][-1]
        platform.stub.wait_for_sockets(1)
        platform.stub.press(user="U0ANA", value=value, wait=0)
    else:
        assert isinstance(platform, Telegram)
        message = [m for m in platform.messages() if "Approve" in platform.buttons(m)][-1]
        platform.stub.press(1001, label="Approve", chat_id=-100200, message_id=message["message_id"], wait=0)


def test_one_question_on_both_chats_is_decided_once_and_turns_on_both(sqlite_url: str, tmp_path: Path):
    slack, telegram = Slack(SlackStub()), Telegram(TelegramStub())
    receiver = a_receiver(tmp_path, sqlite_url, slack, telegram)
    try:
        receiver.start()
        question = ask(receiver.journal)
        until(lambda: slack.has("Approve") and telegram.has("Approve"), receiver.logged())
        assert "Approved by you" in telegram.press("Approve")
        until(lambda: not slack.has("Approve") and not telegram.has("Approve"), receiver.logged())
        for platform in (slack, telegram):
            assert any("Approved by “Ana”" in text.replace("`", "") for text in platform.texts())
        with receiver.journal.read() as tx:
            asked = approvals.find(tx, question.approval_id)
        assert asked is not None
        assert list(asked.votes) == ["ana"]
    finally:
        receiver.stop()
        slack.stop()
        telegram.stop()


def test_no_secret_is_written_down(receiver: Receiver, platform: Platform):
    ask(receiver.journal)
    until(lambda: platform.has("Approve"), receiver.logged())
    platform.press("Approve")
    with receiver.journal.read() as tx:
        bodies = [bytes(r["body"]).decode() for r in tx.all(select(t.inbox.c.body))]
    kept = receiver.logged() + "\n".join(bodies)
    from tests.stubs.telegram import TOKEN

    for secret in ("xoxb-stub", "xapp-stub", TOKEN, "hooks.slack.com", '"response_url"'):
        assert secret not in kept
