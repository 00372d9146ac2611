"""Messages and answers as Slack blocks, and as the words of a notification. Pure.

Text is shortened before it is marked up, so that no cut leaves a broken entity or an open code span.
https://docs.slack.dev/messaging/formatting-message-text
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from actions.policy import People
from agents.incident.ids import ApprovalId
from bot.surfaces.labels import label
from bot.surfaces.ports import Button, Message, Reply

Json = dict[str, Any]

NAME = "slack"
REASON = "firstresponder_reason"
"""The callback id of the form that asks why."""

EVENT = "firstresponder_message"
"""The metadata type by which a lost message is found again."""

# https://docs.slack.dev/reference/block-kit; 3,000 are allowed in a section.
SECTION, HEADER, LABEL = 2_800, 150, 75
CONFIRM_TITLE, CONFIRM_TEXT = 100, 300
ELEMENTS, OPTIONS = 25, 5
WHOLE = 7_500
"""Characters of all lines of a message: about 10,000 in all blocks together are taken (slackapi/bolt-js#2867)."""

LINE = 1_200
NOTICE = 3_000
MENTIONED = 20
MARK = "…"

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""What controls, reorders or hides text, and halves of characters that no encoding takes."""

_PARTS = re.compile(r"`([^`]+)`|“([^”]*)”")
_ARMED = re.compile(r"(?<![^\W_])[*_~]|[*_~](?![^\W_])")
"""A sign that could begin or end bold, italics or a strike: not one inside a word."""

_ACCOUNT = re.compile(r"[UW][A-Z0-9]+")


def message(said: Message, people: People, nonce: str) -> Json:
    """``text`` and ``blocks`` of a message; *nonce* makes its block ids new, so that clients drop old state."""
    named = _mentions(said.mention, people)
    blocks: list[Json] = []
    title = _plain(_flat(said.headline).replace("`", ""), HEADER)
    if title:
        blocks.append({"type": "header", "text": {"type": "plain_text", "text": title, "emoji": False}})
    lines = [said.headline, *said.lines] if title.endswith(MARK) else list(said.lines)
    blocks += [_section(text) for text in ([named] if named else [])]
    blocks += _sections(lines, WHOLE)
    blocks += _actions(said)
    blocks += _link(said.link)
    text = "\n".join(_fitted([said.headline, *said.lines], NOTICE))
    return {"text": f"{named} {text}".strip() or MARK, "blocks": _numbered(blocks, nonce)}


def lines(said: Sequence[str], nonce: str, link: str = "") -> Json:
    """Lines of history, with the way to the whole of them."""
    text = "\n".join(_fitted(said, NOTICE))
    return {"text": text or MARK, "blocks": _numbered([*_sections(said, WHOLE), *_link(link)], nonce)}


def reply(said: Reply, nonce: str, *also: str) -> Json:
    """An answer, and *also* what has to be said beside it."""
    whole = [said.text, *also, *said.lines]
    blocks = [*_sections(whole, WHOLE), *_link(said.link)]
    text = "\n".join(_fitted(whole, NOTICE))
    return {"text": text or MARK, "blocks": _numbered(blocks, nonce)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which rejection a form asks about, and where it was pressed: kept by Slack while the form is open."""

    approval_id: str
    place: str = ""
    thread: str = ""
    private: bool = False

    def packed(self) -> str:
        """As ``private_metadata``, which holds 3,000 characters."""
        return json.dumps(
            {"approval": self.approval_id, "place": self.place, "thread": self.thread, "private": self.private}
        )

    @classmethod
    def unpacked(cls, text: str) -> "Origin":
        """From ``private_metadata``; ValueError when it is not ours."""
        held = json.loads(text)
        if not isinstance(held, dict) or not isinstance(held.get("approval"), str):
            raise ValueError("no approval is named")  # noqa: TRY004  # one kind of error for whoever reads
        return cls(
            approval_id=held["approval"],
            place=str(held.get("place") or ""),
            thread=str(held.get("thread") or ""),
            private=held.get("private") is True,
        )


def form(approval_id: ApprovalId, origin: Origin) -> Json:
    """The form that asks why something was rejected."""
    return {
        "type": "modal",
        "callback_id": REASON,
        "private_metadata": origin.packed(),
        "title": {"type": "plain_text", "text": "Why was it rejected?"},
        "submit": {"type": "plain_text", "text": "Send"},
        "close": {"type": "plain_text", "text": "Skip"},
        "blocks": [
            {
                "type": "input",
                "block_id": f"reason-{approval_id}"[:255],
                "label": {"type": "plain_text", "text": "The rejection counts already. What spoke against it?"},
                "element": {
                    "type": "plain_text_input",
                    "action_id": "reason",
                    "multiline": True,
                    "max_length": 500,
                },
            }
        ],
    }


def shortened(text: str, most: int) -> str:
    """*text* on one line, unmarked: for titles and descriptions that Slack shows as they are."""
    flat = _flat(text)
    return flat if len(flat) <= most else flat[: most - 1].rstrip() + MARK


# --- text -------------------------------------------------------------------------------------------------------


def _flat(text: str) -> str:
    return " ".join(_HIDDEN.sub(" ", text[: 4 * LINE]).split())


def _cost(char: str) -> int:
    """Characters that it takes in a payload; Slack counts as JavaScript does."""
    return len(_ENTITIES.get(char, char)) + (ord(char) > 0xFFFF)


def _cut(text: str, most: int) -> tuple[str, bool]:
    """*text* escaped, as far as so many characters reach; and whether that is all of it."""
    out: list[str] = []
    for char in text:
        most -= _cost(char)
        if most < 0:
            return "".join(out), False
        out.append(_ENTITIES.get(char, char))
    return "".join(out), True


def _plain(text: str, most: int) -> str:
    """*text* escaped, in at most so many characters, with a mark where it was cut."""
    if sum(map(_cost, text)) <= most:
        return _cut(text, most)[0]
    return _cut(text, most - 1)[0].rstrip() + MARK


def _words(line: str) -> Iterator[tuple[bool, str]]:
    """The pieces of a line, in order: (whether it is shown as code, its text)."""
    at = 0
    for part in _PARTS.finditer(line):
        yield from _prose(line[at : part.start()])
        if part.group(1) is not None:
            yield bool(part.group(1).strip()), part.group(1)
        else:
            said = part.group(2).replace("`", "'")
            yield from ((False, "“"), *([(bool(said.strip()), said)] if said else []), (False, "”"))
        at = part.end()
    yield from _prose(line[at:])


def _prose(text: str) -> Iterator[tuple[bool, str]]:
    """Words and the spaces between them. A word that could be taken for formatting is shown as code."""
    for word in re.split(r"(\s+)", text.replace("`", "'")):
        if word:
            yield bool(_ARMED.search(word)), word


def _marked(line: str, most: int) -> str:
    """One line as mrkdwn in at most so many characters: data stays data, what is in backticks is code."""
    text = _HIDDEN.sub(" ", line[: 4 * LINE])
    at = label(text)
    out = [f"*{text[:at]}*"] if at else []
    left, whole = most - 1 - sum(map(len, out)), len(line) <= 4 * LINE
    before, was_code = " ", False
    for armed, word in _words(text[at:]):
        # At the beginning of a line, even escaped, it would make a quotation.
        code = armed or (word[0] == ">" and not "".join(out).strip())
        gap = " " if _touch(before, was_code, word, code) else ""
        signs = len(gap) + 2 * code
        text, fits = _cut(word, left - signs)
        if text.strip() or not code:
            out.append(f"{gap}`{text}`" if code else gap + text)
        if not fits:
            whole = False
            break
        left -= signs + sum(map(_cost, word))
        before, was_code = word, code
    text = "".join(out)
    return text if whole else text + MARK


def _touch(before: str, was_code: bool, word: str, code: bool) -> bool:
    """Whether a code span would stand so close to its neighbour that it is none any more."""
    if was_code:
        return code or word[0].isalnum()
    return code and before[-1].isalnum()


def _fitted(said: Iterable[str], most: int) -> list[str]:
    """Lines as mrkdwn in at most so many characters together, cut at a line with a visible mark."""
    whole = [part for line in said for part in (line.splitlines() or [""])]
    out: list[str] = []
    left = most - 40
    for n, line in enumerate(whole):
        text = _marked(line, LINE)
        left -= len(text) + sum(ord(c) > 0xFFFF for c in text) + 1
        if left < 0:
            more = len(whole) - n
            out.append(f"{MARK} {more} more line{'s' if more > 1 else ''}")
            break
        out.append(text)
    return out


# --- blocks -----------------------------------------------------------------------------------------------------


def _section(text: str) -> Json:
    # verbatim: addresses and channel names in data do not turn into links.
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _sections(said: Iterable[str], most: int) -> list[Json]:
    """Lines in as few sections as they fit."""
    held: list[list[str]] = [[]]
    used = 0
    for text in _fitted(said, most):
        size = len(text) + sum(ord(c) > 0xFFFF for c in text) + 1
        if used + size > SECTION:
            held.append([])
            used = 0
        held[-1].append(text)
        used += size
    return [_section(text) for part in held if (text := "\n".join(part).strip())]


def _mentions(ids: Sequence[str], people: People) -> str:
    found = (people.by_id(person) for person in ids[:MENTIONED])
    accounts = (person.accounts.get(NAME, ()) for person in found if person is not None)
    return " ".join(f"<@{of[0]}>" for of in accounts if of and _ACCOUNT.fullmatch(of[0]))


def _actions(said: Message) -> list[Json]:
    """Buttons in front; those behind in a menu, except where one asks once more: a menu can only ask for all."""
    elements = [_button(b, f"press-{n}") for n, b in enumerate(said.buttons)]
    behind = [b for b in said.more if not b.confirm]
    for n in range(0, len(behind), OPTIONS):
        options = behind[n : n + OPTIONS]
        # A menu of one is taken by some clients only.
        elements.append(_button(options[0], f"more-{n}") if len(options) == 1 else _menu(options, f"more-{n}"))
    elements += [_button(b, f"sure-{n}") for n, b in enumerate(b for b in said.more if b.confirm)]
    return [{"type": "actions", "elements": elements[n : n + ELEMENTS]} for n in range(0, len(elements), ELEMENTS)]


def _label(text: str, most: int = LABEL) -> Json:
    return {"type": "plain_text", "text": _plain(_flat(text), most) or MARK, "emoji": False}


def _button(button: Button, action_id: str) -> Json:
    made: Json = {
        "type": "button",
        "action_id": action_id,
        "text": _label(button.label),
        "value": button.data,
    }
    if button.style in {"primary", "danger"}:
        made["style"] = button.style
    if button.confirm:
        made["confirm"] = {
            "title": _label(f"{button.label}?", CONFIRM_TITLE),
            "text": _label(button.confirm, CONFIRM_TEXT),
            "confirm": _label(button.label, 30),
            "deny": _label("No", 30),
            "style": "danger" if button.style == "danger" else "primary",
        }
    return made


def _menu(buttons: Sequence[Button], action_id: str) -> Json:
    options = [{"text": _label(b.label), "value": b.data} for b in buttons]
    return {"type": "overflow", "action_id": action_id, "options": options}


def _link(url: str) -> list[Json]:
    """The way to the page. Only an address of our own comes here; it is quoted all the same."""
    safe = quote(url, safe="/:?#[]@!$&'()*+,;=%~-._", errors="replace").replace("&", "&amp;")
    if not url.startswith(("https://", "http://")) or len(safe) > SECTION:
        return []
    return [{"type": "context", "elements": [{"type": "mrkdwn", "text": f"<{safe}|Open the page>"}]}]


def _numbered(blocks: list[Json], nonce: str) -> list[Json]:
    return [{**block, "block_id": f"{nonce}-{n}"[:255]} for n, block in enumerate(blocks)]
