"""``firstresponder doctor --chat`` with the real receiver: the whole way of a press, there and back."""

import subprocess
import sys

from tests.chats.conftest import Receiver, account, until
from tests.chats.platforms import Platform


def _doctor(receiver: Receiver) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bot", "doctor", "--chat", "--timeout", "30"],
        env=receiver.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_card_comes_back(receiver: Receiver, platform: Platform):
    doctor = _doctor(receiver)
    until(lambda: platform.has("Press me"), receiver.logged())
    assert "It works" in platform.press("Press me")
    said, _ = doctor.communicate(timeout=40)
    assert doctor.returncode == 0, said
    assert "ana" in said.lower()


def test_a_press_by_somebody_unknown_names_the_line_that_is_missing(receiver: Receiver, platform: Platform):
    doctor = _doctor(receiver)
    stranger = platform.stranger()
    until(lambda: platform.has("Press me"), receiver.logged())
    assert "do not know you" in platform.press("Press me", account=stranger)
    said, _ = doctor.communicate(timeout=40)
    assert doctor.returncode == 1
    assert stranger in said
    assert "people.yaml" in said
    assert account(platform, "ana") not in said
