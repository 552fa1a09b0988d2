# SPDX-License-Identifier: Apache-2.0
"""The ROS part of a command line: ``--ros-args -p name:=value -r from:=to --params-file f --log-level l``."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import Any

from wall_oss_ros.embedded.exceptions import NameValidationException
from wall_oss_ros.embedded.logging import LoggingSeverity, get_logging_severity_from_string
from wall_oss_ros.embedded.naming import expand, validate_namespace, validate_node_name
from wall_oss_ros.embedded.parameter_values import load_parameter_file, matches, value_from_text
from wall_oss_ros.errors import WallOSSError

_PARAMETER = re.compile(r"[A-Za-z_*/][\w*/.]*")


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
        return {name: value for pattern, name, value in self.parameters if matches(pattern, full_node_name)}


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
        if not _PARAMETER.fullmatch(name):
            raise WallOSSError(f"{option} {left!r} names no parameter.", "Write name:=value or node:name:=value.")
        result.parameters.append((f"/{node}" if node else "/**", name, value_from_text(left, value)))
    elif option in ("-r", "--remap"):
        left, target = _assignment(option, words)
        node, source = _node_prefix(left)
        _check_remap(f"{option} {left}:={target}", source, target)
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


def _check_remap(rule: str, source: str, target: str) -> None:
    """Raises WallOSSError where a rule renames something so as ROS 2 does not allow."""
    try:
        if source in ("__node", "__name"):
            validate_node_name(target)
        elif source == "__ns":
            validate_namespace(target)
        else:
            for name in (source, target):
                expand(name.split("://")[-1], "node", "/")
    except NameValidationException as error:
        said = f"The ROS argument {rule!r} is not valid: {error.name!r}: {error.reason}."
        raise WallOSSError(said, "Correct it.") from error


def _node_prefix(left: str) -> tuple[str | None, str]:
    """Splits ``node:name``; a name may contain ``://`` (rostopic://) which is not a node prefix."""
    node, separator, name = left.partition(":")
    return (node, name) if separator and not name.startswith("//") else (None, left)
