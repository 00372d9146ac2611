"""Secrets that give themselves away by their shape, wherever they stand.

A row is a kind, markers of which one must occur before the pattern is tried (they make the common case cheap), and
the pattern; a group called ``secret`` narrows what is taken out. Patterns run in time linear in the text.
"""

import base64
import binascii
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Span = tuple[int, int, str]
"""Where a secret begins and ends in a text, and its kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One row of the table."""

    kind: str
    markers: tuple[str, ...]
    pattern: re.Pattern[str]


def _shape(kind: str, markers: str, pattern: str) -> Shape:
    return Shape(kind=kind, markers=tuple(markers.split()), pattern=re.compile(pattern))


_B = r"(?<![A-Za-z0-9])"
_E = r"(?![A-Za-z0-9])"

SHAPES = (
    _shape("jwt", "eyJ", r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*){0,3}"),
    _shape("aws_key", "AKIA ASIA ABIA ACCA", _B + r"A(?:KIA|SIA|BIA|CCA)[0-9A-Z]{16}" + _E),
    _shape("github_token", "ghp_ gho_ ghu_ ghs_ ghr_", _B + r"gh[pousr]_[A-Za-z0-9]{20,255}"),
    _shape("github_token", "github_pat_", _B + r"github_pat_\w{20,255}"),
    _shape(
        "gitlab_token", "glpat- gldt- glrt- glptt- glcbt- gloas-", _B + r"gl(?:pat|dt|rt|ptt|cbt|oas)-[\w.-]{16,}"
    ),
    _shape("slack_token", "xox", _B + r"xox[abeoprs](?:\.xox[bp])?-[\w-]{10,}"),
    _shape("slack_token", "xapp- xwfp-", _B + r"x(?:app|wfp)-[\w-]{10,}"),
    _shape(
        "slack_webhook",
        "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[\w/-]{20,})",
    ),
    _shape("google_key", "AIza", _B + r"AIza[\w-]{35}"),
    _shape("google_token", "ya29.", _B + r"ya29\.[\w-]{20,}"),
    _shape("google_secret", "GOCSPX-", _B + r"GOCSPX-[\w-]{20,}"),
    _shape("stripe_key", "_live_ _test_", _B + r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    _shape("stripe_key", "whsec_", _B + r"whsec_[A-Za-z0-9+/=]{16,}"),
    _shape("anthropic_key", "sk-ant-", _B + r"sk-ant-[\w-]{16,}"),
    _shape("openai_key", "sk-", _B + r"sk-(?=[\w-]*\d)[\w-]{16,}"),
    _shape("telegram_token", ":AA", r"(?<!\d)\d{8,10}:AA[\w-]{30,}"),
    _shape("npm_token", "npm_", _B + r"npm_[A-Za-z0-9]{36}"),
    _shape("pypi_token", "pypi-", _B + r"pypi-[\w-]{50,}"),
    _shape("sendgrid_key", "SG.", _B + r"SG\.[\w-]{16,}\.[\w-]{16,}"),
    _shape("vault_token", "hvs. hvb.", _B + r"hv[sb]\.[\w-]{20,}"),
    _shape("grafana_token", "glsa_ glc_", _B + r"gl(?:sa|c)_[A-Za-z0-9+/=_]{20,}"),
    _shape("newrelic_key", "NRAK- NRII-", _B + r"NR(?:AK|II)-[\w-]{20,}"),
    _shape("digitalocean_token", "_v1_", _B + r"do[opr]_v1_[0-9a-f]{64}"),
    _shape("huggingface_token", "hf_", _B + r"hf_[A-Za-z0-9]{30,}"),
    _shape("shopify_token", "shpat_ shpss_ shppa_ shpca_", _B + r"shp(?:at|ss|pa|ca)_[0-9a-fA-F]{32}"),
    _shape("databricks_token", "dapi", _B + r"dapi[0-9a-f]{32}" + _E),
    _shape("supabase_token", "sbp_", _B + r"sbp_[0-9a-f]{40}" + _E),
    _shape("pulumi_token", "pul-", _B + r"pul-[0-9a-f]{40}" + _E),
    _shape("mailgun_key", "key-", _B + r"key-[0-9a-f]{32}" + _E),
    _shape("teams_webhook", ".office.com/", r"\.office\.com/webhook(?:b2)?/(?P<secret>[\w@/-]{20,})"),
    _shape(
        "discord_webhook",
        "/api/webhooks/",
        r"discord(?:app)?\.com/api/webhooks/(?P<secret>\d{8,24}/[\w-]{20,})",
    ),
    _shape("token", "token Token", r"(?<![A-Za-z0-9_-])[Tt]oken\s{1,3}(?P<secret>[0-9a-fA-F]{32,64})" + _E),
    _shape("password", "curl", r"curl\b[^\r\n]{0,200}?\s(?:-u|--user)[ =]?[\"']?(?P<secret>[^\s:\"']+:[^\s\"']+)"),
    _shape(
        "password",
        "mysql mariadb",
        r"(?:mysql|mariadb)[\w-]{0,12}\s(?:[^\r\n]{0,200}?\s)?-p(?P<secret>[^\s\"'-][^\s\"']{2,})",
    ),
    _shape("password", "sshpass", r"sshpass\s{1,3}-p\s{0,3}[\"']?(?P<secret>[^\s\"']{3,})"),
    _shape("password", "redis-cli", r"redis-cli\b[^\r\n]{0,200}?\s-a\s{1,3}[\"']?(?P<secret>[^\s\"']{4,})"),
    _shape(
        "password",
        "assword asswd",
        r"[Pp]assw(?:or)?d(?:\s{1,3}is|\s{1,3}was)?\s{1,3}(?P<secret>(?=[^\s\"']{0,60}[A-Za-z])(?=[^\s\"']{0,60}\d)[^\s\"',;]{6,})",
    ),
    _shape("age_key", "AGE-SECRET-KEY-", _B + r"AGE-SECRET-KEY-1[0-9A-Z]{50,}"),
    _shape(
        "pagerduty_key",
        "key Key KEY",
        r"(?i)(?:routing|service|integration)[_-]?key[\"'\\]{0,3}\s{0,3}[:=]\s{0,3}[\"'\\]{0,3}"
        r"(?P<secret>[0-9a-z]{32})" + _E,
    ),
    _shape("pagerduty_key", "token=", r"Token token=\\?\"?(?P<secret>[\w+-]{16,40})"),
    _shape("opsgenie_key", "enieKey enie_key", r"[Gg]enie_?[Kk]ey[\s:=\"']{1,4}(?P<secret>[0-9A-Za-z-]{32,40})"),
    _shape(
        "azure_key", "AccountKey= SharedAccessKey=", r"(?:Account|SharedAccess)Key=(?P<secret>[A-Za-z0-9+/=]{20,})"
    ),
    _shape(
        "url_signature",
        "ignature= sig=",
        r"[?&](?:X-Amz-Signature|X-Goog-Signature|Signature|sig)=(?P<secret>[A-Za-z0-9%+/=_-]{16,})",
    ),
)

_MARKED = tuple((marker, shape) for shape in SHAPES for marker in shape.markers)

_URL = re.compile(
    r"(?i)(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{1,30}:(?://|%2F%2F)"
    r"(?P<secret>[^\s/?#\"'<>\\@]*(?::|%3A)[^\s/?#\"'<>\\]*)(?=@)"
)
_URL_TOKEN = re.compile(r"(?i)(?<![a-z0-9+.-])https?://(?P<secret>[^\s/?#\"'<>\\@:]{16,})(?=@)")
_ORACLE = re.compile(r"(?i)jdbc:oracle:[a-z]+:[\w.$-]+/(?P<secret>[^\s@/]+)(?=@)")
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_SCHEME = re.compile(r"(?i)(?<![a-z0-9])(bearer|basic|apikey)\s{1,3}(?P<secret>[A-Za-z0-9+/_.=~-]{8,})")


def private_keys(text: str) -> Iterator[Span]:
    """PEM private keys, each to its end mark, and to the end of the text where that is missing."""
    at = 0
    while "PRIVATE KEY" in text[at:] and (begin := _PEM.search(text, at)):
        end = _PEM_END.search(text, begin.end())
        at = end.end() if end else len(text)
        yield begin.start(), at, "private_key"


def unfinished(text: str) -> bool:
    """Whether a private key begins in *text* and does not end there."""
    begins = list(_PEM.finditer(text)) if "PRIVATE KEY" in text else []
    return bool(begins) and _PEM_END.search(text, begins[-1].end()) is None


def ending(text: str) -> int | None:
    """Where a private key that began earlier ends in *text*; ``None`` when it goes on."""
    end = _PEM_END.search(text)
    return end.end() if end else None


def shaped(text: str) -> Iterator[Span]:
    """Everything in the table, row by row; spans of different rows may overlap."""
    for shape in dict.fromkeys([shape for marker, shape in _MARKED if marker in text]):
        yield from _found(shape.pattern, text, shape.kind)


def addressed(text: str) -> Iterator[Span]:
    """User names and passwords inside addresses."""
    oracle = "jdbc:" in text
    for start, end in passages(text, ("@",)):
        yield from _found(_URL, text, "url_credentials", start, end)
        yield from _found(_URL_TOKEN, text, "url_credentials", start, end)
        if oracle:
            yield from _found(_ORACLE, text, "url_credentials", start, end)


def introduced(text: str, low: str) -> Iterator[Span]:
    """What follows ``Bearer`` and its like, where it is not an ordinary word."""
    for start, end in passages(low, ("bearer", "basic", "apikey")):
        for match in _SCHEME.finditer(text, start, end):
            said = match["secret"]
            if match[1].lower() == "basic":
                certain = _login(said)
            else:
                certain = any(c.isdigit() for c in said) or len(said) >= 24
            if certain:
                yield match.start("secret"), match.end("secret"), "authorization"


def _login(said: str) -> bool:
    """Whether *said* is a name and a password as HTTP Basic writes them."""
    try:
        return b":" in base64.b64decode(said + "=" * (-len(said) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def kind_of(text: str) -> str | None:
    """The kind whose shape *text* has from its first to its last character."""
    return next((kind for start, end, kind in shaped(text) if (start, end) == (0, len(text))), None)


def passages(text: str, markers: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Every line with a marker in it, to the end of the line after it: (begin, end). Other lines are spared."""
    ahead = [(place, marker) for marker in markers if (place := text.find(marker)) >= 0]
    while ahead:
        found = min(ahead)[0]
        begin = text.rfind("\n", 0, found) + 1
        end = text.find("\n", found)
        if end < 0:
            yield begin, len(text)
            return
        after = text.find("\n", end + 1)
        yield begin, len(text) if after < 0 else after
        ahead = [
            (place, marker)
            for old, marker in ahead
            if (place := old if old > end else text.find(marker, end + 1)) >= 0
        ]


def lowered(text: str) -> str:
    """*text* in small letters, each at its old place; the few letters that would become two stay as they are."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c if len(c.lower()) > 1 else c.lower() for c in text)


def _found(
    pattern: re.Pattern[str], text: str, kind: str, start: int = 0, end: int = sys.maxsize
) -> Iterator[Span]:
    group: str | int = "secret" if "secret" in pattern.groupindex else 0
    for match in pattern.finditer(text, start, end):
        yield match.start(group), match.end(group), kind
