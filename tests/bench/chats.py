"""``python -m tests.bench.chats``: clicks while triage is busy, and what a burst of incidents costs in calls.

Every process is real; the platform is the stub, with its documented limits on. Prints one JSON line a figure.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.chats.platforms import Platform, Slack, Telegram, buttons
from tests.crash.stack import Stack
from tests.crash.walks import Waiting, alert, break_it, fire
from tests.stubs.client import SlackStub, TelegramStub

APART = {
    "rules": dict.fromkeys(("group", "service", "dependency", "entity"), "skip"),
    "storm": {"incidents": 10_000},
}
"""Every alert is an incident of its own, so that there are as many as are asked for."""


def _drive(step: Waiting, stack: Stack) -> None:
    for _ in step:
        stack.watch()
        time.sleep(0.01)


def _until(holds, seconds: float) -> float:
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.05)
    return time.monotonic() - began


def _share(values: Sequence[float], part: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(part * len(values)))], 4)


def clicks(stack: Stack, platform: Platform, count: int, busy: int) -> dict[str, object]:
    """*count* presses within a second, while *busy* alerts are being looked into."""
    _drive(break_it(stack, "F34"), stack)
    _drive(fire(stack, alert()), stack)
    _until(lambda: platform.has("Approve"), 60)
    for _ in range(busy):
        _drive(fire(stack, alert()), stack)
    pressed = []
    began = time.monotonic()
    if isinstance(platform, Slack):
        stub = platform.stub
        value = [b["Details"] for m in platform.messages() if "Details" in (b := buttons(m))][-1]
        for n in range(count):
            pressed.append(stub.press(user="U0ANA", value=value, wait=0)["id"])
            time.sleep(max(0.0, began + n / count - time.monotonic()))
        sent_s = time.monotonic() - began
        done = [stub.delivery(i, 15) for i in pressed]
        took = [float(d["latency"]) for d in done if d["acked"]]
    else:
        assert isinstance(platform, Telegram)
        phone = platform.stub
        message = [m for m in platform.messages() if "Details" in platform.buttons(m)][-1]
        for n in range(count):
            given = {"chat_id": -100200, "message_id": message["message_id"], "wait": 0}
            pressed.append(phone.press(1001, label="Details", **given)["id"])
            time.sleep(max(0.0, began + n / count - time.monotonic()))
        sent_s = time.monotonic() - began
        done = [phone.pressed(i, 15) for i in pressed]
        took = [float(d["latency"]) for d in done if d["answered"]]
    return {
        "figure": f"{platform.name}: {'acknowledged' if platform.name == 'slack' else 'answered'}, s",
        "clicks": count,
        "sent_within_s": round(sent_s, 2),
        "alerts_in_triage": busy,
        "taken": len(took),
        "p50": _share(took, 0.5),
        "p99": _share(took, 0.99),
        "max": round(max(took), 4),
    }


def burst(stack: Stack, platform: Platform, count: int, seconds: float) -> dict[str, object]:
    """*count* incidents at once: calls made while it lasts, and how long a question waits for its card."""
    assert isinstance(platform, Slack | Telegram)
    stub = platform.stub
    before = Counter(c["method"] for c in stub.calls())
    for _ in range(count):
        _drive(fire(stack, alert()), stack)
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        stack.watch()
        time.sleep(0.5)
    calls = stub.calls()
    made = Counter(c["method"] for c in calls) - before
    refused = sum(1 for c in calls if c.get("status") == 429)
    return {
        "figure": f"{platform.name}: calls in a burst of {count} incidents",
        "seconds": round(time.monotonic() - began, 1),
        "calls": dict(made),
        "answered_429": refused,
        "posts_a_second": round(sum(n for m, n in made.items() if "ost" in m or "send" in m) / seconds, 2),
        "messages_shown": len(platform.texts()),
    }


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=200)
    parser.add_argument("--busy", type=int, default=20)
    parser.add_argument("--burst", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--platform", choices=("slack", "telegram", "both"), default="both")
    asked = parser.parse_args()
    for name in ("slack", "telegram"):
        if asked.platform not in {name, "both"}:
            continue
        platform: Platform = Slack(SlackStub()) if name == "slack" else Telegram(TelegramStub())
        with tempfile.TemporaryDirectory(prefix="fr-chats-") as folder:
            stack = Stack(
                Path(folder) / "stack",
                person={name: platform.account()},
                more=platform.settings(),
                trusted=(),
                approver=False,
                grouping=APART,
            )
            try:
                _until(stack.ready, 30)
                print(json.dumps(clicks(stack, platform, asked.clicks, asked.busy)), flush=True)
                print(json.dumps(burst(stack, platform, asked.burst, asked.seconds)), flush=True)
            finally:
                stack.close()
                platform.stop()


if __name__ == "__main__":
    main()
