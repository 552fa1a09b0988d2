# SPDX-License-Identifier: Apache-2.0
"""The two-handed task's environment: random scenes, posed hands, trays and bars, demonstrations with disturbances."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from wall_oss_ros.sim.engine import mujoco
from wall_oss_ros.sim.environment import Environment
from wall_oss_ros.sim.goals import COLOURS
from wall_oss_ros.sim.lifting import expert
from wall_oss_ros.sim.lifting.expert import LIFT, LOWER, TAKE
from wall_oss_ros.sim.lifting.frame import ARMS, LEFT, LIFT_FRAME, RIGHT
from wall_oss_ros.sim.lifting.goals import STEPS, LiftGoal
from wall_oss_ros.sim.lifting.instructions import scene_with_instruction
from wall_oss_ros.sim.lifting.scene import (
    BAR_SIZE,
    BAR_X,
    BAR_Y,
    MIDDLE,
    SIDE,
    TABLE,
    THICKNESS,
    LiftingSpec,
)
from wall_oss_ros.sim.lifting.simulator import SIDES, LiftingSimulator
from wall_oss_ros.sim.lifting.state import BAR, LiftState
from wall_oss_ros.sim.steps import DT, HORIZON

MOST_STEPS = 150
_APART = 0.16  # m along y: hands that are nearer would touch
_BESIDE = 0.12  # m along x, from the right hand to the left one: then they may be nearer along y
_BARS = 0.4  # share of posed scenes with a bar
_REACH = 0.08  # m beyond the middle along y: farther, a hand does not reach
_LOWEST = TABLE + 0.014  # m, of a TCP: the fingertips are just above the table
_DEEP = 0.004  # m: a teleport that puts things this far into each other is not used


class LiftingEnvironment(Environment):
    """Two arms at a table with two wide trays."""

    simulator: LiftingSimulator
    simulator_type, spec = LiftingSimulator, LiftingSpec

    def truth(self) -> np.ndarray:
        simulator, spec = self.simulator, self.simulator.spec
        record = np.zeros((), LIFT_FRAME)
        for i, (arm, layout) in enumerate(zip(simulator.arms, self.layout.arms)):
            position, rotation = arm.tcp
            record["tcps"][i], record["rotations"][i] = position, layout.state_rotation(rotation)
            record["openings"][i] = arm.gripper_width
            record["hand_pixels"][:, i] = [self.pixel(view, position) for view in self.views]
        for i, tray in enumerate(spec.trays):
            position, rotation = simulator.tray(i)
            record["colours"][i] = COLOURS.index(tray.colour)
            record["trays"][i] = (*position, math.atan2(rotation[1, 0], rotation[0, 0]))
            record["raised"][i], record["tilt"][i] = simulator.raised(i), simulator.tilt(i)
            record["gripped"][i] = [simulator.gripped(i, arm) for arm in range(ARMS)]
            record["tray_pixels"][:, i] = [self.pixel(view, position) for view in self.views]
            corners = np.array([self.pixel(self.views[0], corner) for corner in simulator.corners(i)])
            record["tray_boxes"][i] = (*corners.min(0), *corners.max(0))
        record["near"] = spec.near
        if spec.bar is not None:
            position, rotation = simulator.bar()
            record["bar_there"], record["bar"] = True, (*position, math.atan2(rotation[1, 0], rotation[0, 0]))
            record["bar_gripped"] = [simulator.bar_gripped(arm) for arm in range(ARMS)]
            record["bar_pixels"] = [self.pixel(view, position) for view in self.views]
        return record

    def chunks(self) -> np.ndarray:
        state = LiftState.of(self.simulator, self.layout)
        subtasks: list[expert.Subtask] = [(action, one) for action in (TAKE, LIFT, LOWER) for one in state.colours]
        subtasks += STEPS if state.has_bar else []
        chunks = np.zeros(LIFT_FRAME["chunks"].shape, np.float32)  # without a bar, nothing is to be done with it
        chunks[: len(subtasks)] = [expert.rollout(state, subtask, HORIZON, DT) for subtask in subtasks]
        return chunks

    # Posed frames

    def pose(self) -> bool:
        """Puts hands and trays somewhere at random; False when an arm cannot reach it, or things would overlap."""
        rng = self.rng
        self.new_scene(LiftingSpec.random_with_bar(rng, _BARS))
        for index, tray in enumerate(self.simulator.spec.trays):  # trays that have been pushed about
            if rng.random() < 0.4:
                x, y, yaw = rng.normal(0, (0.015, 0.02, 0.05))
                self.simulator.place_tray(index, (tray.x + x, tray.y + y, TABLE), tray.yaw + yaw)
        if self.simulator.spec.bar is not None and rng.random() < 0.7:
            return self._pose_bar()
        tray, kind = int(rng.integers(2)), rng.random()
        holds = {}  # arm to the tray that it holds
        if kind < 0.34:
            holds = {RIGHT: tray, LEFT: tray}
            self._lift(tray)
        elif kind < 0.54:
            arm = int(rng.integers(ARMS))
            holds = {arm: tray}
            self._tip(tray, arm)
        elif kind < 0.58:
            holds = {RIGHT: tray, LEFT: 1 - tray}
        lets_go = 0.58 < kind < 0.66  # both hands, of one tray
        places = []
        for arm in range(ARMS):
            if arm in holds:
                slip = np.clip(rng.normal(0, (0.008, 0.001, 0.004)), -0.02, 0.02)
                places.append((self.simulator.wall(holds[arm], arm) + slip, THICKNESS))
            elif lets_go:
                rise = 0.1 * rng.random() ** 2
                offset = np.append(rng.normal(0, (0.008, 0.003)), rise + rng.normal(0, 0.004))
                opening = expert.OPEN if rise > 0.01 else rng.uniform(THICKNESS + 0.007, expert.OPEN)
                places.append((self.simulator.wall(tray, arm) + offset, opening))
            else:
                places.append(self._free_hand(tray if rng.random() < 0.7 else 1 - tray, arm))
        return self._put(places, holds)

    def _pose_bar(self) -> bool:
        """Poses the bar in a hand, in both, or where it lies, with hands about it."""
        rng, simulator = self.rng, self.simulator
        kind = rng.random()
        holding = [] if kind < 0.35 else [RIGHT, LEFT] if kind > 0.8 else [int(rng.integers(ARMS))]
        if holding:
            simulator.place_bar(self._bar_place(holding), rng.normal(0, 0.04))
        places = []
        for arm in range(ARMS):
            hold = simulator.bar_hold(arm)
            if arm in holding:
                slip = np.clip(rng.normal(0, (0.006, 0.001, 0.003)), -0.015, 0.015)
                places.append((hold + slip, BAR_SIZE[1]))
            elif rng.random() < 0.6 and SIDES[arm] * hold[1] > -_REACH:
                places.append(self._free_hand_at(hold, arm))
            else:
                places.append(self._free_hand(int(rng.integers(2)), arm))
        return self._put(places, dict.fromkeys(holding, BAR))

    def _bar_place(self, holding: list[int]) -> np.ndarray:
        """Where hands may hold the bar's middle (3,): one on its side, on the way, or in the middle; two there."""
        rng, low = self.rng, TABLE + BAR_SIZE[2] / 2
        middle = np.array([BAR_X, MIDDLE[0], low + MIDDLE[1]])
        if len(holding) == 2 or rng.random() < 0.4:
            return middle + rng.normal(0, (0.012, 0.012, 0.012))
        side = np.array([BAR_X, SIDES[holding[0]] * BAR_Y, low])
        if rng.random() < 0.5:  # raised, or being lowered
            return side + (*rng.normal(0, 0.012, 2), MIDDLE[1] * rng.random() ** 1.5)
        share = rng.random()
        place = side * share + middle * (1 - share)
        place[2] = middle[2]
        return place

    def _lift(self, tray: int) -> None:
        """Places a tray as two hands may hold it: standing, or at any height and not quite level."""
        rng = self.rng
        (x, y, z), rotation = self.simulator.tray(tray)
        yaw, roll = math.atan2(rotation[1, 0], rotation[0, 0]), 0.0
        if rng.random() < 0.75:
            x, y = (x, y) + rng.normal(0, 0.015, 2)
            roll = float(np.clip(rng.normal(0, 0.05), -0.14, 0.14))
            z = TABLE + SIDE * abs(math.sin(roll)) + rng.uniform(0.0, 0.20)
        self.simulator.place_tray(tray, (x, y, z), yaw, roll)

    def _tip(self, tray: int, arm: int) -> None:
        """Now and then, one side of a tray is off the table, as when one hand alone has raised it."""
        if self.rng.random() < 0.6:
            return
        (x, y, _), rotation = self.simulator.tray(tray)
        roll = SIDES[arm] * self.rng.uniform(0.0, 0.14)
        yaw = math.atan2(rotation[1, 0], rotation[0, 0])
        self.simulator.place_tray(tray, (x, y, TABLE + SIDE * abs(math.sin(roll))), yaw, roll)

    def _free_hand(self, tray: int, arm: int) -> tuple[np.ndarray, float]:
        """Place of the TCP (3,) and opening of a hand that holds nothing."""
        return self._free_hand_at(self.simulator.wall(tray, arm), arm)

    def _free_hand_at(self, wall: np.ndarray, arm: int) -> tuple[np.ndarray, float]:
        """The same for the place (3,) where it would grip something."""
        rng = self.rng
        kind, opening = rng.random(), expert.OPEN
        if kind < 0.18:  # anywhere
            x, y, z = rng.uniform((0.25, 0.04, TABLE + 0.02), (0.49, 0.32, -0.27))
            position = np.array([x, SIDES[arm] * y, z])
            opening = rng.uniform(0.0, self.simulator.arms[arm].open) if rng.random() < 0.3 else opening
        elif kind < 0.24:  # about where it begins
            position = self.arms[arm].fk(self.simulator.arms[arm].home)[0] + rng.normal(0, 0.02, 3)
            opening = rng.uniform(expert.OPEN, self.simulator.arms[arm].open)
        elif kind < 0.76:  # over or beside the wall
            position = wall + np.append(self.aside(0.08, 0.006), 0.16 * rng.random() ** 1.5 - 0.006)
            opening = expert.OPEN if rng.random() < 0.7 else rng.uniform(expert.OPEN, self.simulator.arms[arm].open)
        elif kind < 0.92:  # closing on the wall, or letting go of it
            position = wall + np.append(self.aside(0.03, 0.006), rng.normal(0, 0.005))
            opening = rng.uniform(THICKNESS + 0.007, expert.OPEN)
        else:  # closed on nothing
            position = wall + np.append(self.aside(0.1, 0.03), 0.2 * rng.random())
            opening = rng.uniform(0.0, 0.03)
        position[2] = max(position[2], _LOWEST)
        return position, float(opening)

    def _put(self, places: list[tuple[np.ndarray, float]], holds: dict[int, int]) -> bool:
        """Places the hands, and says whether all is as it can be."""
        right, left = (place for place, _ in places)
        if left[1] - right[1] < _APART and not _side_by_side(right, left):
            return False
        simulator = self.simulator
        for i, (position, opening) in enumerate(places):
            hand, tilt = simulator.arms[i], self.rng.normal(0, self.rng.choice([0.02, 0.06]), 3)
            start = hand.home + self.rng.normal(0, 0.05, len(hand.home))
            result = self.arms[i].ik(position, self.layout.arms[i].tool_rotation(tilt), start)
            if not result.ok:
                return False
            hand.place(result.q, opening)
            if i in holds:
                hand.close_on(opening)
        mujoco.mj_forward(simulator.model, simulator.data)
        return simulator.data.ncon == 0 or simulator.data.contact.dist.min() > -_DEEP

    # Demonstrations

    def demonstrate(self, keep_every: int) -> Iterator[tuple[np.ndarray, np.void]]:
        rng, simulator = self.rng, self.simulator
        scene, _, _, goals = scene_with_instruction(rng)
        self.new_scene(scene)
        for i, (hand, arm) in enumerate(zip(simulator.arms, self.arms)):
            start = arm.fk(hand.home)[0] + rng.uniform((-0.05, -0.06, -0.06), (0.12, 0.06, 0.08))
            result = arm.ik(start, self.layout.arms[i].tool_rotation(np.zeros(3)), hand.home)
            if result.ok:
                hand.place(result.q, hand.open)
        mujoco.mj_forward(simulator.model, simulator.data)
        self.goals = []
        for goal in goals:
            self.goals.append(goal)
            yield from self._follow(goal, keep_every)

    def _follow(self, goal: LiftGoal, keep_every: int) -> Iterator[tuple[np.ndarray, np.void]]:
        rng, simulator = self.rng, self.simulator
        aims = [hand.tcp[0] for hand in simulator.arms]
        push, pushed, slips, slipping, after = np.zeros((ARMS, 3)), 0, 0, 0, 0
        doing: expert.Subtask | None = None
        for step in range(MOST_STEPS):
            if step % keep_every == 0:
                yield self.frame()
            state = LiftState.of(simulator, self.layout)
            called = expert.called(goal, state)
            doing, after = called or doing, after + (called is None)
            if after > 4:
                return
            velocities, openings = expert.target(state, doing)
            if pushed == 0 and rng.random() < 0.06:
                push, pushed = self._push(any(all(row) for row in state.gripped)), int(rng.integers(2, 7))
            if slips == 0 and goal.named and rng.random() < 0.004:  # a bar may fall where no hand reaches it
                slips, slipping = 5, int(rng.integers(ARMS))
            for arm in range(ARMS):
                velocity = np.asarray(velocities[arm]) + (push[arm] if pushed else 0.0)
                aims[arm] = self.lead(arm, aims[arm]) + velocity * DT
                aims[arm][2] = max(aims[arm][2], _LOWEST)
            if slips:
                openings[slipping] = expert.OPEN
            pushed, slips = max(0, pushed - 1), max(0, slips - 1)
            self._keep_apart(aims)
            self.move(aims, openings)

    def _push(self, joined: bool) -> np.ndarray:
        """(arms, 3) m/s; hands that hold one tray are pushed together, and little apart."""
        own = self.rng.normal(0, 0.10, (ARMS, 3)) * (1, 1, 0.6)
        if joined:
            return own[0] * 0.7 + own * (0.05, 0.02, 0.25)
        return own * self.rng.permutation([1, self.rng.random() < 0.5])[:, None]

    @staticmethod
    def _keep_apart(aims: list[np.ndarray]) -> None:
        short = _APART - (aims[LEFT][1] - aims[RIGHT][1])
        if short > 0 and not _side_by_side(*aims):
            aims[LEFT][1] += short / 2
            aims[RIGHT][1] -= short / 2


def _side_by_side(right: np.ndarray, left: np.ndarray) -> bool:
    """Whether the hands are so far apart along x that they may be near each other along y, as at the bar's ends."""
    return left[0] - right[0] > _BESIDE
