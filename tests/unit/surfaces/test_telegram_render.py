"""Messages as Telegram would read them: accepted, within its limits, and nothing in them links by accident.

The reader below is stricter than Telegram: no stray sign, no tag inside another, nothing unknown. What clients
link by themselves follows tdlib's MessageEntity.cpp, on the side of finding too much.
"""

import html
import re
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actions.policy import People, Person
from agents.incident.errors import BadInput
from agents.incident.ids import ApprovalId, PersonId, new_id
from agents.render import quoted
from bot.surfaces.ports import Button, Kind, Lane, Message, Reply
from bot.surfaces.telegram import confirm, render
from bot.surfaces.telegram.surface import RATES
from bot.surfaces.telegram.text import ANSWER, CAPTION, TEXT, units

PEOPLE = People(
    people=(
        Person(
            id=PersonId("ana"),
            name="Ana <&> @root",
            roles=frozenset({"approver"}),
            accounts={"telegram": ("1001",)},
        ),
        Person(id=PersonId("ben"), name="Ben", roles=frozenset({"approver"}), accounts={"slack": ("U1",)}),
        Person(id=PersonId("cat"), name="x" * 500, roles=frozenset({"approver"}), accounts={"telegram": ("ann",)}),
    )
)
TAG = re.compile(r'<(b|code)>|<a href="tg://user\?id=(\d+)">|</(b|code|a)>')
ENTITY = re.compile(r"&(?:amp|lt|gt);")

LINKS = (
    re.compile(r"@\w"),
    re.compile(r"#\w"),
    re.compile(r"\$[A-Za-z]"),
    re.compile(r"(?<!\w)/\w"),
    re.compile(r"(?i)\b(?:https?|ftp|tg|ton|tonsite|mailto):[^\s\u2060]"),
    re.compile(r"(?:[^\W_]|[\w-])\.(?:[^\W\d_]{2,}|xn--)"),
)


@dataclass
class Read:
    text: str = ""
    code: list[tuple[int, int]] = field(default_factory=list)
    bold: list[str] = field(default_factory=list)
    mentions: list[tuple[str, str]] = field(default_factory=list)

    def linked(self) -> list[str]:
        """What a client would link in it, outside of code and mentions."""
        inside = [i for start, end in self.code for i in range(start, end)]
        shown = "".join("\n" if i in set(inside) else c for i, c in enumerate(self.text)) if inside else self.text
        return [m[0] for rule in LINKS for m in rule.finditer(shown)]


def read(source: str) -> Read:
    """Telegram's HTML, strictly."""
    out, at, open_, begun, whom = Read(), 0, "", 0, ""
    while at < len(source):
        if source[at] == "<":
            tag = TAG.match(source, at)
            assert tag is not None, source[at : at + 40]
            at = tag.end()
            if tag[3]:
                assert tag[3] == open_, f"{tag[3]} closes {open_}"
                inner = out.text[begun:]
                assert inner, "an empty entity"
                if open_ == "code":
                    out.code.append((begun, len(out.text)))
                elif open_ == "b":
                    out.bold.append(inner)
                else:
                    out.mentions.append((whom, inner))
                open_ = ""
            else:
                assert not open_, f"{tag[0]} inside {open_}"
                open_, begun, whom = tag[1] or "a", len(out.text), tag[2] or ""
            continue
        if source[at] == "&":
            entity = ENTITY.match(source, at)
            assert entity is not None, source[at : at + 20]
            out.text += html.unescape(entity[0])
            at = entity.end()
            continue
        assert source[at] != ">", "a stray >"
        out.text += source[at]
        at += 1
    assert not open_, f"{open_} stays open"
    return out


def unseen(text: str) -> set[str]:
    return set(text) & set("\x00\x07\x1b\r\u200b\u200e\u200f\u202a\u202e\u2066\u2069\ufeff\u2028\x85")


def accepted(shown: render.Shown, limit: int = TEXT) -> Read:
    """Asserts that Telegram takes it, marked and bare, and returns what it reads."""
    found = read(shown.html)
    for text in (found.text, shown.plain):
        assert text.strip()
        assert units(text) <= limit
        assert not unseen(text)
        text.encode()  # no half of a surrogate pair
    assert found.linked() == []
    assert Read(text=shown.plain).linked() == []
    assert len(found.code) + len(found.bold) + len(found.mentions) <= 100
    return found


SIGNS = st.text(alphabet="@#$/.:`“”<>&\"'ab1 \u2060\u202e\n\ud800🔥é́", max_size=60)
HOSTILE = st.one_of(
    st.text(max_size=300),
    SIGNS,
    st.sampled_from(
        [
            "@channel @all_of_you",
            "https://evil.example/x?y=1",
            "evil.example.com and main.py",
            "/stop@bot now; /approve AP_1",
            "`/stop` `@ana` “@ben http://x.y”",
            "tg://user?id=1 tg:resolve?domain=x ton:abc",
            "a@b.example #urgent $USD",
            "<a href='tg://user?id=1'>x</a></b><script>",
            "&lt; &amp;amp; &#64;root",
            "\u202egnp.exe\u202c \u200b\u2060@\u2060root",
            "`unbalanced “quote",
            "z" * 9000,
            "🔥" * 5000,
            "`" + "y" * 6000 + "`",
            "e" + "\u0301" * 500,
            "пример.рф ＠wide 例え.テスト",
        ]
    ),
    st.lists(SIGNS, max_size=40).map("".join),
)
LINK = st.sampled_from(["", "http://127.0.0.1:8080/incidents/INC_1", "https://pages.example.com/incidents/INC_1"])


@settings(deadline=None, max_examples=80)
@given(
    HOSTILE,
    st.lists(HOSTILE, max_size=60),
    LINK,
    st.lists(st.sampled_from(["ana", "ben", "cat", "?"]), max_size=4),
)
@example("", [], "", [])
@example("`a`" * 300, ["“b” " * 300] * 90, "http://127.0.0.1:8080/x", ["ana"])
def test_any_text_of_any_length_is_accepted_and_links_nothing(headline, lines, link, mention):
    message = Message(
        key="k", lane=Lane.ROOT, headline=headline, lines=tuple(lines), link=link, mention=tuple(mention)
    )
    shown = render.message(message, PEOPLE)
    local = link.startswith("http://127")
    whole = shown.html
    if local:
        assert whole.endswith(link)  # however much was cut
        assert shown.plain.endswith(link)
        shown = render.Shown(
            html=whole.removesuffix(link) + "·",
            plain=shown.plain.removesuffix(link) + "·",
            keyboard=shown.keyboard,
        )
    elif link:
        assert shown.keyboard is not None
        assert shown.keyboard.inline_keyboard[-1][0].url == link
    found = accepted(shown)
    assert {who for who, _ in found.mentions} <= {"1001"}
    assert bool(found.mentions) == ("ana" in mention)


@settings(deadline=None, max_examples=40)
@given(HOSTILE, st.lists(HOSTILE, max_size=60))
def test_replies_history_and_captions_are_accepted_too(text, lines):
    accepted(render.reply(Reply(text=text, lines=tuple(lines))))
    accepted(render.history(lines))
    under = read(render.caption(text))
    assert units(under.text) <= CAPTION
    assert under.linked() == []
    told, _ = render.alert(Reply(text=text), " (The rest is in our private chat.)")
    assert 1 <= units(told) <= ANSWER
    assert not unseen(told)


def test_names_and_quotes_become_code_and_the_headline_is_bold():
    message = Message(
        key="k",
        lane=Lane.ROOT,
        headline=f"SEV1 · `demo/checkout` · {quoted('5xx at @web')}",
        lines=("Because: `checkout-1` errors are 31% [ev_k3]", "14:03:11 it's 2 < 3 & 4 > 1"),
    )
    found = read(render.message(message, PEOPLE).html)
    assert found.bold == ["SEV1 · ", " · “", "”", "Because:"]
    assert [found.text[a:b] for a, b in found.code] == ["demo/checkout", "5xx at @web", "checkout-1"]
    assert "14:03:11 it's 2 < 3 & 4 > 1" in found.text


def test_what_does_not_fit_is_cut_with_a_mark_and_the_end_stays():
    lines = ("Effect: " + "x" * 3000, "Because: " + "y" * 3000, "Until 14:38. If nobody answers it EXPIRES.")
    message = Message(key="k", lane=Lane.ASK, headline="Approve?", lines=lines, link="http://localhost:8080/i/1")
    text = read(render.message(message, PEOPLE).html).text
    assert text.count("…") == 2
    assert text.endswith("Until 14:38. If nobody answers it EXPIRES.\nhttp://localhost:8080/i/1")
    assert units(text) > TEXT - 200  # room is used
    many = render.history([f"{i}: " + "w" * 100 for i in range(100)])
    rows = read(many.html).text.splitlines()
    assert rows[-1].startswith("99: ")
    assert re.fullmatch(r"… \d+ more lines …", rows[-5])
    assert len(rows) + int(re.findall(r"\d+", rows[-5])[0]) == 101


def test_a_person_is_mentioned_by_their_number_only():
    message = Message(key="k", lane=Lane.ASK, headline="h", mention=("ana", "ben", "nobody"))
    found = read(render.message(message, PEOPLE).html)
    assert found.mentions == [("1001", "Ana <&> @\u2060root")]
    assert "Ben" not in found.text  # no account here: nobody would be notified


def keys(*rows: tuple[Button, ...]):
    return render.keyboard(*rows) if len(rows) == 2 else render.keyboard(rows[0], ())


def data(keyboard) -> list[list[str]]:
    return [[str(k.callback_data) for k in row] for row in keyboard.inline_keyboard]


def test_two_rows_and_the_link_below_them():
    message = Message(
        key="k",
        lane=Lane.ASK,
        headline="h",
        buttons=(
            Button(label="Approve", data="a:1", style="primary"),
            Button(label="Reject", data="r:1", style="odd"),
        ),
        more=(Button(label="Details", data="d:1"), Button(label="Stop all", data="s:1", confirm="Stop it all?")),
        link="https://pages.example.com/i/1",
    )
    keyboard = render.message(message, PEOPLE).keyboard
    assert keyboard is not None
    assert data(keyboard) == [["a:1", "r:1"], ["d:1", "c:s:1"], ["None"]]
    assert [k.style for k in keyboard.inline_keyboard[0]] == ["primary", None]
    assert keyboard.inline_keyboard[2][0].url == "https://pages.example.com/i/1"
    assert render.message(Message(key="k", lane=Lane.ROOT, headline="h"), PEOPLE).keyboard is None


def test_a_button_carries_at_most_sixty_four_bytes_confirmation_included():
    render.key(Button(label="x", data="d" * 64))
    render.key(Button(label="x", data="d" * 62, confirm="?"))
    for button in (
        Button(label="x", data="é" * 33),
        Button(label="x", data="d" * 63, confirm="?"),
        Button(label="x", data=""),
    ):
        with pytest.raises(BadInput, match="64"):
            render.key(button)


@pytest.mark.parametrize(
    ("link", "fits"),
    [
        ("https://pages.example.com/i/1", True),
        ("http://10.0.0.5:8080/i/1", True),
        ("http://127.0.0.1:8080/i/1", False),
        ("http://0.0.0.0:8080/", False),
        ("http://[::1]:8080/", False),
        ("http://localhost:8080/", False),
        ("http://firstresponder:8080/", False),
        ("ftp://pages.example.com/", False),
        ("javascript:alert(1)", False),
        ("http://[broken/", False),
        ("", False),
    ],
)
def test_only_an_address_telegram_can_open_becomes_a_button(link, fits):
    assert render.linkable(link) is fits


def test_asking_once_more_and_taking_it_back_leaves_the_keyboard_as_it_was():
    stop = Button(label="Stop all", data="s:1", style="danger", confirm="Stop?")
    for rows in (
        ((Button(label="Approve", data="a:1"),), (Button(label="Details", data="d:1"), stop)),
        ((stop,), (Button(label="Details", data="d:1"),)),
        ((Button(label="Approve", data="a:1"),), (stop,)),
    ):
        before = keys(*rows)
        asked = confirm.turned(before, "c:s:1")
        assert asked is not None
        question = next(row for row in asked.inline_keyboard if any(k.callback_data == "s:1" for k in row))
        assert [k.text for k in question] == ["Really? Stop all", "No"]
        no = str(question[1].callback_data)
        assert len(no.encode()) <= 64
        back = confirm.turned(asked, no)
        assert back is not None
        assert before is not None
        assert data(back) == data(before)
        assert [[k.text for k in row] for row in back.inline_keyboard] == [
            [k.text for k in row] for row in before.inline_keyboard
        ]
        assert confirm.turned(asked, "c:s:1") is None
        assert confirm.is_turned(asked, "c:s:1")
        assert not confirm.is_turned(before, "c:s:1")
    assert confirm.turned(None, "c:s:1") is None


def test_the_question_for_a_reason_names_the_person_and_the_approval():
    approval_id = ApprovalId(new_id("AP"))
    shown = render.why("Ana", "1001", approval_id)
    found = accepted(shown)
    assert found.mentions == [("1001", "Ana")]
    assert [found.text[a:b] for a, b in found.code] == [approval_id]
    assert render.asked(found.text) == approval_id
    assert render.asked(f"Question {approval_id}") is None
    assert render.asked(f"{found.text} and more") is None


@pytest.mark.parametrize(
    ("reply", "stays"),
    [
        (Reply(text="Approved by you. The card will say when it runs."), False),
        (Reply(text="Your approval counts: 1 of 2. Waiting for more until 14:20."), False),
        (Reply(text="Already rejected by Ben at 14:03:11."), True),
        (Reply(text="Refused: bots may neither ask nor decide."), True),
        (Reply(text="Held: " + "x" * 300), True),
    ],
)
def test_a_refusal_stays_until_it_is_closed(reply, stays):
    text, shown_until_closed = render.alert(reply)
    assert shown_until_closed is stays
    assert units(text) <= ANSWER


def test_posts_and_edits_share_one_window_and_urgent_lanes_keep_a_part_of_it():
    from bot.surfaces.limits import Budget

    now = [0.0]
    budget = Budget(dict.fromkeys(Kind, RATES), lambda: now[0])
    taken = 0
    for i in range(30):
        now[0] += 1.5
        taken += budget.may((Kind.POST, Kind.EDIT)[i % 2], Lane.ROOT)
    assert taken == 12
    urgent = 0
    for i in range(8):
        now[0] += 1.5
        urgent += budget.may((Kind.POST, Kind.EDIT)[i % 2], Lane.ASK)
    assert urgent == 6
    now[0] += 60
    assert budget.may(Kind.POST, Lane.DETAIL)
