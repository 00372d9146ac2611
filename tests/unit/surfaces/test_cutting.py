"""Cut text keeps its words, its names and its quotes whole, and says that it was cut."""

from hypothesis import given
from hypothesis import strategies as st

from bot.surfaces.cutting import cost, shortened, within, words, wrapped

TEXT = st.text(alphabet="ab `“”&*.9 ", max_size=400)


def test_words_from_outside_are_cut_between_two_words_with_a_mark():
    assert words("the  disk\nis full", 40) == "the disk is full"
    assert words("the disk of checkout is full", 21) == "the disk of checkout…"
    assert words("the disk of checkout is full", 22) == "the disk of checkout…"
    assert words("x" * 50, 10) == "x" * 9 + "…"
    assert words("a " + "x" * 50, 10) == "a " + "x" * 7 + "…"  # one long word is better cut than left out


@given(TEXT, st.integers(20, 200))
def test_a_shortened_line_fits_and_leaves_no_name_or_quote_open(text: str, most: int):
    short = shortened(text, most)
    assert cost(short) <= most
    if short == text:
        return
    assert short.endswith("…")
    kept = short.removesuffix("…").rstrip()
    assert text.startswith(kept) or text.strip().startswith(kept)
    open_name = open_quote = False
    for char in kept:
        if char == "`" and not open_quote:
            open_name = not open_name
        elif char in "“”" and not open_name:
            open_quote = char == "“"
    assert not open_name
    assert not open_quote


@given(TEXT, st.integers(20, 200))
def test_wrapping_leaves_nothing_out(text: str, most: int):
    pieces = list(wrapped(text, most))
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(cost(piece) <= most for piece in pieces)


def test_lines_within_a_room_end_with_a_mark_where_some_are_missing():
    assert within(["a b", "c d"], 6) == ("a b", "c d")
    assert within(["a b", "c d e f g", "h"], 10) == ("a b", "c d …")
    assert within(["`" + "x" * 30 + "`", "b"], 20) == ("… the page has more",)
