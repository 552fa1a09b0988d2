# SPDX-License-Identifier: Apache-2.0
"""Lets ``import rclpy`` and ``from std_msgs.msg import String`` find the embedded library.

Importing this module puts the embedded library in rclpy's place where the real rclpy cannot be imported.
"""

from __future__ import annotations

import importlib
import os
import sys
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_HERE = "wall_oss_ros.embedded"
_SAME = (
    "action", "action.client", "action.server", "callback_groups", "clock", "context", "event_handler", "exceptions",
    "executors", "lifecycle", "logging", "node", "parameter", "qos", "signals", "task", "time",
)  # fmt: skip
# Packages that are stood in for, their modules ("" is the package itself), and which of ours serves each.
_PACKAGES: dict[str, dict[str, str]] = {
    "cv_bridge": {"": "cv_bridge"},
    "message_filters": {"": "message_filters"},
    "rclpy": {
        "": "client_library", **dict(zip(_SAME, _SAME)), "client": "services", "clock_type": "time", "duration": "time",
        "guard_condition": "entities", "lifecycle.node": "lifecycle", "publisher": "topics", "serialization": "wire",
        "service": "services", "subscription": "topics", "time_source": "clock", "timer": "entities",
        "utilities": "context", "wait_for_message": "topics",
    },
    "sensor_msgs_py": {"": "point_cloud2", "point_cloud2": "point_cloud2"},
    "tf2_py": {"": "tf2_py"},
    "tf2_ros": dict.fromkeys(
        ("", "buffer", "static_transform_broadcaster", "transform_broadcaster", "transform_listener"), "tf2_ros"
    ),
    "tf_transformations": {"": "tf_transformations"},
}  # fmt: skip
_KINDS = ("msg", "srv", "action")
_ENDINGS = ("_msgs", "_srvs", "_interfaces", "_dds_common")  # what packages of interfaces end in, to look no further
_NOT_OFFERED = {
    "ament_index_python", "diagnostic_updater", "image_geometry", "image_transport", "launch", "launch_ros", "ros2cli",
    "rosbag2_py", "rosidl_runtime_py", "tf2_geometry_msgs",
}  # fmt: skip


class InterfaceModule(ModuleType):
    """``std_msgs.msg`` and the like: makes each class when it is asked for."""

    def __init__(self, package: str, kind: str):
        super().__init__(f"{package}.{kind}", f"Interfaces of kind {kind} of package {package}.")
        self.__path__: list[str] = []
        self._package, self._kind = package, kind

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        from wall_oss_ros.embedded.interfaces import get_interface

        try:
            found = get_interface(self._package, self._kind, name)
        except LookupError as error:
            raise AttributeError(str(error)) from None
        setattr(self, name, found)
        return found

    def __dir__(self) -> list[str]:
        from wall_oss_ros.embedded.interfaces import names_in

        return names_in(self._package, self._kind)


class _Alias(Loader):
    """Gives an existing module under another name."""

    def __init__(self, target: str):
        self._target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._target)
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._own_spec  # the import system has just put the alias there


class _Interfaces(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        package, _, kind = spec.name.partition(".")
        if kind:
            return InterfaceModule(package, kind)
        module = ModuleType(package, f"Interfaces of package {package}, made by the embedded library.")
        module.__path__ = []
        return module

    def exec_module(self, module: ModuleType) -> None:
        pass


class EmbeddedFinder(MetaPathFinder):
    """Finds rclpy, the packages above and those of interfaces, except where a real one is installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package, _, rest = name.partition(".")
        if package in _PACKAGES and (package == "rclpy" or not _is_installed(package)):
            if rest not in _PACKAGES[package]:
                raise _not_offered(name)
            return ModuleSpec(name, _Alias(f"{_HERE}.{_PACKAGES[package][rest]}"), is_package=True)
        if package.endswith(_ENDINGS) and not _is_installed(package):
            from wall_oss_ros.embedded.interfaces import get_interface, packages

            kind, _, interface = rest.partition(".")
            if package in packages() and kind in ("", *_KINDS):
                if not interface:
                    return ModuleSpec(name, _Interfaces(), is_package=True)
                if not interface.startswith("_"):
                    try:  # Python looks for a module where the package has no such class
                        get_interface(package, kind, interface)
                    except LookupError as error:
                        raise ImportError(str(error), name=name) from None
        if package in _NOT_OFFERED:
            raise _not_offered(name)
        return None


@cache
def _is_installed(package: str) -> bool:
    """Whether Python finds a real package of that name; a mere folder, as in a checkout, is none."""
    spec = PathFinder.find_spec(package)
    return spec is not None and spec.origin is not None


def _not_offered(name: str) -> ImportError:
    return ImportError(
        f"{name} is not part of the embedded library, which stands in because ROS 2 is not installed. "
        "Source a ROS 2 installation to use it; docs/embedded.md lists what is offered.",
        name=name,
    )


def install() -> bool:
    """Makes the embedded library importable as rclpy unless the real one is; returns whether it is in use.

    Nothing that can be imported otherwise is hidden. Calling it again does nothing.
    """
    if any(isinstance(finder, EmbeddedFinder) for finder in sys.meta_path):
        return True
    try:
        import rclpy  # noqa: F401
    except ImportError:
        pass
    else:
        return False
    # First, because a checkout's folder wall_oss_msgs would pass for a namespace package.
    sys.meta_path.insert(0, EmbeddedFinder())
    from wall_oss_ros.embedded.logging import get_logger

    get_logger("wall_oss.embedded").info(
        "ROS 2 is not installed: the embedded library is in use (DDS on "
        f"{_where()}; topics, services and actions are wire-compatible with ROS 2)."
    )
    return True


def _where() -> str:
    if os.environ.get("CYCLONEDDS_URI"):
        return "the interfaces that CYCLONEDDS_URI names"
    network = os.environ.get("WALL_OSS_NETWORK", "")
    return f"network {network!r}" if network else "this machine only"


IN_USE: bool = install()
