"""Secrets are taken out before anything is hashed, stored, shown or logged.

Each becomes a placeholder such as ``<SECRET:aws_key:7f3a>``: its kind, and four digits that are equal for equal
secrets of one installation. A process says once what its installation is (``use``); until then its placeholders
compare only with each other. Everything here is pure but for that.
"""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from agents.incident.redaction import bodies
from agents.incident.redaction.redactor import PLACEHOLDER, WHOLE, Hit, Redactor
from agents.incident.redaction.trees import Tree

__all__ = [
    "PLACEHOLDER",
    "Hit",
    "Redactor",
    "redact",
    "redact_body",
    "redact_key",
    "redact_tree",
    "redact_unread",
    "suspicious",
    "use",
]

_in_use = [Redactor(salt=os.urandom(32))]
_for_keys = [replace(_in_use[0], digits=WHOLE)]


def use(*, salt: bytes, known: Iterable[str] = (), phones: bool = False) -> None:
    """From now on redact for this installation: its *salt*, and this process's own credentials to look for."""
    _in_use[:] = [Redactor(salt=salt, known=tuple(known), phones=phones)]
    _for_keys[:] = [replace(_in_use[0], digits=WHOLE)]


def redact(text: str, counts: Counter[str] | None = None) -> str:
    """*text* without what looks like a secret; *counts* gains one per kind and hit. Idempotent."""
    return _in_use[0].redact(text, counts)


def redact_tree(value: object, counts: Counter[str] | None = None) -> object:
    """*value* (JSON) with every text redacted, and everything under a secret's name replaced. Idempotent."""
    return Tree(_in_use[0], counts).redact(value)


def redact_body(body: bytes) -> bytes:
    """*body*, JSON or a form or text, without what looks like a secret; empty where that is not certain."""
    return bodies.redact_body(body, _in_use[0], bodies.MOST_BYTES)


def redact_unread(body: bytes) -> bytes:
    """*body* as ``redact_body`` has it, however long; what it identifies is the same when it is read."""
    return bodies.redact_body(body, _for_keys[0], None)


def redact_key(text: str) -> str:
    """*text* as ``redact`` has it, but with placeholders of 32 digits: two secrets never become one."""
    return _for_keys[0].redact(text)


def suspicious(text: str) -> tuple[Hit, ...]:
    """What still looks like a secret in *text*: whoever is about to send it stops instead."""
    return _in_use[0].suspicious(text)
