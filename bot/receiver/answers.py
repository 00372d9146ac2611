"""What a sender is answered. A wrong code loses pages: never 4xx for a fault on this side, and never 429."""

import json

from starlette.responses import JSONResponse, Response

from agents.incident.errors import BadInput
from bot.journal.intake import Stored
from bot.receiver.proofs import Scheme
from bot.receiver.sources import Sender
from bot.receiver.systems.reading import Category, Reading

RETRY_AFTER_S = 5
UNPROVEN = "the delivery does not prove who sent it, in the way its source in config/sources.yaml asks for"
"""The same for every reason: whoever tries keys learns nothing from it."""


class Said(JSONResponse):
    """JSON in ASCII: what a sender wrote is repeated to it even where it is half a surrogate pair."""

    def render(self, content: object) -> bytes:
        """The body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def no(status: int, error: str, **headers: str) -> Response:
    """An answer that nothing was taken, and why."""
    return Said({"error": error}, status_code=status, headers=headers)


def busy(error: str, retry_after_s: float = RETRY_AFTER_S) -> Response:
    """Try again. Not 429: Alertmanager retries 5xx only, and would lose the page."""
    return no(503, error, **{"Retry-After": str(max(1, round(retry_after_s)))})


def unknown(source: str) -> Response:
    """No such source."""
    return no(404, f"no source {source[:80]!r} is configured here; see config/sources.yaml")


def unproven(scheme: Scheme) -> Response:
    """Not proven; never by what it failed."""
    asks = {"bearer": "Bearer", "gcp_oidc": "Bearer", "entra": "Bearer", "basic": 'Basic realm="webhooks"'}
    said = asks.get(scheme.name)
    return no(401, UNPROVEN, **({"WWW-Authenticate": said} if said else {}))


def placeholder(reading: Reading | BadInput) -> str:
    """The core placeholder that was sent as it stands in its template; "" when all were filled in."""
    if isinstance(reading, BadInput) or reading.category is not Category.UNRENDERED_TEMPLATE:
        return ""
    return str(reading.about.get("placeholder") or "a placeholder")[:200]


def warning(reading: Reading | BadInput) -> str:
    """What the sender's owner should know about a delivery that is stored; "" when there is nothing."""
    left = placeholder(reading)
    if left:
        return f"this template is not rendered: {left}"
    if isinstance(reading, BadInput):
        return f"stored as it came, but {reading}"
    return f"stored, and not used: {reading.error}" if reading.error else ""


def taken(sender: Sender, stored: Stored, reading: Reading | BadInput) -> Response:
    """The delivery is stored. 422 only for a template left unrendered, and a sender whom that harms in nothing."""
    body: dict[str, object] = {"id": stored.id, "duplicate": stored.duplicate}
    said = warning(reading)
    if placeholder(reading) and sender.system is not None and sender.system.refusable:
        return Said({**body, "error": f"{said}; stored, and nothing will be opened for it"}, status_code=422)
    return Said({**body, "warning": said} if said else body, status_code=202)
