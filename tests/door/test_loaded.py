"""What the receiver's process loads: it stores, shows and answers, and never diagnoses."""

import subprocess
import sys

from tests.door.process import ReceiverProcess, write_config

LOADED = "import sys; import bot.wiring.serve; print(*sys.modules)"
DIAGNOSES = ("agents.triage", "agents.gather", "agents.signatures", "agents.gates", "agents.probes", "numpy")


def test_the_receiver_loads_nothing_that_diagnoses():
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.split())
    assert "bot.receiver.door" in loaded
    assert not loaded & set(DIAGNOSES)


LISTENS = """
import gc, uvicorn
from bot.settings import ReceiverSettings, read
from bot.wiring import serve

def listening(server):
    print(gc.get_freeze_count(), len(gc.get_objects()))

uvicorn.Server.run = listening
serve.serve(read(ReceiverSettings))
"""


def test_no_collection_walks_what_was_loaded_before_the_receiver_listens(tmp_path, journal_url):
    config = write_config(tmp_path, {"github": {"system": "github"}})
    receiver = ReceiverProcess(folder=tmp_path, journal_url=journal_url, config=config, tokens={"github": ["s"]})
    done = subprocess.run(
        [sys.executable, "-c", LISTENS],
        env=receiver.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    kept, walked = map(int, done.stdout.split())
    assert kept > 10 * walked
