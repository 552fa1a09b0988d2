# SPDX-License-Identifier: Apache-2.0
"""What may go wrong on the table while a cube is picked up and put away: one thing, once, at a moment by chance."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from wall_oss_ros.sim.cubes.language import LIFTED, TRAYS, CubeGoal, pick_text
from wall_oss_ros.sim.cubes.scene import CUBE_DISTANCE, CUBE_SIZE, CUBE_X, CUBE_Y
from wall_oss_ros.sim.cubes.simulator import CubeSimulator
from wall_oss_ros.sim.environment import Environment

_AWAY = (0.07, 0.15)  # m that a cube is knocked away
_NEAR = (0.03, 0.16)  # m between hand and cube at which that, or an exchange, comes
_LATER = (0.0, 1.2)  # s after a cube was lifted that it is lost, or its tray moved
_TRAY = (0.06, 0.10)  # m along x that a tray is moved
_LOST = 0.04  # m beside the hand that a cube lies which was lost, at most
_REST = (0.062, CUBE_SIZE / 2)  # m from other cubes at which it may lie there; height of its middle


class CubeUpset:
    """Lets one thing go wrong with the first cube that an instruction names.

    Kinds: ``knocked`` (the cube lies elsewhere all at once, as the hand comes near), ``swapped`` (it changes places
    with another one then), ``lost`` (it falls out of the hand that carries it), ``tray`` (the tray is moved meanwhile).

    Args:
        kind: one of ``KINDS``.
        goal: the instruction's first.
        rng: decides when, and where to.

    Attributes:
        done: whether it has happened.
    """

    def __init__(self, kind: str, goal: CubeGoal, rng: np.random.Generator):
        self._happen: Callable[[CubeSimulator], str] = getattr(self, f"_{KINDS[kind]}")
        self._goal, self._rng, self.done = goal, rng, False
        self._carried = kind in ("lost", "tray")
        self._near = float(rng.uniform(*_NEAR))
        self._later = float(rng.uniform(*_LATER))
        self._lifted: float | None = None

    def step(self, environment: Environment, called: str) -> str:
        """See :class:`~wall_oss_ros.sim.closed_loop.Upset`."""
        simulator: CubeSimulator = environment.simulator  # type: ignore[assignment]
        if self.done or not self._is_time(simulator, called):
            return ""
        what = self._happen(simulator)
        self.done = bool(what)
        return what

    def _is_time(self, simulator: CubeSimulator, called: str) -> bool:
        colour = self._goal.colour
        cube, hand = simulator.cubes()[colour][0], simulator.arm.tcp[0]
        if not self._carried:
            return called == pick_text(colour) and simulator.held() is None and math.dist(cube, hand) < self._near
        if simulator.held() != colour or cube[2] < LIFTED:
            return False
        self._lifted = simulator.time if self._lifted is None else self._lifted
        return simulator.time >= self._lifted + self._later

    def _knock(self, simulator: CubeSimulator) -> str:
        colour = self._goal.colour
        before = simulator.cubes()[colour][0]
        for _ in range(200):
            angle, far = self._rng.uniform(0, 2 * math.pi), self._rng.uniform(*_AWAY)
            x, y = before[0] + far * math.cos(angle), before[1] + far * math.sin(angle)
            if self._inside(x, y) and self._clear(simulator, x, y, CUBE_DISTANCE):
                simulator.place_cube(colour, (x, y, _REST[1]), float(self._rng.uniform(-0.25, 0.25)))
                return f"the {colour} cube is knocked away by {far:.2f} m"
        return ""

    def _swap(self, simulator: CubeSimulator) -> str:
        colour = self._goal.colour
        cubes = simulator.cubes()
        on_table = [name for name in cubes if name != colour and simulator.where(name) == "table"]
        if not on_table:
            return ""
        other = str(self._rng.choice(on_table))
        for name, (place, _) in ((colour, cubes[other]), (other, cubes[colour])):
            simulator.place_cube(name, (*place[:2], _REST[1]))
        return f"the {colour} cube and the {other} one change places"

    def _lose(self, simulator: CubeSimulator) -> str:
        colour, hand = self._goal.colour, simulator.arm.tcp[0]
        for _ in range(200):
            x, y = hand[:2] + self._rng.uniform(-_LOST, _LOST, 2)
            y = float(np.clip(y, *CUBE_Y))  # not into the tray
            if CUBE_X[0] <= x <= CUBE_X[1] and self._clear(simulator, x, y, _REST[0]):
                simulator.place_cube(colour, (x, y, _REST[1]))
                return f"the {colour} cube falls out of the hand"
        return ""

    def _move_tray(self, simulator: CubeSimulator) -> str:
        side = self._goal.tray
        if side not in TRAYS or any(simulator.where(name) == f"{side} tray" for name in simulator.cubes()):
            return ""
        tray = next(one for one in simulator.spec.trays if one.side == side)
        far = float(self._rng.uniform(*_TRAY)) * float(self._rng.choice((-1, 1)))
        simulator.place_tray(side, tray.x + far, tray.y)
        return f"the {side} tray is moved by {abs(far):.2f} m"

    def _inside(self, x: float, y: float) -> bool:
        return bool(CUBE_X[0] <= x <= CUBE_X[1] and CUBE_Y[0] <= y <= CUBE_Y[1])

    def _clear(self, simulator: CubeSimulator, x: float, y: float, least: float) -> bool:
        others = [place for name, (place, _) in simulator.cubes().items() if name != self._goal.colour]
        return all(math.dist((x, y), place[:2]) >= least for place in others)


KINDS = {"knocked": "knock", "swapped": "swap", "lost": "lose", "tray": "move_tray"}
"""Kinds, and the methods that do them."""
