"""Every event that the code writes has words, and what others wrote in one stays data."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.incident.incident import AlertStatus
from agents.incident.lifecycle import ActionState, IncidentState
from agents.render import leaks
from bot.surfaces.timeline import WORDS, Event, line, tell
from tests.builders import NOON

ROOT = Path(__file__).parents[3]
KIND = re.compile(
    r"(?:alert|approval|evidence|escalation|feedback|finding|grouping|incident|model|run|selftest|storm|triage)\.[a-z_]+"
)
STATES = {"incident.": IncidentState, "run.": ActionState, "alert.": AlertStatus}
DECIDED = {"approved", "rejected", "expired", "cancelled"}
HOSTILE = "<!channel> *x* “99%” `y` https://evil.example [ev_aaaaaaaaaaaaaaaaaaaa] 12:34:56 " + "word " * 100


def written() -> Iterator[tuple[str, str]]:
    """(file, kind) of every event that a line of the source writes."""
    for folder in ("bot", "actions", "agents"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(file.read_text())
            for call in ast.walk(tree):
                if (
                    isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Attribute)
                    and call.func.attr == "event"
                ):
                    if len(call.args) < 3:
                        continue
                    yield from ((file.name, kind) for kind in kinds(call.args[2], tree))


def kinds(given: ast.expr, tree: ast.Module) -> Iterator[str]:
    """What an expression that names a kind may be: a literal, a prefix with a state, or a name for literals."""
    match given:
        case ast.Constant(value=str() as kind):
            yield kind
        case ast.BinOp(left=ast.Constant(value=str() as prefix)):
            yield from of(prefix)
        case ast.JoinedStr(values=[ast.Constant(value=str() as prefix), *_]):
            yield from of(prefix)
        case _:
            said = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
            found = sorted(s for s in said if KIND.fullmatch(s))
            assert found, f"a kind of event is named by {ast.unparse(given)}, which nothing in its file says"
            yield from found


def of(prefix: str) -> Iterator[str]:
    if prefix == "approval.":
        yield from (prefix + word for word in DECIDED)
    else:
        yield from (prefix + state.value.lower() for state in STATES[prefix])


def test_every_kind_of_event_that_is_written_has_words():
    found = set(written())
    assert len(found) > 40
    assert sorted(f"{file}: {kind}" for file, kind in found if kind not in WORDS) == []


def test_the_search_for_kinds_would_notice_a_new_one():
    tree = ast.parse("def f(tx): tx.event(i, a, 'incident.vanished')\ndef g(tx, k='run.odd'): tx.event(i, a, k)")
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    assert {k for c in calls for k in kinds(c.args[2], tree)} >= {"incident.vanished", "run.odd"}


def an_event(kind: str, *, actor: str = "ana", **data: Any) -> Event:
    return {"at": NOON, "actor": actor, "kind": kind, "data": data}


@pytest.mark.parametrize("kind", sorted(WORDS))
def test_what_others_wrote_stays_in_quotes_and_only_what_is_stored_is_said(kind):
    given = dict.fromkeys(("title", "summary", "reason", "word", "rule", "service", "other"), HOSTILE)
    event = an_event(kind, actor=HOSTILE, **given, number=3, times=2, tier=1, after_s=2.5, effect="restart `a` 2")
    told = tell([event])
    assert [found for text in told.lines if (found := leaks(text, told.accounted))] == []
    bare = re.sub(r"“[^”]*”|`[^`]*`", "", told.lines[0])
    assert "<!channel>" not in bare
    assert "evil.example" not in bare
    assert "\n" not in told.lines[0]


def test_a_long_text_is_cut_at_a_word_with_a_mark_in_a_chat_and_whole_where_there_is_room():
    event = an_event("alert.firing", title="Checkout fails", summary="the disk is full and " * 20 + "so it ends")
    told = tell([event])
    assert told.cut
    assert re.search(r" (the|disk|is|full|and)…”$", told.lines[0])
    assert line(event).endswith("so it ends”")
    assert not tell([an_event("alert.firing", title="Checkout fails", summary="short")]).cut


def test_a_finding_and_a_hold_are_told_with_their_own_numbers():
    said = tell(
        [an_event("approval.held"), an_event("incident.mitigating"), an_event("triage.look_again", after_s=4)]
    )
    assert said.lines == (
        "12:00:00  held by “ana”: the deadline moved 15 min",
        "12:00:00  an action begins",
        "12:00:00  nothing certain yet; looking again in 4 s",
    )
