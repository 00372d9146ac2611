"""What a message may say, and what it does say: G14 compares the two, token by token."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from agents.facts import Reader
from agents.incident.claims import (
    Associated,
    Cause,
    ChangeFact,
    Claim,
    Compare,
    EdgeFact,
    EventFact,
    FactName,
    LogAbsent,
    LogPresent,
    MetricChange,
    MetricValue,
    Note,
    Path,
    Precedes,
    Refuted,
    Similar,
    SpanFact,
    Where,
    cites,
)
from agents.incident.quantities import QUANTITIES
from agents.saying import clock, number, quoted, short

_TOKEN = re.compile(r"[A-Za-z_]*\d[\w.:,]*")
_NAME = re.compile(r"`([^`]*)`")
_QUOTE = re.compile(r"“([^”]*)”", re.S)
_CITE = re.compile(r"\[(ev_[a-z2-7]{20})\]")
_LINK = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s<>\"]+")
_ITEM = re.compile(r"(?m)^\d{1,2}\. ")
"""A list's own numbering."""


def claim_tokens(claim: Claim, readers: Mapping[str, Reader]) -> set[str]:
    """What may be said of *claim*: its values computed again, its names, its quotes, its citations."""
    shown: set[str] = set(cites(claim))
    match claim:
        case Cause():
            shown |= {short(claim.entity), claim.signature}
        case Precedes():
            shown |= tokens(claim.first_what + " " + claim.second_what)
            shown |= _whose(readers[claim.first_evidence], claim.first_where)
            shown |= _whose(readers[claim.second_evidence], claim.second_where)
        case LogPresent():
            shown |= {inner(claim.quote), str(claim.count), short(claim.entity)}
        case LogAbsent():
            shown.add(short(claim.entity))
        case SpanFact():
            shown |= {inner(claim.attribute), inner(claim.value), clock(claim.at), short(claim.entity)}
        case EventFact():
            shown |= {inner(claim.reason), clock(claim.at), short(claim.entity)}
        case ChangeFact():
            shown |= {clock(claim.at), short(claim.entity)}
        case Associated():
            shown |= tokens(f"{claim.rho:.2f}")
            shown |= {t for e in cites(claim) for t in tokens(readers[e].quantity.title)}
            shown |= _whose(readers[claim.evidence], claim.where)
            shown |= _whose(readers[claim.other_evidence], claim.other_where)
        case Path():
            shown |= {short(e) for hop in claim.hops for e in (hop.client, hop.server)}
        case Refuted():
            shown |= {claim.signature, short(claim.entity)} | claim_tokens(claim.reading, readers)
        case Similar():
            shown |= {claim.incident} | tokens(f"{claim.score:.2f}")
        case Note():
            shown.add(inner(claim.text))
        case EdgeFact():
            where = Where(upstream=claim.server.rpartition("/")[2])
            shown |= {short(claim.client), short(claim.server)}
            shown |= _numbers(readers[claim.evidence], where, (claim.fact,))
        case Compare():
            shown |= {short(claim.entity)} | _places(claim.where) | _places(claim.other_where)
            shown.add(short(readers[claim.other_evidence].evidence.question.entity))
            shown |= _numbers(readers[claim.evidence], claim.where, (claim.fact,))
            shown |= _numbers(readers[claim.other_evidence], claim.other_where, (claim.other_fact,))
        case MetricValue() | MetricChange():
            shown |= {short(claim.entity)} | _places(claim.where)
            facts = (FactName.BASELINE, FactName.RECENT, claim.fact)
            shown |= _numbers(readers[claim.evidence], claim.where, facts)
            if isinstance(claim, MetricChange) and claim.onset is not None:
                shown |= {clock(claim.onset[0]), clock(claim.onset[1])}
    return shown


def inner(text: str) -> str:
    """*text* as it stands between its quotes."""
    return quoted(text)[1:-1]


def _places(where: Where) -> set[str]:
    return {name for name in (where.upstream, where.upstream_instance, where.not_upstream_instance) if name}


def _whose(reader: Reader, where: Where) -> set[str]:
    entity = reader.evidence.question.entity
    return {short(entity), short(f"{entity}/{where.instance or ''}")} | _places(where)


def _numbers(reader: Reader, where: Where, facts: Iterable[FactName]) -> set[str]:
    quantity = reader.evidence.question.name
    shown = tokens(QUANTITIES[quantity].title)
    for value in (reader.value(name, where) for name in facts):
        if value is not None:
            shown |= tokens(number(value, quantity)) | tokens(f"{value:.2f}")
    return shown


def tokens(text: str) -> set[str]:
    """The parts of a message that must be accounted for: citations, quotes, names in backticks, links, numerals.

    Outside quotes and names, letters that only look like numerals are read as such, and what cannot be seen is
    taken away: neither hides a number.
    """
    found = set(_CITE.findall(text))
    text = _CITE.sub(" ", text)
    found |= set(_QUOTE.findall(text))
    text = _QUOTE.sub(" ", text)
    found |= set(_NAME.findall(text))
    text = _NAME.sub(" ", text)
    text = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    found |= set(_LINK.findall(text))
    text = _LINK.sub(" ", text)
    text = _ITEM.sub("", text)
    return found | {t.rstrip(".,:") for t in _TOKEN.findall(text)}


def leaks(text: str, accounted: Iterable[str]) -> Sequence[str]:
    """What *text* says that nothing accounts for (G14); empty is what lets a message leave."""
    return sorted(tokens(text) - set(accounted))
