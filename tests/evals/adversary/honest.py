"""A model that says what it is shown, for any incident: the truth that every lie starts from.

Its answers are made of the view alone, as a real model's would be: it repeats ids, names facts, and abstains where
nothing is out of the ordinary.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from agents.deliberation.view import View
from agents.ports import Reasoned, Task
from tests.evals.adversary import joined
from tests.evals.adversary.joined import moved

Json = dict[str, Any]

MOST_QUERIES = 10
MOST_SUPPORTS = 5
MOST_JOINED = 3
FIRST_ASKED = (
    "upstream_failure_ratio",
    "pool_waiters",
    "pool_used_ratio",
    "schema_cache_behind",
    "health_failing",
    "in_flight",
    "request_rate",
    "server_error_ratio",
    "slow_request_ratio",
)


def shown(view: View) -> Json:
    """What is in *view*."""
    loaded: Json = json.loads(view.text)
    return loaded


def plan(view: Json) -> Json:
    """Questions that nobody has answered, one service after the other, the most telling first."""
    read = {(r["entity"], r["template"]) for r in (*view["readings"], *view["log_templates"])}
    offered = {o["template"] for o in view["menu"]}
    services = [e["id"] for e in view["entities"] if e["kind"] == "service"]
    wanted = [(s, f"quantity:{name}") for name in FIRST_ASKED for s in services]
    open_ = [(s, t) for s, t in wanted if t in offered and (s, t) not in read]
    queries = [
        {"template": t, "args": {"service": s}, "window": {"from": "onset-30m", "to": "now"}}
        for s, t in open_[:MOST_QUERIES]
    ]
    return {"version": 1, "incident": view["incident"], "status": "plan", "queries": queries}


def propose(view: Json) -> Json:
    """What the engine itself holds likeliest, with what is shown for it; else OTHER where something moved."""
    made: list[Json] = [
        {
            "signature": held["signature"],
            "entity": held["entity"],
            "supports": supports(view, _service_of(view, held["entity"])),
            "refuters_checked": [
                {"id": r["id"], "ev": None, "outcome": r["outcome"]} for r in held["refuters"][:12]
            ],
            "would_settle": [],
        }
        for held in view["engine"]
        if not any(r["outcome"] == "refuted" for r in held["refuters"])
    ][:3]
    places = {r["entity"] for r in view["readings"] if moved(r)}
    places |= {line["entity"] for line in view["log_templates"]}
    for service in sorted(places)[:2]:
        made.append(
            {
                "signature": "OTHER",
                "entity": service,
                "supports": supports(view, service),
                "refuters_checked": [],
                "would_settle": [view["menu"][0]["template"]],
            }
        )
    said: Json = {"version": 1, "incident": view["incident"], "status": "propose", "hypotheses": made}
    if not made:
        said |= {"status": "abstain", "abstain_reason": "nothing_abnormal"}
    return said


def _service_of(view: Json, entity: str) -> str:
    return next((e["of"] or e["id"] for e in view["entities"] if e["id"] == entity), entity)


def supports(view: Json, service: str) -> list[Json]:
    """True claims about *service*, the numbers as they are shown."""
    made: list[Json] = []
    for reading in view["readings"]:
        if reading["entity"] != service:
            continue
        facts, name = reading.get("facts", {}), reading["template"].partition(":")[2]
        if moved(reading):
            up = facts["recent"] > facts["baseline"]
            made.append(
                _support("METRIC_CHANGE", reading, f"{name}.recent", facts["recent"], "up" if up else "down")
            )
        elif facts.get("max"):
            made.append(_support("METRIC_VALUE", reading, f"{name}.max", facts["max"]))
        elif "recent" in facts:
            made.append(_support("METRIC_VALUE", reading, f"{name}.recent", facts["recent"]))
        if reading.get("changes"):
            made.append(_support("CHANGE_FACT", reading))
    matched = [t for t in view["log_templates"] if t["entity"] == service and t["template"].startswith("log:")]
    made += [_support("LOG_PRESENT", t) for t in {t["ev"]: t for t in matched}.values()]
    made.sort(key=lambda s: s["type"] not in {"LOG_PRESENT", "METRIC_CHANGE"})
    return made[:MOST_SUPPORTS] + joined.supports(view, service)[:MOST_JOINED]


def _support(
    kind: str,
    reading: Mapping[str, Any],
    fact: str | None = None,
    value: float | None = None,
    way: str | None = None,
) -> Json:
    return {"type": kind, "ev": reading["ev"], "fact": fact, "direction": way, "value": value}


def order(view: Json) -> Json:
    """The lines as they are."""
    lines = [line["id"] for line in view["lines"]]
    return {"version": 1, "incident": view["incident"], "status": "order", "lines": lines}


def words(view: Json) -> Json:
    """The first service that is named in what a person said."""
    named = [e["id"] for e in view["entities"] if e["name"] in view["words"]]
    if not named:
        return {"version": 1, "status": "abstain"}
    return {"version": 1, "status": "understood", "service": named[0], "minutes": 60, "symptom": None}


ANSWERS = {Task.PLAN: plan, Task.PROPOSE: propose, Task.ORDER: order, Task.WORDS: words}


@dataclass(slots=True, kw_only=True)
class Honest:
    """Says what it is shown. ``said`` keeps every proposal, for whoever counts what was kept of it."""

    name: str = "honest"
    said: list[Json] = field(default_factory=list)

    def prompt(self, task: Task, view: View) -> str:
        """What would be sent: the view."""
        return view.text

    def reason(self, task: Task, view: View, *, timeout: timedelta, output_tokens: int) -> Reasoned:
        """The true answer to *task*."""
        answer = ANSWERS[task](shown(view))
        if task is Task.PROPOSE:
            self.said.append(answer)
        return Reasoned(body=json.dumps(answer))


def claims(proposals: Sequence[Json]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The claims of the last of *proposals*: type and evidence of each, once."""
    found = [
        (s["type"], (s["ev"], *s.get("also", ())))
        for h in (proposals[-1]["hypotheses"] if proposals else ())
        for s in h["supports"]
    ]
    return tuple(dict.fromkeys(found))
