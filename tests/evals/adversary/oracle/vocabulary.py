"""Which words the product itself may use: those of its own source's texts and of its signatures, read as data."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.evals.adversary.oracle.raw import WORD

ROOT = Path(__file__).parents[4]
SPEAKING = (
    "agents/render.py",
    "agents/statements.py",
    "agents/hypotheses.py",
    "agents/triage.py",
    "agents/gather.py",
    "agents/gates/**/*.py",
    "agents/saying.py",
    "agents/incident/*.py",
    "agents/probes/*.py",
    "agents/deliberation/budgets.py",
    "agents/deliberation/menu.py",
    "agents/deliberation/suggestions.py",
    "agents/deliberation/supports.py",
    "agents/deliberation/answers.py",
    "bot/surfaces/*.py",
    "bot/desk/*.py",
)
"""Where texts for people are made. Patterns that look for instructions are no texts, and are not here."""

DETECTORS = "override role imperative confidence command citation hidden characters link encoded"
"""The names of what may look planted; the file that has them also has patterns, so it is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a signature's file says, and how each of its refuters is put."""

    id: str
    title: str
    note: str
    refuters: Mapping[str, Any]


@cache
def signatures() -> Mapping[str, Signature]:
    """By id, from the files."""
    found = {}
    for path in sorted((ROOT / "config" / "signatures").glob("*.yaml")):
        read = yaml.safe_load(path.read_text())
        found[read["id"]] = Signature(
            id=read["id"],
            title=read["title"],
            note=read.get("note", ""),
            refuters={r["means"]: r["when"] for r in read.get("refuters", ())},
        )
    return found


@cache
def words() -> frozenset[str]:
    """In small letters."""
    found: set[str] = set(DETECTORS.split())
    for pattern in SPEAKING:
        for path in ROOT.glob(pattern):
            for text in _texts(ast.parse(path.read_text())):
                found |= {w.lower() for w in WORD.findall(text)}
    for signature in signatures().values():
        text = " ".join((signature.title, signature.note, *signature.refuters))
        found |= {w.lower() for w in WORD.findall(text)}
    return frozenset(found)


def _texts(tree: ast.AST) -> Iterator[str]:
    """Every text of a module but its docstrings."""
    said = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value
