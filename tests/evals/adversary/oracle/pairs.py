"""The sentences over several answers: an order, a comparison, a likeness, a way of calls, what is ruled out."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from tests.evals.adversary.oracle import numbers, vocabulary
from tests.evals.adversary.oracle.raw import Told, World, moment
from tests.evals.adversary.oracle.sentences import EV, METRIC, TITLE, Cited, Falsehood, metric, told_of

OTHER = r"\[(?P<other>ev_[a-z2-7]{20})\]"
LINE, CHANGE = "the first such line", "a change"
PLACE = r"`(?P<{0}_place>[^`]+)`(?: → `[^`]+`)?(?: and not to `[^`]+`)?(?: peers)?"


def _who(name: str) -> str:
    """A number and its place, or a line or a change and whose it is."""
    place = PLACE.format(name)
    return rf"(?:{place} (?P<{name}>{TITLE})|(?P<{name}_is>{LINE}|{CHANGE}) of `(?P<{name}_of>[^`]+)`)"


BEFORE = re.compile(rf"{_who('first')} came before {_who('second')} {EV} {OTHER}")
AGAINST = re.compile(
    rf"`(?P<place>[^`]+)` (?P<title>{TITLE}): (?P<said>[^\[\]()]*?) against "
    rf"(?:`(?P<its_place>[^`]+)` (?P<its_title>{TITLE}): )?(?P<second>[^\[\]()`]*?) {EV} {OTHER}"
)
TOGETHER = re.compile(
    rf"{PLACE.format('first')} (?P<first>{TITLE}) and {PLACE.format('second')} (?P<second>{TITLE}) "
    r"moved (?P<how>together|in opposite ways) "
    rf"\(rho (?P<rho>-?\d\.\d\d)\), "
    rf"which confirms nothing {EV} {OTHER}"
)
WAY = re.compile(r"(?P<way>`[^`]+`(?: → `[^`]+`)+), each call seen(?P<cited>(?: \[ev_[a-z2-7]{20}\])+)")
NOT = re.compile(rf"not (?P<signature>F\d\d) in `(?P<accused>[^`]+)`: {METRIC.pattern}")
KINDS = ("up to ", "never below ", "usually ")
RHO = 0.05
"""How far a correlation may lie from ours: whoever said it chose the lag among steps."""


def _alone(found: re.Match[str]) -> Iterator[Falsehood]:
    """Two that are one."""
    if found["ev"] == found["other"]:
        yield Falsehood(kind="pair", what=found.group(0))


def before(found: re.Match[str], world: World, cited: Cited) -> Iterator[Falsehood]:
    """That one number left its past before another did: the first must have moved when the second had not."""
    first, second = (told_of(found[name], world, cited) for name in ("ev", "other"))
    sentence = found.group(0)
    if first is None or second is None:
        yield Falsehood(kind="citation", what=sentence)
        return
    what = [found[name] or found[f"{name}_is"] for name in ("first", "second")]
    if found["ev"] == found["other"] and what[0] == what[1]:
        yield Falsehood(kind="pair", what=sentence)
    for told, title, name in ((first, what[0], "first"), (second, what[1], "second")):
        if (told.asked.kind, told.asked.name) != _named(title, told):
            yield Falsehood(kind="citation", what=sentence)
            return
        if told.asked.service != (found[f"{name}_place"] or found[f"{name}_of"]).partition("/")[0]:
            yield Falsehood(kind="name", what=sentence)
    if what[1] in {LINE, CHANGE} and (second.status != "complete" or second.started > (first.until or 0)):
        yield Falsehood(kind="order", what=sentence)
    left = [_began(told, cited[found[ev]].name) for told, ev in ((first, "ev"), (second, "other"))]
    if left[0] is None or left[1] is None or left[0] - first.doubt_ms > left[1] + second.doubt_ms:
        yield Falsehood(kind="order", what=sentence)


def _named(title: str, told: Told) -> tuple[str, str]:
    """The kind and name of an answer that is told of by *title*."""
    if title in numbers.TITLES:
        return "quantity", numbers.TITLES[title][0]
    return ("log" if title == LINE else "changes"), told.asked.name


def _began(told: Told, pattern: str) -> float | None:
    """When what an answer tells of began: its first line or record, or when its number left its past."""
    if told.asked.kind == "quantity":
        return _left(told)
    lines = [moment(str(x["at"])) for x in told.body.get("lines", ()) if re.search(pattern, str(x["text"]))]
    return min((*lines, *(float(c["at_ms"]) for c in told.body.get("changes", ()))), default=None)


def _left(told: Told) -> float | None:
    """When the whole of an answer first stood nearer to its present than to its past, and past the floor."""
    rule, _, floor = numbers.rule_of(told.asked.name)
    at: list[float] = []
    places = [None, *sorted(numbers.instances(told))]
    for place in places:
        facts = numbers.facts(told, rule, floor, numbers.at_place(place))
        if facts.before is None or facts.recent is None or abs(facts.recent - facts.before) < floor:
            continue
        half = (facts.recent + facts.before) / 2
        rising = facts.recent > facts.before
        at += [t for t, v in facts.line if (v >= half if rising else v <= half)][:1]
    return min(at, default=None)


def against(found: re.Match[str], world: World, cited: Cited) -> Iterator[Falsehood]:
    """Two numbers of one unit side by side, each a fact of its own answer."""
    yield from _alone(found)
    sentence = found.group(0)
    units: list[str] = []
    kinds: list[str] = []
    mine = found["place"], found["title"]
    its = found["its_place"] or found["place"], found["its_title"] or found["title"]
    for ev, said, (place, title) in (
        (found["ev"], found["said"], mine),
        (found["other"], found["second"], its),
    ):
        told = told_of(ev, world, cited)
        if told is None or told.asked.kind != "quantity":
            yield Falsehood(kind="citation", what=sentence)
            return
        if (told.asked.service, told.asked.name) != (place.partition("/")[0], numbers.TITLES[title][0]):
            yield Falsehood(kind="citation", what=sentence)
        rule, unit, floor = numbers.rule_of(told.asked.name)
        units.append(unit)
        facts = numbers.facts(told, rule, floor, lambda _: True)
        kinds.append(next((kind for kind in KINDS if said.startswith(kind)), ""))
        every = {"up to ": (facts.most,), "never below ": (facts.least,), "usually ": (facts.before,)}
        number = said.removeprefix(kinds[-1])
        meant = every.get(kinds[-1], (facts.recent, facts.last))
        times = "times" in said and numbers.printed_as(said.partition(" ")[0], facts.ratio, "")
        if not times and not any(numbers.printed_as(number, v, unit) for v in meant):
            yield Falsehood(kind="number", what=sentence)
    if kinds[0] != kinds[1]:
        yield Falsehood(kind="unit", what=sentence)
    if units[0] != units[1] and "times" not in found["said"]:
        yield Falsehood(kind="unit", what=sentence)


def together(found: re.Match[str], world: World, cited: Cited) -> Iterator[Falsehood]:
    """That two numbers rose and fell alike: so must their ranks, the second a little later at most."""
    yield from _alone(found)
    first, second = (told_of(found[name], world, cited) for name in ("ev", "other"))
    if first is None or second is None or "quantity" not in first.asked.kind + second.asked.kind:
        yield Falsehood(kind="citation", what=found.group(0))
        return
    places = found["first_place"].partition("/")[0], found["second_place"].partition("/")[0]
    if (first.asked.service, second.asked.service) != places:
        yield Falsehood(kind="name", what=found.group(0))
    if first.asked.service == second.asked.service and first.asked.name == second.asked.name:
        yield Falsehood(kind="pair", what=found.group(0))
    if (found["how"] == "together") is found["rho"].startswith("-"):
        yield Falsehood(kind="order", what=found.group(0))
    if min(abs(rho - float(found["rho"])) for rho in numbers.likeness(first, second)) > RHO:
        yield Falsehood(kind="number", what=found.group(0))


def way(found: re.Match[str], world: World, cited: Cited) -> Iterator[Falsehood]:
    """Calls from the symptom down to a cause: each on the map, each in its own answer, and worse than before."""
    sentence = found.group(0)
    names = re.findall(r"`([^`]+)`", found["way"])
    evs = re.findall(r"ev_[a-z2-7]{20}", found["cited"])
    calls = list(pairwise(names))
    if len(evs) != len(calls):
        yield Falsehood(kind="citation", what=sentence)
        return
    for (client, server), ev in zip(calls, reversed(evs), strict=True):
        told = told_of(ev, world, cited)
        if (client, server) not in world.calls:
            yield Falsehood(kind="path", what=f"{client} does not call {server}: {sentence}")
        elif told is None or told.asked.kind != "quantity" or told.asked.service != client:
            yield Falsehood(kind="citation", what=sentence)
        elif not _worse(told, server):
            yield Falsehood(kind="path", what=f"{client} calls {server} as ever: {sentence}")


def _worse(told: Told, server: str) -> bool:
    rule, _, floor = numbers.rule_of(told.asked.name)
    facts = numbers.facts(told, rule, floor, lambda labels: labels.get("upstream") == server)
    return facts.recent is not None and facts.before is not None and facts.recent - facts.before > floor / 2


def ruled_out(found: re.Match[str], world: World, cited: Cited) -> Iterator[Falsehood]:
    """That a fault is not it: a true number, of a look-alike whose every condition holds somewhere."""
    yield from metric(found, world, cited)
    if found["accused"].partition("/")[0] not in world.names:
        yield Falsehood(kind="name", what=found.group(0))
    known, asked = vocabulary.signatures().get(found["signature"]), cited.get(found["ev"])
    whens = known.refuters.values() if known is not None else ()
    if asked is None or not any(_speaks(when, asked.name, world) for when in whens):
        yield Falsehood(kind="refuter", what=found.group(0))


def _speaks(when: Mapping[str, Any], quantity: str, world: World) -> bool:
    parts = when.get("all") or when.get("any") or [when]
    held = [_holds(part, world) for part in parts]
    about = any(part.get("quantity") == quantity for part in parts)
    return about and (any(held) if "any" in when else all(held))


def _holds(when: Mapping[str, Any], world: World) -> bool:
    """Whether a condition holds of some answer; of each process and each of its callees, and of all of them."""
    for told in world.told.values():
        if told.asked.kind != "quantity" or told.asked.name != when.get("quantity") or told.status == "error":
            continue
        rule, _, floor = numbers.rule_of(told.asked.name)
        for place in (None, *sorted(numbers.instances(told))):
            for chosen in (numbers.at_place(place), numbers.not_at(place)):
                facts = numbers.facts(told, rule, floor, chosen)
                value = {"max": facts.most, "min": facts.least, "last": facts.last, "recent": facts.recent}.get(
                    when.get("fact", "recent"), facts.ratio
                )
                if value is not None and _on(value, when["op"], when["value"]):
                    return True
    return False


def _on(value: float, op: str, bound: float) -> bool:
    return {">=": value >= bound, ">": value > bound, "<=": value <= bound, "<": value < bound}.get(
        op, value == bound
    )


JOINED = ((AGAINST, against), (BEFORE, before), (TOGETHER, together), (WAY, way), (NOT, ruled_out))
