"""A small made-up shop, as evidence: gateway → checkout (two replicas) → inventory."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agents.calibration import Bin, Calibration
from agents.gather import keep
from agents.incident.catalogue import Catalogue, Replica, Service
from agents.incident.clock import to_ms
from agents.incident.evidence import Answer, Evidence, Lineage, Question, QuestionKind, Status, Trust, Window
from agents.incident.finding import Finding
from agents.incident.ids import FindingId, IncidentId
from agents.incident.incident import Incident, Severity
from agents.incident.lifecycle import IncidentState
from agents.signatures.load import load
from agents.triage import Knowledge, triage

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
WINDOW = Window(start=NOW - timedelta(minutes=10), end=NOW, recent=timedelta(seconds=4))
INC = IncidentId("INC_TEST")
CONFIG = Path(__file__).parents[3] / "config"


def replica(name: str) -> Replica:
    return Replica(name=name, metrics_url=f"http://{name}/metrics", health_url=f"http://{name}/healthz")


GATEWAY = Service(
    name="gateway",
    environment="shop",
    calls=("checkout",),
    edge=True,
    objectives={"server_error_ratio": 0.02, "slow_request_ratio": 0.25},
    replicas=(replica("gateway-1"),),
)
CHECKOUT = Service(
    name="checkout",
    environment="shop",
    calls=("inventory",),
    replicas=(replica("checkout-1"), replica("checkout-2")),
)
INVENTORY = Service(name="inventory", environment="shop", replicas=(replica("inventory-1"),))
SHOP = Catalogue(
    services=(GATEWAY, CHECKOUT, INVENTORY),
    telemetry_interval=timedelta(seconds=1),
    symptoms={"EdgeErrorRatioHigh": "server_error_ratio"},
)
SURE = Calibration(source="test", bins=(Bin(low=0, high=1.01, right=60, total=60),))
UNSURE = Calibration(source="test", bins=())
LIKELY = Calibration(source="test", bins=(Bin(low=0, high=1.01, right=5, total=5),))
SIGNATURES = load(CONFIG / "signatures")


def incident(title: str = "EdgeErrorRatioHigh", service: str | None = "gateway") -> Incident:
    return Incident(
        id=INC,
        source="alertmanager",
        identity="f1",
        title=title,
        severity=Severity.CRITICAL,
        service=service,
        environment="shop",
        summary="",
        state=IncidentState.TRIAGING,
        attempt=1,
        look=1,
        version=2,
        opened_at=NOW,
        alert_started_at=NOW,
        alert_firing=True,
    )


def line(now: float, before: float | None = None, *, per: float | None = None) -> list[list[float]]:
    """Sixty seconds of points: *before* until five seconds ago, then *now*; *per* adds a denominator."""
    end = to_ms(NOW)
    out = []
    for s in range(60, -1, -1):
        value = now if s <= 5 or before is None else before
        point = [float(end - s * 1000), value * (per or 1.0)]
        out.append([*point, per] if per is not None else point)
    return out


class Store:
    """Evidence and its bytes."""

    def __init__(self) -> None:
        self.items: list[Evidence] = []
        self.blobs: dict[str, bytes] = {}
        self.asked: set[Question] = set()

    def add(self, answer: Answer, probe: str = "canned", incident_id: IncidentId = INC) -> Evidence:
        item, blob = keep(answer, incident_id, probe, WINDOW, timedelta(milliseconds=5))
        self.items.append(item)
        self.blobs[item.blob_sha256] = blob
        return item

    def quantity(
        self,
        service: Service,
        name: str,
        series: Mapping[str, list[list[float]]] | Sequence[tuple[Mapping[str, str], list[list[float]]]],
        *,
        status: Status = Status.COMPLETE,
        producers: tuple[str, ...] | None = None,
        pipeline: str = "direct",
        alive: bool | None = True,
        probe: str = "canned",
    ) -> Evidence:
        pairs: list[tuple[dict[str, str], list[list[float]]]] = (
            [({"instance": k}, v) for k, v in series.items()]
            if isinstance(series, Mapping)
            else [(dict(k), v) for k, v in series]
        )
        instances = sorted({labels["instance"] for labels, _ in pairs})
        return self.add(
            Answer(
                question=ask(service, name),
                status=status,
                query=name,
                lineage=Lineage(
                    producers=tuple(f"{service.id}/{i}" for i in instances) if producers is None else producers,
                    pipeline=pipeline,
                    quantity=name,
                    place=service.id,
                ),
                body={"series": [{"labels": k | {"service": service.name}, "points": v} for k, v in pairs]},
                entities=(service.id, *(f"{service.id}/{i}" for i in instances)),
                alive=alive,
                step=timedelta(seconds=1),
            ),
            probe,
        )

    def log(self, service: Service, pattern: str, *lines: str) -> Evidence:
        kept = [{"at": NOW.isoformat(), "instance": f"{service.name}-1", "text": text} for text in lines]
        return self.add(
            Answer(
                question=Question(
                    kind=QuestionKind.LOG, service=service.name, environment=service.environment, name=pattern
                ),
                status=Status.COMPLETE if lines else Status.EMPTY,
                query=pattern,
                lineage=Lineage(
                    producers=(f"{service.id}/{service.name}-1",),
                    pipeline="files",
                    quantity="log",
                    place=service.id,
                ),
                body={"lines": kept, "scanned": len(kept) + 1, "matched": len(kept)},
                entities=(service.id,),
                alive=True,
            )
        )

    def change(self, service: Service, kind: str = "deploy", ago: timedelta = timedelta(seconds=30)) -> Evidence:
        record = {
            "id": f"cd/{service.name}",
            "kind": kind,
            "service": service.name,
            "environment": service.environment,
            "at_ms": to_ms(NOW - ago),
            "artifact": None,
            "revision": 42,
            "previous_revision": 41,
            "schema_version": 1,
            "note": "0002_add_updated_at" if kind == "migration" else "",
        }
        return self.add(
            Answer(
                question=Question(
                    kind=QuestionKind.CHANGES, service=service.name, environment=service.environment
                ),
                status=Status.COMPLETE,
                query="changes",
                lineage=Lineage(
                    producers=("change feed",),
                    pipeline="journal",
                    quantity="changes",
                    place=service.id,
                    trust=Trust.PLATFORM,
                ),
                body={"changes": [record]},
                entities=(service.id,),
                alive=True,
            )
        )

    def finding(
        self,
        calibration: Calibration = SURE,
        *,
        about: Incident | None = None,
        without: str = "",
        at: datetime = NOW,
    ) -> Finding:
        """The finding on all evidence, leaving out what answers the quantity *without*."""
        return triage(
            about or incident(),
            [e for e in self.items if e.question.name != without or not without],
            unasked=(),
            read_blob=lambda digest: self.blobs[digest],
            knowledge=Knowledge(catalogue=SHOP, signatures=SIGNATURES, calibration=calibration),
            finding_id=FindingId("FI_TEST"),
            at=at,
        )


def ask(service: Service, name: str) -> Question:
    return Question(kind=QuestionKind.QUANTITY, service=service.name, environment=service.environment, name=name)


def upstream(
    ratio: float, before: float = 0.0, instance: str = "checkout-1"
) -> tuple[Mapping[str, str], list[list[float]]]:
    labels = {"instance": "gateway-1", "upstream": "checkout", "upstream_instance": instance}
    return labels, line(ratio, before, per=8.0)


def well(store: Store) -> Store:
    """Nothing wrong anywhere: what every case starts from and then breaks."""
    store.quantity(GATEWAY, "slow_request_ratio", {"gateway-1": line(0.0, 0.0, per=16.0)})
    store.quantity(GATEWAY, "calls_per_request", {"gateway-1": line(1.0, 1.0, per=16.0)})
    labels = {"instance": "checkout-1", "upstream": "inventory", "upstream_instance": "inventory-1"}
    store.quantity(CHECKOUT, "upstream_failure_ratio", [(labels, line(0.0, 0.0, per=8.0))])
    store.quantity(CHECKOUT, "server_error_ratio", {"checkout-1": line(0.0, 0.0, per=8.0)})
    return store


def pool_leak() -> Store:
    """Connection pool exhausted in checkout after a deploy."""
    store = well(Store())
    store.quantity(CHECKOUT, "pool_waiters", {"checkout-1": line(7, 0), "checkout-2": line(3, 0)})
    store.quantity(CHECKOUT, "pool_used_ratio", {"checkout-1": line(1.0, 0.4), "checkout-2": line(1.0, 0.4)})
    store.quantity(GATEWAY, "upstream_failure_ratio", [upstream(0.4), upstream(0.3, instance="checkout-2")])
    store.quantity(GATEWAY, "server_error_ratio", {"gateway-1": line(0.35, 0.0, per=16.0)})
    store.quantity(GATEWAY, "request_rate", {"gateway-1": line(16, 16)})
    store.change(CHECKOUT)
    return store


def surge() -> Store:
    """The same symptoms, with five times the traffic and no deploy."""
    store = well(Store())
    store.quantity(CHECKOUT, "pool_waiters", {"checkout-1": line(40, 0), "checkout-2": line(40, 0)})
    store.quantity(CHECKOUT, "pool_used_ratio", {"checkout-1": line(1.0, 0.4), "checkout-2": line(1.0, 0.4)})
    store.quantity(GATEWAY, "upstream_failure_ratio", [upstream(0.6), upstream(0.6, instance="checkout-2")])
    store.quantity(GATEWAY, "server_error_ratio", {"gateway-1": line(0.55, 0.0, per=16.0)})
    store.quantity(GATEWAY, "request_rate", {"gateway-1": line(80, 16)})
    return store


STALE = "Could not find the 'updated_at' column of 'stock' in the schema cache"


def stale_schema() -> Store:
    """An API that serves from an old schema cache."""
    store = well(Store())
    pattern = next(p.log for s in SIGNATURES if s.id == "F49" for p in _logs(s))
    store.log(INVENTORY, pattern, STALE, STALE)
    store.quantity(INVENTORY, "schema_cache_behind", {"inventory-1": line(1, 0)})
    labels = {"instance": "checkout-1", "upstream": "inventory", "upstream_instance": "inventory-1"}
    store.quantity(GATEWAY, "upstream_failure_ratio", [upstream(1.0)])
    store.quantity(CHECKOUT, "upstream_failure_ratio", [(labels, line(1.0, 0.0, per=8.0))], probe="other")
    store.quantity(GATEWAY, "server_error_ratio", {"gateway-1": line(1.0, 0.0, per=16.0)})
    store.quantity(GATEWAY, "request_rate", {"gateway-1": line(16, 16)})
    store.change(INVENTORY, "migration")
    return store


def _logs(signature: object) -> list[Any]:
    from agents.signatures.model import Signature, predicates

    assert isinstance(signature, Signature)
    return [p for g in signature.groups for p in predicates(g.condition) if p.log]


def hung_replica() -> Store:
    """checkout-2 takes work in and gives none back."""
    store = well(Store())
    store.quantity(CHECKOUT, "in_flight", {"checkout-1": line(1, 1), "checkout-2": line(40, 1)})
    store.quantity(CHECKOUT, "request_rate", {"checkout-1": line(8, 8), "checkout-2": line(0, 8)})
    store.quantity(GATEWAY, "upstream_failure_ratio", [upstream(0.0), upstream(1.0, instance="checkout-2")])
    store.quantity(
        CHECKOUT,
        "health_failing",
        {"checkout-1": line(0, 0), "checkout-2": line(1, 0)},
        producers=("firstresponder/http",),
        pipeline="health",
    )
    store.quantity(GATEWAY, "server_error_ratio", {"gateway-1": line(0.5, 0.0, per=16.0)})
    store.quantity(GATEWAY, "request_rate", {"gateway-1": line(16, 16)})
    return store
