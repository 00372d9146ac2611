"""Runs the real Prometheus and Alertmanager against a playground, where they are installed."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.playground import alerts
from tests.playground.osproc import LOOPBACK, Ports, write_json

_ALERTMANAGER = ("prometheus-alertmanager", "alertmanager")


def available() -> bool:
    """Whether both programs are on the PATH."""
    return shutil.which("prometheus") is not None and _alertmanager() is not None


def start(directory: Path, playground_json: Path, receiver: str, token: str) -> dict[str, subprocess.Popen[bytes]]:
    """Start both, by name; the caller stops them. Their URLs are in `DIR/monitoring.json`."""
    manager = _alertmanager()
    if manager is None or not available():
        raise FileNotFoundError("prometheus and alertmanager must both be on the PATH")
    directory.mkdir(parents=True, exist_ok=True)
    ports = Ports()
    prometheus_at, alertmanager_at = f"{LOOPBACK}:{ports.free()}", f"{LOOPBACK}:{ports.free()}"
    playground = json.loads(playground_json.read_text(encoding="utf-8"))
    files = write(directory, playground, alertmanager_at=alertmanager_at, receiver=receiver, token=token)
    write_json(
        directory / "monitoring.json",
        {"prometheus": f"http://{prometheus_at}", "alertmanager": f"http://{alertmanager_at}"},
    )
    return {
        "alertmanager": _run(
            directory,
            "alertmanager",
            [
                manager,
                f"--config.file={files['alertmanager']}",
                f"--storage.path={directory / 'alertmanager-data'}",
                f"--web.listen-address={alertmanager_at}",
                "--cluster.listen-address=",
            ],
        ),
        "prometheus": _run(
            directory,
            "prometheus",
            [
                "prometheus",
                f"--config.file={files['prometheus']}",
                f"--storage.tsdb.path={directory / 'prometheus-data'}",
                f"--web.listen-address={prometheus_at}",
            ],
        ),
    }


def write(
    directory: Path, playground: dict[str, Any], *, alertmanager_at: str, receiver: str, token: str
) -> dict[str, Path]:
    """Write all configuration as JSON, which is YAML too; returns the two main files by program."""
    token_file = directory / "alert-token"
    token_file.touch(mode=0o600)
    token_file.write_text(token, encoding="utf-8")
    rules = directory / "rules.yml"
    write_json(rules, {"groups": [{"name": "edge", "interval": "1s", "rules": [_rule()]}]})
    prometheus = directory / "prometheus.yml"
    write_json(prometheus, _prometheus(playground, rules=rules, alertmanager_at=alertmanager_at))
    alertmanager = directory / "alertmanager.yml"
    write_json(alertmanager, _alertmanager_config(receiver=receiver, token_file=token_file))
    return {"prometheus": prometheus, "alertmanager": alertmanager}


def _rule() -> dict[str, object]:
    def rate(extra: str) -> str:
        labels = f'service="gateway"{extra}'
        return f"sum by (service) (rate(http_server_requests_total{{{labels}}}[5s]))"

    errors, every = rate(',code=~"5.."'), rate("")
    return {
        "alert": alerts.NAME,
        "expr": f"{errors} / {every} >= {alerts.RATIO} and {every} * 5 >= {alerts.ENOUGH_REQUESTS}",
        "for": "0s",
        "labels": {key: value for key, value in alerts.LABELS.items() if key != "alertname"},
        "annotations": alerts.ANNOTATIONS,
    }


def _prometheus(playground: dict[str, Any], *, rules: Path, alertmanager_at: str) -> dict[str, object]:
    targets = [
        {"targets": [replica["address"]], "labels": {"service": service, "instance": name}}
        for service, each in playground["services"].items()
        for name, replica in each["replicas"].items()
    ]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "900ms", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager_at]}]}]},
        "scrape_configs": [{"job_name": "playground", "honor_labels": True, "static_configs": targets}],
    }


def _alertmanager_config(*, receiver: str, token_file: Path) -> dict[str, object]:
    webhook = {
        "url": f"{receiver}/v1/webhooks/alertmanager",
        "send_resolved": True,
        "http_config": {"authorization": {"type": "Bearer", "credentials_file": str(token_file.resolve())}},
    }
    return {
        "route": {
            "receiver": alerts.RECEIVER,
            "group_by": ["alertname", "service"],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "10s",
        },
        "receivers": [{"name": alerts.RECEIVER, "webhook_configs": [webhook]}],
    }


def _alertmanager() -> str | None:
    return next((found for name in _ALERTMANAGER if (found := shutil.which(name))), None)


def _run(directory: Path, name: str, command: list[str]) -> subprocess.Popen[bytes]:
    with (directory / f"{name}.txt").open("ab") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
