# SPDX-License-Identifier: Apache-2.0
"""The scene of the two-handed task as others see it: two wide trays, and the hands that hold them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from wall_oss_ros.robots.rotations import quaternion_from_matrix
from wall_oss_ros.sim.goals import COLOURS
from wall_oss_ros.sim.lifting import language
from wall_oss_ros.sim.lifting.frames import ARMS, LIFT_FRAME
from wall_oss_ros.sim.lifting.language import LEVEL, SIDES, LiftGoal
from wall_oss_ros.sim.lifting.scene import LiftingSpec
from wall_oss_ros.sim.lifting.simulator import LiftingSimulator
from wall_oss_ros.sim.scenery import Scenery

_ON_TABLE = 0.005  # m that a tray is raised which still counts as standing on the table


class LiftingScenery(Scenery):
    """Two wide trays, of which one is to be lifted level by both hands."""

    language, spec, thing = language, LiftingSpec, "tray"

    def recoloured(self, spec: LiftingSpec, colours: tuple[str, ...]) -> LiftingSpec:
        return replace(spec, trays=tuple(replace(tray, colour=name) for tray, name in zip(spec.trays, colours)))

    def simulator(self, spec: LiftingSpec) -> LiftingSimulator:
        return LiftingSimulator(spec, self.profile)

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

    def reached(self, goal: LiftGoal, truth: Mapping) -> bool:
        """As for evaluation: see :func:`wall_oss_ros.sim.lifting.language.reached`."""
        record = np.zeros((), LIFT_FRAME)
        for index, (colour, tray) in enumerate(truth["wide_trays"].items()):
            record["colours"][index] = COLOURS.index(colour)
            record["gripped"][index] = [side in tray["hands"] for side in SIDES]
            record["raised"][index], record["tilt"][index] = tray["raised"], tray["tilt"]
        return language.reached(record[()], [goal])

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
