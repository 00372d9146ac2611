"""A text file, or a YAML file → what it holds. One that cannot be read is refused by its name, in one line."""

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from agents.incident.errors import BadInput

_PAIR = re.compile(r"[\ud800-\udbff][\udc00-\udfff]")
"""One character as JSON escapes it, which YAML takes for two."""

_HALF = re.compile(r"[\ud800-\udfff]")
"""Half of a surrogate pair: JSON and YAML can spell it, and no output can hold it."""


def _joined(pair: re.Match[str]) -> str:
    return pair.group(0).encode("utf-16", "surrogatepass").decode("utf-16")


class Loader(yaml.SafeLoader):
    """Says where a scalar stands that nothing can be made of; PyYAML's own constructors let the error out bare."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise ConstructorError(
                None, None, f"this is no value of its kind: {error}", node.start_mark
            ) from error

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        made = _PAIR.sub(_joined, super().construct_scalar(node))
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
    """What the YAML file *path* holds. Raises as ``text`` and ``parse`` do."""
    return parse(text(path), str(path))


def parse(held: str, where: str, kind: type[Loader] = Loader) -> Any:
    """What the YAML *held* says, as *kind* reads it; BadInput begins with *where* it is from."""
    try:
        return yaml.load(held, kind)  # noqa: S506  # a safe loader
    except yaml.MarkedYAMLError as error:
        raise BadInput(one_line(f"{where}{_place(error)}: {error.problem}; correct it")) from error
    except yaml.YAMLError as error:
        raise BadInput(one_line(f"{where}: {error}; correct it")) from error
    except RecursionError as error:
        raise BadInput(f"{where}: it is nested too deeply to be read; flatten it") from error


def _place(error: yaml.MarkedYAMLError) -> str:
    return f" line {error.problem_mark.line + 1}" if error.problem_mark is not None else ""


def one_line(said: str) -> str:
    """*said* without line breaks."""
    return " ".join(said.split())
