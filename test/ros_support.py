# SPDX-License-Identifier: Apache-2.0
"""For tests on a real ROS 2: its command line, launches that end with the test, and drivers that only write down."""

import os
import shutil
import signal
import stat
import subprocess
import textwrap
from pathlib import Path

import pytest
from domains import reserve

SLOW = 120.0  # s: on a busy machine ros2's command line alone takes ten
PREFIXES = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if prefix]
# Not the domain of nodes in this process: of those, rclpy keeps a publisher or two that tests here would see.
ENVIRONMENT = {
    **os.environ,
    "ROS_DOMAIN_ID": str(reserve()),
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
}


def installed(package: str) -> bool:
    return any((prefix / "share" / package / "package.xml").is_file() for prefix in PREFIXES)


NEEDS_ROS = [
    pytest.mark.ros,
    pytest.mark.timeout(400),
    pytest.mark.skipif(shutil.which("ros2") is None, reason="no ROS 2 here: the command ros2 is not on the PATH"),
    pytest.mark.skipif(
        not (installed("wall_oss_ros") and installed("wall_oss_bringup")),
        reason="the workspace is not sourced: colcon build, then . install/setup.bash",
    ),
]


def ros2(*words: str, environment: dict | None = None, ros2: str = "ros2") -> subprocess.CompletedProcess:
    """A command of ros2, to its end. ``ros2``: which one, where the environment has a stub."""
    return subprocess.run([ros2, *words], env=environment or ENVIRONMENT, capture_output=True, text=True, timeout=SLOW)


class Launches:
    """Launches in the background, each with a log file; whatever still runs at the end is killed."""

    def __init__(self, folder: Path):
        self._folder, self._running = folder, []

    def start(self, *words: str, environment: dict | None = None) -> tuple[subprocess.Popen, Path]:
        log = (self._folder / f"{len(self._running)}.log").open("w+")
        process = subprocess.Popen(
            ["ros2", "launch", *words], env=environment or ENVIRONMENT, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        self._running.append(process)
        return process, Path(log.name)

    def end(self) -> None:
        for process in self._running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class StubDrivers:
    """Packages that stand for vendors': launch files with the vendor's arguments, which only write down what they got.

    Attributes:
        environment: in which ros2 finds them.
        prefix: where they are.
    """

    def __init__(self, folder: Path):
        self.prefix, self._notes = folder / "stubs", folder / "notes"
        self._notes.mkdir()
        path = f"{self.prefix}:{os.environ.get('AMENT_PREFIX_PATH', '')}"
        self.environment = {**ENVIRONMENT, "AMENT_PREFIX_PATH": path, "STUB_NOTES": str(self._notes)}
        self.package("controller_manager")
        spawner = '#!/bin/sh\necho "$@" > "$STUB_NOTES/spawner"\n'
        self.executable("controller_manager", "spawner", spawner)

    def driver(self, package: str, launch_file: str, arguments: str, actions: str = "") -> None:
        """A driver whose launch file takes these arguments (names, with spaces between) and starts these actions."""
        share = self.package(package)
        (share / launch_file).parent.mkdir(exist_ok=True)
        text = f"""
            import json, os
            from launch import LaunchDescription
            from launch.actions import DeclareLaunchArgument, OpaqueFunction
            from launch_ros.actions import Node

            NAMES = {arguments.split()}

            def note(context):
                with open(os.environ["STUB_NOTES"] + "/driver", "w") as file:
                    json.dump(dict(context.launch_configurations), file)
                return []

            def generate_launch_description():
                declared = [DeclareLaunchArgument(name, default_value="vendor's") for name in NAMES]
                return LaunchDescription([*declared, OpaqueFunction(function=note), {actions}])
            """
        (share / launch_file).write_text(textwrap.dedent(text))

    def executable(self, package: str, name: str, text: str) -> None:
        path = self.prefix / "lib" / package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def noted(self, name: str) -> str:
        """What was written down by ``driver`` (JSON of all launch configurations) or by ``spawner`` (its arguments)."""
        path = self._notes / name
        return path.read_text() if path.is_file() else ""

    def package(self, name: str) -> Path:
        """A package that ROS finds; its share folder."""
        index = self.prefix / "share/ament_index/resource_index/packages"
        index.mkdir(parents=True, exist_ok=True)
        (index / name).touch()
        share = self.prefix / "share" / name
        share.mkdir(exist_ok=True)
        (share / "package.xml").write_text(f"<package format='3'><name>{name}</name></package>")
        return share
