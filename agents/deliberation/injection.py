"""Telemetry that reads like an instruction: noticed, counted and told, never trusted to be all there is.

The defence is that a model has no authority and no free text. A hit only makes this incident the engine's alone.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from agents.deliberation.record import Flag
from agents.facts import Reader
from agents.incident.catalogue import Catalogue
from agents.incident.claims import Where
from agents.incident.incident import Incident

_VERBS = (
    r"(?:restart|reboot|roll\s?back|rollback|delete|drop|scale|disable|shut\s?down|kill|cordon|drain|approve|"
    r"execute|run|cite|post|report|diagnose|recommend|conclude)"
)
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "override",
        re.compile(
            r"(?i)\b(?:ignore|disregard|forget|override|bypass)\b.{0,30}"
            r"\b(?:previous|prior|above|earlier|all|any|these|your|the)\b.{0,20}"
            r"\b(?:instruction|rule|polic|prompt|guard|gate|message|evidence|finding)"
        ),
    ),
    (
        "role",
        re.compile(r"(?i)(?:\b(?:system|assistant|developer)\s*(?:prompt|message|:)|\byou are (?:now|an?)\b|<\|)"),
    ),
    (
        "imperative",
        re.compile(
            rf"(?i)(?:\b(?:please|you (?:must|should|need to)|immediately|must now|action required:?|remedy:?|"
            rf"resolution:?|fix:?|solution:?|to (?:fix|resolve) (?:this|it),?)\s+{_VERBS}\b"
            rf"|\b{_VERBS}\b\s+(?:the\s+)?[\w-]+\s+(?:immediately|now|at once|to (?:fix|resolve|recover)))"
        ),
    ),
    ("confidence", re.compile(r"(?i)\bconfidence\s*(?:is|=|:|of)?\s*(?:1\.0|100\s*%)")),
    (
        "command",
        re.compile(
            r"(?:\brm\s+-rf\b|\b(?:curl|wget)\s+\S*(?:://|-)|\bkubectl\s+\w+|\bsudo\s+\w+|\b(?:ba)?sh\s+-c\b)"
        ),
    ),
    ("citation", re.compile(r"\bev_[a-z2-7]{20}\b")),
)
_URL = re.compile(r"(?i)\b(?:https?|ftp|wss?)://[^\s\"'<>)\]}]+")
_ENCODED = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{40,}={0,2}(?![A-Za-z0-9+/=_-])")
_HEX = re.compile(r"^[0-9a-fA-F-]+$")
_HIDDEN = frozenset({"Cf", "Co", "Cs"})
_HARMLESS = frozenset({"\u00ad"})
MAX_FLAGS = 20


def rules_hit(text: str, known_hosts: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The names of the rules that *text* trips; a link to a host of the inventory trips none."""
    plain = unicodedata.normalize("NFKC", text)
    hit = [name for name, pattern in _RULES if pattern.search(plain)]
    if any(unicodedata.category(c) in _HIDDEN and c not in _HARMLESS for c in text):
        hit.append("hidden_characters")
    if any((urlsplit(url).hostname or "") not in known_hosts for url in _links(plain)):
        hit.append("link")
    if any(_is_encoded(found) for found in _ENCODED.findall(plain)):
        hit.append("encoded")
    return tuple(hit)


def _links(text: str) -> Iterable[str]:
    for url in _URL.findall(text):
        try:
            urlsplit(url)
        except ValueError:
            yield "http://unreadable.invalid"
        else:
            yield url


def _is_encoded(word: str) -> bool:
    """Whether *word* is base64 of readable text: digests and ids are not."""
    if _HEX.match(word):
        return False
    try:
        raw = base64.b64decode(word.replace("-", "+").replace("_", "/") + "=" * (-len(word) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return sum(32 <= b < 127 for b in raw) > 0.9 * len(raw)


def hosts_of(catalogue: Catalogue) -> frozenset[str]:
    """Names under which the inventory's own services are reached."""
    hosts = {"localhost", "127.0.0.1", "::1"}
    for service in catalogue.services:
        hosts |= {service.name, *service.aliases, *(r.name for r in service.replicas)}
        for replica in service.replicas:
            hosts |= {h for a in replica.addresses if "://" in a and (h := urlsplit(a).hostname)}
    return frozenset(hosts)


def scan(incident: Incident, readers: Iterable[Reader], catalogue: Catalogue) -> tuple[Flag, ...]:
    """What looks planted in the alert's own words and in everything that was read, each rule once a place."""
    hosts = hosts_of(catalogue)
    found: dict[Flag, None] = {}
    for text in (incident.title, incident.summary):
        found |= {Flag(rule=rule, where="the alert"): None for rule in rules_hit(text, hosts) if rule != "link"}
    for reader in readers:
        for text in _texts(reader):
            found |= {Flag(rule=rule, where=reader.evidence.id): None for rule in rules_hit(text, hosts)}
    return tuple(found)[:MAX_FLAGS]


def _texts(reader: Reader) -> Iterable[str]:
    for line in reader.lines():
        yield from (str(value) for value in line.values())
    for record in (*reader.changes(), *reader.spans(), *reader.events()):
        yield from _strings(record)
    for series in reader.matching(Where()):
        yield from series.labels.values()


def _strings(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)
