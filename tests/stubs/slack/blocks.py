"""Whether Slack would take these blocks; and whether something in the text got through unescaped."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.stubs.common import Json
from tests.stubs.slack.limits import Limits

INTERACTIVE = frozenset(
    {
        "button",
        "overflow",
        "static_select",
        "external_select",
        "users_select",
        "conversations_select",
        "channels_select",
        "multi_static_select",
        "multi_external_select",
        "multi_users_select",
        "multi_conversations_select",
        "multi_channels_select",
        "datepicker",
        "timepicker",
        "datetimepicker",
        "radio_buttons",
        "checkboxes",
        "workflow_button",
    }
)
INPUTS = (INTERACTIVE - {"button", "overflow", "workflow_button"}) | {
    "plain_text_input",
    "email_text_input",
    "url_text_input",
    "number_input",
    "file_input",
    "rich_text_input",
}

# https://docs.slack.dev/messaging/formatting-message-text#special-mentions, #links-to-users, #date-formatting
CONSTRUCT = re.compile(
    r"<(?:@[UW][A-Z0-9]+(?:\|[^<>]*)?"
    r"|#C[A-Z0-9]+(?:\|[^<>]*)?"
    r"|!(?:here|channel|everyone)(?:\|[^<>]*)?"
    r"|!subteam\^S[A-Z0-9]+(?:\|[^<>]*)?"
    r"|!date\^\d+\^[^<>|]+(?:\|[^<>]*)?"
    r"|(?:https?|mailto|tel):[^<>|\s]+(?:\|[^<>]*)?)>"
)
MENTION = re.compile(r"<([@!][^<>|]+)(?:\|[^<>]*)?>")
QUOTE = re.compile(r"^\s*>{1,3}", re.MULTILINE)
# https://docs.slack.dev/messaging/formatting-message-text#escaping
ENTITY = re.compile(r"&(?:amp|lt|gt);")


def slips(text: str) -> Iterator[tuple[str, str]]:
    """Characters of control that are none of Slack's constructs: data that got through unescaped."""
    left = QUOTE.sub("", CONSTRUCT.sub("", text))
    left = ENTITY.sub("", left)
    for kind, sign in (("unescaped_lt", "<"), ("unescaped_gt", ">"), ("unescaped_amp", "&")):
        at = left.find(sign)
        if at >= 0:
            yield kind, left[max(0, at - 40) : at + 40]


def mentions(text: str) -> list[str]:
    """Users and groups the text would notify."""
    return [m for m in MENTION.findall(text) if not m.startswith("!date")]


def texts(value: Any) -> Iterator[str]:
    """Every mrkdwn text inside blocks."""
    if isinstance(value, dict):
        if value.get("type") == "mrkdwn" and isinstance(value.get("text"), str):
            yield value["text"]
        else:
            for inner in value.values():
                yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def characters(value: Any) -> int:
    """The sum of all texts inside blocks."""
    if isinstance(value, dict):
        return sum(len(v) if k == "text" and isinstance(v, str) else characters(v) for k, v in value.items())
    return sum(characters(v) for v in value) if isinstance(value, list) else 0


def elements(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Each block with each interactive element in it."""
    for block in blocks:
        inside = [*block.get("elements", [])] if block.get("type") == "actions" else []
        inside += [block[k] for k in ("accessory", "element") if isinstance(block.get(k), dict)]
        for element in inside:
            if element.get("type") in INTERACTIVE | INPUTS:
                yield block, element


class Check:
    """Collects what is wrong, each with its JSON pointer, as Slack answers it."""

    def __init__(self, limits: Limits, *, view: bool = False) -> None:
        """*view*: input blocks and twice as many blocks are allowed."""
        self.limits = limits
        self.view = view
        self.errors: list[str] = []
        self._block_ids: set[str] = set()
        self._markdown_sum = 0

    def no(self, message: str, at: str) -> None:
        """One thing wrong."""
        self.errors.append(f"{message} [json-pointer:{at}]")

    def string(self, value: Any, at: str, most: int, *, least: int = 1) -> None:
        """A text of *least* to *most* characters."""
        if not isinstance(value, str):
            self.no("must be a string", at)
        elif len(value) < least:
            self.no(f"must be more than {least - 1} characters", at)
        elif len(value) > most:
            self.no(f"must be less than {most + 1} characters", at)

    def text(self, value: Any, at: str, most: int, *, plain: bool = False) -> None:
        """A text object. https://docs.slack.dev/reference/block-kit/composition-objects/text-object"""
        if not isinstance(value, dict):
            self.no("must be an object", at)
            return
        allowed = {"plain_text"} if plain else {"plain_text", "mrkdwn"}
        if value.get("type") not in allowed:
            self.no(f"unsupported type: {value.get('type')}", f"{at}/type")
        self.string(value.get("text"), f"{at}/text", most)
        if value.get("type") == "mrkdwn" and "emoji" in value:
            self.no("no more than 0 items allowed: emoji", at)
        if value.get("type") == "plain_text" and "verbatim" in value:
            self.no("no more than 0 items allowed: verbatim", at)

    def maybe(self, holder: Json, name: str, at: str, check: Callable[[Any, str], None]) -> None:
        """Check a part when it is there."""
        if holder.get(name) is not None:
            check(holder[name], f"{at}/{name}")

    def items(self, value: Any, at: str, most: int) -> list[Any]:
        """A list of one to *most* items."""
        if not isinstance(value, list):
            self.no("must be an array", at)
            return []
        if not value:
            self.no("no fewer than 1 items allowed", at)
        if len(value) > most:
            self.no(f"no more than {most} items allowed", at)
        return value

    def confirm(self, value: Any, at: str) -> None:
        """https://docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object"""
        if not isinstance(value, dict):
            self.no("must be an object", at)
            return
        most = self.limits
        self.text(value.get("title"), f"{at}/title", most.confirm_title, plain=True)
        self.text(value.get("text"), f"{at}/text", most.confirm_text)
        for name in ("confirm", "deny"):
            self.maybe(value, name, at, lambda v, a: self.text(v, a, most.confirm_button, plain=True))
        if value.get("style") not in (None, "primary", "danger"):
            self.no(f"unsupported style: {value['style']}", f"{at}/style")

    def option(self, value: Any, at: str, *, plain: bool) -> None:
        """https://docs.slack.dev/reference/block-kit/composition-objects/option-object"""
        if not isinstance(value, dict):
            self.no("must be an object", at)
            return
        most = self.limits
        self.text(value.get("text"), f"{at}/text", most.option_text, plain=plain)
        self.string(value.get("value"), f"{at}/value", most.option_value)
        self.maybe(value, "description", at, lambda v, a: self.text(v, a, most.option_description, plain=plain))

    def element(self, value: Any, at: str, allowed: frozenset[str], seen: set[str]) -> None:
        """https://docs.slack.dev/reference/block-kit/block-elements"""
        kind = value.get("type") if isinstance(value, dict) else None
        if kind not in allowed:
            self.no(f"unsupported type: {kind}", f"{at}/type")
            return
        most = self.limits
        self.maybe(value, "action_id", at, lambda v, a: self.string(v, a, most.action_id))
        if value.get("action_id") is not None:
            # "unique among all other action_ids in the containing block"
            if value["action_id"] in seen:
                self.no(f"`action_id` `{value['action_id']}` already exists in this block", f"{at}/action_id")
            seen.add(value["action_id"])
        self.maybe(value, "confirm", at, self.confirm)
        self.maybe(value, "placeholder", at, lambda v, a: self.text(v, a, most.placeholder, plain=True))
        if kind == "button":
            self.text(value.get("text"), f"{at}/text", most.button_text, plain=True)
            self.maybe(value, "value", at, lambda v, a: self.string(v, a, most.button_value))
            self.maybe(value, "url", at, lambda v, a: self.string(v, a, most.button_url))
            if value.get("style") not in (None, "primary", "danger"):
                self.no(f"unsupported style: {value['style']}", f"{at}/style")
            self.maybe(value, "accessibility_label", at, lambda v, a: self.string(v, a, most.button_text))
        elif kind in ("overflow", "static_select", "multi_static_select", "radio_buttons", "checkboxes"):
            if kind.endswith("select") and "option_groups" in value:
                return
            count = {"overflow": most.overflow_options, "radio_buttons": most.choices, "checkboxes": most.choices}
            plain = kind not in ("radio_buttons", "checkboxes")
            options = self.items(value.get("options"), f"{at}/options", count.get(kind, most.select_options))
            for n, option in enumerate(options):
                self.option(option, f"{at}/options/{n}", plain=plain)

    def block(self, block: Any, at: str) -> None:
        """https://docs.slack.dev/reference/block-kit/blocks"""
        kind = block.get("type") if isinstance(block, dict) else None
        check = getattr(self, f"_{kind}", None) if kind in KINDS else None
        if check is None or (kind == "input" and not self.view):
            self.no(f"unsupported type: {kind}", f"{at}/type")
            return
        self.maybe(block, "block_id", at, lambda v, a: self.string(v, a, self.limits.block_id))
        if block.get("block_id") is not None:
            if block["block_id"] in self._block_ids:
                self.no(f"`block_id` `{block['block_id']}` already exists", f"{at}/block_id")
            self._block_ids.add(block["block_id"])
        check(block, at)

    def _section(self, block: Json, at: str) -> None:
        most = self.limits
        if block.get("text") is None and block.get("fields") is None:
            self.no("missing required field: text or fields", at)
        self.maybe(block, "text", at, lambda v, a: self.text(v, a, most.section_text))
        if block.get("fields") is not None:
            for n, each in enumerate(self.items(block["fields"], f"{at}/fields", most.section_fields)):
                self.text(each, f"{at}/fields/{n}", most.section_field)
        if block.get("accessory") is not None:
            accessory = block["accessory"]
            if isinstance(accessory, dict) and accessory.get("type") == "image":
                self._image(accessory, f"{at}/accessory")
            else:
                self.element(accessory, f"{at}/accessory", INTERACTIVE, set())

    def _header(self, block: Json, at: str) -> None:
        self.text(block.get("text"), f"{at}/text", self.limits.header_text, plain=True)

    def _divider(self, block: Json, at: str) -> None:
        if set(block) - {"type", "block_id"}:
            self.no("no more fields than type and block_id allowed", at)

    def _context(self, block: Json, at: str) -> None:
        for n, each in enumerate(
            self.items(block.get("elements"), f"{at}/elements", self.limits.context_elements)
        ):
            if isinstance(each, dict) and each.get("type") == "image":
                self._image(each, f"{at}/elements/{n}")
            else:
                self.text(each, f"{at}/elements/{n}", self.limits.text_object)

    def _actions(self, block: Json, at: str) -> None:
        seen: set[str] = set()
        for n, each in enumerate(
            self.items(block.get("elements"), f"{at}/elements", self.limits.actions_elements)
        ):
            self.element(each, f"{at}/elements/{n}", INTERACTIVE, seen)

    def _image(self, block: Json, at: str) -> None:
        most = self.limits
        if block.get("image_url") is None and block.get("slack_file") is None:
            self.no("missing required field: image_url or slack_file", at)
        self.maybe(block, "image_url", at, lambda v, a: self.string(v, a, most.image_url))
        self.string(block.get("alt_text"), f"{at}/alt_text", most.alt_text, least=0)
        self.maybe(block, "title", at, lambda v, a: self.text(v, a, most.image_title, plain=True))

    def _markdown(self, block: Json, at: str) -> None:
        self.string(block.get("text"), f"{at}/text", self.limits.markdown_text)
        self._markdown_sum += len(str(block.get("text", "")))
        if self._markdown_sum > self.limits.markdown_text:
            self.no(
                f"all markdown blocks together must be less than {self.limits.markdown_text + 1} characters", at
            )

    def _rich_text(self, block: Json, at: str) -> None:
        known = {"rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote"}
        for n, each in enumerate(self.items(block.get("elements"), f"{at}/elements", 1_000)):
            if not isinstance(each, dict) or each.get("type") not in known:
                self.no("unsupported rich text element", f"{at}/elements/{n}/type")

    def _input(self, block: Json, at: str) -> None:
        most = self.limits
        self.text(block.get("label"), f"{at}/label", most.input_label, plain=True)
        self.maybe(block, "hint", at, lambda v, a: self.text(v, a, most.input_hint, plain=True))
        self.element(block.get("element"), f"{at}/element", INPUTS, set())

    def blocks(self, value: Any, at: str = "/blocks") -> list[str]:
        """All blocks of a message or a view; what is wrong with them."""
        most = self.limits.blocks_per_view if self.view else self.limits.blocks_per_message
        if not isinstance(value, list):
            return ["must be an array [json-pointer:/blocks]"]
        if len(value) > most:
            self.no(f"no more than {most} items allowed", at)
        for n, block in enumerate(value):
            self.block(block, f"{at}/{n}")
        return self.errors

    def whole_view(self, view: Any) -> list[str]:
        """https://docs.slack.dev/reference/views/modal-views"""
        if not isinstance(view, dict):
            return ["must be an object [json-pointer:/view]"]
        if view.get("type") != "modal":
            self.no(f"unsupported type: {view.get('type')}", "/view/type")
        self.text(view.get("title"), "/view/title", self.limits.view_title, plain=True)
        for name in ("submit", "close"):
            self.maybe(view, name, "/view", lambda v, a: self.text(v, a, self.limits.view_title, plain=True))
        for name, most in (
            ("private_metadata", self.limits.private_metadata),
            ("callback_id", self.limits.callback_id),
        ):
            if view.get(name) is not None:
                self.string(view[name], f"/view/{name}", most, least=0)
        self.blocks(view.get("blocks"), "/view/blocks")
        if any(
            isinstance(b, dict) and b.get("type") == "input" for b in view.get("blocks") or []
        ) and not view.get("submit"):
            self.no("missing required field: submit", "/view")
        return self.errors


KINDS = frozenset(
    {"section", "header", "divider", "context", "actions", "image", "markdown", "rich_text", "input"}
)
