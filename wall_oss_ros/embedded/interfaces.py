# SPDX-License-Identifier: Apache-2.0
"""Interface definitions: which there are, and their classes.

Standard packages come from rosbags' store for ROS 2 Jazzy and from `definitions`; wall_oss_msgs from its own files; any
package from a folder that WALL_OSS_INTERFACES names, which goes before the first two. Anything else can be registered
from text with `register_message`, `register_service` and `register_action`.
"""

from __future__ import annotations

import copy
import re
import threading
from functools import lru_cache
from typing import Any, ClassVar

from rosbags.interfaces import Msgdef, Nodetype
from rosbags.serde.cdr import generate_deserialize_cdr, generate_getsize_cdr, generate_serialize_cdr
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.base import make_typesdict, normalize_fieldname
from rosbags.typesys.msg import MSGParser
from rosbags.typesys.store import Typestore

from wall_oss_ros.embedded.definitions import ACTIONS, MESSAGES, SERVICES
from wall_oss_ros.embedded.exceptions import NoTypeSupportImportedException
from wall_oss_ros.embedded.fields import Field, Octet, make_field
from wall_oss_ros.embedded.interface_folders import in_folders, read
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path

PLACEHOLDER = "structure_needs_at_least_one_member"  # DDS wants one; a message without fields has this
_lock = threading.RLock()
_classes: dict[str, type] = {}  # "package/kind/Name" -> class of a message, service or action
_defaults: dict[str, dict[str, Any]] = {"geometry_msgs/msg/Quaternion": {"w": 1.0}}  # the store does not keep them
_being_made: list[str] = []  # keys of messages that are being made, the outermost first
_loaded_packages: set[str] = set()
_TYPE_CLASSES = {  # kind: what such a class has, and how it is called in an error
    "msg": ("_fields", "a message class, such as std_msgs.msg.String"),
    "srv": ("Request", "a service class, such as std_srvs.srv.Trigger"),
    "action": ("Goal", "an action class, such as wall_oss_msgs.action.ExecuteInstruction"),
}


class _Store(Typestore):
    """rosbags' type store, which builds only the little-endian CDR functions and our own classes."""

    def __init__(self) -> None:
        super().__init__()
        for key, (constants, fields) in get_typestore(Stores.ROS2_JAZZY).fielddefs.items():
            self.fielddefs[key] = constants, [(name, _without_char(kind)) for name, kind in fields]

    def get_msgdef(self, typename: str) -> Msgdef:
        if typename not in self.cache:
            entries = [(normalize_fieldname(name), _unsigned(kind)) for name, kind in self.fielddefs[typename][1]]
            getsize, size = generate_getsize_cdr(entries, self)
            self.cache[typename] = Msgdef(
                typename, entries, get_interface(*typename.split("/"))._from_wire, size, getsize,
                generate_serialize_cdr(entries, self, "le"), None,
                generate_deserialize_cdr(entries, self, "le"), None,
                0, None, None, None, None, None, None, None,
            )  # fmt: skip
        return self.cache[typename]


def _without_char(description: Any) -> Any:
    """ROS 2 takes char for uint8; the bytes are the same, the hash of the type is not."""
    kind, detail = description
    if kind == Nodetype.BASE:
        return kind, ("uint8", 0) if detail[0] == "char" else detail
    if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        return kind, (_without_char(detail[0]), detail[1])
    return description


def _unsigned(description: Any) -> Any:
    """The codec takes byte for a signed number; ROS 2 means the eight bits."""
    kind, detail = description
    if kind == Nodetype.BASE:
        return kind, ("uint8", 0) if detail[0] in ("byte", "octet") else detail
    if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        return kind, (_unsigned(detail[0]), detail[1])
    return description


@lru_cache(maxsize=1)
def store() -> _Store:
    """The one type store of this process."""
    with _lock:
        return _Store()


def register_message(package: str, name: str, text: str, kind: str = "msg", source: str = "") -> None:
    """Adds a message type from the text of its .msg file, or with another `kind` a part of a service or action.

    One that is there already stays, unless the new one comes from a file and nothing has used the old one.

    Raises:
        WallOSSError: the text cannot be parsed, or `source`, the file that it comes from, is no valid definition.
    """
    key = f"{package}/{kind}/{name}"
    with _lock:
        if key in store().fielddefs and (not source or key in _classes or key in store().cache):
            return
        if source:  # the library needs an older one no more
            _defaults.pop(key, None)
        try:
            (parsed,) = MSGParser(f"MSG: {package}/msg/{name}\n{text}").specification()
        except Exception as error:
            raise WallOSSError(
                f"The definition of {source or key} cannot be parsed: {_first_line(error)}",
                "Correct the file; its syntax is that of ROS 2 interfaces.",
            ) from error
        if source:
            _look_over(source, parsed)
        ((constants, fields),) = make_typesdict([parsed]).values()
        fields = [(name, _without_char(kind)) for name, kind in fields]
        store().fielddefs[key] = constants, fields or [(PLACEHOLDER, (Nodetype.BASE, ("uint8", 0)))]
        _defaults[key] = {field.name: field.value for field in parsed.fields if field.value is not None}


def _look_over(source: str, parsed: Any) -> None:
    """What a parser of single lines takes, and rosidl refuses."""
    names = [field.name for field in parsed.fields] + [constant.name for constant in parsed.constants]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise WallOSSError(f"The definition of {source} has {twice[0]!r} twice.", "Each name can stand for one thing.")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def register_service(package: str, name: str, text: str, kind: str = "srv", source: str = "") -> None:
    """Adds a service type from the text of its .srv file (request, ``---``, response)."""
    for part, suffix in zip(_sections(source or f"{package}/{kind}/{name}", text, 2), ("Request", "Response")):
        register_message(package, f"{name}_{suffix}", part, kind, source)
    own = f"{package}/{kind}/{name}"
    said = ((part, (Nodetype.NAME, f"{own}_{part.capitalize()}")) for part in ("request", "response"))
    info = ("info", (Nodetype.NAME, "service_msgs/msg/ServiceEventInfo"))
    with _lock:
        store().fielddefs[f"{own}_Event"] = [], [info, *((part, (Nodetype.SEQUENCE, (kind, 1))) for part, kind in said)]


def register_action(package: str, name: str, text: str, source: str = "") -> None:
    """Adds an action type from the text of its .action file (goal, ``---``, result, ``---``, feedback)."""
    parts = _sections(source or f"{package}/action/{name}", text, 3)
    for part, suffix in zip(parts, ("Goal", "Result", "Feedback")):
        register_message(package, f"{name}_{suffix}", part, "action", source)
    uuid, stamp = "unique_identifier_msgs/UUID goal_id", "builtin_interfaces/Time stamp"
    own = f"{package}/action/{name}"
    send_goal = f"{uuid}\n{own}_Goal goal\n---\nbool accepted\n{stamp}"
    register_service(package, f"{name}_SendGoal", send_goal, "action")
    register_service(package, f"{name}_GetResult", f"{uuid}\n---\nint8 status\n{own}_Result result", "action")
    register_message(package, f"{name}_FeedbackMessage", f"{uuid}\n{own}_Feedback feedback", "action")


def _sections(source: str, text: str, count: int) -> list[str]:
    parts = re.split(r"(?m)^---[ \t\r]*$", text)
    if len(parts) != count:
        raise WallOSSError(
            f"The definition of {source} has {len(parts)} sections, expected {count} separated by '---' lines.",
            "Correct the file.",
        )
    return parts


def load_package(package: str) -> None:
    """Registers what we know of a package beyond the store; does nothing for an unknown one."""
    with _lock:
        if package in _loaded_packages:
            return
        _load_folders(package)
        _loaded_packages.add(package)
        for kind, table, register in (
            ("msg", MESSAGES, register_message),
            ("srv", SERVICES, register_service),
            ("action", ACTIONS, register_action),
        ):
            for full_name, text in table.items():
                owner, name = full_name.split("/")
                if owner == package:
                    register(package, name, text)
            if package == "wall_oss_msgs":
                for path in sorted(data_path(kind, package=package).glob(f"*.{kind}")):
                    register(package, path.stem, path.read_text(encoding="utf-8"))


def _load_folders(package: str) -> None:
    """Registers what the folders of WALL_OSS_INTERFACES have of a package."""
    register = {"msg": register_message, "srv": register_service, "action": register_action}
    for (kind, name), path in in_folders().get(package, {}).items():
        register[kind](package, name, read(path), source=str(path))


class _Wrapper(type):
    """Metaclass of service and action classes, for a readable repr."""

    def __repr__(cls) -> str:
        return f"<class '{cls.__module__}.{cls.__name__}'>"

    def __getattr__(cls, name: str) -> Any:
        if name == "Event" and "Request" in vars(cls):  # of use to introspection only, so made when it is asked for
            return get_interface(*cls.Request._key.removesuffix("_Request").split("/"), part="_Event")
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")


def _wrap(package: str, kind: str, name: str, **members: Any) -> type:
    return _Wrapper(name, (), {"__module__": f"{package}.{kind}", **members})


def get_interface(package: str, kind: str, name: str, part: str = "") -> type:
    """The class of a message, service or action.

    Args:
        package: such as ``std_msgs``.
        kind: ``msg``, ``srv`` or ``action``.
        name: such as ``String``; or a part of a service or action, such as ``SetBool_Request``.
        part: ending of the part's name, such as ``_Event``.

    Raises:
        LookupError: there is no such definition; the text says which there are.
    """

    name += part

    def part_of(suffix: str) -> type:
        return get_interface(package, kind, f"{name}_{suffix}")

    with _lock:
        load_package(package)
        key, known = f"{package}/{kind}/{name}", store().fielddefs
        if key in _classes:
            return _classes[key]
        if key in known:
            made = _make_message_class(key)
        elif f"{key}_Request" in known:
            made = _wrap(package, kind, name, Request=part_of("Request"), Response=part_of("Response"))
        elif f"{key}_Goal" in known:
            made = _wrap(
                package, kind, name, Goal=part_of("Goal"), Result=part_of("Result"), Feedback=part_of("Feedback")
            )
            made.Impl = _wrap(
                package, kind, f"{name}_Impl",
                SendGoalService=part_of("SendGoal"),
                GetResultService=part_of("GetResult"),
                FeedbackMessage=part_of("FeedbackMessage"),
                CancelGoalService=get_interface("action_msgs", "srv", "CancelGoal"),
                GoalStatusMessage=get_interface("action_msgs", "msg", "GoalStatusArray"),
            )  # fmt: skip
        elif name == "wstring":
            raise LookupError(f"A message of {package} has a field of type wstring, which the embedded library lacks.")
        else:
            there = ", ".join(names_in(package, kind)) or f"none of kind {kind}"
            raise LookupError(f"The embedded library has no definition of {key}; of {package} it has: {there}.")
        _classes[key] = made
        return made


class Message:
    """Base of every message class: keyword constructor, checked assignment, comparison and printing like rclpy's."""

    __slots__ = ()
    _fields: ClassVar[dict[str, Field]] = {}
    _key: ClassVar[str] = ""  # name in the type store: package/kind/Name

    def __init__(self, **kwargs: Any):
        unknown = kwargs.keys() - self._fields.keys()
        if unknown:
            raise AssertionError(
                f"Invalid arguments passed to constructor of {type(self).__name__}: {', '.join(sorted(unknown))}; "
                f"its fields are {', '.join(self._fields)}"
            )
        for name, field in self._fields.items():
            object.__setattr__(self, name, field.check(kwargs[name]) if name in kwargs else field.default())

    def __setattr__(self, name: str, value: Any) -> None:
        field = self._fields.get(name)
        if field is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        object.__setattr__(self, name, field.check(value))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return False
        return all(_equal(getattr(self, name), getattr(other, name)) for name in self._fields)

    __hash__ = None

    def __repr__(self) -> str:
        values = ", ".join(f"{field}={getattr(self, field)!r}" for field in self._fields)
        return f"{type(self).__module__}.{type(self).__name__}({values})"

    def __copy__(self) -> Message:
        return type(self)._from_wire(*(getattr(self, name) for name in self._fields), convert=False)

    def __deepcopy__(self, memo: dict) -> Message:
        values = (copy.deepcopy(getattr(self, name), memo) for name in self._fields)
        return type(self)._from_wire(*values, convert=False)

    def __reduce__(self):
        return rebuild, (self._key, {name: getattr(self, name) for name in self._fields})

    @classmethod
    def get_fields_and_field_types(cls) -> dict[str, str]:
        """Field names and their types, such as ``{"data": "sequence<double>"}``."""
        return {name: field.ros_type for name, field in cls._fields.items()}

    @classmethod
    def _from_wire(cls, *values: Any, convert: bool = True) -> Message:
        """An instance from the codec's values, in the order of the fields, unchecked."""
        message = cls.__new__(cls)
        put = object.__setattr__
        for (name, field), value in zip(cls._fields.items(), values):
            put(message, name, field.from_wire(value) if convert and field.from_wire else value)
        return message


class EmptyMessage(Message):
    """A message without fields; the user does not see the one that DDS wants."""

    __slots__ = ()

    @property
    def structure_needs_at_least_one_member(self) -> int:
        return 0


def _equal(left: Any, right: Any) -> bool:
    result = left == right
    return bool(result.all()) if hasattr(result, "all") else bool(result)


def _make_message_class(key: str) -> type:
    package, kind, name = key.split("/")
    constants, described = store().fielddefs[key]
    if key in _being_made:
        circle = " has ".join((*_being_made[_being_made.index(key) :], key))
        raise WallOSSError(f"Messages cannot contain themselves, and {circle}.", "Correct their definitions.")
    _being_made.append(key)
    try:
        fields = [_make_field(key, field, kind) for field, kind in described if field != PLACEHOLDER]
    finally:
        _being_made.pop()
    namespace: dict[str, Any] = {
        "__slots__": tuple(field.name for field in fields),
        "__module__": f"{package}.{kind}",
        "__doc__": f"Message class {name!r}: " + (", ".join(f"{f.ros_type} {f.name}" for f in fields) or "empty") + ".",
        "_fields": {field.name: field for field in fields},
        "_key": key,
    }
    for constant, base, value in constants:
        namespace.setdefault(constant, Octet((value,)) if base in ("byte", "octet") else value)
    return type(name, (Message if fields else EmptyMessage,), namespace)


def _make_field(key: str, name: str, description: Any) -> Field:
    default = _defaults.get(key, {}).get(name)
    try:
        return make_field(normalize_fieldname(name), description, get_interface, default)
    except (ValueError, TypeError, AssertionError, OverflowError) as error:
        if default is None:
            raise
        raise WallOSSError(
            f"The definition of {key} gives {name!r} the default {default!r}: {_first_line(error)}.", "Correct it."
        ) from error


def rebuild(key: str, values: dict[str, Any]) -> Any:
    """Remakes a pickled message."""
    return get_interface(*key.split("/"))(**values)


def names_in(package: str, kind: str) -> list[str]:
    """Names of the interfaces of a package, without the parts of services and actions."""
    load_package(package)
    start, ending = f"{package}/{kind}/", {"msg": "", "srv": "_Request", "action": "_Goal"}[kind]
    found = (key for key in store().fielddefs if key.startswith(start) and key.endswith(ending))
    return sorted(key.removeprefix(start).removesuffix(ending) for key in found)


def packages() -> set[str]:
    """Packages of which there is at least one definition."""
    names = [*store().fielddefs, *MESSAGES, *SERVICES, *ACTIONS]
    return {name.split("/")[0] for name in names} | {"wall_oss_msgs"} | set(in_folders())


def get_message(full_name: str) -> type:
    """The class of ``pkg/msg/Name`` or ``pkg/Name``.

    Raises:
        LookupError: there is no such message.
    """
    parts = full_name.split("/")
    if len(parts) == 2:
        parts.insert(1, "msg")
    if len(parts) != 3 or parts[1] != "msg":
        raise LookupError(f"{full_name!r} is not the name of a message type, expected package/msg/Name.")
    return get_interface(*parts)


def check_type(cls: Any, kind: str) -> None:
    """Raises NoTypeSupportImportedException unless it is a class of that kind: ``msg``, ``srv`` or ``action``."""
    attribute, expected = _TYPE_CLASSES[kind]
    if not hasattr(cls, attribute):
        raise NoTypeSupportImportedException(f"{cls!r} is not {expected}.")


def check_for_type_support(msg_or_srv_type: Any) -> None:
    """Raises NoTypeSupportImportedException unless it is a message, service or action class."""
    if not any(hasattr(msg_or_srv_type, attribute) for attribute, _ in _TYPE_CLASSES.values()):
        raise NoTypeSupportImportedException(f"{msg_or_srv_type!r} is not the class of an interface.")


def check_is_valid_msg_type(msg_type: Any) -> None:
    """Raises NoTypeSupportImportedException unless it is a message class."""
    check_type(msg_type, "msg")


def check_is_valid_srv_type(srv_type: Any) -> None:
    """Raises NoTypeSupportImportedException unless it is a service class."""
    check_type(srv_type, "srv")
