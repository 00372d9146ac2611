"""Any text becomes blocks that Slack takes, in which nothing of the data is alive."""

import html
import json
import re
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from actions.policy import People, Person
from agents.incident.ids import ApprovalId, PersonId
from bot.surfaces.ports import Button, Lane, Message, Reply
from bot.surfaces.slack import render
from tests.stubs.slack.blocks import Check, characters, mentions, slips, texts
from tests.stubs.slack.limits import Limits

LIMITS = Limits()
PEOPLE = People(
    people=(
        Person(id=PersonId("ana"), name="Ana", roles=frozenset(), accounts={"slack": ("U0ANA", "U0OTHER")}),
        Person(id=PersonId("evil"), name="Evil", roles=frozenset(), accounts={"slack": ("U1> <!channel",)}),
        Person(id=PersonId("none"), name="None", roles=frozenset()),
    )
)

HOSTILE = [
    "<!here> <!channel> <@U0BEN> <#C0OPS|ops> <!subteam^S1|x> <!date^1^{date}|x>",
    "<https://evil.example|click> https://evil.example mailto:a@b.c",
    "<script>alert(1)</script> &lt;!here&gt; &amp; && <<<>>>",
    "*bold* _italic_ ~strike~ `code` ```block``` > quote\n> quote",
    "“*a* `b` <@U1>” `“c”` “unclosed `",
    "\u202eright to left\u202c \u2066x\u2069 \u200bzero\u200bwidth\ufeff",
    "مرحبا בעולם 🧨👩‍👩‍👧‍👦 é́́́",
    "\x00\x1b[2J\x07\ud800 half",
    "`" * 50,
    "*" * 50,
    "a" * 100_000,
    "&" * 100_000,
    "`" + "<" * 100_000 + "`",
    "🧨" * 50_000,
    "\n" * 10_000,
    " " * 10_000,
    "__init__ snake_case 2*3 */5 * * * -_-",
]
WORDS = st.sampled_from(HOSTILE) | st.text(max_size=200) | st.text(alphabet="`*_~<>&“”|! \nab", max_size=60)
BUTTONS = st.lists(
    st.builds(
        Button,
        label=WORDS,
        data=st.text(alphabet="abc:0", min_size=1, max_size=64),
        style=st.sampled_from(["", "primary", "danger", "odd"]),
        confirm=st.just("") | WORDS,
    ),
    max_size=30,
).map(tuple)


def valid(made: dict[str, Any], ours: tuple[str, ...] = ()) -> None:
    """Slack takes it, and nobody is mentioned but whom we mean."""
    json.dumps(made).encode()
    json.dumps(made, ensure_ascii=False).encode()
    assert Check(LIMITS).blocks(made["blocks"]) == []
    assert characters(made["blocks"]) <= LIMITS.blocks_text
    assert 0 < len(made["text"]) <= 4000
    shown = [made["text"], *texts(made["blocks"])]
    assert [s for text in shown for s in slips(text)] == []
    assert {m for text in shown for m in mentions(text)} <= {f"@{u}" for u in ours}
    for block in made["blocks"]:
        if block["type"] == "section":
            assert len(block["text"]["text"].encode("utf-16-le")) // 2 <= render.SECTION
            assert block["text"]["verbatim"] is True
            formatted(block["text"]["text"])
        if block["type"] == "header":
            assert not set(block["text"]["text"]) & set("<>")
    assert not re.search(
        "[\x00-\x08\u202a-\u202e\u2066-\u2069\ud800-\udfff]", json.dumps(made, ensure_ascii=False)
    )


def formatted(text: str) -> None:
    """Code spans are closed on their line and outside of them nothing begins or ends formatting."""
    for line in text.splitlines():
        assert line.count("`") % 2 == 0
        for n, part in enumerate(line.split("`")):
            if n % 2:
                assert part.strip()
            else:
                assert not re.search(r"(?<![^\W_])[*_~]|[*_~](?![^\W_])", part)
                assert not (n == 0 and part.lstrip().startswith("&gt;"))


@settings(max_examples=250, deadline=None)
@given(WORDS, st.lists(WORDS, max_size=8), BUTTONS, BUTTONS)
@example("x", ["&" * 2000] * 60, (), ())
@example("x" * 151, ["line"] * 5000, (), ())
def test_any_message_is_taken(headline: str, lines: list[str], buttons: Any, more: Any):
    said = Message(
        key="INC_1/root",
        lane=Lane.ROOT,
        headline=headline,
        lines=tuple(lines),
        buttons=buttons,
        more=more,
        link="https://page.example/i/1",
        mention=("ana", "evil", "none", "nobody"),
    )
    made = render.message(said, PEOPLE, "n1")
    valid(made, ("U0ANA",))
    pressed = [
        e.get("value") or [o["value"] for o in e["options"]]
        for b in made["blocks"]
        if b["type"] == "actions"
        for e in b["elements"]
    ]
    flat = [v for p in pressed for v in (p if isinstance(p, list) else [p])]
    assert sorted(flat) == sorted(b.data for b in (*buttons, *more))
    assert "<https://page.example/i/1|Open the page>" in json.dumps(made["blocks"][-1])


@settings(max_examples=150, deadline=None)
@given(WORDS, st.lists(WORDS, max_size=8))
def test_any_answer_and_any_history_is_taken(text: str, lines: list[str]):
    valid(render.reply(Reply(text=text, lines=tuple(lines), link="javascript:alert(1)"), "n", "Also this."))
    valid(render.lines([text, *lines], "n"))


def shown(line: str) -> str:
    return str(render.lines([line], "n")["text"])


def test_names_and_quotes_are_code():
    assert shown("• `checkout-1` is “slow & <sad>”: 31% → 0.2% [ev_a1]") == (
        "• `checkout-1` is “`slow &amp; &lt;sad&gt;`”: 31% → 0.2% [ev_a1]"
    )
    assert shown("“a `b` c” `d`") == "“`a 'b' c`” `d`"
    assert shown("“” “ ”") == "“” “ ”"
    assert shown("`<!here>`") == "`&lt;!here&gt;`"
    assert shown("run *bold* snake_case __init__ 2*3") == "run `*bold*` snake_case `__init__` 2*3"
    assert shown("> quote > not") == "`&gt;` quote &gt; not"
    assert shown("`a``b`c") == "`a` `b` c"
    assert shown("x ` y") == "x ' y"


def test_the_label_of_a_line_is_bold_and_nothing_from_outside_is_one():
    assert shown("Because: `a` is *down*") == "*Because:* `a` is `*down*`"
    assert shown("Expect within 5 min: `a` ≤ 1%") == "*Expect within 5 min:* `a` ≤ 1%"
    assert shown("Until 14:38:00. If nobody") == "*Until* 14:38:00. If nobody"
    assert shown("“Because: x”") == "“`Because: x`”"
    assert shown("Becauseway: x") == "Becauseway: x"


def test_a_cut_shows_and_breaks_nothing():
    assert shown("&" * 5000).endswith("&amp;…")
    cut = shown("`" + "<" * 2000 + "` after")
    assert cut.startswith("`&lt;")
    assert cut.endswith("&lt;`…")
    many = render.lines([f"line {n}" for n in range(3000)], "n")
    last = many["blocks"][-1]["text"]["text"].splitlines()[-1]
    shown_lines = sum(len(b["text"]["text"].splitlines()) for b in many["blocks"]) - 1
    assert last == f"… {3000 - shown_lines} more lines"


def test_a_long_headline_is_told_whole_below_its_cut():
    said = Message(key="k", lane=Lane.ASK, headline="Approve? " + "word " * 60)
    made = render.message(said, PEOPLE, "n")
    assert made["blocks"][0]["text"]["text"].endswith("…")
    assert made["blocks"][1]["text"]["text"].count("word") == 60


def test_dangerous_buttons_ask_once_more_on_their_own_and_the_rest_hides_in_a_menu():
    said = Message(
        key="k",
        lane=Lane.ASK,
        headline="Approve?",
        buttons=(Button(label="Approve", data="a", style="primary"),),
        more=(
            Button(label="Hold", data="h"),
            Button(label="Stop all", data="s", style="danger", confirm="Stop everything?"),
            Button(label="Details", data="d"),
        ),
    )
    elements = render.message(said, PEOPLE, "n")["blocks"][-1]["elements"]
    assert [e["type"] for e in elements] == ["button", "overflow", "button"]
    assert [o["value"] for o in elements[1]["options"]] == ["h", "d"]
    assert "confirm" not in elements[1]
    assert elements[2]["confirm"]["text"]["text"] == "Stop everything?"
    assert elements[2]["confirm"]["style"] == "danger"
    assert len({e["action_id"] for e in elements}) == 3


def test_each_update_has_blocks_of_its_own():
    said = Message(key="k", lane=Lane.ROOT, headline="h", lines=("a",), link="https://x.example")
    one, two = (render.message(said, PEOPLE, nonce)["blocks"] for nonce in ("n1", "n2"))
    assert not {b["block_id"] for b in one} & {b["block_id"] for b in two}


def test_people_are_mentioned_and_nobody_else():
    said = Message(key="k", lane=Lane.ASK, headline="h <@U9>", mention=("ana", "evil", "none", "ghost"))
    made = render.message(said, PEOPLE, "n")
    assert made["text"] == "<@U0ANA> h &lt;@U9&gt;"
    assert made["blocks"][1]["text"]["text"] == "<@U0ANA>"


def test_a_link_is_ours_and_quoted():
    for url, expected in [
        ("https://p.example/i?a=1&b=2#c", "<https://p.example/i?a=1&amp;b=2#c|Open the page>"),
        ("http://p.example/x>y|z", "<http://p.example/x%3Ey%7Cz|Open the page>"),
        ("ftp://p.example", ""),
        ("", ""),
    ]:
        blocks = render.reply(Reply(text="t", link=url), "n")["blocks"]
        assert blocks[1:] == [] if not expected else blocks[1]["elements"][0]["text"] == expected


def test_the_form_is_a_view_that_slack_takes_and_carries_where_it_came_from():
    origin = render.Origin(approval_id="AP_1", place="C0", thread="1.2", private=False)
    view = render.form(ApprovalId("AP_1"), origin)
    assert Check(LIMITS, view=True).whole_view(view) == []
    assert render.Origin.unpacked(view["private_metadata"]) == origin


def test_a_title_is_short_and_flat():
    assert render.shortened("a\nb " * 200, 50) == html.unescape("a b " * 200)[:49].rstrip() + "…"
