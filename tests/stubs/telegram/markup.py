"""Telegram's own reading of HTML messages, and its checks of keyboards."""

import re

from tests.stubs.common import Json
from tests.stubs.telegram.limits import Limits

# https://core.telegram.org/bots/api#html-style
TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
}
ENTITY = re.compile(r"&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|(lt|gt|amp|quot));?")
NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
ATTRIBUTE = re.compile(r"""\s*([^\s=>"']+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9.\-]+)))?""")
COMMAND = re.compile(r"(?<!\S)/[A-Za-z0-9_]{1,32}(?:@[A-Za-z0-9_]{3,32})?")


class TelegramError(Exception):
    """``{"ok": false, "error_code": ..., "description": ...}``. https://core.telegram.org/bots/api#making-requests"""

    def __init__(self, description: str, code: int = 400, **parameters: int) -> None:
        """The text begins with the name of the status, as Telegram's does."""
        names = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}
        names[429] = "Too Many Requests"
        self.code, self.parameters = code, parameters
        self.description = f"{names[code]}: {description}" if description else names[code]
        super().__init__(self.description)


def utf16(text: str) -> int:
    """Length in UTF-16 code units, as Telegram counts entities. https://core.telegram.org/api/entities"""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _character(match: re.Match[str]) -> str | None:
    """What an entity stands for; None when it stands for nothing."""
    if match[3]:
        return NAMED[match[3]]
    code = int(match[1], 16) if match[1] else int(match[2])
    return chr(code) if 0 < code < 0x10FFFF else None


class Html:
    """One text with tags, read from left to right."""

    def __init__(self, source: str, limits: Limits) -> None:
        """Reads at once; ``text``, ``entities`` and ``notes`` hold the result."""
        self.source, self.limits = source, limits
        self.text = ""
        self.entities: list[Json] = []
        self.notes: list[str] = []
        self._open: list[Json] = []
        at = 0
        while at < len(source):
            at = self._step(at)
        if self._open:
            raise self._no(f'Can\'t find end tag corresponding to start tag "{self._open[-1]["tag"]}"')
        self.entities.sort(key=lambda e: (e["offset"], -e["length"]))

    def _no(self, what: str, at: int | None = None) -> TelegramError:
        where = "" if at is None else f" at byte offset {len(self.source[:at].encode())}"
        return TelegramError(f"can't parse entities: {what}{where}")

    def _step(self, at: int) -> int:
        sign = self.source[at]
        if sign == "&":
            match = ENTITY.match(self.source, at)
            character = _character(match) if match else None
            if match and character is not None:
                self.text += character
                return match.end()
            if self.limits.strict_html:
                raise self._no('Unescaped "&"', at)
        if sign == "<":
            return self._end(at) if self.source.startswith("</", at) else self._start(at)
        if sign == ">":
            self.notes.append(self.source[max(0, at - 40) : at + 40])
        self.text += sign
        return at + 1

    def _start(self, at: int) -> int:
        match = re.compile(r"[^\s>]*").match(self.source, at + 1)
        if match is None or match.end() == len(self.source):
            raise self._no("Unclosed start tag", at)
        tag, i = match[0].lower(), match.end()
        if tag not in TAGS:
            raise self._no(f'Unsupported start tag "{tag}"', at)
        attributes: dict[str, str] = {}
        while True:
            while i < len(self.source) and self.source[i].isspace():
                i += 1
            if i >= len(self.source):
                raise self._no("Unclosed start tag", at)
            if self.source[i] == ">":
                break
            found = ATTRIBUTE.match(self.source, i)
            if found is None:
                raise self._no(f'Empty attribute name in the tag "{tag}"', at)
            value = next((g for g in found.groups()[1:] if g is not None), None)
            if value is None and (tag, found[1]) != ("blockquote", "expandable"):
                raise self._no(f'Expected equal sign in declaration of an attribute of the tag "{tag}"', at)
            attributes[found[1].lower()] = ENTITY.sub(lambda m: _character(m) or m[0], value or "")
            i = found.end()
        if tag == "span" and attributes.get("class") != "tg-spoiler":
            raise self._no('Tag "span" must have class "tg-spoiler"', at)
        if any(o["tag"] in ("pre", "code") for o in self._open) and not (
            tag == "code" and self._open[-1]["tag"] == "pre"
        ):
            self.notes.append(f"{tag} inside {self._open[-1]['tag']}")
        self._open.append(
            {"tag": tag, "attributes": attributes, "offset": utf16(self.text), "begin": len(self.text)}
        )
        return i + 1

    def _end(self, at: int) -> int:
        if not self._open:
            raise self._no("Unexpected end tag", at)
        close = self.source.find(">", at)
        if close < 0:
            raise self._no("Unclosed end tag", at)
        name, top = self.source[at + 2 : close].strip().lower(), self._open.pop()
        if name and name != top["tag"]:
            raise self._no(f'Unmatched end tag, expected "</{top["tag"]}>", found "</{name}>"', at)
        length = utf16(self.text) - top["offset"]
        if length == 0:
            return close + 1
        entity: Json = {"type": TAGS[top["tag"]], "offset": top["offset"], "length": length}
        if top["tag"] == "a":
            url = top["attributes"].get("href") or self.text[top["begin"] :]
            if not re.match(r"(?i)(?:https?|tg|mailto|tel|ftp)://?\S|[\w-]+(?:\.[\w-]+)+", url):
                return close + 1  # Telegram drops a link it cannot follow
            entity["url"] = url
        elif top["tag"] == "tg-emoji":
            if not top["attributes"].get("emoji-id", "").isdigit():
                raise self._no("Invalid custom emoji identifier specified")
            entity["custom_emoji_id"] = top["attributes"]["emoji-id"]
        elif top["tag"] == "code" and top["attributes"].get("class", "").startswith("language-"):
            entity["language"] = top["attributes"]["class"][9:]
        self.entities.append(entity)
        return close + 1


def parsed(source: str, mode: str | None, limits: Limits) -> tuple[str, list[Json], list[str]]:
    """Text, entities and notes. https://core.telegram.org/bots/api#formatting-options"""
    if mode and mode.lower() == "html":
        html = Html(source, limits)
        return html.text, html.entities, html.notes
    if mode:
        raise TelegramError("unsupported parse_mode")  # the stub reads HTML only, as the project sends
    return source, [], []


def commands(text: str) -> list[Json]:
    """Entities of the commands people write."""
    return [
        {"type": "bot_command", "offset": utf16(text[: m.start()]), "length": utf16(m[0])}
        for m in COMMAND.finditer(text)
    ]


def keyboard(markup: object, limits: Limits) -> Json | None:
    """A checked reply markup. https://core.telegram.org/bots/api#inlinekeyboardmarkup, #forcereply"""
    if markup is None or markup == "":
        return None
    if not isinstance(markup, dict):
        raise TelegramError("object expected as reply markup")
    if "inline_keyboard" in markup:
        rows = markup["inline_keyboard"]
        if not isinstance(rows, list) or not all(isinstance(r, list) for r in rows):
            raise TelegramError('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
        for button in (b for row in rows for b in row):
            _button(button, limits)
        rows = [r for r in rows if r]
        return {"inline_keyboard": rows} if rows else None
    if markup.get("force_reply"):
        if len(markup.get("input_field_placeholder") or "") > limits.placeholder:
            raise TelegramError("input field placeholder is too long")
        return {"force_reply": True, **markup}
    if "keyboard" in markup or "remove_keyboard" in markup:
        return markup
    if not markup:
        return None
    raise TelegramError("can't parse reply keyboard markup JSON object")


def _button(button: object, limits: Limits) -> None:
    """https://core.telegram.org/bots/api#inlinekeyboardbutton"""
    if not isinstance(button, dict) or not isinstance(button.get("text"), str) or not button["text"].strip():
        raise TelegramError("can't parse inline keyboard button: Text of the button must be non-empty")
    kinds = [k for k in button if k not in ("text", "style", "icon_custom_emoji_id")]
    if not kinds:
        raise TelegramError(
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
        )
    if len(kinds) > 1:
        raise TelegramError("can't parse inline keyboard button: exactly one optional field must be used")
    if kinds == ["callback_data"] and not 1 <= len(str(button["callback_data"]).encode()) <= limits.callback_data:
        raise TelegramError("BUTTON_DATA_INVALID")
    if kinds == ["url"] and not re.match(r"(?i)(?:https?|tg)://\S+$", str(button["url"])):
        raise TelegramError(f"inline keyboard button URL '{button['url']}' is invalid: Wrong HTTP URL")


def labels(markup: Json | None) -> list[Json]:
    """The buttons of an inline keyboard."""
    return [b for row in (markup or {}).get("inline_keyboard", []) for b in row]
