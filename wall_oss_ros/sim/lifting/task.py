# SPDX-License-Identifier: Apache-2.0
"""The task of two arms: of two wide trays, one near and one far, the named one is lifted level, and put down."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from wall_oss_ros.policy import prompts
from wall_oss_ros.robots.rotations import quaternion_from_matrix
from wall_oss_ros.sim.goals import COLOURS
from wall_oss_ros.sim.lifting import instructions
from wall_oss_ros.sim.lifting.frame import (
    ACTING,
    ARMS,
    LEFT,
    LEVEL,
    LIFT_FRAME,
    RAISED,
    RIGHT,
    SIDES,
    VIEWS,
    stands,
    walls,
)
from wall_oss_ros.sim.lifting.goals import BAR, STEPS, LiftGoal, bar_text, give, lay
from wall_oss_ros.sim.lifting.language import LANGUAGE, subtask_texts
from wall_oss_ros.sim.lifting.questions import NO_BAR
from wall_oss_ros.sim.lifting.scene import BAR_SIZE, TABLE, LiftingSpec, clear_of
from wall_oss_ros.sim.task import Task

if TYPE_CHECKING:
    from wall_oss_ros.sim.lifting.demonstrations import LiftingEnvironment
    from wall_oss_ros.sim.lifting.simulator import LiftingSimulator

_OFF_TABLE = 0.03  # m: a tray raised so far is no longer merely pushed or tipped
_ON_TABLE = 0.005  # m that a tray is raised which still counts as standing on the table


class LiftingTask(Task):
    """Two trays of four colours, and a hand for each side of them."""

    language, spec, frame, slots = LANGUAGE, LiftingSpec, LIFT_FRAME, ACTING
    things = (*COLOURS, "right hand", "left hand", "bar")
    forms, unfollowable = instructions.STARTING, instructions.UNFOLLOWABLE

    def simulator(self, spec: LiftingSpec) -> LiftingSimulator:
        from wall_oss_ros.sim.lifting.simulator import LiftingSimulator

        return LiftingSimulator(spec, self.profile)

    def environment(self, rng: np.random.Generator) -> LiftingEnvironment:
        from wall_oss_ros.sim.lifting.demonstrations import LiftingEnvironment

        return LiftingEnvironment(rng, self.profile)

    def instructed(
        self, rng: np.random.Generator, forms: Sequence[str] = (), unseen: bool = False
    ) -> tuple[LiftingSpec, str, str, list[LiftGoal]]:
        return instructions.scene_with_instruction(rng, forms, unseen)

    def not_followed(self, rng: np.random.Generator, form: str) -> tuple[LiftingSpec, str, str]:
        return instructions.scene_without_instruction(rng, form)

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
        pixels[:, :, len(COLOURS) : -1] = frames["hand_pixels"]
        pixels[:, :, -1] = np.where(frames["bar_there"][:, None, None], frames["bar_pixels"], np.nan)
        return pixels

    def subtasks(self, frame: np.void) -> tuple[list[str], np.ndarray]:
        names, held = subtask_texts(frame), np.flatnonzero(frame["gripped"].all(axis=1))
        middle = frame["tcps"].mean(axis=0)
        near = int(np.linalg.norm(frame["trays"][:, :2] - middle[:2], axis=1).argmin())
        if len(held):
            trays = np.array([0.10, 0.10, 0.10, 0.10, 0.03, 0.03])
            trays[2 + held[0]] += 0.32
            trays[4 + held[0]] += 0.22
        else:
            trays = np.array([0.27, 0.27, 0.08, 0.08, 0.03, 0.03])
            trays[near] += 0.18  # the tray at hand is where precision is learnt
            if not all(map(clear_of, frame["tcps"], walls(frame, near))):  # a hand may have let go just now
                trays[4 + near] += 0.12
        weights = np.concatenate([trays, self._bar_weights(frame)])
        return names, weights / weights.sum()

    def _bar_weights(self, frame: np.void) -> np.ndarray:
        """Of the subtasks with the bar; what is called for to hand it over, or to lay it down, mostly."""
        weights = np.zeros(len(STEPS))
        if not frame["bar_there"]:
            return weights
        held = frame["bar_gripped"].any()
        weights[:] = 0.05 if held else 0.02
        names = [bar_text(step) for step in STEPS]
        for goal in (give("right"), give("left"), lay()):
            called = self.language.goal_state(frame, goal)
            if called in names:
                weights[names.index(called)] += 0.5 if held else 0.15
        return weights

    def lifted(self, environment: LiftingEnvironment) -> str | None:
        truth = environment.truth()
        highest = int(truth["raised"].argmax())
        if truth["raised"][highest] > _OFF_TABLE:
            return COLOURS[truth["colours"][highest]]
        return BAR if truth["bar_there"] and truth["bar"][2] - TABLE - BAR_SIZE[2] / 2 > _OFF_TABLE else None

    def reached(self, environment: LiftingEnvironment, goals: list[LiftGoal]) -> bool:
        return self.language.reached(environment.truth()[()], goals)

    def truth(self, simulator: LiftingSimulator) -> dict:
        """``wide_trays`` by colour: middle of the underside, quaternion (x, y, z, w), how far raised and tilted, and
        the hands that hold it; ``bar``, where there is one: colour, middle, quaternion and hands."""
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
        if simulator.spec.bar is None:
            return {"wide_trays": trays}
        position, rotation = simulator.bar()
        bar = {
            "colour": simulator.spec.bar.colour,
            "position": [round(float(value), 4) for value in position],
            "quaternion": [round(float(value), 4) for value in quaternion_from_matrix(rotation)],
            "hands": [SIDES[arm] for arm in range(ARMS) if simulator.bar_gripped(arm)],
        }
        return {"wide_trays": trays, BAR: bar}

    def shows(self, truth: Mapping, goal: LiftGoal) -> bool:
        """As for evaluation, see ``language.reached``; but that hands which hold nothing are clear is not asked."""
        if goal.colour == BAR:
            hands = truth[BAR]["hands"] if BAR in truth else None
            if goal.kind == "give":
                return hands == [SIDES[goal.to]]
            return hands == [] and truth[BAR]["position"][2] < TABLE + BAR_SIZE[2]
        names = [*truth["wide_trays"]]
        if goal.colour not in names:
            return False
        index, record = names.index(goal.colour), np.zeros((), LIFT_FRAME)[()]
        for number, tray in enumerate(truth["wide_trays"].values()):
            record["gripped"][number] = [side in tray["hands"] for side in SIDES]
            record["raised"][number], record["tilt"][number] = tray["raised"], tray["tilt"]
        if goal.kind == "down":
            return stands(record, index) and not record["gripped"][index].any()
        record["colours"] = [COLOURS.index(name) for name in names]
        return self.language.goal_state(record, goal, RAISED) == prompts.DONE

    def describe(self, goals: Sequence[LiftGoal], truth: Mapping) -> str:
        told = super().describe([goal for goal in goals if goal.colour != BAR], truth)
        if all(goal.colour != BAR for goal in goals):
            return told
        if BAR not in truth:
            where = NO_BAR
        else:
            hands = " and ".join(f"the {side} hand" for side in truth[BAR]["hands"])
            where = f"the bar is in {hands or 'no hand'}"
        return "; ".join(part for part in (told, where) if part)

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
