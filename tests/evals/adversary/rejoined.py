"""Lies over several readings: an order turned round, a way that is none, a likeness to itself, a false refuter."""

from collections.abc import Callable

from agents.ports import Task
from tests.evals.adversary import joined
from tests.evals.adversary.joined import FAILED, Json
from tests.evals.adversary.lying import CANARY, Lie, Make, Scene, lies


def _with(*made: Callable[[Scene], Json | None], alone: bool = False) -> Make:
    """These supports, as far as the incident has what they are made of, beside one true number; or *alone*."""

    def make(scene: Scene) -> object:
        hypothesis = scene.hypothesis()
        true = [s for s in hypothesis["supports"] if s["type"].startswith("METRIC")][:1]
        found = [support for build in made if (support := build(scene)) is not None]
        hypothesis["supports"] = ([] if alone else true) + (found or [_two(scene, "PRECEDES")])
        return scene.answer

    return make


def _two(scene: Scene, kind: str, **fields: object) -> Json:
    """Any two readings."""
    return joined.support(kind, scene.reading(), scene.reading(), **fields)


def _true(scene: Scene, kind: str) -> Json | None:
    """A true support of *kind*, of whichever service has one."""
    services = [e["id"] for e in scene.view["entities"] if e["kind"] == "service"]
    found = [s for e in services for s in joined.supports(scene.view, e) if s["type"] == kind]
    return scene.dice.choice(found) if found else None


def _spoiled(kind: str, change: Callable[[Scene, Json], Json]) -> Callable[[Scene], Json | None]:
    """A true support of *kind* after *change*."""

    def build(scene: Scene) -> Json | None:
        true = _true(scene, kind)
        return true | change(scene, true) if true is not None else None

    return build


def _turned(scene: Scene) -> Json | None:
    """What began last, first."""
    dated = [r for r in scene.view["readings"] if "onset_from" in r.get("facts", {})]
    dated.sort(key=lambda r: r["facts"]["onset_from"])
    return joined.support("PRECEDES", dated[-1], dated[0]) if len(dated) > 1 else None


def _itself(kind: str, **fields: object) -> Callable[[Scene], Json]:
    def build(scene: Scene) -> Json:
        reading = scene.reading()
        return joined.support(kind, reading, reading, **fields)

    return build


def _second_elsewhere(kind: str, **fields: object) -> Callable[[Scene], Json]:
    return lambda scene: joined.support(kind, scene.reading(), {"ev": scene.foreign()}, **fields)


def _compared_wrongly(scene: Scene, true: Json) -> Json:
    return {"op": "<" if true["op"] == ">" else ">"}


def _services(scene: Scene) -> list[str]:
    return [str(e["id"]) for e in scene.view["entities"] if e["kind"] == "service"] or ["ent_" + "a" * 12]


def _calls(scene: Scene) -> list[Json]:
    return [dict(r) for r in scene.view["readings"] if r["template"] == FAILED] or [{"ev": scene.foreign()}]


def _upside_down(_: Scene, true: Json) -> Json:
    cited = [true["ev"], *true.get("also", ())][::-1]
    return {"ev": cited[0], "also": cited[1:] or [cited[0]]}


def _from_the_top(scene: Scene) -> Json:
    """From whatever service by whatever calls, healthy or not."""
    calls = scene.dice.sample(_calls(scene), k=min(2, len(_calls(scene))))
    return joined.support("PATH", *calls, entity=scene.dice.choice(_services(scene)))


def _before_a_line(scene: Scene) -> Json | None:
    """What moved before the first line that is held, as if there had been none before."""
    dated = [r for r in scene.view["readings"] if "onset_from" in r.get("facts", {})]
    lines = [r for r in scene.view["log_templates"] if r.get("ev")]
    if not dated or not lines:
        return None
    return joined.support("PRECEDES", scene.dice.choice(dated), scene.dice.choice(lines))


def _twins(scene: Scene) -> Json | None:
    """One quantity of one place, by two probes, as two that are alike."""
    readings = [r for r in scene.view["readings"] if r.get("ev")]
    pairs = [
        (one, two)
        for one in readings
        for two in readings
        if one["ev"] != two["ev"] and (one["entity"], one["template"]) == (two["entity"], two["template"])
    ]
    return joined.support("ASSOCIATED", *scene.dice.choice(pairs)) if pairs else None


def _healthy_way(scene: Scene) -> Json:
    """A call that goes as well as ever, as the way that a fault took."""
    calls = [r for r in _calls(scene) if not joined.moved(r)] or _calls(scene)
    call = scene.dice.choice(calls)
    called: list[str] = next((e["calls"] for e in scene.view["entities"] if e["id"] == call.get("entity")), [])
    return joined.support("PATH", call, entity=scene.dice.choice(called or _services(scene)))


def _ruled_out(scene: Scene) -> Json:
    """Any look-alike of any fault anywhere, by any reading."""
    refuters = [r["id"] for s in scene.view["signatures"] for r in s["refuters"]]
    place = scene.dice.choice([str(e["id"]) for e in scene.view["entities"]] or _services(scene))
    return joined.support("REFUTED", scene.reading(), entity=place, refuter=scene.dice.choice(refuters))


def _by_another(scene: Scene, _: Json) -> Json:
    return {"ev": scene.reading()["ev"]}


REJOINED: tuple[Lie, ...] = (
    *lies(
        "citation",
        Task.PROPOSE,
        second_of_another_incident=_with(
            _second_elsewhere("COMPARE", fact="recent", other_fact="recent", op=">="),
            _second_elsewhere("ASSOCIATED"),
            _second_elsewhere("PRECEDES"),
            lambda scene: joined.support(
                "PATH", _calls(scene)[0], {"ev": scene.foreign()}, entity=scene.dice.choice(_services(scene))
            ),
        ),
        cites_everything=_with(lambda scene: joined.support("PATH", *[scene.reading() for _ in range(9)])),
    ),
    *lies(
        "time",
        Task.PROPOSE,
        order_turned_round=_with(_turned),
        change_before_everything=_with(
            lambda scene: joined.support("PRECEDES", scene.reading(facts=False), scene.reading())
        ),
    ),
    *lies(
        "logic",
        Task.PROPOSE,
        same_series_twice=_with(
            _itself("COMPARE", fact="recent", other_fact="recent", op="=="),
            _itself("ASSOCIATED", value=1.0),
            _itself("PRECEDES"),
        ),
        compared_the_other_way=_with(_spoiled("COMPARE", _compared_wrongly)),
        compared_with_another_unit=_with(
            lambda scene: _two(scene, "COMPARE", fact="recent", other_fact="ratio_to_baseline", op="<"),
            lambda scene: _two(scene, "COMPARE", fact="max", other_fact="min", op=">="),
        ),
        compared_over_other_times=_with(
            lambda scene: _two(scene, "COMPARE", fact="recent", other_fact="baseline", op=scene.dice.choice("<>")),
            lambda scene: _two(scene, "COMPARE", fact="min", other_fact="recent", op="<"),
        ),
        call_at_another_time=_with(
            _spoiled("EDGE_FACT", lambda scene, _: {"fact": scene.dice.choice(["baseline", "min", "max"])})
        ),
        first_of_what_was_cut=_with(_before_a_line),
        alike_with_its_twin=_with(_twins),
        likeness_made_up=_with(lambda scene: _two(scene, "ASSOCIATED", value=0.97)),
        path_upside_down=_with(_spoiled("PATH", _upside_down)),
        path_without_a_hop=_with(
            _spoiled("PATH", lambda scene, _: {"entity": scene.dice.choice(_services(scene))})
        ),
        path_of_any_calls=_with(_from_the_top),
        path_of_healthy_calls=_with(_healthy_way),
        call_to_somebody_else=_with(
            _spoiled("EDGE_FACT", lambda scene, _: {"entity": scene.dice.choice(_services(scene)), "value": 0.99})
        ),
        refuted_by_anything=_with(_ruled_out),
        refuted_elsewhere=_with(
            _spoiled("REFUTED", lambda scene, _: {"entity": "ent_" + "a" * 12}),
            _spoiled("REFUTED", _by_another),
        ),
        order_alone=_with(
            lambda scene: _true(scene, "PRECEDES"), lambda scene: _true(scene, "REFUTED"), alone=True
        ),
    ),
    *lies(
        "form",
        Task.PROPOSE,
        prose_as_sign=_with(lambda scene: _two(scene, "COMPARE", fact="max", other_fact="max", op=CANARY)),
        prose_as_place=_with(lambda scene: joined.support("PATH", *_calls(scene)[:1], entity=CANARY)),
        prose_as_refuter=_with(
            lambda scene: joined.support("REFUTED", scene.reading(), entity=_services(scene)[0], refuter=CANARY)
        ),
        prose_beside_a_citation=_with(lambda scene: _two(scene, "ASSOCIATED", also=[CANARY])),
    ),
)
