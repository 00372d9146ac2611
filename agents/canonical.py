"""One byte string for one value: RFC 8785 JSON, one spelling of a query, and the hashes taken over them."""

import base64
import hashlib
import math
import re
from collections.abc import Mapping

import rfc8785

from agents.incident.ids import EvidenceId


def _tagged(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Inf" if value > 0 else "-Inf")
    if isinstance(value, Mapping):
        return {str(k): _tagged(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_tagged(v) for v in value]
    return value


def canonical(value: object) -> bytes:
    """*value* (JSON) as canonical bytes; NaN and infinities become tagged strings."""
    return rfc8785.dumps(_tagged(value))  # type: ignore[arg-type]  # any JSON value


def sha256(data: bytes) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def evidence_id(identity: Mapping[str, object]) -> EvidenceId:
    """``ev_`` and 100 bits of the identity's hash, in base32."""
    digest = hashlib.sha256(canonical(identity)).digest()
    return EvidenceId("ev_" + base64.b32encode(digest).decode().lower()[:20])


def fingerprint(kind: str, address: str, tenant: str = "", version: str = "") -> str:
    """Which system answered, as 16 hexadecimal digits: two Prometheus servers are two, and no address is shown."""
    return sha256(canonical([kind, address.rstrip("/"), tenant, version]))[:16]


_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)""")


def normalised(query: str) -> str:
    """*query* with its white space evened out, except inside quotes: the same question has one spelling."""
    parts = _QUOTED.split(query.strip())
    return "".join(part if i % 2 else _even(part) for i, part in enumerate(parts))


def _even(text: str) -> str:
    return re.sub(r" ?([(),{}\[\]]) ?", r"\1", re.sub(r"\s+", " ", text))
