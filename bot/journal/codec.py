"""Values to and from JSON columns: pydantic at the edge, dataclasses inside."""

from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def dump(value: object) -> Any:
    """*value* as JSON-ready data."""
    return _adapter(type(value)).dump_python(value, mode="json")


def load(kind: type[T], data: object) -> T:
    """The *kind* that ``dump`` wrote."""
    loaded: T = _adapter(kind).validate_python(data)
    return loaded


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def prime(kind: type) -> None:
    """Build what ``dump`` and ``load`` need for *kind*, before a worker forks."""
    _adapter(kind)
