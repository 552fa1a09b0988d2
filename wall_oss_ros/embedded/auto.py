# SPDX-License-Identifier: Apache-2.0
"""Lets ``import rclpy`` and ``from std_msgs.msg import String`` find the embedded library.

Importing this module puts the embedded library in rclpy's place where the real rclpy cannot be imported.
"""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_HERE = "wall_oss_ros.embedded"
# Packages that are stood in for, their modules ("" is the package itself), and which of ours serves each.
_SAME = (
    "action", "action.client", "action.graph", "action.server", "callback_groups", "clock", "context", "event_handler",
    "exceptions", "executors", "lifecycle", "logging", "node", "parameter", "parameter_client",
    "parameter_event_handler", "qos", "qos_overriding_options", "service_introspection", "signals", "task", "time",
)  # fmt: skip
_PACKAGES: dict[str, dict[str, str]] = {
    "ament_index_python": dict.fromkeys(
        ("", "constants", "packages", "resources", "search_paths"), "ament_index_python"
    ),
    "cv_bridge": {"": "cv_bridge"},
    "message_filters": {"": "message_filters"},
    "rclpy": {
        "": "client_library", **dict(zip(_SAME, _SAME)), "client": "services", "clock_type": "time",
        "constants": "time", "duration": "time", "expand_topic_name": "naming", "guard_condition": "entities",
        "impl": "logging", "impl.logging_severity": "logging", "impl.rcutils_logger": "logging",
        "lifecycle.managed_entity": "lifecycle", "lifecycle.node": "lifecycle", "lifecycle.publisher": "lifecycle",
        "parameter_service": "node_services", "publisher": "topics", "qos_event": "event_handler",
        "serialization": "wire", "service": "services", "subscription": "topics", "time_source": "clock",
        "timer": "entities", "topic_endpoint_info": "graph", "topic_or_service_is_hidden": "naming",
        "type_hash": "graph", "type_support": "interfaces", "utilities": "context",
        "validate_full_topic_name": "naming", "validate_namespace": "naming", "validate_node_name": "naming",
        "validate_parameter_name": "naming", "validate_topic_name": "naming", "wait_for_message": "topics",
    },
    "sensor_msgs_py": {"": "point_cloud2", "point_cloud2": "point_cloud2"},
    "tf2_geometry_msgs": dict.fromkeys(("", "tf2_geometry_msgs"), "tf2_geometry_msgs"),
    "tf2_py": {"": "tf2_py"},
    "tf2_ros": {
        **dict.fromkeys(
            ("", "buffer", "static_transform_broadcaster", "transform_broadcaster", "transform_listener"), "tf2_ros"
        ),
        "buffer_interface": "tf2_buffer_interface",
    },
    "tf_transformations": {"": "tf_transformations"},
}  # fmt: skip
_KINDS = ("msg", "srv", "action")
_ENDINGS = ("_msgs", "_srvs", "_interfaces", "_dds_common")  # of our packages of interfaces, to look no further
# What ROS 2 has besides, so that an import can say that it is known and not there, rather than misspelled.
_NOT_OFFERED = {
    "diagnostic_updater", "image_geometry", "image_transport", "launch", "launch_ros", "launch_testing",
    "ros2cli", "ros2launch", "ros2topic", "rosbag2_py", "rosidl_runtime_py", "tf2_kdl", "tf2_sensor_msgs", "tf2_tools",
    "rqt_gui", "rqt_gui_py", "laser_geometry", "rosidl_parser", "ros_testing",
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
        from wall_oss_ros.embedded.exceptions import NotOfferedName
        from wall_oss_ros.embedded.interfaces import get_interface

        try:
            found = get_interface(self._package, self._kind, name)
        except LookupError as error:
            raise NotOfferedName(str(error)) from None
        setattr(self, name, found)
        return found

    def __dir__(self) -> list[str]:
        from wall_oss_ros.embedded.interfaces import names_in

        return names_in(self._package, self._kind)


class _Alias(Loader):
    """Gives an existing module under another name."""

    def __init__(self, target: str, children: dict[str, str]):
        self._target, self._children = target, children

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._target)
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._own_spec  # the import system has just put the alias there
        for name, target in self._children.items():  # for those who import them from the package
            if not hasattr(module, name):
                setattr(module, name, importlib.import_module(target))


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
        if package in sys.stdlib_module_names or package == "wall_oss_ros":
            return None
        if package in _PACKAGES:
            if rest in _PACKAGES[package] and self._may_stand_in(package):
                served = _PACKAGES[package]
                below = f"{rest}." if rest else ""
                children = {
                    each.removeprefix(below): f"{_HERE}.{target}"
                    for each, target in served.items()
                    if name != "rclpy" and each.startswith(below) and each and "." not in each.removeprefix(below)
                }
                return ModuleSpec(name, _Alias(f"{_HERE}.{served[rest]}", children), is_package=True)
        elif (kind := rest.partition(".")[0]) in ("", *_KINDS) and self._has_interfaces(package):
            interface = rest.partition(".")[2]
            if not interface:
                return ModuleSpec(name, _Interfaces(), is_package=True)
            if not interface.startswith("_") and _is_an_import():
                _look_up(name, package, kind, interface)
        known = package in _PACKAGES or package in _NOT_OFFERED
        if known and _is_an_import() and not self._is_installed(package):
            from wall_oss_ros.embedded.exceptions import NotOfferedModule

            raise NotOfferedModule(name)
        return None

    def _has_interfaces(self, package: str) -> bool:
        if os.environ.get("WALL_OSS_INTERFACES"):
            from wall_oss_ros.embedded.interface_folders import in_folders

            if package in in_folders():  # asked for by name, so that these go before what is installed
                return True
        if not package.endswith(_ENDINGS) or self._is_installed(package):
            return False
        from wall_oss_ros.embedded.interfaces import packages

        return package in packages()

    def _may_stand_in(self, package: str) -> bool:
        return package == "rclpy" or not self._is_installed(package)  # rclpy's own could not be imported

    def _is_installed(self, package: str) -> bool:
        """Whether a real package of that name is found; a mere folder, as in a checkout, is none."""
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                with suppress(ImportError):
                    spec = finder.find_spec(package, None)
                    if spec is not None and spec.origin is not None:
                        return True
        return False


def _is_an_import() -> bool:
    """Whether a finder's caller wants to import, rather than to know whether there is such a module.

    An error that says more than "No module named ..." can only be raised from the finder, and `find_spec` of
    importlib.util is to answer None.
    """
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return frame is not None and frame.f_back is not None and "_find_and_load" in frame.f_back.f_code.co_name


def _look_up(name: str, package: str, kind: str, interface: str) -> None:
    """For ``import pkg.msg.Name``: Python looks for a module where the package has no such class."""
    from wall_oss_ros.embedded.exceptions import NotOfferedInterface
    from wall_oss_ros.embedded.interfaces import get_interface

    try:
        get_interface(package, kind, interface)
    except LookupError as error:
        raise NotOfferedInterface(str(error), name=name) from None


def find_submodule(name: str) -> ModuleType | None:
    """The module that serves ``rclpy.<name>``, for those who ask for it as an attribute; None where there is none."""
    ours = _PACKAGES["rclpy"].get(name)
    return importlib.import_module(f"{_HERE}.{ours}") if ours and name else None


def install() -> bool:
    """Makes the embedded library importable as rclpy unless the real one is; returns whether it is in use.

    Nothing that can be imported otherwise is hidden. Calling it again does nothing.
    """
    if any(isinstance(finder, EmbeddedFinder) for finder in sys.meta_path):
        return True
    try:
        import rclpy
    except ImportError:
        pass
    else:
        # A mere folder, as in a checkout of ROS 2's examples, passes for a namespace package.
        if type(getattr(rclpy, "__path__", None)).__name__ != "_NamespacePath":
            return False
        del sys.modules["rclpy"]
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
