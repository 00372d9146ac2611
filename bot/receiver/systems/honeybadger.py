"""Honeybadger's webhook (docs.honeybadger.io): errors, sites, check-ins and deploys, told apart by ``event``."""

from collections.abc import Mapping

from bot.receiver.systems.delivery import alert, has, peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, look, stated

STATUSES: Mapping[str, str] = {
    **dict.fromkeys(("occurred", "unresolved", "rate_exceeded", "down", "check_in_missing"), "firing"),
    **dict.fromkeys(("cert_will_expire", "alarm_triggered"), "firing"),
    **dict.fromkeys(("resolved", "up", "check_in_reporting", "alarm_ok"), "resolved"),
    **dict.fromkeys(("assigned", "commented"), "info"),
}


def _read(headers: Mapping[str, str], said: Node) -> Reading:
    event, project = said.text("event"), said.at("project")
    if event == "deployed":
        return _deploy(said, project)
    fault, notice = said.at("fault"), said.at("notice")
    owners = ("fault", "site", "check_in", "alarm")
    key, kind = next(((k, n) for n in owners if (k := said.at(n).text("id"))), (None, None))
    item = Item(
        status=look(event, STATUSES),
        title=fault.text("klass") or said.text("message"),
        service=project.text("name"),
        summary=fault.text("message") or said.text("message"),
        dedup_key=key,
        dedup_from=f"{kind}.id" if kind else None,
        extras=stated(
            event=event,
            url=fault.text("url") or said.at("site").text("url"),
            notice_at=notice.time("created_at"),
            labels=stated(environment=fault.text("environment") or _environment(notice)),
        ),
    )
    return alert(said, item)


def _environment(notice: Node) -> str | None:
    value = notice.get("environment")
    return notice.at("environment").text("environment_name") if isinstance(value, Mapping) else None


def _deploy(said: Node, project: Node) -> Reading:
    deploy = said.at("deploy")
    key, at, place = deploy.text("id", "revision"), deploy.time("created_at"), deploy.text("environment")
    # One revision goes to several environments, and to one of them more than once.
    by_revision = "/".join(part for part in (key, place, at) if part)
    item = Item(
        status="deployed",
        title=said.text("message"),
        service=project.text("name"),
        environment=place,
        event_at=at,
        dedup_key=key,
        dedup_from=("deploy.id" if deploy.text("id") else "deploy.revision") if key else None,
        link=deploy.text("url"),
        change=key if deploy.text("id") else by_revision or None,
        extras=stated(
            event="deployed",
            sha=deploy.text("revision"),
            actor=deploy.text("local_username"),
            repository=deploy.text("repository"),
        ),
    )
    return alert(said, item, category=Category.DEPLOY)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    data = peek(headers, body)
    parts = ("fault", "site", "check_in", "alarm", "deploy")
    return 2 if has(data, "event", "project", "message") and any(p in data for p in parts) else 0


SYSTEM = System(name="honeybadger", title="Honeybadger", read=reader("a Honeybadger", _read), recognise=_recognise)
