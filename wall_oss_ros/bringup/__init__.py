# SPDX-License-Identifier: Apache-2.0
"""What is launched, decided once in plain Python, and what ROS 2's launch makes of it.

Plain Python, so that ``wall-oss run`` and tests can read it without ROS:
    system       the nodes that make a robot follow instructions, with their parameters
    remappings   names of topics and actions, where a robot has a namespace or another controller
    drivers      how a real robot's driver is started, as config/drivers says
    rviz         the robot's rviz configuration, made from its profile

Importing ROS's ``launch``, and read by the launch files only:
    launch_arguments          the launch arguments: their declarations and their values
    launch_nodes              what all of our nodes are launched with
    launch_robot_description  robot_state_publisher with the robot in its cell
    launch_driver             the driver's own launch file
"""

from __future__ import annotations

import os
import site
import sys
from importlib.util import find_spec
from pathlib import Path

from wall_oss_ros.errors import WallOSSError

_NEEDED = ("numpy", "pydantic", "yaml")  # by the launch files


def use_virtual_environment() -> None:
    """Has this interpreter find the packages of the active virtual environment before its own.

    ros2 runs on the system's interpreter even where an environment is active; the nodes run on the environment's. The
    launch files call this before they import anything else of ours.

    Raises:
        WallOSSError: a package that the launch files need is in neither.
    """
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = Path(os.environ.get("VIRTUAL_ENV", sys.prefix)) / "lib" / python / "site-packages"
    if packages.is_dir() and str(packages) not in sys.path:
        before = list(sys.path)
        site.addsitedir(str(packages))
        sys.path[:] = [path for path in sys.path if path not in before] + before
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise WallOSSError(
            f"The Python package {missing[0]} is not installed for the interpreter that ros2 runs on.",
            "Install the packages that pip brings as docs/tutorials/ros2.md says.",
        )
