"""Lines of the log for what was taken: one a source and secret for all of a moment, not one a delivery."""

import asyncio
from typing import Any

GATHERED_S = 0.2
"""For how long deliveries go into one line. What a crash keeps from the log is in the inbox all the same."""


class Lines:
    """``receive.stored`` with the ids in the inbox. A secret is told by its name, never by its value."""

    def __init__(self, *, log: Any) -> None:
        self._log = log
        self._stored: dict[tuple[str, str], list[str]] = {}
        self._again: dict[tuple[str, str], int] = {}

    def add(self, source: str, secret: str, inbox_id: str, *, duplicate: bool) -> None:
        """One delivery was taken. Called on the loop."""
        if not self._stored:
            asyncio.get_running_loop().call_later(GATHERED_S, self.write)
        self._stored.setdefault((source, secret), []).append(inbox_id)
        if duplicate:
            self._again[source, secret] = self._again.get((source, secret), 0) + 1

    def write(self) -> None:
        """Write what was gathered."""
        stored, self._stored = self._stored, {}
        again, self._again = self._again, {}
        for (source, secret), ids in stored.items():
            self._log.info(
                "receive.stored",
                source=source,
                proven_by=secret,
                deliveries=len(ids),
                duplicates=again.get((source, secret), 0),
                inbox_ids=" ".join(ids),
            )
