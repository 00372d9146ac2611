"""One incident from its alert to its end, with a process killed on the way; many of them side by side.

A walk is a generator that yields whenever it waits, so that one thread can lead several installations at once.
"""

import itertools
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.crash.stack import ALERT, ENVIRONMENT, SURFACES, TOKENS, Stack, left_behind
from tests.playground.alerts import NOT_ENDED, fingerprint
from tests.playground.osproc import now, rfc3339

Waiting = Generator[None, None, None]

PATIENCE_S = 90.0
"""From the alert to the fix, whatever dies on the way; seconds on a quiet machine, longer on a busy one."""

CALM_S = 30.0
"""From the resolved alert to the end with nothing held, nothing unsent."""

RETRY_S = 0.3
UNSENT_S = 3.0


class Lost(AssertionError):
    """What had to come did not come."""


def until(what: str, holds: Callable[[], object], seconds: float) -> Waiting:
    """Wait for something; Lost if it does not come in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise Lost(f"{what}: not within {seconds:g} s")
        yield


def pause(seconds: float) -> Waiting:
    """Wait a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield


def deliver(stack: Stack, path: str, body: Mapping[str, object], source: str) -> Waiting:
    """Send until it is taken, as Alertmanager does: no answer and 5xx are tried again."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status = stack.send(path, body, TOKENS[source])
        if 200 <= status < 300:
            return
        if status and status < 500:
            raise Lost(f"{path} was refused with {status}")
        if time.monotonic() > deadline:
            raise Lost(f"{path} was not taken")
        yield from pause(RETRY_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert that is its own incident."""

    labels: Mapping[str, str]
    started: str

    @property
    def identity(self) -> str:
        """Its fingerprint."""
        return fingerprint(self.labels)

    def body(self, *, firing: bool) -> dict[str, object]:
        """The notification about it."""
        one = {
            "status": "firing" if firing else "resolved",
            "labels": self.labels,
            "annotations": {"summary": "The edge fails"},
            "startsAt": self.started,
            "endsAt": NOT_ENDED if firing else rfc3339(now()),
            "fingerprint": self.identity,
        }
        return {"version": "4", "alerts": [one]}


def alert() -> Alert:
    """A new one."""
    labels = {
        "alertname": ALERT,
        "environment": ENVIRONMENT,
        "service": "gateway",
        "severity": "critical",
        "case": uuid.uuid4().hex,
    }
    return Alert(labels=labels, started=rfc3339(now()))


def fire(stack: Stack, about: Alert) -> Waiting:
    """Deliver that it fires."""
    yield from deliver(stack, "/v1/webhooks/alertmanager", about.body(firing=True), "alertmanager")


def resolve(stack: Stack, about: Alert) -> Waiting:
    """Deliver that it resolved."""
    yield from deliver(stack, "/v1/webhooks/alertmanager", about.body(firing=False), "alertmanager")


def break_it(stack: Stack, fault: str) -> Waiting:
    """Break the target and, where a deploy did it, have that announced and read."""
    made = stack.break_it(fault)
    if "previous_revision" in made:
        yield from deliver(stack, "/v1/changes", _deploy(made), "changes")
        yield from until("the change record parsed", lambda: not stack.unparsed(), PATIENCE_S)
    yield from pause(0.1)


def _deploy(made: Mapping[str, Any]) -> dict[str, object]:
    return {
        "context": {
            "specversion": "0.5.0",
            "id": str(uuid.uuid4()),
            "source": "/cd",
            "type": "dev.cdevents.service.deployed.0.2.0",
            "timestamp": made["at"],
        },
        "subject": {
            "id": "checkout",
            "type": "service",
            "content": {"environment": {"id": ENVIRONMENT}, "artifactId": f"checkout:{made['revision']}"},
        },
        "customData": {
            "revision": made["revision"],
            "previous_revision": made["previous_revision"],
            "schema_version": 1,
        },
    }


Place = tuple[str, str]
"""A process and a point it passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Where a process dies in an incident of which fault, and where one dies a second time."""

    fault: str
    first: Place | None = None
    then: Place | None = None

    def __str__(self) -> str:
        places = [f"{process} {point}" for process, point in (p for p in (self.first, self.then) if p)]
        return f"{self.fault}: {', then '.join(places) or 'no crash'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one walk ended. ``passed`` are the points each process passed in it, in order."""

    case: Case
    right: bool
    outcome: str
    effects: int
    seconds: float
    passed: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        mark = "ok  " if self.right else "FAIL"
        return f"{mark} {self.case!s:<70} {self.outcome:<40} {self.effects} effect(s) {self.seconds:5.1f} s"


EXPECTED: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "F11": ("MITIGATED", "SUCCEEDED", ("do-1",)),
    "F34": ("MITIGATED", "SUCCEEDED", ("do-1",)),
    "worse": ("NEEDS_HUMAN", "UNDONE", ("do-1", "undo-1")),
}
"""By fault: where the incident stands at last, how its last run ended, which effects there were, each once."""


def at_end(stack: Stack, about: Alert, state: str) -> bool:
    """Whether the one incident of an alert is in a state."""
    found = stack.incidents(about.identity)
    return len(found) == 1 and found[0]["state"] == state


def to_the_fix(stack: Stack, about: Alert, fault: str) -> Waiting:
    """Until its incident has come to where this fault ends."""
    state = EXPECTED[fault][0]
    yield from until(state, lambda: at_end(stack, about, state), PATIENCE_S)


def to_the_end(stack: Stack, about: Alert) -> Waiting:
    """Resolve it; until it is resolved, nothing is held and nothing waits."""
    yield from resolve(stack, about)
    yield from until("RESOLVED", lambda: at_end(stack, about, "RESOLVED"), CALM_S)
    yield from until("no lease left", lambda: not stack.leases(), CALM_S)
    yield from until("every delivery parsed", lambda: not stack.unparsed(), CALM_S)
    yield from until("every bell rung", lambda: not stack.unsent(UNSENT_S), CALM_S)


def judge(stack: Stack, about: Alert, fault: str) -> tuple[str, int]:
    """What became of the incident, in words; Lost when it is not what had to become of it."""
    found = stack.incidents(about.identity)
    if len(found) != 1:
        raise Lost(f"{len(found)} incidents of one alert")
    runs = stack.runs(found[0]["id"])
    states = [r["state"] for r in runs]
    keys = stack.done()["keys"]
    _, ended, effects = EXPECTED[fault]
    if states[-1:] != [ended] or not set(states[:-1]) <= {"ABORTED", "NOT_APPLIED"}:
        raise Lost(f"the runs ended {states}")
    if keys != [f"{runs[-1]['id']}-{e}" for e in effects]:
        raise Lost(f"the effects were {keys}")
    return ", ".join(states), len(keys)


def whole(stack: Stack, about: Alert, fault: str) -> Waiting:
    """From the alert to rest."""
    yield from fire(stack, about)
    yield from to_the_fix(stack, about, fault)
    yield from to_the_end(stack, about)


def walk(stack: Stack, case: Case) -> Generator[None, None, Row]:
    """One incident from break to rest, with whoever dies on the way."""
    yield from break_it(stack, case.fault)
    about = alert()
    stack.record()
    places = [p for p in (case.first, case.then) if p is not None]
    armed: Place | None = None
    began = time.monotonic()
    walking = whole(stack, about, case.fault)
    while True:
        if places and (armed is None or stack.taken(armed)):
            armed = places.pop(0)
            stack.arm(armed)
        try:
            next(walking)
        except StopIteration:
            break
        yield
    missed = ""
    if armed is not None:
        deadline = time.monotonic() + 3
        while not stack.taken(armed) and time.monotonic() < deadline:
            yield
        if not stack.taken(armed) and armed != case.then:
            raise Lost("the point was not passed")
        if places or not stack.taken(armed):
            stack.disarm(armed)
            missed = "; the second point was not passed"
        last = armed
        yield from until("started again", lambda: stack.child_of(last[0]).process is not None, 3)
    took = time.monotonic() - began
    outcome, effects = judge(stack, about, case.fault)
    passed = {process: stack.passed(process) for process in SURFACES}
    outcome += missed
    return Row(case=case, right=True, outcome=outcome, effects=effects, seconds=took, passed=passed)


def failed(stack: Stack, case: Case, why: BaseException, seconds: float) -> Row:
    """The row of a walk that was lost, with what can be said about it."""
    state, runs = "none", []
    newest = stack.newest()
    if newest is not None:
        state = f"{newest['state']} ({newest['reason']})"
        runs = [f"{r['state']} ({r['reason']})" for r in stack.runs(newest["id"])]
    unreached = [p for p in (case.first, case.then) if p is not None and not stack.taken(p)]
    return Row(
        case=case,
        right=False,
        outcome=f"{why}; incident {state}; runs {runs}; not reached {unreached}; in {stack.folder}",
        effects=len(stack.done()["keys"]),
        seconds=seconds,
    )


@dataclass(slots=True, kw_only=True)
class _Lane:
    stack: Stack
    case: Case | None = None
    walking: Generator[None, None, Row] | None = None
    began: float = 0.0


class Machine:
    """So many installations side by side, reused from walk to walk; one that lost a walk is replaced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._lanes: list[_Lane] = []

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_: object) -> None:
        for lane in self._lanes:
            lane.stack.close()
        assert not left_behind(self._folder)

    def lead(self, cases: Iterable[Case], lanes: int = 1, told: Callable[[Row], None] = print) -> list[Row]:
        """Walk every case. Rows come in the order in which the walks ended."""
        waiting = deque(cases)
        rows: list[Row] = []
        while waiting or any(lane.walking for lane in self._lanes):
            if waiting and len(self._lanes) < lanes:
                self._lanes.append(_Lane(stack=Stack(self._folder / f"stack-{next(self._numbers)}")))
            for lane in list(self._lanes):
                lane.stack.watch()
                row = _step(lane, waiting)
                if row is None:
                    continue
                rows.append(row)
                told(row)
                if not row.right:
                    lane.stack.close()
                    self._lanes.remove(lane)
            time.sleep(0.05)
        return rows


def follow(stack: Stack, walking: Waiting) -> None:
    """Lead one walk to its end on one installation."""
    while True:
        stack.watch()
        try:
            next(walking)
        except StopIteration:
            return
        time.sleep(0.02)


def _step(lane: _Lane, waiting: deque[Case]) -> Row | None:
    if lane.walking is None:
        if not waiting or not lane.stack.ready():
            return None
        lane.case = waiting.popleft()
        lane.walking, lane.began = walk(lane.stack, lane.case), time.monotonic()
    assert lane.case is not None
    try:
        next(lane.walking)
    except StopIteration as end:
        lane.walking = None
        row: Row = end.value
        return row
    except AssertionError as lost:
        lane.walking = None
        return failed(lane.stack, lane.case, lost, time.monotonic() - lane.began)
    return None


def places(row: Row, processes: Iterable[str] = SURFACES) -> list[Place]:
    """Every point passed in a walk."""
    return [(process, point) for process in processes for point in row.passed[process]]


LOSES_THE_RUN = frozenset(
    {
        "run.reserved:after",
        "run.preflight:after",
        "run.executing:after",
        "effect:do:before",
        "effect:do:after",
        "step.undo.intended:after",
        "effect:undo:after",
    }
)
"""Deaths that always leave a run for the reconciler, each at another stage of it."""


def recoveries(plain: Row, rows: Iterable[Row]) -> list[Case]:
    """Points that are passed only on the way back from a crash, each after a crash that leads there.

    Where the run went differs (it was applied, it was not); so one case for each point and each such way.
    """
    known = set(places(plain))
    found: dict[tuple[Place, str], Case] = {}
    surest_first = sorted(rows, key=lambda row: row.case.first is None or row.case.first[1] not in LOSES_THE_RUN)
    for row in surest_first:
        for place in places(row) if row.right else []:
            if place not in known:
                found.setdefault((place, row.outcome), replace(row.case, then=place))
    return list(found.values())
