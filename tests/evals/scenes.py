"""What is played on a playground to be recorded: how it is broken, what that is, and what is to be found."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from agents.incident.clock import now
from agents.incident.finding import FindingState
from agents.incident.incident import Alert
from bot.recordings.recording import Broken, Expected
from tests.evals.staged import Stage
from tests.playground import faults

SURGE_S = 90.0
SETTLED_S = 5.0
"""From the alert to the look: half a dozen telemetry intervals, as the second or third look of a live incident."""

S = FindingState
Play = Callable[[Stage, int], contextlib.AbstractContextManager[Alert]]
"""Breaks the stage, gives the alert that came of it, and mends what the stage's own reset does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One recording to make. ``entity`` may hold ``{replica}``: the one that its platform calls unready."""

    name: str
    play: Play
    says: str
    cause: tuple[Broken, ...] = ()
    expected: Expected
    looks: tuple[float, ...] = (SETTLED_S,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """Scenes that are played one after the other on one fresh stage."""

    seed: int
    rate: float
    prometheus: bool
    scenes: tuple[Scene, ...]


def fault(name: str) -> Play:
    """One of the playground's own faults."""

    @contextlib.contextmanager
    def play(stage: Stage, seed: int) -> Iterator[Alert]:
        since = now()
        faults.inject(name, stage.shop, seed=seed, seconds=SURGE_S)
        yield stage.firing(since)

    return play


@contextlib.contextmanager
def all_well(stage: Stage, _seed: int) -> Iterator[Alert]:
    """An alert, and nothing behind it."""
    yield stage.false_alarm()


@contextlib.contextmanager
def cleared(stage: Stage, seed: int) -> Iterator[Alert]:
    """A replica dies and is started again; looked at when its alert is over."""
    since = now()
    faults.inject("self-clearing", stage.shop, seed=seed)
    with contextlib.suppress(TimeoutError):
        alert = stage.firing(since)
        stage.resolved(since)
        time.sleep(2)
        yield alert
        return
    yield stage.false_alarm()  # it was back before anybody noticed


@contextlib.contextmanager
def busy(stage: Stage, _seed: int) -> Iterator[Alert]:
    """Half as much again as usual, and all are served."""
    stage.load(1.4)
    time.sleep(6)
    yield stage.false_alarm()


@contextlib.contextmanager
def harmless_deploy(stage: Stage, _seed: int) -> Iterator[Alert]:
    """The same version deployed again, and nothing the worse."""
    stage.deploy("checkout", "1")
    time.sleep(8)
    yield stage.false_alarm()


@contextlib.contextmanager
def deploy_then_hang(stage: Stage, seed: int) -> Iterator[Alert]:
    """A harmless deploy, and a replica that hangs for a reason of its own."""
    stage.deploy("checkout", "1")
    time.sleep(8)
    with fault("hung-replica")(stage, seed) as alert:
        yield alert


@contextlib.contextmanager
def missing_column(stage: Stage, _seed: int) -> Iterator[Alert]:
    """A column is asked for that was never made: the cache is right to refuse."""
    since = now()
    stage.ask_for_a_missing_column()
    yield stage.firing(since)


@contextlib.contextmanager
def both_hang(stage: Stage, _seed: int) -> Iterator[Alert]:
    """All replicas hang alike."""
    since = now()
    stage.hang("checkout-1")
    stage.hang("checkout-2")
    yield stage.firing(since)


@contextlib.contextmanager
def inventory_stands_still(stage: Stage, _seed: int) -> Iterator[Alert]:
    """The callee of the callee answers nobody."""
    since = now()
    with stage.stopped("inventory-1"):
        yield stage.firing(since)


@contextlib.contextmanager
def database_locked(stage: Stage, _seed: int) -> Iterator[Alert]:
    """Another program holds the write lock; every order waits for it."""
    since = now()
    with stage.database_locked():
        yield stage.firing(since)


@contextlib.contextmanager
def coupons_gone(stage: Stage, _seed: int) -> Iterator[Alert]:
    """A table is missing: orders with a coupon fail."""
    since = now()
    with stage.table_gone("coupons"):
        yield stage.firing(since)


@contextlib.contextmanager
def leak_and_stale(stage: Stage, seed: int) -> Iterator[Alert]:
    """A leaking release and a stale schema cache at the same time."""
    since = now()
    faults.inject("pool-leak", stage.shop, seed=seed)
    faults.inject("stale-schema", stage.shop, seed=seed)
    yield stage.firing(since)


@contextlib.contextmanager
def hang_and_surge(stage: Stage, seed: int) -> Iterator[Alert]:
    """A hanging replica under five times the traffic."""
    since = now()
    faults.inject("hung-replica", stage.shop, seed=seed)
    faults.inject("surge", stage.shop, seed=seed, seconds=SURGE_S)
    yield stage.firing(since)


@contextlib.contextmanager
def prometheus_dies(stage: Stage, seed: int) -> Iterator[Alert]:
    """The pool leaks, and Prometheus is down when it is to be asked."""
    with fault("pool-leak")(stage, seed) as alert:
        assert stage.prometheus is not None
        stage.prometheus.kill()
        yield alert


def found(signature: str, entity: str) -> Expected:
    """A cause that is to be named."""
    return Expected(states=(S.DIAGNOSED,), signature=signature, entity=entity)


NO_CAUSE = Expected(states=(S.SUSPECTS, S.INCONCLUSIVE))
WELL = Expected(states=(S.NO_FAULT,))
SHOP = "playground"


def known(name: str, suffix: str) -> Scene:
    """One of the four faults that the library knows."""
    signature, entity, what = {
        "pool-leak": ("F11", f"{SHOP}/checkout", "version 2 of checkout loses a connection with every coupon"),
        "hung-replica": ("F34", f"{SHOP}/checkout/{{replica}}", "one checkout replica holds a lock for good"),
        "stale-schema": ("F49", f"{SHOP}/inventory", "a migration, and an API that still serves its old schema"),
        "surge": ("F41", f"{SHOP}/gateway", "five times the orders"),
    }[name]
    return Scene(
        name=f"{name}-{suffix}",
        play=fault(name),
        says=what,
        cause=(Broken(what=what, signature=signature, entity=entity),),
        expected=found(signature, entity),
    )


def well(name: str, play: Play, says: str) -> Scene:
    """A window without a fault."""
    return Scene(name=name, play=play, says=says, expected=WELL)


def strange(
    name: str,
    play: Play,
    says: str,
    entity: str,
    expected: Expected = NO_CAUSE,
) -> Scene:
    """A fault that no signature covers, or that looks like one which it is not."""
    return Scene(name=name, play=play, says=says, cause=(Broken(what=says, entity=entity),), expected=expected)


LEAK = Broken(what="version 2 of checkout leaks connections", signature="F11", entity=f"{SHOP}/checkout")
STALE = Broken(what="inventory serves its old schema", signature="F49", entity=f"{SHOP}/inventory")
HUNG = Broken(what="a checkout replica hangs", signature="F34", entity=f"{SHOP}/checkout/{{replica}}")
SURGE = Broken(what="five times the orders", signature="F41", entity=f"{SHOP}/gateway")

SHOWS = (
    Show(
        seed=0,
        rate=16,
        prometheus=False,
        scenes=(
            well("quiet-16", all_well, "the alert fires, and all is well"),
            replace(known("pool-leak", "16"), looks=(0.3, 2.3, 4.3)),
            known("hung-replica", "16"),
            known("stale-schema", "16"),
            known("surge", "16"),
            replace(known("surge", "early-16"), looks=(1.0,)),
            well("cleared-16", cleared, "a replica died, was started again, and the alert is over"),
            well("harmless-deploy-16", harmless_deploy, "a deploy that made nothing worse"),
            strange(
                "missing-column-16",
                missing_column,
                "a column is asked for that was never made",
                f"{SHOP}/checkout",
            ),
            strange(
                "both-hang-16",
                both_hang,
                "all checkout replicas hang alike",
                f"{SHOP}/checkout",
                replace(NO_CAUSE, fired=("F34.x1",)),
            ),
        ),
    ),
    Show(
        seed=1,
        rate=12,
        prometheus=True,
        scenes=(
            well("quiet-12", all_well, "the alert fires, and all is well"),
            known("pool-leak", "12"),
            known("hung-replica", "12"),
            known("stale-schema", "12"),
            known("surge", "12"),
            well("busy-12", busy, "more orders than usual, and all are served"),
            strange(
                "coupons-gone-12", coupons_gone, "a table is missing, orders with coupons fail", f"{SHOP}/checkout"
            ),
            Scene(
                name="prometheus-down-12",
                play=prometheus_dies,
                says="the pool leaks, and Prometheus is down: what it alone knows cannot be read",
                cause=(LEAK,),
                expected=NO_CAUSE,
            ),
        ),
    ),
    Show(
        seed=2,
        rate=20,
        prometheus=False,
        scenes=(
            well("quiet-20", all_well, "the alert fires, and all is well"),
            known("pool-leak", "20"),
            known("stale-schema", "20"),
            known("surge", "20"),
            replace(known("surge", "early-20"), looks=(1.0,)),
            Scene(
                name="deploy-then-hang-20",
                play=deploy_then_hang,
                says="a harmless deploy, and a replica that hangs for a reason of its own",
                cause=(HUNG,),
                expected=found("F34", f"{SHOP}/checkout/{{replica}}"),
            ),
            well("cleared-20", cleared, "a replica died, was started again, and the alert is over"),
            strange("inventory-still-20", inventory_stands_still, "inventory answers nobody", f"{SHOP}/inventory"),
        ),
    ),
    Show(
        seed=3,
        rate=8,
        prometheus=True,
        scenes=(
            well("quiet-8", all_well, "the alert fires, and all is well"),
            known("pool-leak", "8"),
            known("stale-schema", "8"),
            Scene(
                name="leak-and-stale-8",
                play=leak_and_stale,
                says="two faults at once: a leaking release and a stale schema cache",
                cause=(LEAK, STALE),
                expected=Expected(states=(S.SUSPECTS, S.INCONCLUSIVE)),
            ),
            Scene(
                name="hang-and-surge-8",
                play=hang_and_surge,
                says="two faults at once: a hanging replica under five times the traffic",
                cause=(HUNG, SURGE),
                expected=Expected(states=(S.SUSPECTS, S.INCONCLUSIVE)),
            ),
            strange(
                "database-locked-8",
                database_locked,
                "another program holds the database's lock",
                f"{SHOP}/checkout",
            ),
        ),
    ),
)


UNNAMED_SURGE = Expected(states=(S.SUSPECTS,), suspects=("F41",))
"""A few seconds into a surge the services below the edge fail as well, and coverage holds that against it."""

MISSES: Mapping[str, Expected] = {
    "surge-16": UNNAMED_SURGE,
    "surge-20": UNNAMED_SURGE,
    "surge-deep": UNNAMED_SURGE,
    # One of the two true causes is named, and the other is not looked for.
    "leak-and-stale-8": found("F49", f"{SHOP}/inventory"),
    "hang-and-surge-8": found("F34", f"{SHOP}/checkout/checkout-1"),
}
"""What is found today where it is not what is expected; the tests say when that is over."""
