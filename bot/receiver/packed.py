"""Bodies that were sent packed: unpacked after they were proven, and no further than they may be long."""

import zlib
from collections.abc import Mapping

from agents.incident.errors import BadInput

MOST_BYTES = 8 * 1024 * 1024
ENCODING = "content-encoding"


def unpacked(body: bytes, encoding: str, most: int = MOST_BYTES) -> bytes:
    """*body* as it was before ``content-encoding``; BadInput when it is not packed so, or too long."""
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _inflated(body, 31, most)
        case "deflate":
            return _inflated(body, 15, most)
        case other:
            raise BadInput(f"content encoding {other[:40]!r}; send gzip, deflate or none")


def plain(headers: Mapping[str, str], body: bytes) -> tuple[Mapping[str, str], bytes]:
    """Headers and body of a delivery as if it had not been packed; as they are where it cannot be unpacked."""
    try:
        out = unpacked(body, headers.get(ENCODING, ""))
    except BadInput:
        return headers, body
    return {name: value for name, value in headers.items() if name != ENCODING}, out


def _inflated(body: bytes, wbits: int, most: int) -> bytes:
    try:
        inflater = zlib.decompressobj(wbits=wbits)
        out = inflater.decompress(body, most)
    except zlib.error as error:
        raise BadInput(f"not packed as its content encoding says: {error}") from error
    if inflater.unconsumed_tail:
        raise BadInput(f"more than {most} bytes when unpacked")
    if not inflater.eof:
        raise BadInput("packed, and cut short")
    return out
