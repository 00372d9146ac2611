"""The demonstration: a small real system, broken for real, with every process of firstresponder around it."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import SecretStr

from actions.approval import ApprovalState, button
from agents.incident.errors import BadInput
from agents.incident.ids import IncidentId
from agents.incident.lifecycle import IncidentState
from bot import processes, report, up
from bot.desk import desk
from bot.journal import approvals, incidents, runs
from bot.journal.journal import Tx
from bot.processes import PREFIX, Child
from bot.settings import ConsoleSettings
from bot.surfaces.console import listener
from bot.surfaces.console.surface import NAME
from bot.wiring import console
from bot.wiring.parts import DeskParts

FAULTS = ("pool-leak", "hung-replica", "stale-schema", "surge", "self-clearing")
RIGHT_END = {
    "pool-leak": "verified_fix",
    "hung-replica": "verified_fix",
    "stale-schema": "verified_fix",
    "surge": "no_action",
    "self-clearing": "no_action",
}
PERSON = "demo"
ENVIRONMENT = "playground"
WARM_UP_S = 12.0
PATIENCE_S = 120.0
S = IncidentState


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for on the command line."""

    fault: str
    yes: bool
    once: bool
    as_json: bool
    keep: Path | None
    seed: int
    rate: float
    prometheus: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that runs."""

    folder: Path
    playground: Path
    children: list[Child]
    parts: DeskParts
    real_alertmanager: bool


def say(text: str) -> None:
    """Progress, for people; standard output is for documents."""
    print(text, file=sys.stderr, flush=True)


def run(wish: Wish) -> int:
    """Run it. 0 when every incident reached its right end."""
    faults = FAULTS if wish.fault == "all" else (wish.fault,)
    if not set(faults) <= set(FAULTS):
        raise BadInput(f"unknown fault {wish.fault!r}; there are {', '.join(FAULTS)} and all")
    if not (processes.root() / "tests" / "playground").is_dir():
        raise BadInput("the playground is in tests/playground: run the demo from a checkout of the project")
    interactive = sys.stdin.isatty() and sys.stdout.isatty() and not wish.as_json
    approve = wish.yes or not interactive
    if approve and not wish.yes:
        say("No terminal here: the demo approves as its own person, and ends by itself.")
    until = processes.stop_on_signals()
    with _folder(wish.keep) as folder, stage_of(folder, wish, until) as stage:
        good = True
        for number, fault in enumerate(faults):
            if until():
                return 130
            ended = _play(stage, fault, wish, approve=approve, interactive=interactive, until=until)
            if ended is None:
                return 130
            document = {"fault": fault, **ended}
            right = document["end"] == RIGHT_END[fault]
            good &= right
            if wish.as_json:
                print(json.dumps(document, ensure_ascii=False), flush=True)
            _tell_end(fault, document, right)
            if number + 1 < len(faults):
                calm(stage, fault, until)
        if interactive and not wish.once:
            _linger(stage, until)
        return 0 if good else 1


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="firstresponder-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def stage_of(
    folder: Path,
    wish: Wish,
    until: Callable[[], bool],
    adapt: Callable[[Path], None] = lambda _: None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Stage]:
    """Start the playground and all processes; end them in reverse order, whatever happens.

    Args:
        adapt: May change the configuration folder before anything reads it.
        more: Further settings, by their variable's name.
    """
    children: list[Child] = []
    others: list[subprocess.Popen[bytes]] = []
    port = _free_port()
    receiver = f"http://127.0.0.1:{port}"
    tokens = {name: secrets.token_urlsafe(24) for name in ("alertmanager", "changes", "traces")}
    try:
        sys.path.insert(0, str(processes.root()))
        from tests.playground import monitoring

        real = wish.prometheus and monitoring.available()
        say(f"Starting a small shop to break, in {folder} …")
        shop = _playground(folder, wish, receiver, tokens, watcher=not real)
        shop.start()
        children.append(shop)
        file = folder / "shop" / "playground.json"
        _wait("the playground", file.exists, until)
        playground = json.loads(file.read_text())
        prometheus = ""
        if real:
            say("Prometheus and Alertmanager are installed: using the real ones.")
            others += monitoring.start(folder / "monitoring", file, receiver, tokens["alertmanager"]).values()
            prometheus = json.loads((folder / "monitoring" / "monitoring.json").read_text())["prometheus"]
        config = folder / "config"
        _write_config(config, playground, prometheus)
        adapt(config)
        say("Starting receiver, triage worker, action worker and clock …")
        env = _environment(config, port, tokens, playground)
        children += up.start(folder / "state", env | dict(more), logs=folder / "logs")
        _wait("the receiver", lambda: _answers(f"{receiver}/readyz"), until)
        where = up.addresses(children)
        parts = console.open_parts(
            ConsoleSettings(
                journal_url=SecretStr(where["JOURNAL_URL"]),
                redis_url=SecretStr(where["REDIS_URL"]),
                config=config,
                account=PERSON,
                log_json=True,
            )
        )
        say(f"Letting it run healthy for {WARM_UP_S:g} s, so that there is a baseline …")
        _pause(WARM_UP_S, until)
        yield Stage(
            folder=folder, playground=folder / "shop", children=children, parts=parts, real_alertmanager=real
        )
        parts.journal.close()
    finally:
        for process in others:
            process.terminate()
        for process in others:
            process.wait(10)
        processes.stop(children)


def _playground(folder: Path, wish: Wish, receiver: str, tokens: dict[str, str], *, watcher: bool) -> Child:
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.playground", "--dir", str(folder / "shop"), "--receiver", receiver]
    command += ["--seed", str(wish.seed), "--rate", str(wish.rate)] + ([] if watcher else ["--no-watcher"])
    env = {k: v for k, v in processes.base_environment().items() if k in processes.PASSED}
    env |= {
        "PYTHONPATH": str(processes.root()),
        "PLAYGROUND_OTLP_TOKEN": tokens["traces"],
        "PLAYGROUND_CHANGES_TOKEN": tokens["changes"],
        "PLAYGROUND_ALERT_TOKEN": tokens["alertmanager"],
    }
    return Child(name="playground", command=command, env=env, log=logs / "playground.log")


def _environment(config: Path, port: int, tokens: dict[str, str], playground: dict[str, Any]) -> dict[str, str]:
    """What ``up`` splits among its children: each gets its own settings only."""
    env = {k: v for k, v in processes.base_environment().items() if k in processes.PASSED}
    values = {
        "CONFIG": str(config),
        "PORT": str(port),
        "WEBHOOK_TOKENS": json.dumps({k: [v] for k, v in tokens.items()}),
        "SUPERVISOR_URL": playground["supervisor"],
        "SUPERVISOR_TOKEN": playground["tokens"]["write"],
        "SUPERVISOR_ENVIRONMENT": ENVIRONMENT,
        "LEASE_S": "6",
        "RECONCILE_S": "1",
        "TICK_S": "0.1",
        "TRIAGE_SILENCE_S": "15",
        "LOG_JSON": "true",
    }
    env |= {PREFIX + k: v for k, v in values.items()}
    return env | {k: v for k, v in os.environ.items() if k in {PREFIX + "REDIS_URL", PREFIX + "JOURNAL_URL"}}


def _write_config(config: Path, playground: dict[str, Any], prometheus: str) -> None:
    """The project's own configuration with the playground's addresses and short windows."""
    shutil.copytree(processes.root() / "config", config, dirs_exist_ok=True)
    calls = {"gateway": ["checkout"], "checkout": ["inventory"], "inventory": []}
    services = {
        name: {
            "environment": ENVIRONMENT,
            "calls": calls[name],
            "edge": name == "gateway",
            "replicas": {
                replica: {"health": at["health"], "log": at["log"]}
                | ({} if prometheus else {"metrics": at["metrics"]})
                for replica, at in service["replicas"].items()
            },
        }
        for name, service in playground["services"].items()
    }
    probes = yaml.safe_load((config / "probes.yaml").read_text())
    probes |= {"openmetrics_window_s": 1.0, "timeout_s": 2.0}
    if prometheus:
        probes["prometheus"] = [{"url": prometheus, "environment": ENVIRONMENT}]
    files: dict[str, Any] = {
        "services.yaml": {
            "schema": 1,
            "telemetry_interval_s": 1,
            "symptoms": {"EdgeErrorRatioHigh": "server_error_ratio"},
            "services": services,
        },
        "people.yaml": {
            "schema": 1,
            "people": {
                PERSON: {"name": "Demo", "roles": ["approver"], "accounts": {NAME: [PERSON]}},
            },
        },
        "policy.yaml": {
            "schema": 1,
            "version": "playground-1",
            "trusted": ["restart_replica", "reload_schema_cache"],
            "deadline_minutes": 10,
            "verification": {
                "settle_s": 1,
                "interval_s": 0.5,
                "horizon_s": 2,
                "good_samples": 3,
                "give_up_s": 40,
            },
        },
        "probes.yaml": probes,
        # One alert stands for every fault that is played: that it comes and goes is the play.
        "grouping.yaml": {"schema": 1, "hold_s": 1, "flapping": {"turns": 100, "within_s": 60}},
    }
    for name, content in files.items():
        (config / name).write_text(yaml.safe_dump(content, sort_keys=False))


def _play(
    stage: Stage,
    fault: str,
    wish: Wish,
    *,
    approve: bool,
    interactive: bool,
    until: Callable[[], bool],
) -> dict[str, Any] | None:
    """Break it, watch until the incident has ended. ``None`` when somebody stopped it."""
    with stage.parts.journal.read() as tx:
        before = {i.id for i in incidents.recent(tx)}
    say(f"\nBreaking it now: {fault}\n")
    inject(stage, fault, wish.seed)
    deadline = time.monotonic() + PATIENCE_S
    done: list[IncidentId] = []

    def ended() -> bool:
        if until():
            return True
        for child in stage.children:
            status = child.watch()
            if status is not None:
                say(f"{child.name} ended with status {status}; starting it again")
        with stage.parts.journal.read() as tx:
            new = [i for i in incidents.recent(tx) if i.id not in before]
            waiting = [a for i in new for a in _questions(tx, i.id)]
            settled = [i.id for i in new if over(tx, i.id, i.state)]
        if approve:
            for approval_id, plan_hash in waiting:
                _approve(stage.parts, approval_id, plan_hash)
        if new and len(settled) == len(new):
            done[:] = [new[-1].id]
        return bool(done) or (time.monotonic() > deadline and not interactive)

    if interactive:
        if not console.watch_live(stage.parts, PERSON, ended):
            return None
    else:
        console.watch_lines(stage.parts, ended)
    if until():
        return None
    with stage.parts.journal.read() as tx:
        new = [i.id for i in incidents.recent(tx) if i.id not in before]
        if not new:
            raise BadInput(f"no alert came within {PATIENCE_S:g} s of {fault}; see the logs (--keep FOLDER)")
        return report.document(tx, done[0] if done else new[-1])


def over(tx: Tx, incident_id: IncidentId, state: IncidentState) -> bool:
    """Verified, resolved, or handed to a person with nothing in flight while the alert goes on."""
    if state in {S.MITIGATED, S.RESOLVED, S.CLOSED}:
        return True
    if state is not S.NEEDS_HUMAN:
        return False
    waited = tx.now - incidents.since(tx, incident_id)
    acted = any(r.state not in runs.WAITING for r in runs.of_incident(tx, incident_id))
    return waited.total_seconds() > (5 if acted else 60)


def _questions(tx: Tx, incident_id: IncidentId) -> list[tuple[Any, str]]:
    found = [approvals.approval_of(tx, r.id) for r in runs.of_incident(tx, incident_id)]
    return [(a.id, a.plan_hash) for a in found if a is not None and a.state is ApprovalState.AWAITING]


def _approve(parts: DeskParts, approval_id: Any, plan_hash: str) -> None:
    desk.take(listener.incoming(button("a", approval_id, plan_hash), PERSON), parts)


def inject(stage: Stage, fault: str, seed: int) -> None:
    """Break the playground so."""
    from tests.playground import faults

    faults.inject(fault, stage.playground, seed=seed)


def calm(stage: Stage, fault: str, until: Callable[[], bool]) -> None:
    """Put the playground right, wait until its alert has resolved, and close what is over."""
    from tests.playground import faults

    faults.reset(fault, stage.playground)

    def quiet() -> bool:
        with stage.parts.journal.read() as tx:
            found = incidents.recent(tx)
        return all(i.state in {S.RESOLVED, S.CLOSED} for i in found)

    say("Waiting until the alert has resolved …")
    _wait("the alert to resolve", quiet, until, PATIENCE_S)
    with stage.parts.journal.write("demo.close") as tx:
        for incident in incidents.recent(tx):
            if incident.state is S.RESOLVED:
                incidents.move(tx, incident, S.CLOSED, actor="Demo", reason="the demonstration goes on")
    _pause(5, until)


def _linger(stage: Stage, until: Callable[[], bool]) -> None:
    """Leave everything running for a look around."""
    env = up.addresses(stage.children)
    say(f"\nStill running. Look around from another terminal:\n  export {PREFIX}JOURNAL_URL={env['JOURNAL_URL']}")
    say("  firstresponder incident list\nPress q or Ctrl-C to end.")
    console.watch_live(stage.parts, PERSON, until)


def _tell_end(fault: str, document: dict[str, Any], right: bool) -> None:
    took = document["durations_s"]
    mark = "✓" if right else "✗"
    say(
        f"\n{mark} {fault}: {document['end']}; alert to finding {took['alert_to_finding']} s, "
        f"to the end {took['alert_to_end']} s"
    )


def _wait(what: str, ready: Callable[[], bool], until: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if until():
            raise SystemExit(130)
        if time.monotonic() > deadline:
            raise BadInput(f"{what} did not come up within {seconds:g} s; see the logs (--keep FOLDER)")
        time.sleep(0.05)


def _pause(seconds: float, until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not until():
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310  # our own address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
