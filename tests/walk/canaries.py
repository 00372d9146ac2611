"""An installation with a secret planted at every way in: real processes, both chats, telltale telemetry."""

import json
import secrets as chance
import shutil
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from agents.incident.clock import iso, now
from bot import processes, up
from bot.journal.journal import Journal, open_engine
from bot.processes import PREFIX, Child
from tests.playground.httpd import Reply, Request, Server
from tests.stubs.client import SlackStub, TelegramStub
from tests.unit.agents.secrets import SHAPED, drawn

ALERT = "EdgeErrorRatioHigh"
ENVIRONMENT = "test"
CHANNEL = "C0INCIDENTS"
GROUP = -100200


@dataclass(slots=True)
class Canaries:
    """Every secret that was planted, and where."""

    planted: dict[str, str] = field(default_factory=dict)
    _random: Random = field(default_factory=lambda: Random(chance.token_bytes(8)))

    def shaped(self, place: str) -> dict[str, str]:
        """One of each shape, by its kind."""
        return {kind: self._keep(f"{place}: {kind}", make(self._random)) for kind, make in SHAPED.items()}

    def formless(self, place: str) -> str:
        """One that only its name, or the process that holds it, gives away."""
        return self._keep(place, "cnry" + drawn(self._random, 12))

    def found(self, data: bytes) -> list[str]:
        """The places whose secret is in *data*."""
        return [place for place, secret in self.planted.items() if secret.encode() in data]

    def _keep(self, place: str, secret: str) -> str:
        self.planted[place] = secret
        return secret


class Telemetry:
    """Metrics, health and a Prometheus, all of which say more than they should."""

    def __init__(self, canaries: Canaries) -> None:
        self._canaries = canaries
        self._labels = canaries.shaped("metric labels")
        self._named = canaries.formless("metric label called token")
        self._prometheus = canaries.shaped("prometheus labels")
        self._health = canaries.shaped("health answer")
        self._refusal = canaries.formless("refusal of metrics")
        self._server = Server(0, self.answer)
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """End it."""
        self._server.stop()

    def answer(self, request: Request) -> Reply:
        """Whatever is asked."""
        path = request.path.partition("?")[0]
        if path.startswith("/metrics/checkout-2"):
            return Reply(status=401, body=f"password={self._refusal} is wrong".encode(), content_type="text/plain")
        if path.startswith("/metrics"):
            return Reply(status=200, body=self._metrics().encode(), content_type="text/plain")
        if path.startswith("/healthz"):
            said = {"status": "down", "token": self._named, "detail": self._health, "schema_cache": {"behind": 1}}
            return Reply(status=503, body=json.dumps(said).encode())
        if path.startswith("/api/v1/query"):
            return Reply(status=200, body=json.dumps(self._vector(path)).encode())
        return Reply(status=404, body=b"{}")

    def _metrics(self) -> str:
        at = time.time()
        lines = [f"process_start_time_seconds {at - 600!r}"]
        for value in [*self._labels.values(), f"token={self._named}"]:
            for code, rate in (("200", 10), ("500", 30)):
                lines.append(f'http_server_requests_total{{code="{code}",route="{value}"}} {at % 1e6 * rate!r}')
            for outcome in ("ok", "error"):
                label = f'upstream="checkout",upstream_instance="{value}",outcome="{outcome}"'
                lines.append(f"upstream_requests_total{{{label}}} {at % 1e6 * 5!r}")
        lines += ["db_pool_size 5", "db_pool_in_use 5", "db_pool_waiters 3", "http_server_active_requests 4"]
        return "\n".join(lines) + "\n"

    def _vector(self, path: str) -> Mapping[str, object]:
        at = time.time()
        span = [[at - n, "0.9"] for n in range(60, -1, -1)]
        many = path.endswith("query_range")
        rows = [
            {
                "metric": {"service": "gateway", "instance": secret, "token": self._named, "upstream": "checkout"},
                **({"values": span} if many else {"value": span[-1]}),
            }
            for secret in self._prometheus.values()
        ]
        data = {"resultType": "matrix" if many else "vector", "result": rows}
        return {"status": "success", "data": data, "warnings": [f"password={self._named}"]}


class Installation:
    """Every process of firstresponder, with both chats, around telemetry full of secrets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.canaries = c = Canaries()
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True)
        self.telemetry = Telemetry(c)
        slack_bot = c.shaped("slack's settings")["slack_token"]
        telegram_bot = c.shaped("telegram's settings")["telegram_token"]
        self.slack = SlackStub(bot_token=slack_bot, app_token=f"xapp-1-{c.formless('slack app token')}")
        self.telegram = TelegramStub(token=telegram_bot)
        self.token = c.formless("webhook token")
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = int(listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.children: Sequence[Child] = up.start(folder / "state", self._environment(), logs=self.logs)
        given = up.addresses(list(self.children))
        self.redis_url = given["REDIS_URL"]
        self.journal = Journal(open_engine(given["JOURNAL_URL"]))

    def close(self) -> None:
        """End everything."""
        processes.stop(self.children)
        self.journal.close()
        for stub in (self.slack, self.telegram):
            stub.stop()
        self.telemetry.stop()

    def _environment(self) -> dict[str, str]:
        values = {
            "CONFIG": str(self._config()),
            "PORT": str(self.port),
            "WEBHOOK_TOKENS": json.dumps({s: [self.token] for s in ("alertmanager", "changes", "traces")}),
            "PROBE_TOKENS": json.dumps({"prometheus": self.canaries.formless("probe token")}),
            "SUPERVISOR_URL": self.telemetry.url,
            "SUPERVISOR_TOKEN": self.canaries.formless("supervisor token"),
            "SUPERVISOR_ENVIRONMENT": ENVIRONMENT,
            "LOG_JSON": "true",
            "TICK_S": "0.1",
            "RECONCILE_S": "0.5",
            "SLACK__BOT_TOKEN": self.slack.bot_token,
            "SLACK__APP_TOKEN": self.slack.app_token,
            "SLACK__CHANNEL": CHANNEL,
            "SLACK__API_URL": self.slack.api_url,
            "TELEGRAM__TOKEN": self.telegram.token,
            "TELEGRAM__CHAT": str(GROUP),
            "TELEGRAM__API_URL": self.telegram.url,
        }
        return processes.base_environment() | {PREFIX + k: v for k, v in values.items()}

    def _config(self) -> Path:
        config = self.folder / "config"
        shutil.copytree(processes.root() / "config", config)
        probes = yaml.safe_load((config / "probes.yaml").read_text())
        self._log_lines()
        files: dict[str, Any] = {
            "services.yaml": {
                "schema": 1,
                "telemetry_interval_s": 0.2,
                "symptoms": {ALERT: "server_error_ratio"},
                "services": {
                    "gateway": self._service("gateway-1", calls=["checkout"], edge=True),
                    "checkout": self._service("checkout-1", "checkout-2"),
                },
            },
            "people.yaml": {
                "schema": 1,
                "people": {
                    "ana": {
                        "name": "Ana",
                        "roles": ["approver", "lead"],
                        "accounts": {"slack": ["U0ANA"], "telegram": ["1001"]},
                    }
                },
            },
            "probes.yaml": probes
            | {
                "prometheus": [{"url": self.telemetry.url, "environment": ENVIRONMENT}],
                "openmetrics_window_s": 0.3,
                "timeout_s": 2,
            },
            "grouping.yaml": {"schema": 1, "hold_s": 0.3},
        }
        for name, content in files.items():
            (config / name).write_text(yaml.safe_dump(content, sort_keys=False))
        return config

    def _service(self, *names: str, **more: object) -> dict[str, object]:
        secret = {name: self.canaries.formless(f"address of {name}") for name in names}
        replicas = {
            name: {
                "metrics": f"{self.telemetry.url}/metrics/{name}?token={secret[name]}",
                "health": f"{self.telemetry.url}/healthz/{name}",
                "log": str(self.folder / "service.jsonl"),
            }
            for name in names
        }
        return {"environment": ENVIRONMENT, "replicas": replicas, **more}

    def _log_lines(self) -> None:
        """Lines that a signature asks for, each with a secret in it."""
        quoted = self.canaries.shaped("quoted log line")["aws_key"]
        said = [
            *(f"permission 42501 denied: {s}" for s in self.canaries.shaped("log lines").values()),
            f"42501 for password={self.canaries.formless('log line, by name')}",
            f"Could not find the 'x {quoted}' column of 'y' in the schema cache",
        ]
        with (self.folder / "service.jsonl").open("a") as file:
            for line in said:
                file.write(json.dumps({"ts": iso(now()), "level": "error", "msg": line}) + "\n")

    # -- the ways in ---------------------------------------------------------------------------------------------

    def alert(self) -> None:
        """One alert whose every text carries secrets."""
        c = self.canaries
        odd = "\n".join(c.shaped("alert annotation").values())
        labels = {
            "alertname": ALERT,
            "service": "gateway",
            "environment": ENVIRONMENT,
            "severity": "critical",
            "api_key": c.formless("alert label by name"),
            **{f"note_{kind}": secret for kind, secret in c.shaped("alert label").items()},
        }
        generator = f"http://prom.example/graph?access_token={c.formless('generator url')}"
        one = {
            "status": "firing",
            "labels": labels,
            "annotations": {"summary": odd, "description": f"password={c.formless('description')}"},
            "startsAt": iso(now()),
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": generator,
            "fingerprint": chance.token_hex(8),
        }
        body = {
            "version": "4",
            "groupKey": f'{{}}:{{token="{c.formless("group key")}"}}',
            "status": "firing",
            "receiver": "r",
            "groupLabels": {"alertname": ALERT},
            "commonLabels": labels,
            "commonAnnotations": {},
            "externalURL": f"http://u:{c.formless('external url')}@am.example",
            "alerts": [one],
        }
        more = {"Cookie": f"s={c.formless('cookie')}", "X-Api-Key": c.formless("header")}
        self._post("/v1/webhooks/alertmanager", json=body, headers=more)

    def refused(self) -> None:
        """Deliveries that prove nothing, or hold nothing that can be read."""
        c = self.canaries
        wrong = {"Authorization": f"Bearer {c.formless('wrong bearer')}"}
        httpx.post(f"{self.url}/v1/webhooks/alertmanager", json={}, headers=wrong, timeout=5)
        self._post(
            "/v1/webhooks/alertmanager", content=f'{{"alerts": [{{"token": "{c.formless("unreadable")}"'.encode()
        )
        httpx.get(f"{self.url}/nowhere?token={c.formless('address of a page')}", timeout=5)

    def change(self) -> None:
        """One change record with secrets in its fields."""
        c = self.canaries
        many = c.shaped("change record")
        body = {
            "context": {
                "specversion": "0.5.0",
                "id": chance.token_hex(8),
                "source": f"https://ci:{c.formless('change source')}@ci.example/x",
                "type": "dev.cdevents.service.deployed.0.2.0",
                "timestamp": iso(now()),
            },
            "subject": {
                "id": "checkout",
                "type": "service",
                "content": {
                    "environment": {"id": ENVIRONMENT},
                    "artifactId": f"pkg:oci/checkout@2?token={c.formless('artifact')}",
                },
            },
            "customData": {"revision": 2, "note": " ".join(many.values()), "password": c.formless("custom data")},
            "customDataContentType": "application/json",
        }
        self._post("/v1/changes", json=body)

    def trace(self) -> None:
        """Spans whose attributes are secrets."""
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        for name, value in {"service.name": "gateway", "deployment.environment": ENVIRONMENT}.items():
            resource.resource.attributes.add(key=name).value.string_value = value
        scope = resource.scope_spans.add()
        for kind, secret in self.canaries.shaped("trace attribute").items():
            span = scope.spans.add(
                name=f"GET {secret}", kind=Span.SPAN_KIND_CLIENT, trace_id=b"1" * 16, span_id=b"1" * 8
            )
            span.start_time_unix_nano, span.end_time_unix_nano = time.time_ns() - 10**7, time.time_ns()
            attributes = {
                "server.address": "checkout",
                "server.instance": secret,
                "db.statement": secret,
                kind: secret,
            }
            for name, value in attributes.items():
                span.attributes.add(key=name).value.string_value = value
        self._post(
            "/v1/traces", content=request.SerializeToString(), headers={"Content-Type": "application/x-protobuf"}
        )

    def chat(self, incident_id: str) -> None:
        """What people write into both chats, a secret in it."""
        c = self.canaries
        self.slack.wait_for_sockets(1)
        for n, secret in enumerate(c.shaped("slack command").values()):
            words = f"feedback {incident_id} wrong {secret}" if n % 2 else f"{secret} what is that"
            self.slack.command("U0ANA", "/fr", words, channel=CHANNEL)
        for n, secret in enumerate(c.shaped("telegram message").values()):
            words = f"feedback {incident_id} wrong {secret}" if n % 2 else f"{secret} what is that"
            self.telegram.say(f"/fr {words}", 1001, chat_id=GROUP)
        self.slack.command(
            "U0ANA",
            "/fr",
            f"feedback {incident_id} wrong password={c.formless('slack, by name')}",
            channel=CHANNEL,
        )

    def _post(self, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return httpx.post(f"{self.url}{path}", headers=headers, timeout=10, **more)


def until(holds: Callable[[], Any], what: str, patience: timedelta = timedelta(seconds=60)) -> Any:
    """What *holds* returned when it was first true."""
    deadline = time.monotonic() + patience.total_seconds()
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what} never came"
        time.sleep(0.1)
    return found
