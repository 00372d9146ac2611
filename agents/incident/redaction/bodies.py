"""Taking secrets out of bytes as they were sent: JSON and forms by their names, anything else as text."""

import json
from urllib.parse import parse_qsl, urlencode

from agents.incident.redaction.redactor import Redactor
from agents.incident.redaction.trees import Tree

MOST_BYTES = 256 * 1024
"""What is longer is not kept once it was read: going through it would hold up whoever writes."""


def redact_body(body: bytes, redactor: Redactor, most: int | None) -> bytes:
    """*body* without secrets, and empty where it is no text, is longer than *most*, or still seems to hold one.

    JSON comes back as JSON of the same shape, a form as a form; spaces and escapes may differ. Idempotent.
    """
    if most is not None and len(body) > most:
        return b""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return b""
    clean = _json(text, redactor) or _form(text, redactor) or redactor.redact(text)
    return b"" if redactor.suspicious(clean) else clean.encode("utf-8", "replace")


def _json(text: str, redactor: Redactor) -> str:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    try:
        return json.dumps(Tree(redactor, None).redact(found), ensure_ascii=False)
    except RecursionError:
        return ""


def _form(text: str, redactor: Redactor) -> str:
    """A form, whose fields may be JSON themselves."""
    if "=" not in text or any(c in text for c in '{}<>" \r\n'):
        return ""
    try:
        fields = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        return ""
    clean: list[tuple[str, str]] = []
    for name, value in fields:
        inner = _json(value, redactor) if value.startswith(("{", "[")) else ""
        said = {name: inner} if inner else Tree(redactor, None).redact({name: value})
        assert isinstance(said, dict)  # noqa: S101  # a mapping comes back as one
        clean += said.items()
    return urlencode(clean)
