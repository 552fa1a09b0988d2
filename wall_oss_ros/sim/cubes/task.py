# SPDX-License-Identifier: Apache-2.0
"""The task of one arm: cubes on a table are picked up and put into trays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from wall_oss_ros.sim.cubes import instructions
from wall_oss_ros.sim.cubes.goals import CubeGoal
from wall_oss_ros.sim.cubes.instructed import UNFOLLOWABLE, scene_with_instruction, scene_without_instruction
from wall_oss_ros.sim.cubes.language import ARM, FRAME, LANGUAGE, LIFTED, PLACES, subtask_texts, there
from wall_oss_ros.sim.cubes.scene import CubeSpec
from wall_oss_ros.sim.goals import COLOURS
from wall_oss_ros.sim.task import Task

if TYPE_CHECKING:
    from wall_oss_ros.sim.cubes.demonstrations import CubeEnvironment
    from wall_oss_ros.sim.cubes.simulator import CubeSimulator

_OFF_TABLE = 0.05  # m: a held cube's centre above the table's surface, 3 cm higher than when it lies there


class CubeTask(Task):
    """Three cubes of four colours and two trays."""

    language, spec, frame, slots = LANGUAGE, CubeSpec, FRAME, ARM
    things = (*COLOURS, "left tray", "right tray", "hand")
    place = "tray"
    forms, unfollowable = tuple(instructions.FORMS), UNFOLLOWABLE

    def simulator(self, spec: CubeSpec) -> CubeSimulator:
        from wall_oss_ros.sim.cubes.simulator import CubeSimulator

        return CubeSimulator(spec, self.profile)

    def environment(self, rng: np.random.Generator) -> CubeEnvironment:
        from wall_oss_ros.sim.cubes.demonstrations import CubeEnvironment

        return CubeEnvironment(rng, self.profile)

    def instructed(
        self, rng: np.random.Generator, forms: Sequence[str] = (), unseen: bool = False
    ) -> tuple[CubeSpec, str, str, list[CubeGoal]]:
        return scene_with_instruction(rng, forms, unseen)

    def not_followed(self, rng: np.random.Generator, form: str) -> tuple[CubeSpec, str, str]:
        return scene_without_instruction(rng, form)

    def recoloured(self, spec: CubeSpec, colours: tuple[str, ...]) -> CubeSpec:
        return replace(spec, cubes=tuple(replace(cube, colour=name) for cube, name in zip(spec.cubes, colours)))

    def arm_states(self, frames: np.ndarray) -> np.ndarray:
        return np.concatenate([frames["tcp"], frames["rotation"], frames["opening"][:, None]], axis=1)

    def pixels(self, frames: np.ndarray) -> np.ndarray:
        pixels = np.full((len(frames), 2, len(self.things), 2), np.nan, np.float32)
        index = np.arange(len(frames))[:, None]
        pixels[index, 0, frames["colours"]] = frames["cube_pixels"]
        pixels[index, 1, frames["colours"]] = frames["cube_wrist_pixels"]
        pixels[:, 0, 4:6] = frames["tray_pixels"]
        pixels[:, 0, 6] = frames["hand_pixel"]
        return pixels

    def subtasks(self, frame: np.void) -> tuple[list[str], np.ndarray]:
        names, held = subtask_texts(frame), np.flatnonzero(frame["where"] == PLACES.index("gripper"))
        carrying = np.array([(frame["where"] == PLACES.index(f"{COLOURS[c]} cube")).any() for c in frame["colours"]])
        if len(held):
            weights = np.array([0.06, 0.06, 0.06, 0.23, 0.23, 0.12, 0.12, 0.12, 0.12])
            weights[6 + held[0]] = 0  # nothing is put on itself
        else:
            weights = np.array([0.22, 0.22, 0.22, 0.05, 0.05, 0.03, 0.01, 0.01, 0.01])
            # The cube at hand is where precision is learnt.
            weights[np.linalg.norm(frame["cubes"] - frame["tcp"], axis=1).argmin()] += 0.18
        weights[6:][carrying] = 0
        weights[:3][carrying] *= 0.02  # what carries another cube is left alone
        return names, weights / weights.sum()

    def lifted(self, environment: CubeEnvironment) -> str | None:
        return environment.simulator.held() if environment.simulator.arm.tcp[0][2] > LIFTED else None

    def placed(self, environment: CubeEnvironment, colour: str) -> str | None:
        where = environment.simulator.where(colour)
        return where.removesuffix(" tray") if where.endswith(" tray") else None

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

    def shows(self, truth: Mapping, goal: CubeGoal) -> bool:
        cube = truth["cubes"].get(goal.colour)
        if cube is None:
            return False
        if goal.place is not None:  # "gripper" as long as the fingers are around it
            return cube["where"] == there(goal.place)
        return cube["where"] == "gripper" and cube["position"][2] > _OFF_TABLE

    def where(self, colour: str, truth: Mapping) -> str:
        cube = truth["cubes"].get(colour)
        if cube is None:
            return ""
        if cube["where"] == "gripper":
            return f"is in the gripper, {100 * cube['position'][2]:.0f} cm above the table"
        return f"is {'in' if cube['where'].endswith('tray') else 'on'} the {cube['where']}"
