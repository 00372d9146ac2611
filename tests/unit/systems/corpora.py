"""The corpora of payloads: the project's own always, the shared one where it lies beside the checkout."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.evals import payloads

ROOT = Path(__file__).parents[3]
OWN = ROOT / "tests" / "samples" / "webhooks" / "index.jsonl"
SHARED = ROOT.parent / "shared" / "payloads" / "index.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One delivery, and the index's line about it."""

    line: payloads.Line
    system: str
    headers: dict[str, str]
    body: bytes

    @property
    def expect(self):
        return self.line["expect"]


@cache
def all_payloads() -> tuple[Payload, ...]:
    return tuple(
        Payload(line=line, system=str(line["system"]), headers=headers, body=body)
        for index in (OWN, SHARED)
        if index.exists()
        for line in payloads.lines(index)
        for headers, body in [payloads.delivery(index.parent, line)]
    )


def each():
    return [pytest.param(p, id=str(p.line["file"])) for p in all_payloads()]
