# SPDX-License-Identifier: Apache-2.0
"""The one place that knows all tasks, by the name that a profile's ``simulation.scene`` gives."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from wall_oss_ros.robots.profile import RobotProfile, load_profile
from wall_oss_ros.sim.drawing import Drawing

if TYPE_CHECKING:
    from wall_oss_ros.sim.task import Task

_TASKS = {"table": ("cubes", "CubeTask"), "trays": ("lifting", "LiftingTask")}
"""Subpackage and class of each. Modules are imported when asked for: what only draws a scene needs no MuJoCo."""


def drawing_of(scene: str) -> Drawing:
    """How the scene of that name is drawn."""
    folder, _ = _TASKS[scene]
    return importlib.import_module(f"wall_oss_ros.sim.{folder}.scene").DRAWING


def task_of(robot: str | RobotProfile) -> Task:
    """The task of a robot's simulated scene; its ``profile`` is that of the simulated robot.

    Raises:
        WallOSSError: there is no such profile, or it has no simulation.
    """
    profile = (load_profile(robot) if isinstance(robot, str) else robot).simulated()
    folder, name = _TASKS[profile.simulation.scene]
    return getattr(importlib.import_module(f"wall_oss_ros.sim.{folder}.task"), name)(profile)
