"""The five faults, end to end through each chat: alert, card, press, card turned, verified. In ``make live``."""

import time
from pathlib import Path

import pytest
import yaml

from bot import demo, report
from bot.demo import FAULTS, RIGHT_END
from bot.journal import incidents
from tests.chats.platforms import Platform, Slack, Telegram
from tests.stubs.client import SlackStub, TelegramStub

pytestmark = pytest.mark.live
PATIENCE_S = 150.0


@pytest.mark.parametrize("kind", ["slack", "telegram"])
def test_every_fault_reaches_its_right_end_through_a_chat(kind: str, tmp_path: Path):
    platform: Platform = Slack(SlackStub()) if kind == "slack" else Telegram(TelegramStub())
    wish = demo.Wish(
        fault="all", yes=True, once=True, as_json=True, keep=None, seed=3, rate=16.0, prometheus=False
    )

    def adapt(config: Path) -> None:
        """Nothing is trusted to run alone here: every action is asked for in the chat."""
        people = yaml.safe_load((config / "people.yaml").read_text())
        people["people"]["ana"] = {
            "name": "Ana",
            "roles": ["approver"],
            "accounts": {platform.name: [platform.account()]},
        }
        (config / "people.yaml").write_text(yaml.safe_dump(people))
        policy = yaml.safe_load((config / "policy.yaml").read_text())
        (config / "policy.yaml").write_text(yaml.safe_dump(policy | {"trusted": []}))

    ends = {}
    try:
        with demo.stage_of(tmp_path, wish, lambda: False, adapt, platform.settings()) as stage:
            for fault in FAULTS:
                ends[fault] = _play(stage, fault, platform)
                demo.calm(stage, fault, lambda: False)
        violations = platform.violations()
    finally:
        platform.stop()
    assert ends == {fault: RIGHT_END[fault] for fault in FAULTS}
    assert violations == []


def _play(stage: demo.Stage, fault: str, platform: Platform) -> str:
    with stage.parts.journal.read() as tx:
        before = {i.id for i in incidents.recent(tx)}
    demo.inject(stage, fault, 3)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if platform.has("Approve"):
            try:
                answer = platform.press("Approve")
            except IndexError:
                continue  # the card turned in this moment
            assert "Approved by you" in answer or "Already approved by Ana" in answer, answer
        with stage.parts.journal.read() as tx:
            new = [i for i in incidents.recent(tx) if i.id not in before]
            if new and all(demo.over(tx, i.id, i.state) for i in new):
                document = report.document(tx, new[-1].id)
                break
        time.sleep(0.2)
    else:
        raise AssertionError(f"{fault} did not end:\n" + "\n---\n".join(platform.texts()[-4:]))
    if document["approval"] is not None:
        assert document["approval"]["by"] == "Ana"
        _until(lambda: any("Approved by “Ana”" in text.replace("`", "") for text in platform.texts()), platform)
    if document["end"] == "verified_fix":
        _until(lambda: any("succeeded" in text for text in platform.texts()), platform)
    return str(document["end"])


def _until(holds, platform: Platform, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "\n---\n".join(platform.texts()[-4:])
        time.sleep(0.2)
