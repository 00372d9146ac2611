"""Recordings made of other recordings in code: other names, topologies, loads, gaps, decoys and look-alikes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from agents.incident.finding import FindingState
from agents.incident.ids import IncidentId
from bot.recordings.recording import Broken, Expected, Kept, Recording
from tests.evals import transforms as to

S = FindingState
WELL = Expected(states=(S.NO_FAULT,))
NO_CAUSE = Expected(states=(S.SUSPECTS, S.INCONCLUSIVE))
BLIND = Expected(states=(S.BLIND,))
UNCALLED = Expected(states=(S.INCONCLUSIVE,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """One recording made of the recording *of*. What is left out of the truth is as it was there."""

    name: str
    of: str
    how: str
    change: Callable[[Recording], Recording]
    cause: tuple[Broken, ...] | None = None
    expected: Expected | None = None


def made(derived: Derived, of: Recording, half: str) -> Recording:
    """The recording, with a truth that says what it was made of."""
    changed = derived.change(of)
    truth = changed.truth
    return replace(
        changed,
        id=IncidentId(f"INC_{derived.name}"),
        truth=replace(
            truth,
            says=f"{truth.says}; {derived.how}",
            cause=truth.cause if derived.cause is None else derived.cause,
            expected=derived.expected or truth.expected,
            made={
                **truth.made,
                "by": "python -m tests.evals.recorded --derive",
                "of": derived.of,
                "how": f"transformed: {derived.how}",
            },
            half=half,
        ),
    )


def refuted(refuter: str) -> Expected:
    """No cause is named, and the look-alike is told apart by this refuter."""
    return replace(NO_CAUSE, fired=(refuter,))


def _other_names(recording: Recording) -> Recording:
    return to.renamed(recording, {"gateway": "web", "checkout": "basket", "inventory": "stockroom"})


def _all_deployed(recording: Recording) -> Recording:
    for service in ("gateway", "checkout", "inventory"):
        recording = to.decoy(recording, service)
    return recording


def _some_errors(point: list[float]) -> list[float]:
    """1.2 % of the requests failed: inside the objective of 2 %."""
    return [point[0], 0.012 * point[2], point[2]]


def _database_full(recording: Recording) -> Recording:
    return to.added(
        to.without(recording, to.asks("database_connections_used_ratio", service="checkout")),
        lambda look: [
            to.level(
                look, "checkout", "database_connections_used_ratio", 0.99, producer="postgres", pipeline="exporter"
            )
        ],
    )


def _peers_sick(recording: Recording) -> Recording:
    return to.valued(recording, "health_failing", "checkout", lambda p: [p[0], 1])


def _denied(recording: Recording) -> Recording:
    """The refusals are for want of permission, and the cache is current."""
    text = "ERROR 42501: permission denied for table stock"

    def other(one: Kept) -> Kept:
        lines = one.answer.body.get("lines")
        if one.answer.question.service != "inventory" or not isinstance(lines, list | tuple):
            return one
        kept = [{**line, "text": text} if "schema cache" in line["text"] else line for line in lines]
        return replace(one, answer=replace(one.answer, body={**one.answer.body, "lines": kept}))

    whole = to.without(recording, lambda one: "schema cache" in one.answer.question.name)
    whole = to.without(whole, lambda one: "42501" in one.answer.question.name)
    return to.valued(to.each(whole, other), "schema_cache_behind", "inventory", lambda p: [p[0], 0])


def _retried(point: list[float]) -> list[float]:
    return [point[0], 3 * point[1], *point[2:]]


FRONT_SURGE = Broken(what="five times the orders", signature="F41", entity="playground/front")


def _third_well(recording: Recording) -> Recording:
    assert recording.truth.expected is not None
    hung = (recording.truth.expected.entity or "").rpartition("/")[2]
    like = next(
        r.name for s in recording.catalogue.services for r in s.replicas if s.name == "checkout" and r.name != hung
    )
    return to.more_pods(recording, "checkout", like, ("checkout-3",))


DERIVED = (
    Derived(name="pool-leak-basket", of="pool-leak-12", how="other names", change=_other_names),
    Derived(name="pool-leak-deep", of="pool-leak-20", how="a service more before the edge", change=to.deeper),
    Derived(
        name="pool-leak-wide",
        of="pool-leak-12",
        how="two replicas more, as sick as the others",
        change=lambda r: to.more_pods(r, "checkout", "checkout-2", ("checkout-3", "checkout-4")),
    ),
    Derived(
        name="pool-leak-decoys",
        of="pool-leak-16",
        how="inventory and gateway were deployed as well",
        change=lambda r: to.decoy(to.decoy(r, "inventory"), "gateway"),
    ),
    Derived(name="pool-leak-untold", of="pool-leak-20", how="no deploy was told of", change=to.without_changes),
    Derived(
        name="pool-leak-winter",
        of="pool-leak-8",
        how="another season, other names",
        change=lambda r: to.shifted(_other_names(r), timedelta(days=-200, hours=7)),
    ),
    Derived(
        name="database-full",
        of="pool-leak-12",
        how="the database has no connection left, so the pool has none to give",
        change=_database_full,
        cause=(Broken(what="the database is at its limit of connections", entity="playground/checkout"),),
        expected=refuted("F11.x3"),
    ),
    Derived(
        name="hung-replica-wide",
        of="hung-replica-12",
        how="a third replica, as well as the healthy one",
        change=_third_well,
    ),
    Derived(
        name="hung-replica-deep", of="hung-replica-16", how="a service more before the edge", change=to.deeper
    ),
    Derived(name="hung-replica-basket", of="hung-replica-16", how="other names", change=_other_names),
    Derived(
        name="hung-replica-decoys",
        of="hung-replica-12",
        how="everything was deployed lately",
        change=_all_deployed,
    ),
    Derived(
        name="all-unhealthy",
        of="hung-replica-16",
        how="its peers fail their health checks as well",
        change=_peers_sick,
        cause=(Broken(what="all checkout replicas are sick", entity="playground/checkout"),),
        expected=refuted("F34.x2"),
    ),
    Derived(name="stale-schema-stockroom", of="stale-schema-20", how="other names", change=_other_names),
    Derived(name="stale-schema-deep", of="stale-schema-8", how="a service more before the edge", change=to.deeper),
    Derived(
        name="stale-schema-decoys",
        of="stale-schema-16",
        how="everything was deployed lately",
        change=_all_deployed,
    ),
    Derived(
        name="permission-denied",
        of="stale-schema-16",
        how="the same refusals for want of permission, under a cache that is current",
        change=_denied,
        cause=(Broken(what="inventory may not read its table", entity="playground/inventory"),),
        expected=NO_CAUSE,
    ),
    Derived(
        name="logs-cut",
        of="stale-schema-12",
        how="the log was cut short and the refusals are not in it",
        change=lambda r: to.logs_cut(r, "inventory", "schema cache"),
        expected=NO_CAUSE,
    ),
    Derived(
        name="surge-deep",
        of="surge-early-20",
        how="a service more before the edge",
        change=to.deeper,
        cause=(FRONT_SURGE,),
        expected=Expected(states=(S.DIAGNOSED,), signature="F41", entity="playground/front"),
    ),
    Derived(name="surge-web", of="surge-early-16", how="other names", change=_other_names),
    Derived(name="surge-decoys", of="surge-12", how="everything was deployed lately", change=_all_deployed),
    Derived(
        name="retry-storm",
        of="surge-early-16",
        how="every request makes three calls: the callers multiply the traffic themselves",
        change=lambda r: to.valued(r, "calls_per_request", "gateway", _retried),
        cause=(Broken(what="gateway retries without end", entity="playground/gateway"),),
        expected=refuted("F41.x1"),
    ),
    Derived(name="quiet-deep", of="quiet-16", how="a service more before the edge", change=to.deeper),
    Derived(
        name="quiet-noisy",
        of="quiet-20",
        how="a few requests fail all the time, within the objective",
        change=lambda r: to.valued(r, "server_error_ratio", "gateway", _some_errors),
    ),
    Derived(name="quiet-decoys", of="quiet-12", how="everything was deployed lately", change=_all_deployed),
    Derived(
        name="quiet-wide",
        of="quiet-20",
        how="two replicas more",
        change=lambda r: to.more_pods(r, "checkout", "checkout-2", ("checkout-3", "checkout-4")),
    ),
    Derived(name="quiet-web", of="quiet-8", how="other names", change=_other_names),
    Derived(name="busy-deep", of="busy-12", how="a service more before the edge", change=to.deeper),
    Derived(
        name="busy-winter",
        of="busy-12",
        how="another season",
        change=lambda r: to.shifted(r, timedelta(days=-150, minutes=11)),
    ),
    Derived(name="cleared-deep", of="cleared-16", how="a service more before the edge", change=to.deeper),
    Derived(name="cleared-decoys", of="cleared-20", how="everything was deployed lately", change=_all_deployed),
    Derived(name="harmless-deploy-web", of="harmless-deploy-16", how="other names", change=_other_names),
    Derived(
        name="harmless-deploy-deep",
        of="harmless-deploy-16",
        how="a service more before the edge",
        change=to.deeper,
    ),
    Derived(name="cleared-web", of="cleared-20", how="other names", change=_other_names),
    Derived(name="busy-web", of="busy-12", how="other names", change=_other_names),
    Derived(
        name="quiet-winter",
        of="quiet-20",
        how="another season",
        change=lambda r: to.shifted(r, timedelta(days=-300, hours=-5)),
    ),
    Derived(
        name="quiet-disk",
        of="quiet-16",
        how="the alert is about something that nobody reads, so it cannot be called over",
        change=lambda r: to.titled(r, "DiskAlmostFull"),
        expected=UNCALLED,
    ),
    Derived(
        name="edge-unread",
        of="pool-leak-16",
        how="what users feel could not be read",
        change=lambda r: to.unreachable(r, to.asks(service="gateway"), "connection refused"),
        expected=BLIND,
    ),
    Derived(
        name="edge-unasked",
        of="pool-leak-20",
        how="nobody measures the edge",
        change=lambda r: to.without(r, to.asks(service="gateway")),
        expected=BLIND,
    ),
    Derived(
        name="stale-series",
        of="pool-leak-12",
        how="every series ends two minutes before the look",
        change=lambda r: to.stale(r, lambda _: True, timedelta(minutes=2)),
        expected=BLIND,
    ),
    Derived(
        name="nothing-answers",
        of="stale-schema-8",
        how="neither metrics nor spans nor health could be read",
        change=lambda r: to.unreachable(r, lambda one: "series" in one.answer.body, "no answer within 8 s"),
        expected=BLIND,
    ),
    Derived(
        name="callers-unread",
        of="hung-replica-12",
        how="neither calls to the replicas nor their health could be read: one signal is left",
        change=lambda r: to.unreachable(
            r, to.asks("upstream_failure_ratio", "health_failing", "health_ok"), "timeout"
        ),
        expected=replace(NO_CAUSE, suspects=("F34",)),
    ),
    Derived(
        name="unknown-service",
        of="pool-leak-16",
        how="the alert names a service that the catalogue does not have",
        change=lambda r: to.about(r, "payments"),
        expected=BLIND,
    ),
)
