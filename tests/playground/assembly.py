"""Puts the system together: who runs where, who calls whom, and the file that tells others."""

import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.playground import database
from tests.playground.changes import Feed
from tests.playground.checkout import config_path
from tests.playground.client import send_json
from tests.playground.fleet import FIRST_REVISION, Deployment, Fleet, proven
from tests.playground.httpd import Server
from tests.playground.ledger import Ledger
from tests.playground.logs import Log
from tests.playground.options import ENV_CONTROL_TOKEN, ENV_PARENT, Options
from tests.playground.osproc import LOOPBACK, Ports, write_json
from tests.playground.replica import Place, Replica, Spawner, stop_process
from tests.playground.supervisor import Supervisor
from tests.playground.supervisor_api import Api, Tokens
from tests.playground.watcher import ENV_ALERT_TOKEN

FILE = "playground.json"
MODULES = {
    "gateway": "tests.playground.gateway",
    "checkout": "tests.playground.checkout_main",
    "inventory": "tests.playground.inventory",
}
INSTANCES = (
    ("gateway", "gateway-1"),
    ("checkout", "checkout-1"),
    ("checkout", "checkout-2"),
    ("inventory", "inventory-1"),
)
UPSTREAM = {"gateway": "checkout", "checkout": "inventory"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command line says. `receiver` is a base URL, `rate` is in orders a second."""

    directory: Path
    receiver: str
    otlp_token: str
    changes_token: str
    alert_token: str
    with_watcher: bool
    seed: int
    rate: float


class Playground:
    """The whole system; `start` returns when everything answers."""

    def __init__(self, settings: Settings) -> None:
        """Choose ports and tokens and make the database; no process runs yet."""
        self._settings = settings
        directory = settings.directory
        directory.mkdir(parents=True, exist_ok=True)
        # An old file would tell of processes that are gone.
        (directory / FILE).unlink(missing_ok=True)
        database.create(directory / "shop.db")
        config_path(directory).unlink(missing_ok=True)
        self._tokens = Tokens(
            read=secrets.token_urlsafe(24),
            write=secrets.token_urlsafe(24),
            deploy=secrets.token_urlsafe(24),
            chaos=secrets.token_urlsafe(24),
        )
        ports = Ports()
        self._places = {
            name: Place(name=name, service=service, port=ports.free(), control_port=ports.free())
            for service, name in INSTANCES
        }
        self._api_port, self._load_port = ports.free(), ports.free()
        self._spawner = Spawner(directory)
        self._log = Log(directory, service="supervisor", instance="supervisor")
        self._sidecars: list[subprocess.Popen[bytes]] = []
        self.fleet = Fleet([self._deployment(service) for service in MODULES], rotate=self._rotate, log=self._log)

    def start(self) -> Path:
        """Start everything and write the file that says where it all is; returns that file."""
        settings = self._settings
        feed = Feed(url=f"{settings.receiver}/v1/changes", token=settings.changes_token)
        supervisor = Supervisor(
            self.fleet,
            Ledger(settings.directory / "operations.jsonl"),
            feed,
            database_path=settings.directory / "shop.db",
            control_token=self._tokens.chaos,
        )
        self.fleet.start()
        Server(self._api_port, Api(supervisor, self._tokens).answer).start()
        gateway = self._places["gateway-1"].address
        load = ["--gateway", gateway, "--control-port", str(self._load_port)]
        load += ["--rate", str(settings.rate), "--seed", str(settings.seed)]
        self._sidecar("load", load, {ENV_CONTROL_TOKEN: self._tokens.chaos})
        if settings.with_watcher:
            watch = ["--gateway", gateway, "--receiver", settings.receiver]
            self._sidecar("watcher", watch, {ENV_ALERT_TOKEN: settings.alert_token})
        self._log.info("started")
        file = settings.directory / FILE
        write_json(file, self._described())
        return file

    def stop(self) -> None:
        """Stop every process that was started."""
        for process in self._sidecars:
            stop_process(process)
        self.fleet.stop()
        self._log.info("stopped")

    def _sidecar(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> None:
        module = f"tests.playground.{name}"
        self._sidecars.append(self._spawner.start(name, module, arguments, environment))

    def _deployment(self, service: str) -> Deployment:
        replicas = [Replica(place, self._launch) for place in self._places.values() if place.service == service]
        revisions = [proven(service, FIRST_REVISION, days_ago=2)]
        if service == "checkout":
            revisions.insert(0, proven(service, FIRST_REVISION - 1, days_ago=9))
        return Deployment(service, replicas, revisions)

    def _launch(self, place: Place, version: str, revision: int) -> subprocess.Popen[bytes]:
        callee = UPSTREAM.get(place.service)
        options = Options(
            service=place.service,
            instance=place.name,
            port=place.port,
            control_port=place.control_port,
            directory=self._settings.directory.resolve(),
            otlp_url=self._settings.receiver,
            version=version,
            revision=revision,
            upstreams={each.name: each.address for each in self._places.values() if each.service == callee},
            otlp_token=self._settings.otlp_token,
            control_token=self._tokens.chaos,
            parent_pid=0,
        )
        # The process that really starts it knows the parent's id, so that one is left to it.
        environment = {key: value for key, value in options.environment().items() if key != ENV_PARENT}
        return self._spawner.start(place.name, MODULES[place.service], options.arguments(), environment)

    def _rotate(self, replica: Replica, in_rotation: bool) -> None:
        if replica.place.service == UPSTREAM["gateway"]:
            url = f"http://{self._places['gateway-1'].control}/rotation"
            body = {"instance": replica.place.name, "in_rotation": in_rotation}
            send_json("POST", url, body, token=self._tokens.chaos, timeout_s=0.5)

    def _described(self) -> dict[str, object]:
        directory = self._settings.directory.resolve()
        services: dict[str, dict[str, dict[str, dict[str, str]]]] = {}
        for place in self._places.values():
            services.setdefault(place.service, {"replicas": {}})["replicas"][place.name] = {
                "address": place.address,
                "metrics": f"http://{place.address}/metrics",
                "health": f"http://{place.address}/healthz",
                "log": str(directory / "logs" / f"{place.name}.jsonl"),
            }
        control = {place.name: f"http://{place.control}" for place in self._places.values()}
        return {
            "supervisor": f"http://{LOOPBACK}:{self._api_port}",
            "tokens": {
                "read": self._tokens.read,
                "write": self._tokens.write,
                "deploy": self._tokens.deploy,
                "chaos": self._tokens.chaos,
            },
            "services": services,
            "control": {**control, "load": f"http://{LOOPBACK}:{self._load_port}"},
            "db": str(directory / "shop.db"),
        }
