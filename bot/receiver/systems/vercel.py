"""Vercel webhooks about deployments (vercel.com/docs/webhooks/webhooks-api)."""

from collections.abc import Mapping

from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.reading import Category, Item, Reading, System, stated, unused

_HOSTS = ("github", "gitlab", "bitbucket")


def _meta(meta: Node, what: str) -> str | None:
    return next((found for host in _HOSTS if (found := meta.text(f"{host}Commit{what}"))), None)


def _status(event: str) -> str | None:
    # Older webhooks are named "deployment" and "deployment-ready".
    if event == "deployment":
        return "created"
    head, _, tail = event.replace("-", ".", 1).partition(".")
    return tail if head == "deployment" and tail else None


def _rollback(whole: Node, payload: Node) -> Item:
    """Production was pointed back to an earlier deployment: a change of its own, with both of them named."""
    to, project = payload.need("toDeploymentId"), payload.at("project")
    delivery = whole.text("id")
    name = payload.text("projectName", "name") or project.text("name")
    return Item(
        status="rollback",
        title=f"{name or project.text('id') or 'production'} was rolled back",
        service=name,
        event_at=whole.time("createdAt"),
        dedup_key=to,
        dedup_from="payload.toDeploymentId",
        change=f"rollback/{delivery or to}",
        extras=stated(version=to, previous_version=payload.text("fromDeploymentId"), environment_="production"),
    )


def _read(headers: Mapping[str, str], whole: Node) -> Reading:
    """One deployment and how far it is."""
    event = whole.need("type")
    delivery = whole.text("id")
    status = _status(event)
    about = stated(event=event, delivery_id=delivery)
    if status is None:
        return unused("Vercel", event, **about)
    payload = whole.at("payload")
    if status == "rollback" and not payload.holds("deployment"):
        item = _rollback(whole, payload)
        return Reading(category=Category.DEPLOY, items=(item,), about=about, delivery_key=delivery)
    deployment, meta = payload.at("deployment"), payload.at("deployment", "meta")
    message, target = _meta(meta, "Message"), payload.text("target")
    link = payload.at("links").text("deployment") or deployment.text("url")
    item = Item(
        status=status,
        title=message.strip().splitlines()[0] if message else None,
        service=deployment.text("name") or payload.at("project").text("name"),
        entity=target,
        environment=target,
        event_at=whole.time("createdAt"),
        dedup_key=deployment.need("id"),
        dedup_from="payload.deployment.id",
        link=link if link is None or "://" in link else f"https://{link}",
        extras=stated(
            sha=_meta(meta, "Sha"),
            ref=_meta(meta, "Ref"),
            actor=_meta(meta, "AuthorLogin"),
            version=deployment.text("id"),  # what one goes back to there is a deployment, not a commit
            environment_=None if target else "preview",
        ),
    )
    return Reading(category=Category.DEPLOY, items=(item,), about=about, delivery_key=delivery)


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By its signature's header, or by its type."""
    if "x-vercel-signature" in headers:
        return 3
    whole = peek(headers, body, exact=True)
    kind = whole.get("type")
    return 2 if isinstance(kind, str) and kind.startswith("deployment") and "payload" in whole else 0


SYSTEM = System(
    name="vercel",
    title="Vercel",
    read=reader("a Vercel", _read, exact=True),
    recognise=_recognise,
    proof="vercel",
)
