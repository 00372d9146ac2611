"""The supervisor's memory: fences, operations by idempotency key, effects; a file that outlives it."""

import json
import os
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from tests.playground.osproc import now, rfc3339

State = Literal["running", "applied", "failed"]
KINDS = ("restart", "rollback", "reload-schema")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One accepted operation; `at` is when it took its present state."""

    key: str
    kind: str
    service: str
    state: State
    error: str | None
    at: datetime


class FenceError(Exception):
    """The caller's fence is not the highest claimed; it carries the highest."""

    def __init__(self, highest: int) -> None:
        """Remember the highest fence."""
        super().__init__(f"the highest fence is {highest}")
        self.highest = highest


class Ledger:
    """All rules about fences and idempotency in one place, under one lock."""

    def __init__(self, path: Path) -> None:
        """Read what an earlier supervisor wrote; what it left running has an unknown end, so it failed."""
        self._path = path
        self._lock = threading.Lock()
        self._fences: dict[str, int] = {}
        self._operations: dict[str, Operation] = {}
        self._effects: Counter[str] = Counter()
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._replay(json.loads(line))
        for operation in list(self._operations.values()):
            if operation.state == "running":
                self._put(
                    replace(operation, state="failed", error="the supervisor ended while this ran", at=now())
                )

    def fence(self, service: str) -> int:
        """The highest fence claimed for a service; 0 when none was."""
        with self._lock:
            return self._fences.get(service, 0)

    def claim(self, service: str, fence: int) -> None:
        """Claim a service with a fence at least as high as any before; else FenceError."""
        with self._lock:
            highest = self._fences.get(service, 0)
            if fence < highest:
                raise FenceError(highest)
            if fence > highest:
                self._fences[service] = fence
                self._append({"record": "fence", "service": service, "fence": fence, "at": rfc3339(now())})

    def accept(
        self, *, service: str, fence: int, key: str, kind: str, check: Callable[[], None]
    ) -> Operation | None:
        """Accept an operation; None when this key was accepted before and there is nothing to do.

        `check` raises when the operation does not fit the present state. It is not asked about a key
        that is known, so that a repeated request gets the answer of the first.
        """
        with self._lock:
            highest = self._fences.get(service, 0)
            if fence != highest:
                raise FenceError(highest)
            if key in self._operations:
                return None
            check()
            operation = Operation(key=key, kind=kind, service=service, state="running", error=None, at=now())
            self._put(operation)
            return operation

    def finish(self, key: str, error: str | None) -> None:
        """An operation has ended, well when there is no error."""
        with self._lock:
            state: State = "applied" if error is None else "failed"
            self._put(replace(self._operations[key], state=state, error=error, at=now()))

    def operation(self, key: str) -> Operation | None:
        """The operation accepted under a key."""
        with self._lock:
            return self._operations.get(key)

    def effect(self, kind: str) -> None:
        """Count an effect that is really being carried out."""
        with self._lock:
            self._effects[kind] += 1
            self._append({"record": "effect", "kind": kind, "at": rfc3339(now())})

    def effects(self) -> dict[str, int]:
        """How many effects of each kind have been carried out."""
        with self._lock:
            return {kind: self._effects[kind] for kind in KINDS}

    def _put(self, operation: Operation) -> None:
        self._operations[operation.key] = operation
        self._append(
            {
                "record": "operation",
                "operation": operation.key,
                "kind": operation.kind,
                "service": operation.service,
                "state": operation.state,
                "error": operation.error,
                "at": rfc3339(operation.at),
            }
        )

    def _replay(self, line: dict[str, object]) -> None:
        match line:
            case {"record": "fence", "service": str(service), "fence": int(fence)}:
                self._fences[service] = fence
            case {"record": "effect", "kind": str(kind)}:
                self._effects[kind] += 1
            case {"record": "operation", "operation": str(key), "state": str(state), "at": str(at)}:
                error = line["error"]
                self._operations[key] = Operation(
                    key=key,
                    kind=str(line["kind"]),
                    service=str(line["service"]),
                    state="applied" if state == "applied" else "failed" if state == "failed" else "running",
                    error=None if error is None else str(error),
                    at=datetime.fromisoformat(at),
                )
            case _:
                raise ValueError(f"{self._path}: a line of an unknown shape: {line}")

    def _append(self, value: dict[str, object]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(value) + "\n")
            file.flush()
            os.fsync(file.fileno())
