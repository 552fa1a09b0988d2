# SPDX-License-Identifier: Apache-2.0
"""The table with cubes as others see it: where the cubes are, in numbers and words, and whether a goal is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from wall_oss_ros.sim.cubes import language
from wall_oss_ros.sim.cubes.language import CubeGoal
from wall_oss_ros.sim.cubes.scene import CubeSpec
from wall_oss_ros.sim.cubes.simulator import CubeSimulator
from wall_oss_ros.sim.scenery import Scenery

LIFTED = 0.05  # m: a held cube's centre above the table's surface, 3 cm higher than when it lies there


class CubeScenery(Scenery):
    """Three cubes and two trays."""

    language, spec, thing = language, CubeSpec, "cube"

    def recoloured(self, spec: CubeSpec, colours: tuple[str, ...]) -> CubeSpec:
        return replace(spec, cubes=tuple(replace(cube, colour=name) for cube, name in zip(spec.cubes, colours)))

    def simulator(self, spec: CubeSpec) -> CubeSimulator:
        return CubeSimulator(spec, self.profile)

    def truth(self, simulator: CubeSimulator) -> dict:
        """``cubes`` by colour: position, yaw and the place they are in; ``trays`` by side: x and y."""
        cubes = {}
        for colour, (position, quaternion) in simulator.cubes().items():
            x, y, z, w = (float(value) for value in quaternion)
            cubes[colour] = {
                "position": [round(float(value), 4) for value in position],
                "yaw": round(float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))), 4),
                "where": simulator.where(colour),
            }
        return {"cubes": cubes, "trays": {tray.side: [tray.x, tray.y] for tray in simulator.spec.trays}}

    def reached(self, goal: CubeGoal, truth: Mapping) -> bool:
        cube = truth["cubes"].get(goal.colour)
        if cube is None:
            return False
        if goal.kind == "place":
            return cube["where"] == f"{goal.tray} tray"  # "gripper" as long as the fingers are around it
        return cube["where"] == "gripper" and cube["position"][2] > LIFTED

    def where(self, colour: str, truth: Mapping) -> str:
        cube = truth["cubes"].get(colour)
        if cube is None:
            return ""
        if cube["where"] == "gripper":
            return f"is in the gripper, {100 * cube['position'][2]:.0f} cm above the table"
        return f"is {'on' if cube['where'] == 'table' else 'in'} the {cube['where']}"
