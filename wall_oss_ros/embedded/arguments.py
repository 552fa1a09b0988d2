# SPDX-License-Identifier: Apache-2.0
"""The ROS part of a command line: ``--ros-args -p name:=value -r from:=to --params-file f --log-level l``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from wall_oss_ros.embedded.logging import LoggingSeverity, get_logging_severity_from_string
from wall_oss_ros.embedded.naming import expand
from wall_oss_ros.errors import WallOSSError


@dataclass
class Arguments:
    """Parsed ROS arguments.

    Attributes:
        rest: the command line without them.
        parameters: (node pattern, parameter name, value), later ones win; a pattern is as in a parameter file.
        remaps: (node name or None for all, from, to), the first match wins.
        log_levels: logger name ('' for all) to level.
    """

    rest: list[str] = field(default_factory=list)
    parameters: list[tuple[str, str, Any]] = field(default_factory=list)
    remaps: list[tuple[str | None, str, str]] = field(default_factory=list)
    log_levels: dict[str, LoggingSeverity] = field(default_factory=dict)

    def remap_special(self, key: str, node_name: str) -> str | None:
        """The new node name (key ``__node``) or namespace (key ``__ns``) of a node, or None."""
        for node, source, target in self.remaps:
            if source == key and node in (None, node_name):
                return target
        return None

    def remap_name(self, full_name: str, node_name: str, namespace: str) -> str:
        """The name that a topic or service gets, given its absolute name."""
        for node, source, target in self.remaps:
            if source in ("__node", "__ns") or node not in (None, node_name):
                continue
            if expand(source.split("://")[-1], node_name, namespace) == full_name:
                return expand(target, node_name, namespace)
        return full_name

    def overrides(self, full_node_name: str) -> dict[str, Any]:
        """Parameter values for a node, by its absolute name."""
        return {name: value for pattern, name, value in self.parameters if _matches(pattern, full_node_name)}


def _matches(pattern: str, full_node_name: str) -> bool:
    """Whether a parameter file's node pattern means a node: ``/**``, ``*``, ``/ns/name``, ``name``, ``**/name``."""
    if not pattern.startswith("/"):
        pattern = pattern if pattern.startswith("**") else f"/**/{pattern}" if "/" not in pattern else f"/{pattern}"
    parts = pattern.strip("/").split("/")
    expression = "".join(
        "(/[^/]+)*" if part == "**" else "/" + re.escape(part).replace(r"\*", "[^/]*") for part in parts
    )
    return re.fullmatch(expression, full_node_name) is not None


def parse(argv: list[str] | None = None) -> Arguments:
    """Parses a command line.

    Args:
        argv: as sys.argv, which is the default.

    Raises:
        WallOSSError: an argument between ``--ros-args`` and ``--`` is not valid.
    """
    result, inside = Arguments(), False
    words = iter(sys.argv if argv is None else argv)
    for word in words:
        if word == "--ros-args":
            inside = True
        elif not inside:
            result.rest.append(word)
        elif word == "--":
            inside = False
        else:
            _option(result, word, words)
    return result


def _option(result: Arguments, option: str, words: Any) -> None:
    if option in ("-p", "--param"):
        left, value = _assignment(option, words)
        node, name = _node_prefix(left)
        try:
            value = check_value(left, yaml.safe_load(value) if value else "")
        except yaml.YAMLError as error:
            raise WallOSSError(f"The value of {option} {left} is not YAML: {value!r}.", "Quote it.") from error
        result.parameters.append((f"/**/{node}" if node else "/**", name, value))
    elif option in ("-r", "--remap"):
        left, target = _assignment(option, words)
        node, source = _node_prefix(left)
        result.remaps.append((node, "__node" if source == "__name" else source, target))
    elif option == "--params-file":
        result.parameters += load_parameter_file(_argument(option, words))
    elif option == "--log-level":
        logger, _, level = _argument(option, words).rpartition(":=")
        try:
            result.log_levels[logger] = get_logging_severity_from_string(level)
        except RuntimeError as error:
            raise WallOSSError(f"{error}.", "Correct the value of --log-level.") from error
    elif option in ("-e", "--enclave", "--log-config-file", "--log-file-name"):
        _argument(option, words)  # security enclaves and log files: nothing here uses them
    elif option.startswith(("--enable-", "--disable-")):
        pass  # where logs go: standard error and /rosout
    else:
        hint = "After --ros-args use -p, -r, --params-file or --log-level."
        raise WallOSSError(f"Unknown ROS argument {option!r}.", hint)


def _argument(option: str, words: Any) -> str:
    value = next(words, None)
    if value is None:
        raise WallOSSError(f"The ROS argument {option} lacks its value.", "Add it.")
    return value


def _assignment(option: str, words: Any) -> tuple[str, str]:
    text = _argument(option, words)
    left, separator, right = text.partition(":=")
    if not separator or not left or (not right and option in ("-r", "--remap")):
        raise WallOSSError(f"{option} {text!r} is not of the form name:=value.", "Write it as name:=value.")
    return left, right


def _node_prefix(left: str) -> tuple[str | None, str]:
    """Splits ``node:name``; a name may contain ``://`` (rostopic://) which is not a node prefix."""
    node, separator, name = left.partition(":")
    return (node, name) if separator and not name.startswith("//") else (None, left)


def check_value(name: str, value: Any) -> Any:
    """A parameter's value from YAML, as ROS 2 has it.

    Raises:
        WallOSSError: not a bool, integer, float, string, or a list of one of these.
    """
    if isinstance(value, list):
        kinds = {type(item) for item in value}
        if kinds == {int, float}:
            return [float(item) for item in value]
        if len(kinds) <= 1 and kinds <= {bool, int, float, str}:
            return value
    elif isinstance(value, (bool, int, float, str)):
        return value
    raise WallOSSError(
        f"Parameter {name} has the value {value!r}, expected a bool, number, string or a list of one of these.",
        "Correct it.",
    )


def load_parameter_file(path: str | Path) -> list[tuple[str, str, Any]]:
    """(node pattern, parameter, value) from a ROS 2 parameter file.

    Raises:
        WallOSSError: no such file, not YAML, or not of the form node: ros__parameters: name: value.
    """
    hint = "Expected YAML of the form 'node_name: {ros__parameters: {name: value}}'."
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise WallOSSError(f"The parameter file {path} cannot be read: {error.strerror}.", "Check its path.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WallOSSError(f"The parameter file {path} is not YAML: {str(error).splitlines()[0]}.", hint) from error
    if not isinstance(content, dict):
        raise WallOSSError(f"The parameter file {path} has no nodes.", hint)

    def collect(tree: dict, prefix: str) -> Iterator[tuple[str, str, Any]]:
        for name, below in tree.items():
            if not isinstance(below, dict):
                raise WallOSSError(f"In the parameter file {path}, {prefix}{name} is not a node.", hint)
            full = f"{prefix}/{str(name).strip('/')}" if prefix or str(name).startswith("/") else str(name)
            for parameter, value in _flatten(below.pop("ros__parameters", None) or {}, ""):
                yield full, parameter, value
            yield from collect(below, full)

    return list(collect(content, ""))


def _flatten(tree: dict, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", check_value(f"{prefix}{name}", value)
