"""From one item of a delivery to a ``Change``: what kind of one, how far it came, and which one it is."""

from collections.abc import Mapping

from agents.incident.incident import Change, ChangeKind, ChangeOutcome
from bot.receiver import outcomes, safe
from bot.receiver.delivered import Delivery, number, place, said, text
from bot.receiver.systems.reading import Category, Item

NO_COMMIT = "0" * 40
"""What GitHub and GitLab send for the commit of a branch that is gone."""

NOWHERE = frozenset({ChangeKind.BUILD, ChangeKind.JOB})
"""Kinds that are made to no environment, as a rule: it is nothing to tell anybody of."""


def change(delivery: Delivery, item: Item) -> Change:
    """What *item* says of one change, and nothing of what earlier events said of it."""
    system, category = delivery.system, delivery.reading.category
    labels = safe.labels(item.extras.get("labels"))
    service, environment = place(delivery, item, labels)
    kind = _kind(category, item)
    outcome = outcomes.outcome(system, category, item.status, text(item, "outcome"))
    started, ended, event = (
        delivery.moment(getattr(item, name), name) for name in ("started_at", "ended_at", "event_at")
    )
    told = event.ordering or ended.ordering or started.ordering
    begun = started.ordering
    if begun is None and outcome is ChangeOutcome.STARTED and outcomes.normal(item.status) not in outcomes.WAITING:
        begun = told
    over = (ended.ordering or told) if outcome.over else None
    commit = text(item, "sha")
    commit = None if commit == NO_COMMIT else commit
    version = text(item, "version", "revision") or commit or text(item, "artifact")
    if version is None and category is Category.DEPLOY and kind is ChangeKind.BUILD:
        version = text(item, "ref")  # a release's tag; of what is deployed it may be a branch
    if kind not in NOWHERE and (service is None or environment is None):
        delivery.note(f"unplaced: the change names no {'service' if service is None else 'environment'}")
    return Change(
        id=_change_id(delivery, item, kind, version),
        kind=kind,
        service=service,
        environment=environment,
        at=begun or over or told or delivery.received_at,
        source=delivery.source,
        subject=safe.plain(said(item.title) or said(item.service) or "", 300),
        outcome=outcome,
        word=safe.plain(item.status, 60),
        started_at=begun,
        finished_at=over,
        said_at=told,
        artifact=_short(text(item, "artifact")),
        commit=_short(commit),
        version=_short(version),
        previous_version=_short(text(item, "previous_version")),
        revision=number(item, "revision"),
        previous_revision=number(item, "previous_revision"),
        schema_version=number(item, "schema_version"),
        actor=_short(text(item, "actor")),
        link=safe.plain(item.link) if item.link else None,
        note=safe.plain(text(item, "migration") or item.summary or ""),
    )


def _short(text: str | None) -> str | None:
    return safe.plain(text, 300) if text else None


_KINDS: Mapping[Category, ChangeKind] = {
    Category.DEPLOY: ChangeKind.DEPLOY,
    Category.CI: ChangeKind.BUILD,
    Category.JOB: ChangeKind.JOB,
}


def _kind(category: Category, item: Item) -> ChangeKind:
    return ChangeKind(item.kind) if item.kind else _KINDS.get(category, ChangeKind.CONFIG)


def _change_id(delivery: Delivery, item: Item, kind: ChangeKind, version: str | None) -> str:
    """Source and identity; where there is none source, subject and revision."""
    own = said(item.change) or said(item.dedup_key)
    if own is not None and (kind is not ChangeKind.FLAG or item.change):
        return safe.key(f"{delivery.source}:{own}")
    subject = own or said(item.service) or said(item.title) or said(item.entity) or "-"
    mark = None if kind is ChangeKind.FLAG else version
    mark = mark or item.event_at or delivery.received_at.isoformat()
    if own is None:
        delivery.note(f"{subject!r} has no identity of its change; source, subject and revision stand for it")
    return safe.key(f"{delivery.source}:{subject}@{mark}")
