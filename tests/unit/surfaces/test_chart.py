"""The picture of a metric: what is on it, where, and that nothing from outside can break it."""

import math
import re
import struct
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
import zlib
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.incident.quantities import QUANTITIES
from bot.surfaces import chart as drawing
from bot.surfaces.chart import png, svg
from bot.surfaces.chart.lettering import measure
from bot.surfaces.chart.tame import clean
from bot.surfaces.chart.theme import PALETTES
from bot.surfaces.ports import Chart, Mark, MarkKind

NS = "{http://www.w3.org/2000/svg}"
START = 1_773_480_000_000.0  # 2026-03-14 09:20 UTC
MINUTE = 60_000.0


def at(minutes: float) -> float:
    return START + minutes * MINUTE


def series(values, step_minutes=0.25):
    return tuple((at(n * step_minutes), float(v)) for n, v in enumerate(values))


def deploy(minutes, label="deploy"):
    return Mark(at_ms=at(minutes), kind=MarkKind.CHANGE, label=label)


def action(minutes, label="action"):
    return Mark(at_ms=at(minutes), kind=MarkKind.ACTION, label=label)


def a_chart(**given) -> Chart:
    """A pool that fills up after a deploy."""
    usual = {
        "caption": "checkout pool in use (prometheus)",
        "quantity": "pool_used_ratio",
        "points": series([0.2] * 48 + [0.2 + n * 0.011 for n in range(72)]),
        "marks": (deploy(11),),
        "onset": (at(12.5), at(13.5)),
        "threshold": 0.9,
    }
    return Chart(**{**usual, **given})


class Seen:
    """A drawn chart, parsed again."""

    def __init__(self, chart: Chart, **how):
        self.source = svg(chart, **{"theme": "light", **how})
        self.root = ET.fromstring(self.source)  # noqa: S314  (our own text)
        style = self.said("style")
        self.sizes = {c: float(s) for c, s in re.findall(r"\.(\w+)\{font-size:(\d+)px", style)}

    def said(self, tag) -> str:
        return self.root.findtext(NS + tag) or ""

    def all(self, tag, name=""):
        return [e for e in self.root.iter(NS + tag) if name in ("", *e.get("class", "").split())]

    def one(self, tag, name):
        (found,) = self.all(tag, name)
        return found

    def texts(self, name=""):
        return [e.text for e in self.all("text", name)]

    def box(self, element):
        """Left, top, right, bottom of a text in the font the PNG is drawn with."""
        classes = element.get("class").split()
        size = next((self.sizes[c] for c in classes if c in self.sizes), 14.0)
        wide = sum(advance(c) for c in element.text) * size
        x, y = float(element.get("x")), float(element.get("y"))
        left = x - wide if "end" in classes else x - wide / 2 if "middle" in classes else x
        return left, y - size * 0.8, left + wide, y + size * 0.22

    def boxes(self):
        return [(e.text, self.box(e)) for e in self.all("text") if e.text]

    def xs(self, name):
        return [float(e.get("x1")) for e in self.all("line", name)]

    def path(self, name):
        return [
            [tuple(map(float, pair.split())) for pair in re.split("[ML]", e.get("d"))[1:]]
            for e in self.all("path", name)
        ]


@cache
def font(name):
    """Advances by character, from the font's own tables (hmtx, cmap format 4)."""
    data = Path(dict(zip(("Regular", "Medium"), drawing._fonts(), strict=True))[name]).read_bytes()

    def u16(offset, count=1):
        return struct.unpack_from(f">{count}H", data, offset)

    tables = {}
    for n in range(u16(4)[0]):
        tag, _, offset, _ = struct.unpack_from(">4sLLL", data, 12 + 16 * n)
        tables[tag.decode()] = offset
    em = u16(tables["head"] + 18)[0]
    widths = [u16(tables["hmtx"] + 4 * n)[0] for n in range(u16(tables["hhea"] + 34)[0])]
    found = {}
    for n in range(u16(tables["cmap"] + 2)[0]):
        sub = tables["cmap"] + struct.unpack_from(">L", data, tables["cmap"] + 8 + 8 * n)[0]
        if u16(sub)[0] != 4:
            continue
        count = u16(sub + 6)[0] // 2
        ends, starts = u16(sub + 14, count), u16(sub + 16 + 2 * count, count)
        deltas, ranges = u16(sub + 16 + 4 * count, count), u16(sub + 16 + 6 * count, count)
        for k in range(count):
            for code in range(starts[k], min(ends[k], 0xFFFE) + 1):
                glyph = code
                if ranges[k]:
                    glyph = u16(sub + 16 + 6 * count + 2 * k + ranges[k] + 2 * (code - starts[k]))[0]
                if glyph := (glyph + deltas[k]) & 0xFFFF if glyph else 0:
                    found[chr(code)] = widths[min(glyph, len(widths) - 1)] / em
    return found


def advance(char):
    return max(font(name).get(char, 0.45) for name in ("Regular", "Medium"))


def apart(a, b):
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def assert_clear(seen, width=720, height=360):
    """Every text is inside the canvas, and no two share a place."""
    for text, (left, top, right, bottom) in seen.boxes():
        assert left >= 0, text
        assert top >= 0, text
        assert right <= width, text
        assert bottom <= height, text
    for (one, a), (other, b) in combinations(seen.boxes(), 2):
        assert apart(a, b), (one, other)


# --- what is on it ----------------------------------------------------------------------------------------------


def test_the_caption_is_the_title_on_the_canvas_and_for_screen_readers():
    seen = Seen(a_chart())
    assert seen.texts("caption") == ["checkout pool in use (prometheus)"]
    assert seen.said("title") == "checkout pool in use (prometheus)"
    assert seen.root.get("role") == "img"


def test_the_description_says_in_words_what_the_picture_shows():
    words = Seen(a_chart(marks=(deploy(11), action(25)))).said("desc")
    for part in (
        "percent",
        "20.0% at 09:20:00, 98.1% at 09:49:45 UTC",
        "lowest 20.0%, highest 98.1%",
        "threshold 90.0%",
        "onset 09:32:30–09:33:30",
        "deploy at 09:31:00",
        "action at 09:45:00",
    ):
        assert part in words


def test_nothing_is_fetched_run_or_shared_with_the_page():
    seen = Seen(a_chart(caption="http://x.test/ <script>"))
    tags = {e.tag.removeprefix(NS) for e in seen.root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "text", "line", "path", "circle"}
    assert not re.search(r"\b(href|src|on\w+|style|id)=|url\(|@import", seen.source)
    rules = re.findall(r"([^{}]+)\{", seen.said("style"))
    assert all(one.strip().startswith(".frc-light ") for rule in rules for one in rule.split(","))


@pytest.mark.parametrize(
    ("quantity", "values", "ticks", "unit"),
    [
        ("pool_used_ratio", [0.1, 0.97], ["0%", "25%", "50%", "75%", "100%"], "pool in use, percent"),
        ("request_rate", [3, 118], ["0/s", "50/s", "100/s", "150/s"], "requests completed, per second"),
        ("pool_waiters", [0, 3], ["0", "1", "2", "3", "4"], "pool waiters, count"),
        ("calls_per_request", [1, 4.5], ["0", "2", "4", "6"], "upstream calls per request, ratio"),
        ("query_time", [0.1, 1.9], ["0 s", "0.5 s", "1.0 s", "1.5 s", "2.0 s"], "mean time of a query, seconds"),
        ("request_rate", [1e6, 2.9e6], ["0/s", "1M/s", "2M/s", "3M/s"], "requests completed, per second"),
    ],
)
def test_the_y_axis_has_a_few_round_ticks_with_the_unit(quantity, values, ticks, unit):
    seen = Seen(
        a_chart(caption="x", quantity=quantity, points=series(values), threshold=None, onset=None, marks=())
    )
    assert seen.texts("ytick") == ticks
    assert seen.texts("unit") == [unit]


def test_the_unit_line_does_not_repeat_the_caption():
    assert Seen(a_chart()).texts("unit") == ["percent"]


@pytest.mark.parametrize(
    ("minutes", "some"),
    [(0.5, "09:20:10"), (30, "09:25"), (600, "10:00"), (60 * 24 * 3, "15 Mar"), (60 * 24 * 300, "15 Jun")],
)
def test_the_x_axis_has_times_of_day_in_utc(minutes, some):
    seen = Seen(a_chart(points=series([1, 2], minutes), marks=(), onset=None))
    ticks = seen.texts("xtick")
    assert some in ticks or minutes > 60 * 24 * 30
    assert 3 <= len(ticks) <= 10
    assert seen.texts("utc") == ["UTC"]
    assert_clear(seen)


def test_the_line_goes_through_the_points_in_proportion():
    seen = Seen(a_chart(points=series([0, 0.5, 1]), threshold=None, marks=(), onset=None))
    ((low, middle, high),) = seen.path("line")
    assert middle[0] - low[0] == pytest.approx(high[0] - middle[0], abs=0.2)
    assert low[1] - middle[1] == pytest.approx(middle[1] - high[1], abs=0.2)
    assert low[1] - high[1] > 150


def test_a_gap_in_the_data_stays_a_gap():
    points = series(range(60))
    assert len(Seen(a_chart(points=points)).path("line")) == 1
    assert len(Seen(a_chart(points=points[:20] + points[30:])).path("line")) == 2
    alone = Seen(a_chart(points=points[:20] + points[30:31] + points[40:]))
    assert len(alone.path("line")) == 2
    assert len(alone.all("circle", "dot")) == 1
    one_scrape_missing = points[:20] + points[21:]
    assert len(Seen(a_chart(points=one_scrape_missing)).path("line")) == 1


def test_the_threshold_is_a_dashed_line_with_its_label():
    seen = Seen(a_chart())
    assert re.search(r"\.threshold\{[^}]*stroke-dasharray", seen.source)
    line = seen.one("line", "threshold")
    assert line.get("y1") == line.get("y2")
    assert seen.texts("threshold") == ["threshold", "90.0%"]
    assert not Seen(a_chart(threshold=None)).all("line", "threshold")


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.5, 0.95, 0.975, 0.981, 1.0])
def test_the_threshold_and_the_last_value_are_never_written_over_each_other(threshold):
    for last in (0.0, 0.02, 0.5, 0.98, 1.0):
        assert_clear(Seen(a_chart(points=series([0.5, last]), threshold=threshold, marks=(), onset=None)))


def test_the_onset_is_a_shaded_band_with_its_word():
    seen = Seen(a_chart())
    band = seen.one("rect", "band")
    assert re.search(r"\.band\{[^}]*fill-opacity", seen.source)
    assert seen.texts("onset") == ["onset 09:32"]
    ((first, *_, last),) = seen.path("line")
    share = (last[0] - first[0]) / 29.75
    assert float(band.get("x")) == pytest.approx(first[0] + 12.5 * share, abs=0.2)
    assert float(band.get("width")) == pytest.approx(share, abs=0.2)


def test_an_onset_of_no_length_can_still_be_seen_and_one_outside_is_not_drawn():
    assert float(Seen(a_chart(onset=(at(12), at(12)))).one("rect", "band").get("width")) >= 4
    assert not Seen(a_chart(onset=(at(-90), at(-80)))).all("rect", "band")
    half = Seen(a_chart(onset=(at(-90), at(3))))
    assert float(half.one("rect", "band").get("x")) >= half.path("line")[0][0][0]


def test_changes_and_actions_are_vertical_lines_told_apart_by_more_than_colour():
    seen = Seen(a_chart(marks=(deploy(11), action(25))))
    for name, label in (("change", "deploy 09:31"), ("action", "action 09:45")):
        line = seen.one("line", name)
        assert line.get("x1") == line.get("x2")
        assert seen.texts(name) == [label]
    shapes = {re.sub(r"[\d. ]", "", seen.one("path", name).get("d")) for name in ("change", "action", "onset")}
    assert len(shapes) == 3


def test_a_mark_outside_the_data_lengthens_the_axis_or_is_named_at_its_edge():
    near = Seen(a_chart(marks=(action(32),)))
    assert near.texts("action") == ["action 09:52"]
    assert near.xs("action")[0] > near.path("line")[0][-1][0]
    assert near.all("line", "leader")
    far = Seen(a_chart(marks=(action(300), deploy(-300))))
    assert far.texts("action") == ["action 14:20 ›"]
    assert far.texts("change") == ["‹ deploy 04:20"]
    assert not far.xs("action") + far.xs("change")
    assert_clear(near)
    assert_clear(far)


@pytest.mark.parametrize("width", [320, 360, 720])
@pytest.mark.parametrize("spread", [0, 0.1, 0.5, 1, 2, 29])
@pytest.mark.parametrize("start", [0, 12, 27])
def test_labels_of_marks_near_each_other_do_not_collide(width, spread, start):
    marks = tuple((deploy, action)[n % 2](start + n * spread / 6, f"mark {n} of them") for n in range(7))
    assert_clear(Seen(a_chart(marks=marks), width=width), width=width)


def test_no_line_of_one_mark_crosses_the_label_of_another():
    seen = Seen(a_chart(marks=tuple((deploy, action)[n % 2](10 + n * 0.7) for n in range(6))))
    lines = [line for name in ("change", "action", "onset") for line in seen.all("line", name)]
    labels = [e for name in ("change", "action", "onset") for e in seen.all("text", name)]
    assert len(labels) >= 4
    for line in lines:
        x, top = float(line.get("x1")), float(line.get("y1"))
        for label in labels:
            left, high, right, _ = seen.box(label)
            assert not (left < x < right and top < high), label.text


def test_marks_of_one_moment_are_one_line():
    seen = Seen(a_chart(marks=(deploy(11), deploy(11.01), deploy(11.02))))
    assert seen.texts("change") == ["deploy ×3 09:31"]
    assert len(seen.xs("change")) == 1
    assert Seen(a_chart(marks=(deploy(11), deploy(11.01, "config")))).texts("change") == ["deploy +1 09:31"]


def test_a_legend_appears_only_when_a_label_found_no_place():
    assert "change" not in Seen(a_chart()).texts()
    crowd = Seen(a_chart(marks=tuple(deploy(n * 0.9, f"mark {n}") for n in range(32))))
    assert "change" in crowd.texts("change")
    assert "action" not in crowd.texts()
    assert_clear(crowd)


def test_the_onset_keeps_its_word_in_a_crowd():
    crowd = Seen(a_chart(marks=tuple(deploy(n * 0.9, f"mark {n}") for n in range(32))))
    assert any(text.startswith("onset") for text in crowd.texts("onset"))


def test_the_last_value_is_written_large_beside_its_dot():
    seen = Seen(a_chart())
    value, dot = seen.one("text", "value"), seen.one("circle", "last")
    assert value.text == "98.1%"
    assert float(value.get("x")) > float(dot.get("cx"))
    assert float(value.get("y")) == pytest.approx(float(dot.get("cy")), abs=8)
    assert seen.sizes["value"] == max(seen.sizes.values())


# --- how it reads -----------------------------------------------------------------------------------------------


def test_no_text_is_smaller_than_28_pixels_in_the_png():
    sizes = [float(s) for s in re.findall(r"font-size:([\d.]+)px", svg(a_chart(), theme="light"))]
    assert min(sizes) * drawing.ZOOM >= 28


def luminance(colour):
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_lines_stand_out_from_the_solid_background(theme):
    colours = PALETTES[theme]
    ground = luminance(colours["bg"])
    for name in ("ink", "muted", "line", "threshold", "change", "action", "onset"):
        dark, light = sorted((luminance(colours[name]), ground))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, name
    seen = Seen(a_chart(), theme=theme)
    back = seen.all("rect", "bg")[0]
    assert (back.get("width"), back.get("height"), back.get("x")) == ("720", "360", None)
    assert f".frc-{theme} .bg{{fill:{colours['bg']}}}" in seen.source


def test_light_and_dark_differ_in_nothing_but_colour():
    light, dark = (re.sub("<style>.*</style>", "", svg(a_chart(), theme=t), flags=re.S) for t in ("light", "dark"))
    assert light.replace("frc-light", "") == dark.replace("frc-dark", "")
    assert (luminance(PALETTES["light"]["bg"]) > 0.9) and (luminance(PALETTES["dark"]["bg"]) < 0.05)


def test_no_width_is_taken_for_less_than_the_font_needs():
    for char in font("Regular"):
        kept = clean(char)
        assert measure(kept, 1) >= sum(map(advance, kept)) - 1e-9, char


# --- text from outside ------------------------------------------------------------------------------------------


def test_markup_in_text_stays_text():
    evil = "</text><script>alert(1)</script>&amp;\"'"
    seen = Seen(a_chart(caption=evil, marks=(deploy(11, "<b>&"),)))
    assert seen.texts("caption") == [evil]
    assert seen.texts("change") == ["<b>& 09:31"]
    assert not seen.all("script")


def test_controls_and_direction_marks_are_gone_and_accents_do_not_stack():
    seen = Seen(a_chart(caption="a\x00\x1b[1m\u202eb\u2066\u200bc\n d\ud800\uffff e\u0301\u0301\u0301\u0301"))
    assert seen.texts("caption") == ["a[1mbc d é"]


def test_a_long_caption_takes_two_lines_and_is_then_cut():
    words = " ".join(f"word{n}" for n in range(15))
    first, second = Seen(a_chart(caption=words)).texts("caption")
    assert f"{first} {second}" == words
    seen = Seen(a_chart(caption=words * 9, marks=(deploy(11, "m" * 300),)))
    assert len(seen.texts("caption")) == 2
    assert seen.texts("caption")[1].endswith("…")
    assert "…" in seen.texts("change")[0]
    assert_clear(seen)
    name = Seen(
        a_chart(caption="payments-reconciliation-worker-eu-central-1-blue-and-then-some/second-part-of-it-all")
    )
    assert name.texts("caption")[0].endswith(("-", "/"))


# --- numbers of every kind --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        [],
        [0.5],
        [0.5, 0.6],
        [0] * 50,
        [7] * 50,
        [-3, -1],
        [-5, 5],
        [1e300, -1e300],
        [1.7e308, 2],
        [5e-324, 1e-310],
        [1e-9, 2e-9],
        [1e15, 3e15],
        [123456789.25] * 3,
        [math.inf, 1, math.nan],
    ],
)
@pytest.mark.parametrize("quantity", [*QUANTITIES, "unheard_of"])
def test_any_values_make_a_readable_chart(values, quantity):
    for threshold in (None, 1.0, -1e300):
        seen = Seen(a_chart(quantity=quantity, points=series(values), threshold=threshold))
        assert_clear(seen)
        ticks = seen.texts("ytick")
        assert 2 <= len(ticks) <= 8
        assert len(set(ticks)) == len(ticks)
        assert max(map(len, ticks)) <= 10
        assert "nan" not in seen.source
        assert bool(seen.texts("nothing")) is not any(map(math.isfinite, values))


def test_noise_smaller_than_the_floor_looks_small():
    seen = Seen(a_chart(quantity="request_rate", points=series([0, 0.05] * 20), threshold=None, onset=None))
    ys = [y for _, y in seen.path("line")[0]]
    assert max(ys) - min(ys) < 12


def test_points_of_one_moment_or_the_ends_of_time_are_drawn():
    for moments in ((0.0, 0.0), (-1e300, 1e300), (START, START + 1)):
        assert_clear(Seen(a_chart(points=tuple((t, 0.5) for t in moments))))


def test_a_hundred_thousand_points_keep_every_extreme_and_little_else():
    values = [10.0] * 100_000
    values[50_001], values[70_003] = 90.0, 1.0
    seen = Seen(a_chart(quantity="in_flight", points=series(values), threshold=None, marks=(), onset=None))
    (line,) = seen.path("line")
    assert len(line) < 4 * 720
    ys = [y for _, y in line]
    bottom, usual, top = max(ys), sorted(ys)[len(ys) // 2], min(ys)
    assert (usual - top) / (bottom - usual) == pytest.approx(80 / 9, rel=0.05)


def test_a_usual_chart_is_drawn_in_milliseconds():
    chart = a_chart(
        points=series([0.5 + 0.3 * math.sin(n / 30) for n in range(1000)]), marks=(deploy(99), action(150))
    )
    took = []
    for _ in range(5):
        start = time.perf_counter()
        svg(chart, theme="light")
        took.append(time.perf_counter() - start)
    assert min(took) < 0.02


def test_a_canvas_too_small_to_read_is_refused():
    with pytest.raises(ValueError, match="300x200"):
        svg(a_chart(), theme="light", width=200)


text = st.text(st.characters(), max_size=80) | st.text("mW—Ⅷ<&>\u202e…", max_size=200)
value = st.floats(allow_nan=False) | st.floats(-2, 2)
moment = st.floats(START - 1e8, START + 1e8) | st.floats(allow_nan=False, allow_infinity=False)
charts = st.builds(
    Chart,
    caption=text,
    quantity=st.sampled_from(sorted(QUANTITIES)) | text,
    points=st.lists(st.tuples(moment, value), max_size=30).map(lambda p: tuple(sorted(p))),
    marks=st.lists(st.builds(Mark, at_ms=moment, kind=st.sampled_from(MarkKind), label=text), max_size=8).map(
        tuple
    ),
    onset=st.none() | st.tuples(moment, moment),
    threshold=st.none() | value,
)


@settings(deadline=None, max_examples=150)
@given(
    chart=charts,
    theme=st.sampled_from(["light", "dark"]),
    size=st.tuples(st.integers(300, 1000), st.integers(200, 600)),
)
def test_whatever_is_drawn_is_well_formed_and_inside_the_canvas(chart, theme, size):
    width, height = size
    seen = Seen(chart, theme=theme, width=width, height=height)
    assert_clear(seen, width, height)
    for element in seen.root.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.get(name, 0)) <= width
        for name in ("y", "y1", "y2", "cy"):
            assert 0 <= float(element.get(name, 0)) <= height


# --- the PNG ----------------------------------------------------------------------------------------------------


def decoded(data):
    """Width, height and rows of RGBA pixels; every filter is undone."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, kind = struct.unpack_from(">IIBB", data, 16)
    assert (depth, kind) == (8, 6)
    body, offset = b"", 8
    while offset < len(data):
        (length,) = struct.unpack_from(">I", data, offset)
        if data[offset + 4 : offset + 8] == b"IDAT":
            body += data[offset + 8 : offset + 8 + length]
        offset += 12 + length
    raw, stride = zlib.decompress(body), width * 4
    before, rows = bytearray(stride), []
    for y in range(height):
        how, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
        for n in range(stride):
            left, up, corner = (row[n - 4] if n >= 4 else 0), before[n], (before[n - 4] if n >= 4 else 0)
            if how == 4:
                guess = left + up - corner
                least = min((abs(guess - v), k) for k, v in enumerate((left, up, corner)))
                add = (left, up, corner)[least[1]]
            else:
                add = (0, left, up, (left + up) // 2)[how]
            row[n] = (row[n] + add) & 255
        rows.append(bytes(row))
        before = row
    return width, height, rows


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_png_is_twice_the_size(theme):
    data = png(a_chart(), theme=theme)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack_from(">II", data, 16) == (1440, 720)
    assert data[-8:-4] == b"IEND"


def test_the_png_has_a_solid_background_to_its_edges_and_text_without_any_font_installed():
    chart = replace(a_chart(), points=(), marks=(), onset=None, threshold=None)
    width, height, rows = decoded(png(chart, theme="dark", width=300, height=200))
    assert (width, height) == (600, 400)
    ground = bytes.fromhex(PALETTES["dark"]["bg"][1:]) + b"\xff"
    edges = [rows[0], rows[-1], *(row[:16] for row in rows), *(row[-16:] for row in rows)]
    assert all(edge == ground * (len(edge) // 4) for edge in edges)
    caption = b"".join(row[32 * 4 : 300 * 4] for row in rows[36:76])
    ink = bytes.fromhex(PALETTES["dark"]["ink"][1:]) + b"\xff"
    assert sum(caption[n : n + 4] == ink for n in range(0, len(caption), 4)) > 300


def test_the_renderer_is_loaded_only_when_a_png_is_made():
    code = "import sys, bot.surfaces.chart; sys.exit('resvg_py' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[3]).returncode == 0
