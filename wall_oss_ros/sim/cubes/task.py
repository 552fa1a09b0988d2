# SPDX-License-Identifier: Apache-2.0
"""The task of one arm: cubes on a table are picked up and put into trays."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.sim.cubes import language
from wall_oss_ros.sim.cubes.demonstrations import ARM, CubeEnvironment
from wall_oss_ros.sim.cubes.frames import FRAME, PLACES
from wall_oss_ros.sim.cubes.language import TRAYS, pick_text, place_text
from wall_oss_ros.sim.cubes.scenery import CubeScenery
from wall_oss_ros.sim.goals import COLOURS
from wall_oss_ros.sim.task import Task


class CubeTask(Task):
    """Three cubes of four colours and two trays."""

    scenery, frame, slots = CubeScenery, FRAME, ARM
    things = (*COLOURS, "left tray", "right tray", "hand")
    place = "tray"

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
        names = [pick_text(COLOURS[c]) for c in frame["colours"]] + [place_text(t) for t in TRAYS]
        if (frame["where"] == PLACES.index("gripper")).any():
            return names, np.array([0.1, 0.1, 0.1, 0.35, 0.35])
        weights = np.array([0.22, 0.22, 0.22, 0.08, 0.08])
        # The cube at hand is where precision is learnt.
        weights[np.linalg.norm(frame["cubes"] - frame["tcp"], axis=1).argmin()] += 0.18
        return names, weights

    def environment(self, rng: np.random.Generator, robot: str) -> CubeEnvironment:
        return CubeEnvironment(rng, robot)

    def lifted(self, environment: CubeEnvironment) -> str | None:
        return environment.simulator.held() if environment.simulator.arm.tcp[0][2] > language.LIFTED else None

    def placed(self, environment: CubeEnvironment, colour: str) -> str | None:
        where = environment.simulator.where(colour)
        return where.removesuffix(" tray") if where.endswith(" tray") else None


TASK = CubeTask()
