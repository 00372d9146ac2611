"""A text file, or a YAML file → what it holds. One that cannot be read is refused by its name, in one line."""

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from agents.incident.errors import BadInput

_HALF = re.compile(r"[\ud800-\udfff]")
"""Half of a surrogate pair: JSON and YAML can spell it, and no output can hold it."""


class _Loader(yaml.SafeLoader):
    """Says where a scalar stands that nothing can be made of; PyYAML's own constructors let the error out bare."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise ConstructorError(
                None, None, f"this is no value of its kind: {error}", node.start_mark
            ) from error

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        made = super().construct_scalar(node)
        if _HALF.search(made):
            raise ConstructorError(
                None, None, "this holds half of a character (a lone surrogate)", node.start_mark
            )
        return made


def text(path: Path) -> str:
    """The UTF-8 text of *path*.

    Raises:
        FileNotFoundError: There is no such file; what to do then is for the caller to say.
        BadInput: It is not UTF-8, or may not be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error


def read(path: Path) -> Any:
    """What the YAML file *path* holds. Raises as ``text`` does, and BadInput where it is no YAML."""
    held = text(path)
    try:
        return _parsed(held)
    except yaml.MarkedYAMLError as error:
        raise BadInput(one_line(f"{path}{_place(error)}: {error.problem}; correct it")) from error
    except yaml.YAMLError as error:
        raise BadInput(one_line(f"{path}: {error}; correct it")) from error
    except RecursionError as error:
        raise BadInput(f"{path}: it is nested too deeply to be read; flatten it") from error


def _parsed(held: str) -> Any:
    loader = _Loader(held)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _place(error: yaml.MarkedYAMLError) -> str:
    return f" line {error.problem_mark.line + 1}" if error.problem_mark is not None else ""


def one_line(said: str) -> str:
    """*said* without line breaks."""
    return " ".join(said.split())
