# SPDX-License-Identifier: Apache-2.0
"""Interface definitions: which there are, and their classes.

Standard packages come from rosbags' store for ROS 2 Jazzy and from `definitions`; wall_oss_msgs from its own files.
Anything else can be registered from text with `register_message`, `register_service` and `register_action`.
"""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import Any

import yaml
from rosbags.interfaces import Msgdef, Nodetype
from rosbags.serde.cdr import generate_deserialize_cdr, generate_getsize_cdr, generate_serialize_cdr
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.base import normalize_fieldname
from rosbags.typesys.store import Typestore

from wall_oss_ros.embedded.definitions import ACTIONS, MESSAGES, SERVICES
from wall_oss_ros.embedded.exceptions import NoTypeSupportImportedException
from wall_oss_ros.embedded.fields import make_field
from wall_oss_ros.embedded.messages import PLACEHOLDER, make_class
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path

_lock = threading.RLock()
_classes: dict[str, type] = {}  # type store key -> message class
_wrappers: dict[str, type] = {}  # "pkg/srv/Name" or "pkg/action/Name" -> service or action class
_kinds: dict[str, tuple[str, str, str]] = {}  # key -> (package, kind, name) where that is not what the key says
_defaults: dict[str, dict[str, Any]] = {"geometry_msgs/msg/Quaternion": {"w": 1.0}}  # the store does not keep them
_loaded_packages: set[str] = set()


class _Store(Typestore):
    """rosbags' type store, which builds only the little-endian CDR functions and our own classes."""

    def __init__(self) -> None:
        super().__init__()
        self.fielddefs.update(get_typestore(Stores.ROS2_JAZZY).fielddefs)
        # The store has char here, as ROS 2 once did; the bytes are the same, the hash of the type is not.
        self.fielddefs.update(get_types_from_msg("uint8[16] data", "rmw_dds_common/msg/Gid"))

    def get_msgdef(self, typename: str) -> Msgdef:
        if typename not in self.cache:
            entries = [(normalize_fieldname(name), _unsigned(kind)) for name, kind in self.fielddefs[typename][1]]
            getsize, size = generate_getsize_cdr(entries, self)
            self.cache[typename] = Msgdef(
                typename, entries, message_class(typename)._from_wire, size, getsize,
                generate_serialize_cdr(entries, self, "le"), None,
                generate_deserialize_cdr(entries, self, "le"), None,
                0, None, None, None, None, None, None, None,
            )  # fmt: skip
        return self.cache[typename]


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


def _parse_defaults(text: str) -> dict[str, Any]:
    """Default values in a definition: lines of the form ``type name value``."""
    found = {}
    for line in text.splitlines():
        parts = re.sub(r"(^|\s)#.*", "", line).split(None, 2)
        if len(parts) == 3 and not parts[2].startswith("=") and "=" not in parts[1]:
            found[parts[1]] = yaml.safe_load(parts[2])
    return found


def register_message(package: str, name: str, text: str, kind: str = "msg") -> None:
    """Adds a message type from the text of its .msg file.

    Raises:
        WallOSSError: the text cannot be parsed.
    """
    key = f"{package}/msg/{name}"
    with _lock:
        if key in store().fielddefs:
            return
        try:
            parsed = get_types_from_msg(text, key)
        except Exception as error:
            raise WallOSSError(
                f"The definition of {package}/{kind}/{name} cannot be parsed: {str(error).splitlines()[0]}",
                "Correct the file; its syntax is that of ROS 2 interfaces.",
            ) from error
        for found, (constants, fields) in parsed.items():
            placeholder = [(PLACEHOLDER, (Nodetype.BASE, ("uint8", 0)))]
            store().fielddefs[found] = (constants, fields or placeholder)
        _defaults[key] = _parse_defaults(text)
        if kind != "msg":
            _kinds[key] = (package, kind, name)


def register_service(package: str, name: str, text: str, kind: str = "srv") -> None:
    """Adds a service type from the text of its .srv file (request, ``---``, response)."""
    parts = _split(package, name, text, 2, f"{kind} file")
    for part, suffix in zip(parts, ("Request", "Response")):
        register_message(package, f"{name}_{suffix}", part, kind)


def register_action(package: str, name: str, text: str) -> None:
    """Adds an action type from the text of its .action file (goal, ``---``, result, ``---``, feedback)."""
    for part, suffix in zip(_split(package, name, text, 3, "action file"), ("Goal", "Result", "Feedback")):
        register_message(package, f"{name}_{suffix}", part, "action")
    uuid, stamp = "unique_identifier_msgs/UUID goal_id", "builtin_interfaces/Time stamp"
    own = f"{package}/{name}"
    send_goal = f"{uuid}\n{own}_Goal goal\n---\nbool accepted\n{stamp}"
    register_service(package, f"{name}_SendGoal", send_goal, "action")
    register_service(package, f"{name}_GetResult", f"{uuid}\n---\nint8 status\n{own}_Result result", "action")
    register_message(package, f"{name}_FeedbackMessage", f"{uuid}\n{own}_Feedback feedback", "action")


def _split(package: str, name: str, text: str, count: int, what: str) -> list[str]:
    parts = re.split(r"(?m)^---[ \t]*$", text)
    if len(parts) != count:
        raise WallOSSError(
            f"The {what} of {package}/{name} has {len(parts)} sections, expected {count} separated by '---' lines.",
            "Correct the file.",
        )
    return parts


def load_package(package: str) -> None:
    """Registers what we know of a package beyond the store; does nothing for an unknown one."""
    with _lock:
        if package in _loaded_packages:
            return
        _loaded_packages.add(package)
        if package == "wall_oss_msgs":
            _load_own_package(package)
            return
        for table, register in ((MESSAGES, register_message), (SERVICES, register_service), (ACTIONS, register_action)):
            for full_name, text in table.items():
                if full_name.split("/")[0] == package:
                    register(package, full_name.split("/")[1], text)


def _load_own_package(package: str) -> None:
    for folder, register in (("msg", register_message), ("srv", register_service), ("action", register_action)):
        for path in sorted(data_path(folder, package=package).glob(f"*.{folder}")):
            register(package, path.stem, path.read_text(encoding="utf-8"))


def message_class(key: str) -> type:
    """The class of a type by its key in the store, ``package/msg/Name``."""
    with _lock:
        if key not in _classes:
            package, _, name = key.split("/")
            load_package(package)
            constants, fields = store().fielddefs[key]
            defaults = _defaults.get(key, {})
            made = [
                make_field(normalize_fieldname(field), kind, message_class, defaults.get(field))
                for field, kind in fields
                if field != PLACEHOLDER
            ]
            _classes[key] = make_class(_kinds.get(key, (package, "msg", name)), key, made, constants, rebuild)
        return _classes[key]


def rebuild(key: str, values: dict[str, Any]) -> Any:
    """Remakes a pickled message."""
    return message_class(key)(**values)


class _Wrapper(type):
    """Metaclass of service and action classes, for a readable repr."""

    def __repr__(cls) -> str:
        return f"<class '{'.'.join(cls._interface)}'>"


def _wrap(interface: tuple[str, str, str], **members: Any) -> type:
    name = interface[2]
    return _Wrapper(name, (), {"_interface": interface, "__module__": ".".join(interface[:2]), **members})


def get_interface(package: str, kind: str, name: str) -> type:
    """The class of a message, service or action.

    Args:
        package: such as ``std_msgs``.
        kind: ``msg``, ``srv`` or ``action``.
        name: such as ``String``.

    Raises:
        LookupError: there is no such definition; the text says which there are.
    """
    with _lock:
        load_package(package)
        full_name = f"{package}/{kind}/{name}"
        if full_name in _wrappers:
            return _wrappers[full_name]
        interface, known = (package, kind, name), store().fielddefs
        prefix = f"{package}/msg/{name}"
        parts = {suffix: f"{prefix}_{suffix}" for suffix in ("Request", "Response", "Goal", "Result", "Feedback")}
        if kind == "msg" and prefix in known and prefix not in _kinds:
            return message_class(prefix)
        if kind in ("srv", "action") and prefix in _kinds and _kinds[prefix][1] == kind:
            return message_class(prefix)  # a part asked for by its own name, such as SetBool_Request
        if parts["Request"] in known and _kinds[parts["Request"]][1] == kind:
            members = {suffix: message_class(parts[suffix]) for suffix in ("Request", "Response")}
        elif kind == "action" and parts["Goal"] in known:
            members = {suffix: message_class(parts[suffix]) for suffix in ("Goal", "Result", "Feedback")}
            members["Impl"] = _wrap(
                (package, kind, f"{name}_Impl"),
                SendGoalService=get_interface(package, "action", f"{name}_SendGoal"),
                GetResultService=get_interface(package, "action", f"{name}_GetResult"),
                FeedbackMessage=message_class(f"{prefix}_FeedbackMessage"),
                CancelGoalService=get_interface("action_msgs", "srv", "CancelGoal"),
                GoalStatusMessage=get_interface("action_msgs", "msg", "GoalStatusArray"),
            )
        else:
            there = ", ".join(names_in(package, kind)) or f"none of kind {kind}"
            raise LookupError(f"The embedded library has no definition of {full_name}; of {package} it has: {there}.")
        _wrappers[full_name] = _wrap(interface, **members)
        return _wrappers[full_name]


def names_in(package: str, kind: str) -> list[str]:
    """Names of the interfaces of a package, without the parts of services and actions."""
    load_package(package)
    endings = {"msg": "", "srv": "_Request", "action": "_Goal"}
    names = set()
    for key in store().fielddefs:
        owner, _, name = key.split("/")
        own_kind = _kinds.get(key, (owner, "msg", name))[1]
        if owner == package and own_kind == kind and name.endswith(endings[kind]):
            names.add(name[: len(name) - len(endings[kind])])
    return sorted(name for name in names if not name.endswith(("_SendGoal", "_GetResult")))


def packages() -> set[str]:
    """Packages of which there is at least one definition."""
    own = {name.split("/")[0] for table in (MESSAGES, SERVICES, ACTIONS) for name in table}
    return {key.split("/")[0] for key in store().fielddefs} | own | {"wall_oss_msgs"}


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


def check_is_valid_msg_type(cls: Any) -> None:
    """Raises NoTypeSupportImportedException unless it is a message class."""
    _check(cls, ("_fields",), "a message class, such as std_msgs.msg.String")


def check_is_valid_srv_type(cls: Any) -> None:
    """Raises NoTypeSupportImportedException unless it is a service class."""
    _check(cls, ("Request", "Response"), "a service class, such as std_srvs.srv.Trigger")


def check_is_valid_action_type(cls: Any) -> None:
    """Raises NoTypeSupportImportedException unless it is an action class."""
    _check(cls, ("Goal", "Result", "Feedback"), "an action class, such as wall_oss_msgs.action.ExecuteInstruction")


def _check(cls: Any, attributes: tuple[str, ...], expected: str) -> None:
    if not hasattr(cls, "_interface") or not all(hasattr(cls, name) for name in attributes):
        raise NoTypeSupportImportedException(f"{cls!r} is not {expected}.")
