# SPDX-License-Identifier: Apache-2.0
"""Frames to learn from: scripted demonstrations with disturbances, and randomly posed hands and cubes.

Demonstrations show what a run looks like; posed frames show what a run rarely does: every cube from everywhere, cubes
in trays, an open or closed hand in any place. Each frame carries the expert's chunk for every subtask, see
:mod:`wall_oss_ros.sim.cubes.language`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.sim.cubes import expert
from wall_oss_ros.sim.cubes.expert import PICK, PLACE, ExpertState
from wall_oss_ros.sim.cubes.instructed import scene_with_instruction
from wall_oss_ros.sim.cubes.language import ARM, FRAME, PLACES
from wall_oss_ros.sim.cubes.scene import CUBE_SIZE, TABLE, TRAYS, CubeSpec
from wall_oss_ros.sim.cubes.simulator import CubeSimulator
from wall_oss_ros.sim.environment import Environment
from wall_oss_ros.sim.goals import COLOURS
from wall_oss_ros.sim.steps import DT, HORIZON

MOST_STEPS = 150


class CubeEnvironment(Environment):
    """One arm at a table with cubes and trays."""

    simulator: CubeSimulator
    simulator_type, spec = CubeSimulator, CubeSpec

    def __init__(self, rng: np.random.Generator, robot: str | RobotProfile = "franka"):
        super().__init__(rng, robot)
        (self.arm,) = self.arms

    def truth(self) -> np.ndarray:
        simulator, state = self.simulator, ExpertState.of(self.simulator)
        record = np.zeros((), FRAME)
        position, rotation = simulator.arm.tcp
        record["tcp"], record["rotation"] = position, self.layout.state_rotation(rotation)
        record["opening"] = simulator.arm.gripper_width
        front, wrist = self.views
        for i, colour in enumerate(simulator.spec.colours):
            record["colours"][i] = COLOURS.index(colour)
            record["cubes"][i] = state.cubes[colour]
            record["where"][i] = PLACES.index(simulator.where(colour))
            record["cube_pixels"][i] = self.pixel(front, state.cubes[colour])
            record["cube_wrist_pixels"][i] = self.pixel(wrist, state.cubes[colour])
            corners = np.array([self.pixel(front, corner) for corner in simulator.corners(colour)])
            record["cube_boxes"][i] = (*corners.min(0), *corners.max(0))
        for i, side in enumerate(TRAYS):
            record["trays"][i] = state.trays[side][:2]
            record["tray_pixels"][i] = self.pixel(front, state.trays[side])
        record["hand_pixel"] = self.pixel(front, position)
        return record

    def chunks(self) -> np.ndarray:
        state = ExpertState.of(self.simulator)
        colours = self.simulator.spec.colours
        subtasks = [(PICK, colour) for colour in colours] + [(PLACE, place) for place in (*TRAYS, TABLE, *colours)]
        return np.stack([expert.rollout(state, subtask, HORIZON, DT)[:, ARM] for subtask in subtasks])

    # Posed frames

    def pose(self) -> bool:
        """Puts hand and cubes somewhere at random; False when the arm cannot reach it."""
        rng = self.rng
        self.new_scene()
        busy = rng.random() < 0.3  # most cubes are in trays, as towards the end of a long task
        for cube in self.simulator.spec.cubes:
            if rng.random() < (0.6 if busy else 0.12):
                tray = self.simulator.spec.tray(str(rng.choice(tuple(TRAYS))))
                offset = np.append(rng.uniform(-0.05, 0.05, 2), CUBE_SIZE / 2)
                if not any(np.linalg.norm((tray + offset - c)[:2]) < 0.06 for c, _ in self.simulator.cubes().values()):
                    self.simulator.place_cube(cube.colour, tray + offset, rng.uniform(-0.3, 0.3))
        stacked, base = self._stack() if rng.random() < 0.1 else (None, None)
        colour = str(rng.choice([one for one in self.simulator.spec.colours if one != base]))
        cube = self.simulator.cubes()[colour][0]
        goal = self._place_for(colour, base)
        kind = rng.random()
        held, opening = False, expert.OPEN
        if kind < 0.12:  # anywhere
            position = rng.uniform((0.30, -0.34, 0.03), (0.66, 0.34, 0.34))
            opening = expert.OPEN if rng.random() < 0.85 else rng.uniform(0.0, expert.OPEN)
        elif kind < 0.45:  # over or beside a cube
            position = cube + np.append(self.aside(0.08, 0.006), 0.14 * rng.random() ** 1.5 - 0.005)
            if rng.random() < 0.15:
                opening = rng.uniform(0.045, expert.OPEN)
        elif kind < 0.52:  # let go over a cube in a tray
            position = cube + np.array([*rng.normal(0, 0.01, 2), rng.uniform(0, 0.12)])
            opening = rng.uniform(0.045, expert.OPEN)
        elif kind < 0.57:  # closed on nothing
            position = cube + np.append(self.aside(0.1, 0.03), 0.2 * rng.random())
            opening = rng.uniform(0.0, 0.045)
        else:  # holding the cube: lifting it, carrying it, above a tray, lowering it there
            held = True
            where = rng.random()
            if where < 0.25:
                position = cube + np.append(rng.normal(0, 0.02, 2), rng.uniform(0, 0.2))
            elif where < 0.45:
                position = rng.uniform((0.36, -0.32, 0.08), (0.64, 0.32, 0.24))
            else:
                position = goal + np.append(self.aside(0.1, 0.01), rng.uniform(CUBE_SIZE / 2, 0.21 - goal[2]))
        tilt = rng.normal(0, 0.02, 3)
        start = self.simulator.arm.home + rng.normal(0, 0.05, len(self.simulator.arm.home))
        result = self.arm.ik(position, self.layout.tool_rotation(tilt), start)
        if not result.ok:
            return False
        self.simulator.place_robot(result.q, opening)
        if held:
            self.simulator.hold(colour, np.clip(rng.normal(0, (0.007, 0.001, 0.004)), -0.018, 0.018))
        if stacked is not None and not held and self.simulator.where(stacked) != f"{base} cube":
            return False
        return not self._inside_something(colour if held else None)

    def _stack(self) -> tuple[str, str]:
        """Puts a cube on another one: which, and on which."""
        stacked, base = map(str, self.rng.permutation(self.simulator.spec.colours)[:2])
        below = self.simulator.cubes()[base][0]
        offset = np.append(self.rng.normal(0, 0.003, 2), CUBE_SIZE)
        self.simulator.place_cube(stacked, below + offset, self.rng.uniform(-0.2, 0.2))
        return stacked, base

    def _place_for(self, colour: str, base: str | None) -> np.ndarray:
        """Where a held cube may be put, (3,) of what is below it: into a tray, onto the table, onto another cube."""
        rng, drawn = self.rng, self.rng.random()
        others = [other for other in self.simulator.spec.colours if other not in (colour, base)]
        if drawn < 0.5:
            return self.simulator.spec.tray(str(rng.choice(tuple(TRAYS))))
        if drawn < 0.75 and others:
            return self.simulator.cubes()[str(rng.choice(others))][0] + (0, 0, CUBE_SIZE / 2)
        return np.array([rng.uniform(0.38, 0.62), rng.uniform(-0.14, 0.14), 0.0])

    def _inside_something(self, held: str | None) -> bool:
        """Whether a held cube or a finger was teleported into another cube."""
        fingers = self.simulator.arm.tcp[0]
        for colour, (centre, _) in self.simulator.cubes().items():
            if colour == held:
                continue
            gap = np.abs(centre - fingers)
            half = self.simulator.arm.gripper_width / 2
            below = centre[2] > fingers[2] - 0.03
            finger_hit = below and gap[0] < 0.03 and abs(gap[1] - half - 0.01) < 0.025
            cube_hit = held is not None and (np.abs(centre - self.simulator.cubes()[held][0]) < CUBE_SIZE).all()
            if finger_hit or cube_hit:
                return True
        return False

    # Demonstrations

    def demonstrate(self, keep_every: int) -> Iterator[tuple[np.ndarray, np.void]]:
        rng, simulator = self.rng, self.simulator
        scene, _, _, goals = scene_with_instruction(rng)
        self.new_scene(scene)
        start = np.array([0.36, 0.0, 0.30]) + rng.uniform((-0.04, -0.15, -0.12), (0.16, 0.15, 0.03))
        result = self.arm.ik(start, self.down, simulator.arm.home)
        if result.ok:
            simulator.place_robot(result.q, expert.OPEN)
        self.goals = []
        for goal in goals:
            self.goals.append(goal)
            steps = [(PICK, goal.colour)] + ([] if goal.place is None else [(PLACE, goal.place)])
            yield from self._follow(steps, keep_every)

    def _follow(self, subtasks: list, keep_every: int) -> Iterator[tuple[np.ndarray, np.void]]:
        rng, simulator = self.rng, self.simulator
        push, left, after = np.zeros(3), 0, 0
        aim = simulator.arm.tcp[0]
        for step in range(MOST_STEPS):
            if step % keep_every == 0:
                yield self.frame()
            state = ExpertState.of(simulator)
            index = expert.active_subtask(subtasks, state)
            after += index == len(subtasks)
            if after > 4:
                return
            velocity, opening = expert.target(state, subtasks[index] if index < len(subtasks) else None)
            if left == 0 and rng.random() < 0.06:
                push, left = rng.normal(0, 0.10, 3) * (1, 1, 0.6), int(rng.integers(2, 7))
            left = max(0, left - 1)
            aim = self.lead(0, aim) + (np.asarray(velocity) + (push if left else 0)) * DT
            aim[2] = max(aim[2], 0.016)
            self.move([aim], [opening])
