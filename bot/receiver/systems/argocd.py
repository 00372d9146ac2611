"""Argo CD notifications: the body is all template there, so this is ours, and exactly this is read.

Put ``TEMPLATE`` under ``data`` of ``argocd-notifications-cm`` and subscribe an application to its two triggers.
"""

import re
from collections.abc import Mapping

from agents.incident.errors import BadInput
from bot.receiver.systems.delivery import peek, reader
from bot.receiver.systems.node import Node
from bot.receiver.systems.placeholders import unrendered
from bot.receiver.systems.published import MARKER, VERSION
from bot.receiver.systems.reading import Category, Item, Reading, System, stated

TEMPLATE = """\
service.webhook.firstresponder: |
  url: https://firstresponder.example.com
  headers:
    - name: Content-Type
      value: application/json
    - name: Authorization
      value: Bearer $firstresponder-token
template.firstresponder: |
  webhook:
    firstresponder:
      method: POST
      path: /v1/webhooks/argocd
      body: |
        {
          "firstresponder": 1,
          "system": "argocd",
          "app": {{ toJson .app.metadata.name }},
          "namespace": {{ toJson .app.metadata.namespace }},
          "project": {{ toJson .app.spec.project }},
          "target_namespace": {{ toJson .app.spec.destination.namespace }},
          "target_cluster": {{ with .app.spec.destination.name }}{{ toJson . }}{{ else }}\
{{ toJson .app.spec.destination.server }}{{ end }},
          "health": {{ with .app.status.health }}{{ toJson .status }}{{ else }}null{{ end }},
          "sync": {{ with .app.status.sync }}{{ toJson .status }}{{ else }}null{{ end }},
          "revision": {{ with .app.status.sync }}{{ toJson .revision }}{{ else }}null{{ end }},
          "operation": {{ with .app.status.operationState }}{
            "phase": {{ toJson .phase }},
            "message": {{ toJson .message }},
            "startedAt": {{ toJson .startedAt }},
            "finishedAt": {{ toJson .finishedAt }},
            "revision": {{ with .syncResult }}{{ toJson .revision }}{{ else }}null{{ end }}
          }{{ else }}null{{ end }},
          "link": "{{ .context.argocdUrl }}/applications/{{ .app.metadata.namespace }}/{{ .app.metadata.name }}"
        }
trigger.firstresponder-synced: |
  - when: app.status.operationState.phase in ['Succeeded', 'Error', 'Failed']
    oncePer: app.status.operationState.syncResult.revision
    send: [firstresponder]
trigger.firstresponder-degraded: |
  - when: app.status.health.status == 'Degraded'
    send: [firstresponder]
"""

_RAW = re.compile(rb"\{\{[ -z]{1,200}?\}\}")
_OURS = re.compile(rb'"firstresponder":\s*1\b.{0,200}?"system":\s*"argocd"', re.DOTALL)


def _read(headers: Mapping[str, str], body: bytes) -> Reading:
    if (raw := _RAW.search(body)) is not None and _template(body):
        return _refuse(raw[0].decode())
    return _read_rendered(headers, body)


def _sync(headers: Mapping[str, str], whole: Node) -> Reading:
    """One application's sync: the operation's phase is the status."""
    if whole.text(MARKER) != VERSION:
        raise BadInput(f"{whole.where}: {MARKER}: {VERSION} is needed, as in our template")
    if whole.need("system") != "argocd":
        raise BadInput(f"{whole.where}: system: argocd is needed, as in our template")
    operation = whole.at("operation")
    name, phase = whole.need("app"), operation.text("phase")
    for core in (name, phase, whole.text("namespace"), operation.text("revision")):
        placeholder = unrendered(core) if core else None
        if placeholder:
            return _refuse(placeholder)
    revision = operation.text("revision") or whole.text("revision")
    where = "/".join(part for part in (whole.text("namespace"), name) if part)
    begun, key = operation.time("startedAt"), f"{where}@{revision}" if revision else where
    item = Item(
        status=phase or whole.text("health") or "unknown",
        title=_shown(operation, "message"),
        service=name,
        entity=_shown(whole, "target_namespace"),
        started_at=begun,
        ended_at=operation.time("finishedAt"),
        dedup_key=key,
        dedup_from="namespace+app+revision" if revision else "namespace+app",
        link=_link(whole),
        # One revision is synced again after a rollback to it: that is another change.
        change=f"{key}/{begun}" if begun else None,
        extras=stated(
            revision=revision,
            sha=revision,
            health=_shown(whole, "health"),
            sync=_shown(whole, "sync"),
            project=_shown(whole, "project"),
            cluster=_shown(whole, "target_cluster"),
        ),
    )
    return Reading(category=Category.DEPLOY, items=(item,))


_read_rendered = reader("an Argo CD", _sync, exact=True)


def _template(body: bytes) -> bool:
    """Whether this is our template as it stands in the manifest: no JSON, for its values are Go's braces."""
    return _OURS.search(body) is not None and not peek({}, body, exact=True)


def _refuse(placeholder: str) -> Reading:
    return Reading(category=Category.UNRENDERED_TEMPLATE, about={"placeholder": placeholder})


def _shown(node: Node, name: str) -> str | None:
    """A field that is no part of identity; unrendered, it counts as missing."""
    found = node.text(name)
    return None if found and unrendered(found) else found


def _link(whole: Node) -> str | None:
    # Without argocdUrl in the notifications' context the template makes a path of it, or "<no value>/…".
    link = whole.text("link")
    return link if link and link.startswith(("https://", "http://")) and "<no value>" not in link else None


def _recognise(headers: Mapping[str, str], body: bytes) -> int:
    """By our mark and the sender's name beside it."""
    whole = peek(headers, body, exact=True)
    if not whole:
        return 3 if _template(body) else 0
    return 3 if MARKER in whole and whole.get("system") == "argocd" else 0


SYSTEM = System(
    name="argocd",
    title="Argo CD (our template)",
    read=_read,
    recognise=_recognise,
    refusable=True,
)
