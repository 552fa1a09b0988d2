# SPDX-License-Identifier: Apache-2.0
"""Values of parameters as they are written on a command line or in a parameter file, with the semantics of ROS 2's rcl.

They are not quite YAML's: rcl_yaml_param_parser reads a plain value as a bool, then as C's strtoll reads an integer,
then as strtod reads a number; all else is a text, among it ``12:30``, ``1_000`` and ``null``.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml

from wall_oss_ros import strict_yaml
from wall_oss_ros.errors import WallOSSError

_FORM = "Expected YAML of the form 'node_name: {ros__parameters: {name: value}}'."
_TRUE = {"Y", "y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
_FALSE = {"N", "n", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
_INTEGER = re.compile(r"\s*([-+]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))")
_DECIMAL = re.compile(r"\s*[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_HEXADECIMAL = re.compile(r"\s*[-+]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"\s*[-+]?(?:inf|infinity|nan)", re.IGNORECASE)
_DOTTED = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_PLAIN = "plain"
_STRING = "tag:yaml.org,2002:str"


class _Loader(strict_yaml.BASE):
    """Tells plain values from quoted ones by their tag."""

    yaml_implicit_resolvers: ClassVar[dict] = {}

    def resolve(self, kind, value, implicit):
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _STRING
        return super().resolve(kind, value, implicit)


def plain_value(text: str) -> bool | int | float | str:
    """What rcl makes of a value without quotes."""
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if match := _INTEGER.fullmatch(text):
        sign, *digits = match.groups()
        value = next(int(d, base) for d, base in zip(digits, (16, 8, 10)) if d is not None)
        value = -value if sign == "-" else value
        if -(2**63) <= value < 2**63:
            return value
    if match := _DOTTED.fullmatch(text):
        return float(text.replace(".", "").lower())
    if _SPECIAL.fullmatch(text):
        return float(text)
    if _DECIMAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        try:
            value = float(text) if _DECIMAL.fullmatch(text) else float.fromhex(text)
        except OverflowError:
            return text
        small = abs(value) < sys.float_info.min and bool(re.search(r"[1-9a-fA-F]", re.split(r"[eEpP]", text)[0]))
        return text if math.isinf(value) or small else value  # strtod's ERANGE
    return text


def value_from_text(name: str, text: str) -> Any:
    """The value of ``-p name:=text``: bool, int, float, str, or a list of one of these.

    Raises:
        WallOSSError: it is none of these, or not YAML.
    """
    where = f"The value {text!r} of parameter {name}"
    if not text.strip():
        raise WallOSSError(f"The parameter {name} has no value.", f"For an empty text write {name}:=\"''\".")
    value = strict_yaml.parse(text, where, "Quote it.", lambda _, node: _value(node), _Loader)
    if value is None:
        raise WallOSSError(f"{where} is only a comment.", "Quote it.")
    return value


def load_parameter_file(path: str | Path) -> list[tuple[str, str, Any]]:
    """(node pattern, parameter, value) from a ROS 2 parameter file.

    Raises:
        WallOSSError: no such file, not YAML, a key twice, or not of the form node: ros__parameters: name: value.
    """
    what = "The parameter file"
    text = strict_yaml.read_text(path, what, _FORM)
    found = strict_yaml.parse(text, f"{what} {path}", _FORM, lambda _, node: list(_nodes(node, "")), _Loader)
    if found is None:
        raise WallOSSError(f"{what} {path} has no nodes.", _FORM)
    return found


def matches(pattern: str, full_node_name: str) -> bool:
    """Whether a parameter file's node pattern means a node: ``*`` is one name, ``**`` any number."""
    parts = pattern.strip("/").split("/")
    expression = "".join(
        "(/[^/]+)*" if part == "**" else "/" + re.escape(part).replace(r"\*", "[^/]*") for part in parts
    )
    return re.fullmatch(expression, full_node_name) is not None


def _nodes(tree: yaml.Node, prefix: str) -> Iterator[tuple[str, str, Any]]:
    """What is below a node of the file that stands for a namespace or a node."""
    if not isinstance(tree, yaml.MappingNode):
        if prefix and _is_empty(tree):
            return
        raise strict_yaml.complain(tree, f"{prefix} is no node with ros__parameters" if prefix else "no nodes")
    for key, below in tree.value:
        name = _name(key)
        if name != "ros__parameters":
            yield from _nodes(below, f"{prefix}/{name.strip('/')}")
        elif not prefix:
            raise strict_yaml.complain(key, "ros__parameters must be below a node's name")
        elif not isinstance(below, yaml.MappingNode):
            raise strict_yaml.complain(below, "below ros__parameters expected names with values")
        else:
            yield from ((prefix, parameter, value) for parameter, value in _parameters(below, ""))


def _parameters(tree: yaml.MappingNode, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, node in tree.value:
        name = f"{prefix}{_name(key)}"
        if isinstance(node, yaml.MappingNode):
            yield from _parameters(node, f"{name}.")
        elif _is_empty(node):
            raise strict_yaml.complain(key, f"parameter {name} has no value")
        else:
            yield name, _value(node, f"parameter {name}")


def _name(key: yaml.Node) -> str:
    if not isinstance(key, yaml.ScalarNode) or not key.value:
        raise strict_yaml.complain(key, "a name was expected")
    return key.value


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _PLAIN and not node.value


def _value(node: yaml.Node, what: str = "it") -> Any:
    if isinstance(node, yaml.ScalarNode):
        quoted = node.tag == _STRING and node.style not in ("|", ">")
        return node.value if quoted else plain_value(node.value)
    if isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.ScalarNode) for item in node.value):
        values = [_value(item) for item in node.value]
        if len({type(value) for value in values}) <= 1:
            return values
        kinds = ", ".join(sorted({type(value).__name__ for value in values}))
        raise strict_yaml.complain(node, f"{what} is a list of different types ({kinds})")
    raise strict_yaml.complain(node, f"{what} is neither a bool, a number or a text, nor a list of one of these")
