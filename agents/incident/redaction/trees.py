"""Taking secrets out of JSON, where a name and its value, or the lines of one key, stand apart."""

from collections import Counter
from collections.abc import Mapping, Sequence

from agents.incident.redaction import names, shapes
from agents.incident.redaction.redactor import PLACEHOLDER, Redactor

_SAYS_NAME = ("name", "key", "header", "field")
_SAYS_VALUE = ("value", "values", "stringValue", "val")


class Tree:
    """One walk over one tree. It remembers whether a private key is still open, since logs cut them into lines."""

    def __init__(self, redactor: Redactor, counts: Counter[str] | None) -> None:
        self._redactor = redactor
        self._counts = counts
        self._open_key = False

    def redact(self, value: object) -> object:
        """*value* without secrets, in names and in values; lists and tuples come back as lists."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, list | tuple):
            return self._list(value)
        return value

    def _mapping(self, given: Mapping[object, object]) -> dict[str, object]:
        pair = next((str(given[n]) for n in _SAYS_NAME if isinstance(given.get(n), str)), "")
        said = names.kind_of_name(pair)
        out: dict[str, object] = {}
        for key, item in given.items():
            name = str(key)
            kind = names.kind_of_name(name) or (said if said and name in _SAYS_VALUE else None)
            counted = names.counts_things(pair if name in _SAYS_VALUE and said else name)
            clean = self._redactor.redact(name, self._counts)
            out[clean] = self.redact(item) if kind is None else self._secret(item, kind, counted=counted)
        return out

    def _list(self, given: Sequence[object]) -> list[object]:
        if len(given) == 2 and all(isinstance(g, str) for g in given):
            kind = names.kind_of_name(str(given[0]))
            if kind is not None:
                return [given[0], self._secret(given[1], kind, counted=False)]
        return [self.redact(item) for item in given]

    def _secret(self, value: object, kind: str, *, counted: bool) -> object:
        """*value*, which stands under a secret's name, with every text and number in it replaced."""
        if isinstance(value, Mapping):
            return {
                self._redactor.redact(str(k), self._counts): self._secret(v, kind, counted=counted)
                for k, v in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._secret(v, kind, counted=counted) for v in value]
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int | float):
            return value if counted or kind != "password" else self._replaced(str(value), kind)
        if not isinstance(value, str):
            return value
        if not value or names.harmless(value) or PLACEHOLDER.fullmatch(value):
            return value
        if counted and value.replace(".", "").isdigit():
            return value
        return self._replaced(value, shapes.kind_of(value) or kind)

    def _replaced(self, secret: str, kind: str) -> str:
        if self._counts is not None:
            self._counts[kind] += 1
        return self._redactor.placeholder(kind, secret)

    def _text(self, text: str) -> str:
        if not self._open_key:
            self._open_key = shapes.unfinished(text)
            return self._redactor.redact(text, self._counts)
        end = shapes.ending(text)
        if end is None:
            if text == "" or PLACEHOLDER.fullmatch(text):
                return text
            return self._replaced(text, "private_key")
        self._open_key = False
        return self._replaced(text[:end], "private_key") + self._text(text[end:])
