"""An approve whose backend fails is answered, explained on the card, and can be pressed again after the fix."""

from pathlib import Path

import pytest

from tests.chats.conftest import until
from tests.chats.platforms import Platform, Slack, Telegram
from tests.crash.stack import Stack
from tests.crash.walks import Alert, Waiting, alert, break_it, fire
from tests.stubs.client import SlackStub, TelegramStub

STALE = "Could not find the 'updated_at' column of 'agent_tasks' in the schema cache"


def drive(step: Waiting, stack: Stack) -> None:
    for _ in step:
        stack.watch()


@pytest.mark.parametrize("kind", ["telegram", "slack"])
def test_the_stale_schema_cache_behind_an_approve(kind: str, tmp_path: Path):
    platform: Platform = Telegram(TelegramStub()) if kind == "telegram" else Slack(SlackStub())
    stack = Stack(
        tmp_path / "stack",
        person={platform.name: platform.account()},
        more=platform.settings(),
        trusted=(),
        approver=False,
    )
    about: Alert = alert()
    try:
        until(stack.ready, "the receiver is not ready")
        drive(break_it(stack, "F34"), stack)
        drive(fire(stack, about), stack)
        until(lambda: platform.has("Approve"), _logs(stack))
        stack.platform_says(500, STALE)
        assert "Approved by you" in platform.press("Approve")

        # Explained on the card, and asked again on the same card: its button works.
        def asked() -> list[str]:
            return [text for text in platform.texts() if "Approve?" in text and "Undo:" in text]

        until(
            lambda: any("stale schema cache" in text and "updated_at" in text for text in asked()),
            _logs(stack),
        )
        until(lambda: platform.has("Approve"), _logs(stack))
        assert len(asked()) == 1
        assert stack.done()["keys"] == []
        stack.platform_says(0, "")
        assert "Approved by you" in platform.press("Approve")
        until(lambda: any("succeeded" in text for text in platform.texts()), _logs(stack))
        assert len(stack.done()["keys"]) == 1
    finally:
        platform.stop()
        stack.close()


def _logs(stack: Stack) -> str:
    return "\n".join(
        f"== {name}\n" + (stack.folder / "logs" / f"{name}.log").read_text()[-2000:]
        for name in ("receiver", "triage", "actions")
    )
