"""Answers that no lie would think of: random values over the shape, honest answers with a part replaced, bytes."""

import json
import random
from copy import deepcopy
from functools import cache
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from agents.ports import Task
from tests.evals.adversary.lying import CANARY, Lie, Scene

AT_ONCE = 30
"""Values drawn together: a search of Hypothesis has a price of its own."""

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True),
    st.text(max_size=30),
    st.sampled_from(
        ["propose", "plan", "order", "abstain", "F11", "F49", "OTHER", "METRIC_VALUE", "recent", "up", CANARY]
    ),
)


def _reference(prefix: str, length: int) -> st.SearchStrategy[str]:
    return st.text(alphabet="abcdefgh234567", min_size=length, max_size=length).map(lambda s: prefix + s)


def _support() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "type": st.sampled_from(
                [
                    "METRIC_VALUE",
                    "METRIC_CHANGE",
                    "LOG_PRESENT",
                    "CHANGE_FACT",
                    "COMPARE",
                    "EDGE_FACT",
                    "PRECEDES",
                    "ASSOCIATED",
                    "PATH",
                    "REFUTED",
                    "CAUSE",
                ]
            ),
            "ev": st.one_of(st.just("{ev}"), _reference("ev_", 20)),
            "also": st.lists(st.just("{ev}"), max_size=2),
            "other_fact": st.sampled_from([None, "recent", "max", "baseline"]),
            "op": st.sampled_from([None, "<", ">=", "=="]),
            "entity": st.sampled_from([None, "{ent}"]),
            "refuter": st.sampled_from([None, "F11.x1", "F11.x2", "F34.x1", "F41.x1"]),
            "fact": st.one_of(st.none(), st.sampled_from(["recent", "max", "min", "last", "ratio_to_baseline"])),
            "direction": st.sampled_from([None, "up", "down"]),
            "value": st.one_of(st.none(), st.floats(), st.integers(-5, 5)),
        }
    )


SHAPED = st.fixed_dictionaries(
    {
        "version": st.sampled_from([1, 1, 1, 1.0, 2, "1"]),
        "incident": st.just("{incident}"),
        "status": st.sampled_from(["propose", "propose", "abstain", "plan"]),
        "hypotheses": st.lists(
            st.fixed_dictionaries(
                {
                    "signature": st.sampled_from(["F11", "F34", "F41", "F49", "OTHER", "F99"]),
                    "entity": st.one_of(st.just("{ent}"), _reference("ent_", 12)),
                    "supports": st.lists(_support(), max_size=9),
                    "refuters_checked": st.lists(
                        st.fixed_dictionaries(
                            {
                                "id": st.sampled_from(["F11.x1", "F11.x2", "F34.x1", "F49.x1", "F99.x1"]),
                                "ev": st.none(),
                                "outcome": st.sampled_from(["not_refuted", "refuted", "unknown"]),
                            }
                        ),
                        max_size=3,
                    ),
                    "would_settle": st.lists(
                        st.sampled_from(["changes", "quantity:in_flight", CANARY]), max_size=3
                    ),
                }
            ),
            max_size=6,
        ),
        "unexplained": st.lists(_reference("ent_", 12), max_size=3),
        "abstain_reason": st.one_of(st.none(), st.sampled_from(["not_enough_evidence", CANARY])),
    }
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=12), inner, max_size=4)),
    max_leaves=20,
)


@cache
def _drawn(kind: str, number: int) -> tuple[Any, ...]:
    """Values of one kind, the same for the same number."""
    out: list[Any] = []

    @seed(number)
    @settings(
        max_examples=AT_ONCE,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(SHAPED if kind == "shaped" else ANYTHING)
    def draw(value: Any) -> None:
        out.append(value)

    draw()
    return tuple(out)


def value(kind: str, dice: random.Random) -> Any:
    """One random value."""
    drawn = _drawn(kind, dice.randrange(8))
    return drawn[dice.randrange(len(drawn))]


def _shaped(scene: Scene) -> object:
    evs = [r["ev"] for r in scene.view["readings"]] or [scene.foreign()]
    places = [e["id"] for e in scene.view["entities"]] or ["ent_" + "a" * 12]
    text = json.dumps(value("shaped", scene.dice))
    while "{ev}" in text or "{ent}" in text:
        text = text.replace("{ev}", scene.dice.choice(evs), 1).replace("{ent}", scene.dice.choice(places), 1)
    return text.replace("{incident}", scene.view["incident"])


def _replaced(scene: Scene) -> object:
    """The honest answer with one part of it replaced by something random."""
    made = deepcopy(scene.answer)
    at: Any = made
    while isinstance(at, dict | list) and at:
        keys = list(at) if isinstance(at, dict) else range(len(at))
        key = scene.dice.choice(list(keys))
        if not isinstance(at[key], dict | list) or not at[key] or scene.dice.random() < 0.3:
            at[key] = value("anything", scene.dice)
            break
        at = at[key]
    return made


def _bytes(scene: Scene) -> object:
    return scene.dice.randbytes(scene.dice.choice([1, 10, 1000])).decode("latin-1")


FUZZ: tuple[Lie, ...] = tuple(
    Lie(name=name, group="fuzz", task=Task.PROPOSE, make=make)
    for name, make in {
        "values_of_the_shape": _shaped,
        "honest_with_a_part_replaced": _replaced,
        "anything": lambda scene: json.dumps(value("anything", scene.dice)),
        "bytes": _bytes,
    }.items()
)
