"""Lines and labels as services, platforms and this project write them, with nothing secret in them.

Built from typical shapes with drawn values in them; the same seed gives the same shapes.
"""

import random
import string
import uuid
from collections.abc import Callable, Mapping

from agents.canonical import evidence_id
from agents.incident.ids import new_id

HEX = "0123456789abcdef"
POD = "bcdfghjklmnpqrstvwxz2456789"

VALUES: Mapping[str, tuple[str, ...]] = {
    "service": ("checkout", "gateway", "inventory", "payments-api", "user_profile", "OrderService"),
    "raised": (
        "java.lang.NullPointerException",
        "com.acme.checkout.web.OrderControllerAdviceFactoryBean",
        "System.InvalidOperationException",
        "sqlalchemy.exc.OperationalError",
        "TokenExpiredException",
        "PasswordResetControllerTests",
    ),
    "metric": (
        "http_server_request_duration_seconds_bucket",
        "container_memory_working_set_bytes",
        "kube_pod_container_status_restarts_total",
        "hikaricp_connections_pending",
        "process_start_time_seconds",
        "go_memstats_last_gc_time_seconds",
        "grpc_server_handled_total",
    ),
}


def _hex(n: int) -> Callable[[random.Random], str]:
    return lambda r: "".join(r.choices(HEX, k=n))


def _one_of(some: tuple[str, ...]) -> Callable[[random.Random], str]:
    return lambda r: r.choice(some)


DRAWN: Mapping[str, Callable[[random.Random], str]] = {
    "at": lambda r: (
        f"2026-{r.randint(1, 12):02}-{r.randint(10, 28)}T{r.randint(10, 23)}:05:12.{r.randint(0, 999):03}Z"
    ),
    "ns": lambda r: str(r.randint(10**18, 2 * 10**18)),
    "big": lambda r: str(r.randint(10**9, 10**12)),
    "n": lambda r: str(r.randint(1, 99)),
    "share": lambda r: repr(r.random()),
    "uuid": lambda r: str(uuid.UUID(int=r.getrandbits(128), version=4)),
    "pod": lambda r: f"{r.choice(VALUES['service'][:4])}-{_hex(10)(r)}-{''.join(r.choices(POD, k=5))}",
    "node": lambda r: f"ip-10-0-{r.randint(0, 255)}-{r.randint(0, 255)}.eu-west-1.compute.internal",
    "evidence": lambda r: evidence_id({"n": r.getrandbits(50)}),
    "ticket": lambda r: f"{''.join(r.choices(string.ascii_uppercase, k=4))}-{r.randint(1, 9999)}",
    "incident": lambda _: new_id("INC"),
    **{f"hex{n}": _hex(n) for n in (7, 9, 12, 16, 32, 40, 64)},
    **{name: _one_of(some) for name, some in VALUES.items()},
}

LINES = (
    "{at} INFO [{pod}] GET /v1/orders/{uuid}/items/{n} 200 {share}ms",
    '{{"ts":"{at}","level":"warn","msg":"pool timeout","trace_id":"{hex32}","span_id":"{hex16}"}}',
    '{metric}{{pod="{pod}",le="0.25",namespace="prod"}} {share}',
    'level=error ts={ns} caller=server.go:{n} err="context deadline exceeded"',
    "Pulled image registry.example/shop/{service}@sha256:{hex64} in {share}s",
    "Started container {hex64} (docker://{hex12}) on {node}",
    "deploy of commit {hex40} ({hex7}) to prod by pipeline #{big}",
    'Exception in thread "http-nio-8080-exec-{n}" {raised}: order {uuid} is gone',
    "\tat com.acme.service.PaymentRetryPolicyFactory.createDefault(PaymentRetryPolicyFactory.java:{n})",
    '  File "/usr/lib/python3.11/site-packages/sqlalchemy/engine/base.py", line {n}, in _execute_context',
    "claim holds [{evidence}] for {incident}",
    'password authentication failed for user "app_{service}"',
    "token expired {n} s ago; the client must sign in again",
    "tokens: {big}, cost: 0.0{n}, model: small",
    "rate limit token bucket empty, refill in {n} s",
    'secret "db-credentials" not found in namespace prod',
    "password: required; token: invalid; api_key=null secret=*** cookie=missing",
    "DB_PASSWORD=${{DB_PASSWORD}} API_TOKEN=$TOKEN secret={{{{ .Values.secret }}}}",
    "Authentication: bearer token missing, basic authentication failed",
    "kafka consumer group=orders-{n} partition={n} offset={big} lag=0",
    "routing_key=orders.created.{service} exchange=shop queue=orders",
    "https://grafana.example/d/{hex9}/checkout-overview?from=now-1h&to=now&var-pod={pod}",
    "http://prometheus.example:9090/graph?g0.expr=rate%28http_requests_total%5B5m%5D%29+%3E+{n}&g0.tab=1",
    "ssh: git@forge.example:team/shop.git at {hex40}",
    "systemd[1]: serial-getty@ttyS{n}.service: Succeeded.",
    "sent={big} ratio={share} up=1 mem=0.{big}{n}",
    'postgres://app@db.prod:5432/orders: FATAL: too many connections for role "app" ({n})',
    "oom-kill:constraint=CONSTRAINT_MEMCG,task=java,pid={n},uid=1000 total-vm:{big}kB",
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop/{hex16}",
    "i-0{hex16} vol-0{hex16} subnet-0{hex16} eu-west-1a",
    "X-Request-Id: {uuid} traceparent: 00-{hex32}-{hex16}-01",
    "PWD=/home/app/{service} SHLVL=1 LANG=C.UTF-8 secretName: db-{service}",
    "event {ticket} handled by handleIncomingOrderEventWithRetryAndTimeout",
    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{hex32}.slice/cri-containerd-{hex64}.scope",
)


class _Drawn(dict[str, str]):
    """Every field is drawn anew each time it is asked for."""

    def __init__(self, r: random.Random) -> None:
        super().__init__()
        self._r = r

    def __missing__(self, name: str) -> str:
        return DRAWN[name](self._r)


def lines(count: int, seed: int) -> list[str]:
    """*count* of them, every shape among them."""
    drawn = _Drawn(random.Random(seed))
    return [LINES[n % len(LINES)].format_map(drawn) for n in range(count)]
