# SPDX-License-Identifier: Apache-2.0
"""What all of our nodes are launched with, whichever launch file starts them.

``system.py`` decides what runs; each launch file adds what its own arguments say, and shows the node.
"""

from __future__ import annotations

import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from launch import LaunchContext
from launch.actions import LogInfo
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.logging import launch_config
from launch.utilities.signal_management import AsyncSafeSignalManager
from launch_ros.actions import Node

from wall_oss_ros.bringup.launch_arguments import namespace, robot_name, robot_remappings, switch, value
from wall_oss_ros.bringup.system import NodeSpec, system
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.homing.moveit.link import require
from wall_oss_ros.paths import data_path

_BAD_INPUT = 2  # exit status of a node that was started with something the user must put right
_RESPAWN_DELAY = 2.0  # s
_SHORT_LIFE = 10.0  # s: a node that dies sooner would do so again


def check_nodes(context: LaunchContext, names: Iterable[str] | None = None) -> dict[str, NodeSpec]:
    """Refuses arguments with which our nodes cannot run, before anything is started.

    Args:
        context: of the launch.
        names: of the nodes that are wanted; None is all.

    Returns:
        What ``system.py`` decides on each of them, by name.

    Raises:
        WallOSSError: an argument names a robot, checkpoint or file that is not there, is no number or no namespace, or
            wants MoveIt, which is not installed.
    """
    seed, extra = value(context, "seed", "0"), value(context, "params_file")
    if not seed.isdecimal():
        raise WallOSSError(f"The seed is {seed!r}.", "Give a whole number from 0.")
    if extra and not Path(extra).is_file():
        raise WallOSSError(f"There is no parameter file {extra}.", "Check the argument params_file.")
    if switch(context, "check_targets", "false") or value(context, "home_planner", "auto") == "moveit":
        require()
    robot_remappings(context)
    specs = system(
        robot=robot_name(context),
        sim=switch(context, "sim"),
        model=value(context, "model", "") or None,
        seed=int(seed),
        only=names,
        model_side=value(context, "model_side", "together"),
        state=_state(context),
    )
    return {spec.name: spec for spec in specs}


def _state(context: LaunchContext) -> Path | None:
    """Where a simulated system keeps what outlasts its nodes: a stop of the last simulation is not the next one's."""
    return Path(launch_config.log_dir) if switch(context, "sim") else None


def parameter_files(
    context: LaunchContext, node: str, parameters: Mapping[str, Any], nodes: Iterable[str] = ()
) -> list[str]:
    """config/nodes.yaml, a file with ``parameters``, and the user's params_file; the later wins.

    They come as a file because ROS orders a node's parameters by the patterns in all files, by where each pattern comes
    first. launch would write them under a pattern of its own, behind that of config/nodes.yaml, where the user's file
    could not win.

    Args:
        node: the name of the process, and of its node, unless ``nodes`` names several.
    """
    folder = Path(launch_config.log_dir)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{'_'.join((*filter(None, namespace(context).split('/')), node))}.yaml"
    content = {f"/**/{name}": {"ros__parameters": dict(parameters)} for name in (*nodes,) or (node,)}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return [str(data_path("config/nodes.yaml")), str(path), *filter(None, [value(context, "params_file")])]


def process_options(context: LaunchContext, name: str) -> dict[str, Any]:
    """How a node's process is run and ended, and started again, as the arguments respawn and log_level say."""
    return {
        "exec_name": name,
        "prefix": _prefix(context),
        "ros_arguments": ["--log-level", value(context, "log_level")],
        "output": "screen",
        "respawn": switch(context, "respawn"),
        "respawn_delay": _RESPAWN_DELAY,
        "sigterm_timeout": "20",  # s: a model that is just thinking needs time to stop
        "on_exit": _end_when_futile(),
    }


def _prefix(context: LaunchContext) -> str:
    """Words before a node's command: the user's, such as a debugger; else, on Linux, those that have the kernel end the
    node when launch is gone, even by a kill for want of memory."""
    tool = shutil.which("setpriv") if sys.platform.startswith("linux") else None
    return value(context, "launch-prefix", "") or (f"{tool} --pdeathsig TERM" if tool else "")


def _end_when_futile() -> Callable[[ProcessExited, LaunchContext], None]:
    """Ends the launch where a respawned node would only die again; after any other death launch respawns it."""
    started = time.monotonic()

    def on_exit(event: ProcessExited, context: LaunchContext) -> None:
        nonlocal started
        if context.is_shutdown:
            return
        if event.returncode == _BAD_INPUT:
            raise WallOSSError(f"{event.process_name} refused to start.", "Its line above, after 'error:', says why.")
        now = time.monotonic()
        if now - started < _SHORT_LIFE:
            raise WallOSSError(
                f"{event.process_name} died after {now - started:.0f} s with exit status {event.returncode}.",
                "Its last lines above say why; a missing Python package comes from pip, see docs/tutorials/ros2.md.",
            )
        started = now + _RESPAWN_DELAY

    return on_exit


def end_at_sigterm(context: LaunchContext) -> list:
    """Has launch end what it has started at SIGTERM as well, which service managers and containers send. No action.

    launch itself does so at Ctrl-C only; SIGTERM ends it alone, and the robot's processes run on unattended.
    """

    def end(_number: int) -> None:
        context.emit_event_sync(Shutdown(reason="ended by SIGTERM"))

    # launch offers no other way to its signal handlers. A version without this one keeps its own ways.
    manager = getattr(AsyncSafeSignalManager, "_AsyncSafeSignalManager__current", None)
    if manager is not None and threading.current_thread() is threading.main_thread():
        manager.handle(signal.SIGTERM, end)
        signal.signal(signal.SIGTERM, lambda *_: None)  # so that the manager hears of it
    return []


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
