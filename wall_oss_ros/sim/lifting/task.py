# SPDX-License-Identifier: Apache-2.0
"""The task of two arms: of two wide trays, one near and one far, that of the named colour is lifted level."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from wall_oss_ros.robots.rotations import quaternion_from_matrix
from wall_oss_ros.sim.goals import COLOURS
from wall_oss_ros.sim.lifting.language import (
    ACTING,
    ARMS,
    LANGUAGE,
    LEFT,
    LEVEL,
    LIFT_FRAME,
    RIGHT,
    SIDES,
    VIEWS,
    LiftGoal,
    lift_text,
    take_text,
)
from wall_oss_ros.sim.lifting.scene import LiftingSpec
from wall_oss_ros.sim.task import Task

if TYPE_CHECKING:
    from wall_oss_ros.sim.lifting.demonstrations import LiftingEnvironment
    from wall_oss_ros.sim.lifting.simulator import LiftingSimulator

_OFF_TABLE = 0.03  # m: a tray raised so far is no longer merely pushed or tipped
_ON_TABLE = 0.005  # m that a tray is raised which still counts as standing on the table


class LiftingTask(Task):
    """Two trays of four colours, and a hand for each side of them."""

    language, spec, frame, slots = LANGUAGE, LiftingSpec, LIFT_FRAME, ACTING
    things = (*COLOURS, "right hand", "left hand")

    def simulator(self, spec: LiftingSpec) -> LiftingSimulator:
        from wall_oss_ros.sim.lifting.simulator import LiftingSimulator

        return LiftingSimulator(spec, self.profile)

    def environment(self, rng: np.random.Generator) -> LiftingEnvironment:
        from wall_oss_ros.sim.lifting.demonstrations import LiftingEnvironment

        return LiftingEnvironment(rng, self.profile)

    def recoloured(self, spec: LiftingSpec, colours: tuple[str, ...]) -> LiftingSpec:
        return replace(spec, trays=tuple(replace(tray, colour=name) for tray, name in zip(spec.trays, colours)))

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

    def lifted(self, environment: LiftingEnvironment) -> str | None:
        truth = environment.truth()
        highest = int(truth["raised"].argmax())
        return COLOURS[truth["colours"][highest]] if truth["raised"][highest] > _OFF_TABLE else None

    def reached(self, environment: LiftingEnvironment, goals: list[LiftGoal]) -> bool:
        return self.language.reached(environment.truth()[()], goals)

    def truth(self, simulator: LiftingSimulator) -> dict:
        """``wide_trays`` by colour: middle of the underside, quaternion (x, y, z, w), how far raised and tilted, and
        the hands that hold it."""
        trays = {}
        for index, colour in enumerate(simulator.spec.colours):
            position, rotation = simulator.tray(index)
            trays[colour] = {
                "position": [round(float(value), 4) for value in position],
                "quaternion": [round(float(value), 4) for value in quaternion_from_matrix(rotation)],
                "raised": round(simulator.raised(index), 4),
                "tilt": round(simulator.tilt(index), 4),
                "hands": [SIDES[arm] for arm in range(ARMS) if simulator.gripped(index, arm)],
            }
        return {"wide_trays": trays}

    def shows(self, truth: Mapping, goal: LiftGoal) -> bool:
        """As for evaluation: see ``language.reached``."""
        record = np.zeros((), LIFT_FRAME)
        for index, (colour, tray) in enumerate(truth["wide_trays"].items()):
            record["colours"][index] = COLOURS.index(colour)
            record["gripped"][index] = [side in tray["hands"] for side in SIDES]
            record["raised"][index], record["tilt"][index] = tray["raised"], tray["tilt"]
        return self.language.reached(record[()], [goal])

    def where(self, colour: str, truth: Mapping) -> str:
        tray = truth["wide_trays"].get(colour)
        if tray is None:
            return ""
        hands = " and ".join(f"the {side} hand" for side in tray["hands"])
        held = f"in {'both hands' if len(tray['hands']) == ARMS else hands}" if hands else "in no hand"
        if tray["raised"] < _ON_TABLE:
            return f"stands on the table, {held}"
        tilt = math.degrees(tray["tilt"])
        level = f"tilted by {tilt:.0f} degrees" if tray["tilt"] > LEVEL else "level"
        return f"is {100 * tray['raised']:.0f} cm above the table, {level}, {held}"
