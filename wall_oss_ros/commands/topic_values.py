# SPDX-License-Identifier: Apache-2.0
"""What the commands on a running system share: a node for as long as they run, and messages from and to YAML."""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from wall_oss_ros import strict_yaml
from wall_oss_ros.commands.domain import set_domain
from wall_oss_ros.errors import WallOSSError


@contextmanager
def temporary_node(purpose: str, signals: bool = True) -> Iterator[Any]:
    """A node, of rclpy's own or of the embedded library, which says nothing of itself.

    Args:
        purpose: part of its name.
        signals: whether Ctrl-C ends it at once; without, there is KeyboardInterrupt, and it can still be used.

    Raises:
        WallOSSError: ROS_DOMAIN_ID is none, or what is done with the node names a topic or service as ROS names none.
    """
    set_domain(None)
    from wall_oss_ros.embedded.logging import LoggingSeverity, set_logger_level

    set_logger_level("wall_oss.embedded", LoggingSeverity.WARN)
    from wall_oss_ros.embedded import auto  # noqa: F401  puts the embedded library in place where ROS 2 is missing

    import rclpy
    from rclpy.exceptions import NameValidationException

    if signals:
        rclpy.init(args=[])
    else:
        from rclpy.signals import SignalHandlerOptions

        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(f"wall_oss_{purpose}_{time.time_ns() % 1_000_000}", start_parameter_services=False)
    try:
        yield node
    except NameValidationException as error:
        reason = " ".join(str(error).replace("^", "").split())
        raise WallOSSError(f"{reason}.", "Names are words of letters, digits and _, with / between them.") from None
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def spin(node: Any, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Takes in what arrives during that time, or until something has."""
    import rclpy

    deadline = time.monotonic() + seconds
    while (remaining := deadline - time.monotonic()) > 0 and not until():
        rclpy.spin_once(node, timeout_sec=remaining)


def absolute(name: str) -> str:
    """The name of a topic or service from the root."""
    return name if name.startswith("/") else f"/{name}"


def message_class(name: str) -> Any:
    """The class of ``package/msg/Name`` or ``package/Name``, of rclpy's own or of the embedded library.

    Raises:
        WallOSSError: there is none.
    """
    return interface_class(name, "msg")


def interface_class(name: str, kind: str) -> Any:
    """The class of ``package/kind/Name`` or ``package/Name``, of rclpy's own or of the embedded library.

    Args:
        kind: msg, srv or action.

    Raises:
        WallOSSError: there is none.
    """
    what = {"msg": "message", "srv": "service"}.get(kind, kind)
    parts = name.split("/")
    if len(parts) == 2:
        parts.insert(1, kind)
    if len(parts) != 3 or parts[1] != kind or not all(part.isidentifier() for part in parts):
        article = "an" if kind == "action" else "a"
        raise WallOSSError(f"{name!r} is not the name of {article} {what} type.", f"Write it as package/{kind}/Name.")
    hint = "Check its spelling, or source the workspace that defines it."
    try:
        found = getattr(importlib.import_module(f"{parts[0]}.{kind}"), parts[2])
    except (ImportError, AttributeError) as error:
        reason = str(error) if "embedded" in str(error) else f"There is no {what} type {name}."
        raise WallOSSError(reason, hint) from error
    if not isinstance(found, type):  # such as std_msgs/msg/__doc__
        raise WallOSSError(f"There is no {what} type {name}.", hint)
    return found


def type_and_values(words: Sequence[str], kind: str) -> tuple[str, str]:
    """The type's full name, "" where it is not given, and the values as YAML, which need no quotes around them.

    Args:
        words: ``[TYPE] VALUES...``.
        kind: msg, srv or action.
    """
    given, rest = "", list(words)
    if rest and re.fullmatch(r"\w+(/\w+)?/[A-Z]\w*", rest[0]):
        package, *_, name = rest.pop(0).split("/")
        given = f"{package}/{kind}/{name}"
    return given, " ".join(rest) or "{}"


def fill(message: Any, text: str, type_name: str) -> Any:
    """Sets a message's fields from YAML.

    Raises:
        WallOSSError: not YAML, an unknown field, or a value that does not fit.
    """
    values = strict_yaml.load(text, "The text of the message", 'Write it as "field: value".')
    if values is None:
        values = {}
    _assign(message, values, type_name)
    return message


def _assign(message: Any, values: Any, where: str) -> None:
    fields = message.get_fields_and_field_types()
    if not isinstance(values, dict):
        texts = [name for name, kind in fields.items() if kind == "string"]
        written = f"{texts[0]}: {values}" if texts and isinstance(values, str) else "field: value"
        raise WallOSSError(
            f"{where}: expected fields as YAML, got {values!r}.",
            f'Its fields are {", ".join(fields)}; write "{written}".',
        )
    for name, value in values.items():
        if name not in fields:
            raise WallOSSError(f"{where} has no field {name!r}.", f"Its fields are {', '.join(fields)}.")
        current = getattr(message, name)
        try:
            setattr(message, name, _convert(current, value, fields[name], f"{where}.{name}"))
        except (AssertionError, TypeError, ValueError, OverflowError) as error:
            raise WallOSSError(f"{where}.{name} is a {fields[name]} and cannot be {value!r}.", f"({error})") from error


def _convert(current: Any, value: Any, kind: str, where: str) -> Any:
    """A YAML value as the field's type wants it."""
    if hasattr(current, "get_fields_and_field_types"):
        _assign(current, value, where)
        return current
    if isinstance(value, list) and "/" in kind:
        element = message_class(kind.removeprefix("sequence<").split(",")[0].split("[")[0].rstrip(">"))
        made = [element() for _ in value]
        for index, (item, content) in enumerate(zip(made, value)):
            _assign(item, content, f"{where}[{index}]")
        return made
    if isinstance(value, list) and any(word in kind for word in ("float", "double")):
        return [float(item) for item in value]
    if kind in ("float", "double") and isinstance(value, (int, str)) and not isinstance(value, bool):
        return float(value)
    if kind == "octet":
        return bytes([value]) if isinstance(value, int) else value
    if kind.startswith(("string", "wstring")) and not isinstance(value, (str, list, dict)):
        return str(value)  # an unquoted number
    return value


def pick(message: Any, path: str, check_only: bool = False) -> Any:
    """The value of a field such as ``header.stamp`` or ``subtasks[0].text``; None where an index has no item.

    Raises:
        WallOSSError: there is no such field. With `check_only` it stops at the first index.
    """
    value = message
    for part in path.split("."):
        name, _, index = part.partition("[")
        if not hasattr(value, "get_fields_and_field_types") or name not in value.get_fields_and_field_types():
            fields = getattr(value, "get_fields_and_field_types", dict)()
            raise WallOSSError(f"There is no field {path!r}.", f"There are {', '.join(fields) or 'none below that'}.")
        value = getattr(value, name)
        if index and check_only:
            return value  # sequences are empty in a message that nobody has filled
        if index:
            try:
                value = value[int(index.rstrip("]"))]
            except (IndexError, ValueError):
                return None
    return value


def plain(value: Any, limit: int | None) -> Any:
    """A message as dicts, lists and scalars; arrays and strings beyond `limit` are shortened."""
    if hasattr(value, "get_fields_and_field_types"):
        return {name: plain(getattr(value, name), limit) for name in value.get_fields_and_field_types()}
    if isinstance(value, bytes):
        return value[0] if len(value) == 1 else value.hex()
    if isinstance(value, str):
        return value if limit is None or len(value) <= limit else value[:limit] + "..."
    if hasattr(value, "tolist") or isinstance(value, (list, tuple)):
        shown = value if limit is None else value[:limit]
        shown = shown.tolist() if hasattr(shown, "tolist") else [plain(item, limit) for item in shown]
        return shown if limit is None or len(value) <= limit else [*shown, "..."]
    return value
