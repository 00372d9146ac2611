"""Files of text and YAML, and those that are neither."""

import pytest

from agents import documents
from agents.incident.errors import BadInput
from agents.reasoners import scripted
from agents.signatures import load as signatures
from bot import prices
from bot.receiver.systems import generic


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ("a: [", "line 1: expected the node content"),
        ("a: 1\nb: 2026-02-31", "line 2: this is no value of its kind: day is out of range"),
        ("a: !!int ''", "line 1: this is no value of its kind"),
        ("a: !!timestamp x", "line 1: this is no value of its kind"),
        ("a: 1:" + 200 * "00:" + "00.0", "line 1: this is no value of its kind"),
        ('a: "\\udc00"', "line 1: this holds half of a character"),
        ("a: \x00", "unacceptable character"),
        (5000 * "{a: ", "nested too deeply"),
    ],
)
def test_what_is_no_yaml_is_refused_in_one_line_that_names_file_and_place(tmp_path, held, says):
    file = tmp_path / "x.yaml"
    file.write_text(held)
    with pytest.raises(BadInput) as refused:
        documents.read(file)
    said = str(refused.value)
    assert said.startswith(str(file))
    assert says in said
    assert "\n" not in said


def test_a_character_written_as_an_escape_or_as_itself_is_read(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text('a: "\\U0001F600"\nb: 😀\nc: 2026-02-28\nd: "\\ud83d\\ude00"\n', encoding="utf-8")
    held = documents.read(file)
    assert held["a"] == held["b"] == held["d"] == "😀"


def test_a_file_that_is_missing_is_told_from_one_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        documents.text(tmp_path / "none")
    with pytest.raises(BadInput, match="cannot be read"):
        documents.text(tmp_path)


@pytest.mark.parametrize("held", [b"schema: 2026-02-31\n", b"schema: \xff\n", b"schema: [\n"])
@pytest.mark.parametrize(
    "load",
    [
        lambda file: signatures.load(file.parent),
        lambda file: prices.price_of("a:b", file),
        generic.load,
        scripted.load,
    ],
    ids=["signatures", "prices", "mappings", "scripts"],
)
def test_every_file_that_people_write_is_refused_by_name(tmp_path, load, held):
    file = tmp_path / "F99-mine.yaml"
    file.write_bytes(held)
    with pytest.raises(BadInput, match=r"F99-mine\.yaml") as refused:
        load(file)
    assert "\n" not in str(refused.value)
