"""A column of bytes that are kept compressed and read back whole."""

import sys
from typing import Any

from sqlalchemy import Dialect, LargeBinary
from sqlalchemy.types import TypeDecorator

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL = 3
MAGIC = b"\x28\xb5\x2f\xfd"
"""How a compressed value begins. Canonical JSON never does: bytes from before there was compression are told."""


class Compressed(TypeDecorator[bytes]):
    """Bytes, zstd-compressed on the way in. Whoever reads the column sees what was written."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> Any:
        """One frame, with the length of its content."""
        return None if value is None else zstd.compress(value, level=LEVEL)

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        """The bytes as they were. What does not decompress is handed on as it is: its hash will tell."""
        if value is None:
            return None
        stored = bytes(value)
        if not stored.startswith(MAGIC):
            return stored
        try:
            return zstd.decompress(stored)
        except zstd.ZstdError:
            return stored
