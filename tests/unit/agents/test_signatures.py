"""Signature files: what ships holds together, and what does not is refused by name."""

import pytest
import yaml

from actions.catalogue import CATALOGUE
from agents.incident.errors import BadInput
from agents.signatures.load import _Yaml12, load, parse
from tests.unit.agents.world import CONFIG

GOOD = (CONFIG / "signatures" / "F11-pool-exhausted.yaml").read_text()


def broken(**changes):
    data = yaml.load(GOOD, _Yaml12)  # noqa: S506  # a safe loader
    for path, value in changes.items():
        at = data
        *way, last = path.split("__")
        for key in way:
            at = at[int(key) if key.isdigit() else key]
        at[last] = value
    return yaml.safe_dump(data)


def test_what_ships_has_four_signatures_with_actions_that_exist():
    shipped = load(CONFIG / "signatures")
    assert [s.id for s in shipped] == ["F11", "F34", "F41", "F49"]
    assert {r.action for s in shipped for r in s.remedies} <= set(CATALOGUE)
    assert all(len(s.groups) >= 2 and s.refuters for s in shipped)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            broken(groups__0__when={"quantity": "pool_wishers", "fact": "max", "op": ">=", "value": 1}),
            "pool_wishers",
        ),
        (broken(groups__0__when={"log": "(", "fact": "count", "op": ">=", "value": 1}), "does not compile"),
        (broken(groups__1__vantage="workload"), "two vantages"),
        (broken(groups__0__mechanism=False), "mechanism"),
        (broken(id="X1"), "id"),
        (broken(title="uses 3 pools"), "title"),
        (broken(verify=[]), "verify needs"),
        (
            broken(verify=[{"role": "neighbour", "quantity": "in_flight", "on": "self", "op": "==", "value": 0}]),
            "verify needs",
        ),
        (broken(surprise=1), "surprise"),
        ("a: [", "broken.yaml"),
    ],
)
def test_what_does_not_hold_together_is_refused_by_name(text, says):
    with pytest.raises(BadInput, match=r"broken\.yaml") as refused:
        parse(text, "broken.yaml")
    assert says in str(refused.value)


def test_no_signatures_at_all_is_an_error(tmp_path):
    with pytest.raises(BadInput, match="recognise nothing"):
        load(tmp_path)


def test_an_id_used_twice_is_an_error(tmp_path):
    for name in ("F11-a.yaml", "F11-b.yaml"):
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(BadInput, match="share an id"):
        load(tmp_path)
