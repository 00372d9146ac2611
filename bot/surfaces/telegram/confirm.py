"""A button that asks once more: "Really? / No" in the place of it, then the button again. Pure.

Everything needed is in the keyboard itself, so it works after a restart too: ``c:DATA`` is the button,
``DATA`` what counts, ``n:DATA`` puts it back at the end of the row above, ``o:DATA`` into a row of its own.
"""

from collections.abc import Sequence

from telegram import InlineKeyboardButton as Key
from telegram import InlineKeyboardMarkup

from bot.surfaces.telegram.render import CONFIRM

BACK, BACK_ALONE = "n:", "o:"
TURNS = (CONFIRM, BACK, BACK_ALONE)
REALLY = "Really? "
HINT, LEFT = "Press “Really?” to do it.", "Left as it was."


def turned(keyboard: InlineKeyboardMarkup | None, data: str) -> InlineKeyboardMarkup | None:
    """The keyboard after *data* was pressed; ``None`` when there is no such button on it."""
    rows = [list(row) for row in keyboard.inline_keyboard] if keyboard is not None else []
    for y, row in enumerate(rows):
        for x, key in enumerate(row):
            if key.callback_data == data:
                return InlineKeyboardMarkup(
                    _ask(rows, y, x, data) if data.startswith(CONFIRM) else _restore(rows, y, data)
                )
    return None


def is_turned(keyboard: InlineKeyboardMarkup | None, data: str) -> bool:
    """Whether *data* was pressed before, so that the keyboard asks, or is back, already."""
    meant = data.partition(":")[2]
    wanted = {meant} if data.startswith(CONFIRM) else {f"{CONFIRM}{meant}"}
    return keyboard is not None and any(k.callback_data in wanted for row in keyboard.inline_keyboard for k in row)


def _ask(rows: list[list[Key]], y: int, x: int, data: str) -> Sequence[Sequence[Key]]:
    pressed, rest = rows[y][x], [k for i, k in enumerate(rows[y]) if i != x]
    meant = data.removeprefix(CONFIRM)
    question = [
        Key(f"{REALLY}{pressed.text}", callback_data=meant, style="danger"),
        Key("No", callback_data=f"{BACK if rest else BACK_ALONE}{meant}"),
    ]
    return [*rows[:y], *([rest] if rest else []), question, *rows[y + 1 :]]


def _restore(rows: list[list[Key]], y: int, data: str) -> Sequence[Sequence[Key]]:
    meant = data.partition(":")[2]
    label = next((k.text for k in rows[y] if k.callback_data == meant), meant).removeprefix(REALLY)
    again = Key(label, callback_data=f"{CONFIRM}{meant}", style="danger")
    if data.startswith(BACK_ALONE) or y == 0:
        return [*rows[:y], [again], *rows[y + 1 :]]
    return [*rows[: y - 1], [*rows[y - 1], again], *rows[y + 1 :]]
