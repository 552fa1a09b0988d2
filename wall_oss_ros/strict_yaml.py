# SPDX-License-Identifier: Apache-2.0
"""YAML that people write, read strictly: what it says twice is refused, and no text becomes a number by accident.

Plain values are read as in YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema): ``1e-3`` is a number,
``12:30``, ``yes`` and ``2024-01-01`` are texts. Refusals name the file and the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import yaml

from wall_oss_ros.errors import WallOSSError

_LARGEST = 2**20  # characters; a file of this project has some thousands
_DEEPEST = 64  # values within values; PyYAML ends the process some ten thousand deep
_MERGE = "tag:yaml.org,2002:merge"
# Ten times as fast where PyYAML was built with it.
BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(BASE):
    """PyYAML's safe loader with the values of the core schema."""

    yaml_implicit_resolvers: ClassVar[dict] = {}


def _bool(loader, node) -> bool:
    value = loader.construct_scalar(node).lower()
    if value not in ("true", "false"):
        raise ValueError(f"{value!r} is neither true nor false")
    return value == "true"


def _int(loader, node) -> int:
    text = loader.construct_scalar(node)
    base = {"0x": 16, "0o": 8}.get(text[:2].lower(), 10)
    return int(text[2:] if base != 10 else text, base)


def _float(loader, node) -> float:
    return float(re.sub(r"\.(inf|nan)$", r"\1", loader.construct_scalar(node).lower()))


_Loader.add_constructor("tag:yaml.org,2002:bool", _bool)
_Loader.add_constructor("tag:yaml.org,2002:int", _int)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)
for _tag, _pattern in {
    _MERGE: "<<",
    "tag:yaml.org,2002:null": "~|null|Null|NULL|",
    "tag:yaml.org,2002:bool": "true|True|TRUE|false|False|FALSE",
    "tag:yaml.org,2002:int": "[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "tag:yaml.org,2002:float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    ),
}.items():
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), None)


def read(path: str | Path, what: str, hint: str = "Correct the file.") -> Any:
    """The content of a YAML file.

    Args:
        path: the file.
        what: it is, such as "The recipe"; messages begin with this and the path.
        hint: what to do about a file that is not as it should be.

    Raises:
        WallOSSError: the file cannot be read, or as ``load``.
    """
    return load(read_text(path, what, hint), f"{what} {path}", hint)


def read_text(path: str | Path, what: str, hint: str = "Correct the file.") -> str:
    """The text of a file; see ``read``.

    Raises:
        WallOSSError: the file cannot be read, or is not text in UTF-8.
    """
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            reason = f"is not YAML: byte {error.start} is not UTF-8"
        else:
            reason = f"cannot be read ({getattr(error, 'strerror', None) or error})"
            hint = "Check the path."
        raise WallOSSError(f"{what} {path} {reason}.", hint) from error


def load(text: str, where: str, hint: str = "Correct the file.") -> Any:
    """The content of YAML text; None where there is none.

    Args:
        text: one document.
        where: it comes from; messages begin with this.
        hint: what to do about YAML that is not as it should be.

    Raises:
        WallOSSError: not YAML, a key twice in one mapping, a value that contains itself, or one that cannot be read.
    """
    return parse(text, where, hint, _construct)


def parse(text: str, where: str, hint: str, construct: Callable[[Any, yaml.Node], Any], loader: Any = _Loader) -> Any:
    """As ``load``, with values as ``construct(loader, node)`` makes them of the looked over root node.

    Raises:
        WallOSSError: as ``load``; ``construct`` raises ValueError, or yaml.MarkedYAMLError with a place.
    """
    if len(text) > _LARGEST:
        raise WallOSSError(f"{where} is not YAML that belongs here: it has {len(text)} characters.", hint)
    made = None
    try:
        _measure(text)
        made = loader(text)
        node = made.get_single_node()
        if node is None:
            return None
        _look_over(node)
        return construct(made, node)
    except yaml.YAMLError as error:
        raise WallOSSError(f"{where} is not YAML that can be used: {_complaint(text, error)}.", hint) from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise WallOSSError(f"{where} is not YAML that can be used: {error}.", hint) from error
    finally:
        if made is not None:
            made.dispose()


def line_of(text: str, keys: Iterable[str | int]) -> int | None:
    """The line, from 1, on which YAML text says the value at a path of keys and indices; None where it does not."""
    loader = _Loader(text)
    try:
        node, line = loader.get_single_node(), None
        for key in keys:
            children: dict[Any, tuple] = {}
            if isinstance(node, yaml.MappingNode):
                children = {name.value: (name, value) for name, value in node.value}
            elif isinstance(node, yaml.SequenceNode):
                children = {index: (value, value) for index, value in enumerate(node.value)}
            if key not in children:
                return None
            name, node = children[key]
            line = name.start_mark.line + 1
        return line
    finally:
        loader.dispose()


def complain(node: yaml.Node | yaml.Event, problem: str) -> yaml.MarkedYAMLError:
    """An error at a node, for ``parse``'s ``construct`` to raise."""
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _construct(loader: Any, node: yaml.Node) -> Any:
    return loader.construct_document(node)


def _measure(text: str) -> None:
    """Raises yaml.MarkedYAMLError where values lie too deep within others."""
    depth = 0
    for event in yaml.parse(text, BASE):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise complain(event, f"more than {_DEEPEST} values within one another")


def _look_over(root: yaml.Node) -> None:
    """Raises yaml.MarkedYAMLError where a mapping has a key twice, or a value contains itself."""
    above: set[int] = set()
    seen: set[int] = set()

    def visit(node: yaml.Node) -> None:
        if id(node) in above:
            raise complain(node, "this value contains itself")
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            return
        seen.add(id(node))
        above.add(id(node))
        if isinstance(node, yaml.MappingNode):
            lines: dict[Any, int] = {}
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    names = {key.value, _number(key)} - {None}  # 1, 1.0 and true are one key of a dictionary
                    for name in names & lines.keys():
                        raise complain(key, f"the key {key.value!r} is there already, on line {lines[name]}")
                    lines |= dict.fromkeys(names, key.start_mark.line + 1)
                visit(value)
        else:
            for value in node.value:
                visit(value)
        above.discard(id(node))

    visit(root)


def _number(key: yaml.ScalarNode) -> float | None:
    """The value of a key that is a number, or true or false."""
    read = {"bool": _bool, "int": _int, "float": _float}.get(key.tag.removeprefix("tag:yaml.org,2002:"))
    return None if read is None else read(_Loader(""), key)


def _complaint(text: str, error: yaml.YAMLError) -> str:
    """What is wrong, with its line."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return " ".join(str(error).split()).rstrip(".")
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or ("\t" in line and "cannot start any token" in str(error)):
        return f"line {mark.line + 1} has a tab, where YAML wants spaces"
    said = [str(part) for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part]
    problem = ", ".join(said) if said[0].startswith("expected") else said[-1]
    return f"line {mark.line + 1}: {' '.join(problem.split())}"
