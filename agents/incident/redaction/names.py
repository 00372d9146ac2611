"""Values that are secret because of the name they stand under, in text and in trees."""

import re
from collections.abc import Iterator

from agents.incident.redaction.shapes import Span, kind_of

_KINDS = (
    ("cookie", r"cookies?"),
    ("authorization", r"authorization"),
    ("password", r"passwords?|passwd|passphrase|passcode|(?<![a-z])pwd|credentials?|identified\s{1,3}by"),
    (
        "api_key",
        r"(?:api|access|secret|private|signing|encryption|account|genie|license|auth)[_-]?keys?",
    ),
    ("secret", r"secrets?"),
    ("token", r"tokens?"),
    ("dsn", r"(?<![a-z])dsn"),
)
_WORDS = "|".join(pattern for _, pattern in _KINDS)
_CLUES = (
    *("passw", "passphrase", "passcode", "pwd", "secret", "token", "key"),
    *("authorization", "cookie", "dsn", "credential", "identified"),
)
"""One of these is in every name; a text is looked at where it holds one."""

_LAST_WORD = re.compile(rf"(?i)(?:{_WORDS})\Z")
_WORD = re.compile(f"(?i)(?:{_WORDS})")
_BEFORE_KEY = re.compile(r"(?i)(?:api|access|secret|private|signing|encryption|account|genie|license|auth)[_-]?\Z")
_LONGEST_BEFORE = 12

_VALUE = (
    r"(?:\\{1,3}\"(?P<escaped>(?:(?!\\{1,3}\")[^\r\n])+)"
    r"|\"(?P<double>(?:[^\"\\\r\n]|\\.)+)"
    r"|'(?P<single>[^'\r\n]+)"
    r"|(?P<bare>(?:(?:bearer|basic|digest|token|geniekey|apikey|negotiate)\s{1,3})?[^\s\"'&,;<>\\]{3,}))"
)
_ASSIGNED = re.compile(rf"(?i)(?:\\{{0,3}}[\"'])?\]?\s{{0,3}}(?:=>|:=|[:=]|%3[AD])\s{{0,3}}\[?{_VALUE}")
_COOKIES = re.compile(
    r"(?i)\s{0,3}:\s{0,3}(?P<bare>[^\s=;,\"']+=[^\s;,\"']*(?:;\s{0,3}[^\s=;,\"']+(?:=[^\s;,\"']*)?)*)"
)
_FLAGGED = re.compile(rf"(?i)\s{{1,3}}(?!-){_VALUE}")
_FLAG = re.compile(r"(?i)(?<!\S)--?[a-z0-9-]{0,40}\Z")
_ENCLOSED = re.compile(r">(?P<bare>[^<>]+)<")
_QUOTED = re.compile(r"\s{1,3}'(?P<single>[^'\r\n]+)'")

_HARMLESS = re.compile(
    r"(?i)true|false|null|none|nil|undefined|unset|empty|missing|invalid|expired|required|present|absent|revoked"
    r"|rejected|accepted|disabled|enabled|unknown|incorrect|changed|rotated|valid|not|is|was|has|must|cannot"
    r"|\*+|x{3,}|-+|\.{3}|\[?redacted\]?|\[?filtered\]?"
    r"|\$\{?[\w.:-]*\}?|\{\{[^{}]*(?:\}\}?)?|%[\w()]+|<[\w -]*>?"
)
_PLURAL = re.compile(r"(?i)(?:tokens|secrets|keys|cookies|passwords|credentials)\Z")
_NUMBER = re.compile(r"[\d.,]+\Z")
_TAIL = ")]}.:"


def kind_of_name(name: str) -> str | None:
    """The kind of what stands under *name*, if that is a secret's name: its last word decides."""
    found = _LAST_WORD.search(_snake(name))
    return _kind(found[0]) if found else None


def counts_things(name: str) -> bool:
    """Whether a number under *name* counts secrets rather than being one."""
    return _PLURAL.search(name) is not None


def named(text: str, low: str) -> Iterator[Span]:
    """Values under secrets' names: assignments, JSON in text, headers, flags, XML, SQL and cookies."""
    past = 0
    for start, end in sorted(_names(text, low)):
        name = text[start:end]
        match = _after(text, start, end, name) if start >= past else None
        if match is None:
            continue
        past = match.end()  # a name inside a value is part of it; looking again would take quadratic time
        group = next(g for g, said in match.groupdict().items() if said is not None)
        begin, value = match.start(group), match[group]
        if group == "bare":
            value = value.rstrip(_TAIL) or value
        if not _harmless(name, value):
            yield begin, begin + len(value), kind_of(value) or _kind(name)


def _names(text: str, low: str) -> Iterator[tuple[int, int]]:
    """Where secrets' names stand."""
    for clue in _CLUES:
        place = low.find(clue)
        while place >= 0:
            start: int | None = place
            if clue == "key":
                before = _BEFORE_KEY.search(text, max(0, place - _LONGEST_BEFORE), place)
                start = before.start() if before else None
            word = _WORD.match(text, start) if start is not None else None
            if word is not None:
                yield word.span()
            place = low.find(clue, place + len(clue))


def _after(text: str, start: int, end: int, name: str) -> re.Match[str] | None:
    """The value that the name there introduces."""
    if name[0] in "cC" and (cookies := _COOKIES.match(text, end)):
        return cookies
    found = _ASSIGNED.match(text, end)
    if found is None and text[end : end + 1].isspace():
        if _FLAG.search(text, max(0, start - 42), start):
            found = _FLAGGED.match(text, end)
        found = found or _QUOTED.match(text, end)
    if found is None and text[end : end + 1] == ">":
        found = _ENCLOSED.match(text, end)
    return found


def _harmless(name: str, value: str) -> bool:
    if _HARMLESS.fullmatch(value):
        return True
    if name.lower() == "pwd" and value.startswith(("/", "~", ".")):
        return True  # the working directory of a shell
    return counts_things(name) and _NUMBER.match(value) is not None


def harmless(value: str) -> bool:
    """Whether *value* says that there is no secret, or stands for one without being it."""
    return _HARMLESS.fullmatch(value) is not None


def _kind(name: str) -> str:
    return next((kind for kind, pattern in _KINDS if re.fullmatch(f"(?i)(?:{pattern})", name)), "password")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip()).replace(".", "_").replace(" ", "_")
