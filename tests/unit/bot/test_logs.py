"""No line of a process says a secret: not its events, not its libraries', not its last words."""

import json
import subprocess
import sys
from pathlib import Path

SECRET = "AKIAIOSFODNN7EXAMPLE"
NAMED = "hunter2planted"
ROOT = Path(__file__).parents[3]


def said(program: str) -> str:
    """What a process that runs *program* says, on both of its outputs."""
    head = "import logging\nfrom bot import logs\nlogs.configure(process='p', as_json=True)\nlog = logs.get()\n"
    done = subprocess.run(
        [sys.executable, "-c", head + program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


def test_fields_of_every_kind_are_redacted_before_they_become_text():
    text = said(
        f"class Odd:\n    def __repr__(self): return 'odd {SECRET}'\n    __str__ = __repr__\n"
        f"log.info('a.happened', plain='x {SECRET}', many=('t {SECRET}',), some={{'u {SECRET}'}}, odd=Odd(), "
        f"error=ValueError('v {SECRET}'), deep={{'password': '{NAMED}', 'l': [Odd()]}}, n=3, ok=True, none=None)"
    )
    event = json.loads(text)
    assert SECRET not in text
    assert NAMED not in text
    assert event["plain"].startswith("x <SECRET:aws_key:")
    assert (event["n"], event["ok"], event["none"], event["process"]) == (3, True, None, "p")


def test_a_traceback_in_an_event_is_redacted():
    text = said(
        f"try:\n    raise ValueError('password={NAMED}')\nexcept ValueError:\n    log.exception('a.failed')"
    )
    assert "ValueError" in text
    assert NAMED not in text


def test_what_libraries_say_is_redacted_with_its_traceback():
    text = said(
        f"try:\n    raise ValueError('{SECRET}')\n"
        f"except ValueError:\n    logging.getLogger('rq.worker').exception('job %s', 'password={NAMED}')"
    )
    assert "ERROR rq.worker: job password=<SECRET:password:" in text
    assert "ValueError" in text
    assert SECRET not in text
    assert NAMED not in text


def test_the_queues_library_brings_no_handler_of_its_own():
    text = said(
        "from rq.logutils import setup_loghandlers\nsetup_loghandlers('WARNING')\n"
        f"logging.getLogger('rq.worker').error('{SECRET}')"
    )
    assert text.startswith("ERROR rq.worker: <SECRET:aws_key:")


def test_last_words_are_redacted():
    text = said(f"raise RuntimeError('{SECRET}')")
    assert "RuntimeError" in text
    assert SECRET not in text
