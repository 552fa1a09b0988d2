# SPDX-License-Identifier: Apache-2.0
"""The task of two arms: of two wide trays, one near and one far, that of the named colour is lifted level."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.sim.goals import COLOURS
from wall_oss_ros.sim.lifting import language
from wall_oss_ros.sim.lifting.demonstrations import LiftingEnvironment
from wall_oss_ros.sim.lifting.frames import ACTING, LEFT, LIFT_FRAME, RIGHT, VIEWS
from wall_oss_ros.sim.lifting.language import LiftGoal, lift_text, take_text
from wall_oss_ros.sim.lifting.scenery import LiftingScenery
from wall_oss_ros.sim.task import Task

_OFF_TABLE = 0.03  # m: a tray raised so far is no longer merely pushed or tipped


class LiftingTask(Task):
    """Two trays of four colours, and a hand for each side of them."""

    scenery, frame, slots = LiftingScenery, LIFT_FRAME, ACTING
    things = (*COLOURS, "right hand", "left hand")

    def arm_states(self, frames: np.ndarray) -> np.ndarray:
        parts = (frames["tcps"], frames["rotations"], frames["openings"][..., None])
        arms = np.concatenate(parts, axis=-1)  # (B, arms, 7)
        return np.concatenate([arms[:, LEFT], arms[:, RIGHT]], axis=1)

    def pixels(self, frames: np.ndarray) -> np.ndarray:
        pixels = np.full((len(frames), VIEWS, len(self.things), 2), np.nan, np.float32)
        index = np.arange(len(frames))
        for tray in range(frames["colours"].shape[1]):
            pixels[index, :, frames["colours"][:, tray]] = frames["tray_pixels"][:, :, tray]
        pixels[:, :, len(COLOURS) :] = frames["hand_pixels"]
        return pixels

    def subtasks(self, frame: np.void) -> tuple[list[str], np.ndarray]:
        colours = [COLOURS[c] for c in frame["colours"]]
        names = [take_text(c) for c in colours] + [lift_text(c) for c in colours]
        held = np.flatnonzero(frame["gripped"].all(axis=1))
        if len(held):
            weights = np.array([0.13, 0.13, 0.13, 0.13])
            weights[2 + held[0]] += 0.48
            return names, weights
        weights = np.array([0.3, 0.3, 0.1, 0.1])
        # The tray at hand is where precision is learnt.
        middle = frame["tcps"].mean(axis=0)
        weights[np.linalg.norm(frame["trays"][:, :2] - middle[:2], axis=1).argmin()] += 0.2
        return names, weights

    def environment(self, rng: np.random.Generator, robot: str) -> LiftingEnvironment:
        return LiftingEnvironment(rng, robot)

    def reached(self, environment: LiftingEnvironment, goals: list[LiftGoal]) -> bool:
        return language.reached(environment.truth()[()], goals)

    def lifted(self, environment: LiftingEnvironment) -> str | None:
        truth = environment.truth()
        highest = int(truth["raised"].argmax())
        return COLOURS[truth["colours"][highest]] if truth["raised"][highest] > _OFF_TABLE else None


TASK = LiftingTask()
