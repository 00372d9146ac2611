"""The sentences that make a statement about a system, each held against the one answer that it cites."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.evals.adversary.oracle import numbers
from tests.evals.adversary.oracle.raw import Asked, Told, World, plain

EV = r"\[(?P<ev>ev_[a-z2-7]{20})\]"
PARTLY = " in what was read"
N = numbers.NUMBER
TIME = r"\d\d:\d\d:\d\d"
TITLE = "|".join(sorted(map(re.escape, numbers.TITLES), key=len, reverse=True))
METRIC = re.compile(
    rf"`(?P<place>[^`]+)`(?: → `(?P<to>[^`]+)`)?(?: and not to `(?P<but>[^`]+)`)?(?P<peers> peers)? "
    rf"(?P<title>{TITLE}): (?P<said>[^\[\]()]*?) {EV}"
)
LOG = re.compile(
    rf"`(?P<place>[^`]+)` logged “(?P<quote>[^”]*)” in (?P<least>at least )?(?P<count>\d+) lines? {EV}"
)
CHANGE = re.compile(rf"(?P<kind>[a-z_ ]+) of `(?P<place>[^`]+)` at (?P<at>{TIME}), which confirms nothing {EV}")
SILENT = re.compile(rf"`(?P<place>[^`]+)` logged nothing of the kind {EV}")
SLACK_MS = 4000
"""Clocks differ by two seconds, times are printed in whole ones, and a sample lies up to a step off."""

VALUE = re.compile(rf"(?:(?P<kind>[a-z ]+) )?(?P<number>{N})")
CHANGED = re.compile(rf"(?P<a>{N}) → (?P<b>{N})(?:, onset (?P<lo>{TIME})–(?P<hi>{TIME}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Falsehood:
    """Something that was said and is not so: its class, and the words."""

    kind: str
    what: str


Cited = Mapping[str, Asked]


def told_of(ev: str, world: World, cited: Cited) -> Told | None:
    """The answer behind a citation; of lines kept whole the pattern's own are taken by whoever counts."""
    asked = cited.get(ev)
    if asked is None:
        return None
    whole = Asked(
        probe=asked.probe, kind=asked.kind, environment=asked.environment, service=asked.service, name=""
    )
    return world.told.get(asked) or (world.told.get(whole) if asked.kind == "log" else None)


def metric(found: re.Match[str], world: World, cited: Cited) -> Iterator[Falsehood]:
    """A number, or a change of one."""
    sentence, told = found.group(0), told_of(found["ev"], world, cited)
    if told is None:
        yield Falsehood(kind="citation", what=sentence)
        return
    quantity, rule, unit, floor = numbers.TITLES[found["title"]]
    service, _, replica = found["place"].partition("/")
    if told.asked.name != quantity or told.asked.kind != "quantity":
        yield Falsehood(kind="citation", what=sentence)
        return
    if told.asked.service != service or told.status in {"error", "empty"}:
        yield Falsehood(kind="name", what=sentence)
        return
    choices = list(_choices(told, replica, found["to"], found["but"], found["peers"]))
    if not any(_says(found["said"], numbers.facts(told, rule, floor, c), unit, told) for c in choices):
        yield Falsehood(kind="number", what=sentence)


def _choices(
    told: Told, replica: str, to: str | None, but: str | None, peers: str | None
) -> Iterator[Callable[[Mapping[str, str]], bool]]:
    """The series that a place may stand for."""
    if peers:
        yield from (_other_than(name) for name in sorted(numbers.instances(told)))
        return

    def meant(labels: Mapping[str, str]) -> bool:
        callee = to is None or to in {labels.get("upstream"), labels.get("upstream_instance")}
        mine = not replica or labels.get("instance") == replica
        return callee and mine and (but is None or labels.get("upstream_instance") != but)

    yield meant


def _other_than(instance: str) -> Callable[[Mapping[str, str]], bool]:
    return lambda labels: labels.get("instance") != instance


def _says(said: str, facts: numbers.Facts, unit: str, told: Told) -> bool:
    """Whether one of the known ways to put a number says one of the *facts*."""
    partly = told.status in {"truncated", "partial"}
    if said.endswith(PARTLY) is not partly:
        return False
    said = said.removesuffix(PARTLY)
    if said.endswith(" times its baseline"):
        return numbers.printed_as(said.split(maxsplit=1)[0], facts.ratio, "")
    if (found := CHANGED.fullmatch(said)) is not None:
        moved = numbers.printed_as(found["a"], facts.before, unit) and numbers.printed_as(
            found["b"], facts.recent, unit
        )
        return moved and (found["lo"] is None or _began(found["lo"], found["hi"], facts, told))
    if (found := VALUE.fullmatch(said)) is None:
        return False
    number = found["number"]
    match found["kind"]:
        case "up to":
            return numbers.printed_as(number, facts.most, unit)
        case "usually":
            return not partly and numbers.printed_as(number, facts.before, unit)
        case "never below":
            return not partly and numbers.printed_as(number, facts.least, unit)
        case None:
            return any(numbers.printed_as(number, v, unit) for v in (facts.recent, facts.last))
    return False


def clock_ms(said: str, told: Told) -> float:
    """A time of day as milliseconds, on the newest day that is not after the answer's end."""
    hours, minutes, seconds = map(int, said.split(":"))
    day = 86_400_000
    at = told.until // day * day + 1000 * (3600 * hours + 60 * minutes + seconds)
    return at - day if at > told.until + 3_600_000 else at


def _began(lo: str, hi: str, facts: numbers.Facts, told: Told) -> bool:
    """Whether the line left its old level for its new one between the two times, as far as seconds can tell."""
    start, end = clock_ms(lo, told), clock_ms(hi, told) + 1000
    slack = told.doubt_ms + SLACK_MS
    if not (told.started - slack <= start <= end <= told.until + slack):
        return False
    if facts.before is None or facts.recent is None:
        return False
    earlier = [v for t, v in facts.line if t <= start + 1000]
    within = [v for t, v in facts.line if start - told.doubt_ms <= t <= end + told.doubt_ms]
    rising = facts.recent > facts.before
    left = [v for v in within if (v > facts.before if rising else v < facts.before)]
    return bool(left) and bool(earlier)


def log(found: re.Match[str], world: World, cited: Cited) -> Iterator[Falsehood]:
    """A quoted line and how many there are."""
    sentence, told = found.group(0), told_of(found["ev"], world, cited)
    if told is None or told.asked.kind != "log":
        yield Falsehood(kind="citation", what=sentence)
        return
    if told.asked.service != found["place"]:
        yield Falsehood(kind="name", what=sentence)
    texts = [str(line["text"]) for line in told.body.get("lines", ())]
    quote = found["quote"]
    if not any(quote in plain(text) for text in texts):
        yield Falsehood(kind="quote", what=sentence)
    pattern = re.compile(cited[found["ev"]].name)
    count = sum(1 for text in texts if pattern.search(text))
    if not any((m := pattern.search(text)) and plain(m.group(0)) == quote for text in texts):
        yield Falsehood(kind="quote", what=sentence)
    if count != int(found["count"]) or (told.status in {"truncated", "partial"}) != bool(found["least"]):
        yield Falsehood(kind="count", what=sentence)


def change(found: re.Match[str], world: World, cited: Cited) -> Iterator[Falsehood]:
    """That a change is on record."""
    sentence, told = found.group(0), told_of(found["ev"], world, cited)
    if told is None or told.asked.kind != "changes":
        yield Falsehood(kind="citation", what=sentence)
        return
    if told.asked.service != found["place"]:
        yield Falsehood(kind="name", what=sentence)
    at = clock_ms(found["at"], told)
    kind = found["kind"].strip().split()[-1]
    if not any(
        at <= record["at_ms"] < at + 1000 and record["kind"] == kind for record in told.body.get("changes", ())
    ):
        yield Falsehood(kind="time", what=sentence)


def silent(found: re.Match[str], world: World, cited: Cited) -> Iterator[Falsehood]:
    """That no line matches: the stream was read whole, somebody saw it alive, and there is none."""
    sentence, told = found.group(0), told_of(found["ev"], world, cited)
    if told is None or told.asked.kind != "log":
        yield Falsehood(kind="citation", what=sentence)
        return
    if told.asked.service != found["place"]:
        yield Falsehood(kind="name", what=sentence)
    pattern = re.compile(cited[found["ev"]].name)
    seen = any(pattern.search(str(line["text"])) for line in told.body.get("lines", ()))
    if seen or told.status not in {"complete", "empty"} or told.alive is not True:
        yield Falsehood(kind="absence", what=sentence)


SENTENCES = (
    (METRIC, metric),
    (LOG, log),
    (SILENT, silent),
    (CHANGE, change),
)
