# SPDX-License-Identifier: Apache-2.0
"""What is launched, as actions of ROS 2's launch: between ``launching.py``, which decides, and the launch files."""

from __future__ import annotations

import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import yaml
from launch.actions import LogInfo, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessStart
from launch.events import Shutdown
from launch.events.process import ProcessExited, ProcessStarted
from launch.logging import launch_config
from launch.utilities.signal_management import AsyncSafeSignalManager
from launch_ros.actions import Node

from launch import LaunchContext
from wall_oss_ros.bringup.arguments import (  # finds the packages of the next
    namespace,
    remappings,
    robot_name,
    switch,
    value,
)
from wall_oss_ros.bringup.system import PACKAGE, NodeSpec, system
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.homing.moveit.link import require

ALL = ("simulated_robot", "perception", "planner", "control", "plan_markers")
_BAD_INPUT = 2  # exit status of a node that was started with something the user must put right
_RESPAWN_DELAY = 2.0  # s
_SHORT_LIFE = 10.0  # s: a node that dies sooner would do so again


def nodes(*names: str) -> OpaqueFunction:
    """Starts those nodes of the system that have these names, as the launch arguments say.

    Needs the arguments that ``arguments_of`` gives for them.
    """
    return OpaqueFunction(
        function=lambda context: (
            end_at_sigterm(context) + [a for s in specs(context, names) for a in process(context, s)]
        )
    )


def end_at_sigterm(context: LaunchContext) -> list:
    """Has launch end what it has started at SIGTERM as well, which service managers and containers send. No action.

    launch itself does so at Ctrl-C only; SIGTERM ends it alone, and the robot's processes go on with nobody to mind them.
    """

    def end(_number: int) -> None:
        context.emit_event_sync(Shutdown(reason="ended by SIGTERM"))

    # launch has no other way to its handlers of signals. A version without this one keeps its own ways.
    manager = getattr(AsyncSafeSignalManager, "_AsyncSafeSignalManager__current", None)
    if manager is not None and threading.current_thread() is threading.main_thread():
        manager.handle(signal.SIGTERM, end)
        signal.signal(signal.SIGTERM, lambda *_: None)  # so that the manager hears of it
    return []


def specs(context: LaunchContext, names: Iterable[str] | None = None) -> list[NodeSpec]:
    """What is launched, by the launch arguments.

    Args:
        context: of the launch, with the arguments' values.
        names: of the nodes that are wanted; None is all. A simulated robot is left out where nothing is simulated.

    Raises:
        WallOSSError: an argument names a robot, checkpoint or file that is not there, or is no number; or wants MoveIt, which
            is not installed.
    """
    sim = switch(context, "sim")
    names = [name for name in names or ALL if sim or name != "simulated_robot"]
    parameters: dict[str, dict] = {name: {"autostart": switch(context, "autostart")} for name in names}
    for name in {"planner", "control"} & set(names):
        parameters[name]["device"] = value(context, "device")
    if "control" in names:
        checks = switch(context, "check_targets", "false")
        ways = {"planner": value(context, "planner", "auto"), "check_targets": checks}
        if checks or ways["planner"] == "moveit":
            require()
        parameters["control"] |= {"twists": value(context, "twists", ""), **ways}
    if "control" in names and not sim and switch(context, "use_mock_hardware", "false"):
        # Nothing says there that a program runs, or how hard an arm is pushed.
        parameters["control"] |= {"watch_program": False, "watch_forces": False}
    if "planner" in names:
        parameters["planner"]["require_approval"] = switch(context, "require_approval")
    return system(
        robot=robot_name(context),
        sim=sim,
        model=value(context, "model", "") or None,
        seed=_seed(value(context, "seed", "0")),
        parameters=parameters,
        only=names,
    )


def optional_node(package: str, executable: str, purpose: str, **options) -> list:
    """A node of a package that may be absent; then a line of the log says what is missing and how to get it."""
    if not is_installed(package):
        return [LogInfo(msg=f"Package {package} is not installed: no {purpose}. To have it: {apt(package)}")]
    return [Node(package=package, executable=executable, name=executable, output="screen", **options)]


def is_installed(package: str) -> bool:
    """Whether this ROS 2 has a package."""
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        return False
    return True


def apt(package: str) -> str:
    """The command that installs a package that ROS distributions carry."""
    return f"sudo apt install ros-$ROS_DISTRO-{package.replace('_', '-')}"


def process(context: LaunchContext, spec: NodeSpec) -> list:
    """One node of ours, respawned as the launch arguments say."""
    files = [*spec.parameter_files]
    extra = value(context, "params_file")
    if extra and not Path(extra).is_file():
        raise WallOSSError(f"There is no parameter file {extra}.", "Check the argument params_file.")
    life = _Life()
    node = Node(
        package=PACKAGE,
        executable=spec.executable,
        exec_name=spec.executable,
        prefix=_prefix(context),
        name=spec.name,
        namespace="/".join(part for part in (namespace(context), spec.namespace) if part),
        parameters=[*map(str, files), str(_parameter_file(context, spec)), *([extra] if extra else [])],
        remappings=[*spec.remappings, *remappings(context)],
        ros_arguments=["--log-level", value(context, "log_level")],
        output="screen",
        respawn=switch(context, "respawn"),
        respawn_delay=_RESPAWN_DELAY,
        sigterm_timeout="20",  # s: a model that is just thinking takes its time to stop
        on_exit=life.end,
    )
    return [RegisterEventHandler(OnProcessStart(target_action=node, on_start=life.begin)), node]


def _parameter_file(context: LaunchContext, spec: NodeSpec) -> Path:
    """A file with the parameters that are decided here.

    ROS takes a node's parameters by the patterns in all files, in the order in which each pattern first comes. launch would
    write these under a pattern of its own, behind those in config/nodes.yaml, where the user's file could not win.
    """
    folder = Path(launch_config.log_dir)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{'_'.join(part for part in (namespace(context).replace('/', '_'), spec.name) if part)}.yaml"
    content = {f"/**/{spec.name}": {"ros__parameters": dict(spec.parameters)}}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def _prefix(context: LaunchContext) -> str:
    """Words before a node's command: the user's, such as a debugger; else, on Linux, those that have the kernel end the node
    when launch is gone, even by a kill for want of memory."""
    tool = shutil.which("setpriv") if sys.platform.startswith("linux") else None
    return value(context, "launch-prefix", "") or (f"{tool} --pdeathsig TERM" if tool else "")


class _Life:
    """Knows when a node was last started, and what its death means."""

    def __init__(self):
        self._started = time.monotonic()

    def begin(self, _event: ProcessStarted, _context: LaunchContext) -> None:
        self._started = time.monotonic()

    def end(self, event: ProcessExited, context: LaunchContext) -> None:
        """Ends the launch where a respawned node would only die again; any other death is for launch to respawn.

        Raises:
            WallOSSError: the node refused what it was given, or died at once.
        """
        if context.is_shutdown:
            return
        if event.returncode == _BAD_INPUT:
            raise WallOSSError(f"{event.process_name} refused to start.", "Its line above, after 'error:', says why.")
        lived = time.monotonic() - self._started
        if lived < _SHORT_LIFE:
            raise WallOSSError(
                f"{event.process_name} died after {lived:.0f} s with exit status {event.returncode}.",
                "Its last lines above say why; a missing Python package comes from pip, see docs/ros2.md.",
            )


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise WallOSSError(f"The seed is {text!r}.", "Give a whole number from 0.")
    return int(text)
