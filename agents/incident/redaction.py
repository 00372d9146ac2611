"""Secrets are taken out before anything is hashed, stored, shown or logged. Pure and idempotent."""

import re
from collections import Counter
from collections.abc import Mapping

_RULES: tuple[tuple[str, re.Pattern[str], str], ...] = (
    (
        "private_key",
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S),
        "[redacted private_key]",
    ),
    ("jwt", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), "[redacted jwt]"),
    (
        "authorization",
        re.compile(r"(?i)\b(bearer|basic)\s+(?!\[redacted)[A-Za-z0-9+/_.=~-]{8,}"),
        r"\1 [redacted authorization]",
    ),
    (
        "url_credentials",
        re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)(?!\[redacted)[^/\s:@\"']*:[^/\s@\"']+@"),
        r"\1[redacted url_credentials]@",
    ),
    (
        "token",
        re.compile(
            r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|xox[abeprs]-[\w-]{10,}|xapp-[\w-]{10,}"
            r"|AKIA[0-9A-Z]{16}|sk-[\w-]{16,}|\d{8,10}:AA[\w-]{30,}|glpat-[\w-]{16,})"
        ),
        "[redacted token]",
    ),
    (
        "assignment",
        re.compile(
            r"(?i)\b((?:[a-z0-9_-]*[_-])?(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|"
            r"private[_-]?key|credential|authorization|cookie)s?)(\"?\s*[:=]\s*\"?)(?!\[redacted)([^\s\"'&,;}]{3,})"
        ),
        r"\1\2[redacted assignment]",
    ),
    (
        "email",
        re.compile(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}\b"),
        "[redacted email]",
    ),
)

_SECRET_KEY = re.compile(
    r"(?i)(^|[_-])(password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"authorization|cookie|set-cookie)s?$"
)


def redact(text: str, counts: Counter[str] | None = None) -> str:
    """*text* without what looks like a secret; *counts* gains one per rule and hit."""
    for rule, pattern, instead in _RULES:
        text, hits = pattern.subn(instead, text)
        if hits and counts is not None:
            counts[rule] += hits
    return text


def redact_tree(value: object, counts: Counter[str] | None = None) -> object:
    """*value* (JSON) with every string redacted, and every value under a secret's name replaced."""
    if isinstance(value, str):
        return redact(value, counts)
    if isinstance(value, Mapping):
        out: dict[str, object] = {}
        for key, item in value.items():
            if isinstance(item, str) and item and _SECRET_KEY.search(str(key)):
                if counts is not None and not item.startswith("[redacted"):
                    counts["named"] += 1
                out[str(key)] = "[redacted named]"
            else:
                out[str(key)] = redact_tree(item, counts)
        return out
    if isinstance(value, list | tuple):
        return [redact_tree(item, counts) for item in value]
    return value
