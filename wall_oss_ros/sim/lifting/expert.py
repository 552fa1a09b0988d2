# SPDX-License-Identifier: Apache-2.0
"""A scripted expert for two hands: what they would do next to take, lift or lower a tray, told from the true state.

It has no memory, as :mod:`wall_oss_ros.sim.cubes.expert`: whatever state the hands get into, it says how to go on from
there. Hands point straight down; turned ones turn back. Arms are in the profile's order. Positions in m in the arms'
base frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.sim.lifting.language import ARMS, CALLED, LEFT, LEVEL, RIGHT
from wall_oss_ros.sim.lifting.scene import GRIP, TABLE, THICKNESS, clear_of
from wall_oss_ros.sim.lifting.simulator import LiftingSimulator
from wall_oss_ros.sim.reaching import FUNNEL, GAIN, STILL, approach, move

TAKE, LIFT, LOWER = "take", "lift", "lower"
Subtask = tuple[str, str]  # one of these, and a tray's colour

OPEN, CLOSED = 0.08, 0.0  # m, what the grippers are told
LIFT_SPEED = 0.10  # m/s, of a tray
TOP = 0.15  # m above the table, where a lifted tray is held
GRIPPER_SPEED = 0.15  # m/s of the opening
REST = TABLE + GRIP  # height of the place where a wall is gripped, while the tray stands on the table
_LEVELLING = 3.0  # 1/s, correction per difference in height
_HELD = THICKNESS + 0.006  # m, widest opening that holds a wall
_FREE = 0.06  # m, opening at which a wall is let go for sure
_GRASP_X, _GRASP_Y, _GRASP_Z = 0.020, 0.008, 0.009  # m, where closing starts
_GRASP_ON = 0.004  # m, how much farther off closing goes on, once begun
_HOVER = 0.09  # m above the place to grip, height of approach
_DROP = 0.008  # m above its rest: a tray is let go below this


@dataclass
class LiftState:
    """All that the expert looks at.

    Attributes:
        tcps: of each arm (3,), tool centre points.
        rotations: of each arm (3,), as the robot's state has them: Euler angles from straight down, rad.
        openings: of each arm.
        walls: for each tray and arm (3,), where that arm should grip that tray.
        gripped: for each tray and arm, whether its fingers hold it.
        colours: of the trays.
    """

    tcps: list[tuple[float, float, float]]
    rotations: list[tuple[float, float, float]]
    openings: list[float]
    walls: list[list[tuple[float, float, float]]]
    gripped: list[list[bool]]
    colours: tuple[str, ...]

    @classmethod
    def of(cls, simulator: LiftingSimulator, layout: Layout) -> LiftState:
        """The state of the simulator now; ``layout``: the profile's."""
        both, trays = range(ARMS), range(len(simulator.spec.trays))
        return cls(
            tcps=[tuple(arm.tcp[0].tolist()) for arm in simulator.arms],
            rotations=[tuple(own.state_rotation(arm.tcp[1]).tolist()) for own, arm in zip(layout.arms, simulator.arms)],
            openings=[arm.gripper_width for arm in simulator.arms],
            walls=[[tuple(simulator.wall(tray, arm).tolist()) for arm in both] for tray in trays],
            gripped=[[simulator.gripped(tray, arm) for arm in both] for tray in trays],
            colours=simulator.spec.colours,
        )

    def copy(self) -> LiftState:
        """One that can be changed alone."""
        walls, gripped = ([list(row) for row in rows] for rows in (self.walls, self.gripped))
        return replace(self, tcps=list(self.tcps), openings=list(self.openings), walls=walls, gripped=gripped)

    def raised(self, tray: int) -> float:
        """How far the middle of a tray is above its rest, m."""
        return (self.walls[tray][RIGHT][2] + self.walls[tray][LEFT][2]) / 2 - REST

    def tilt(self, tray: int) -> float:
        """Of a tray from level, about the axis that points away from the robot, rad."""
        right, left = self.walls[tray]
        return math.asin(min(1.0, abs(right[2] - left[2]) / max(math.dist(right, left), 1e-9)))


def target(state: LiftState, subtask: Subtask | None) -> tuple[list[tuple[float, float, float]], list[float]]:
    """The expert's command in a state.

    Args:
        state: where everything is.
        subtask: ``("take", colour)``, ``("lift", colour)``, ``("lower", colour)``, or None when there is nothing left
            to do. A tray to be lifted that is not in both hands is taken first; hands that have lowered one let go of
            it and rise.

    Returns:
        For each arm, the velocity of its TCP (3,) m/s, and the opening to command (m).
    """
    if subtask is None:
        return [STILL] * ARMS, [CLOSED if held else OPEN for held in map(any, zip(*state.gripped))]
    action, colour = subtask
    if action not in (TAKE, LIFT, LOWER):
        raise ValueError(f"the expert knows {TAKE!r}, {LIFT!r} and {LOWER!r}, not {action!r}")
    tray = state.colours.index(colour)
    if action == LOWER:
        commands = [_lower(state, tray, arm) for arm in range(ARMS)]
    elif not all(state.gripped[tray]):
        commands = [_take(state, tray, arm) for arm in range(ARMS)]
    elif action == TAKE:
        commands = [(STILL, CLOSED)] * ARMS
    else:
        speed = max(-LIFT_SPEED, min(LIFT_SPEED, GAIN * (TOP - state.raised(tray))))
        commands = [(_carry(state, tray, arm, speed), CLOSED) for arm in range(ARMS)]
    velocities, openings = zip(*commands)
    return list(velocities), list(openings)


def rollout(state: LiftState, subtask: Subtask | None, horizon: int = 10, dt: float = 0.1) -> np.ndarray:
    """The expert's next ``horizon`` commands as an action chunk, by following it without physics.

    Args:
        state: left as it is.

    Returns:
        (horizon, 14) float32, the first entries of the layout: left arm, then right arm, each with the TCP's
        displacement at (k + 1) dt from where it is now, its rotation from what it is now back to straight down (were it
        told to keep its rotation instead, small errors would add up from chunk to chunk), and the commanded opening.
    """
    start, state = state.tcps, state.copy()
    chunk = np.zeros((horizon, 14), np.float32)
    for k in range(horizon):
        velocities, openings = target(state, subtask)
        _advance(state, velocities, openings, dt)
        for arm, first in ((LEFT, 0), (RIGHT, 7)):
            chunk[k, first : first + 3] = [now - then for now, then in zip(state.tcps[arm], start[arm])]
            turned_back = 1 - (1 - GAIN * dt) ** (k + 1)
            chunk[k, first + 3 : first + 6] = [-angle * turned_back for angle in state.rotations[arm]]
            chunk[k, first + 6] = openings[arm]
    return chunk


def done(subtask: Subtask, state: LiftState) -> bool:
    """Whether a subtask is over: both hands have the tray; to be lifted, it is level, ``CALLED`` above the table, too;
    to be lowered, both have let go of it and are clear."""
    action, colour = subtask
    tray = state.colours.index(colour)
    if action == LOWER:
        return not any(state.gripped[tray]) and all(map(clear_of, state.tcps, state.walls[tray]))
    if action == LIFT and (state.raised(tray) < CALLED or state.tilt(tray) > LEVEL):
        return False
    return all(state.gripped[tray])


def active_subtask(subtasks: list[Subtask], state: LiftState) -> int:
    """Index of the first subtask still to do; ``len(subtasks)`` when all are done."""
    return next((i for i, subtask in enumerate(subtasks) if not done(subtask, state)), len(subtasks))


def _take(state: LiftState, tray: int, arm: int) -> tuple[tuple, float]:
    """One hand's command while the tray is not in both hands."""
    for other, gripped in enumerate(state.gripped):
        if gripped[arm]:
            return _set_down(state, other, arm, let_go=other != tray)
    tcp, wall = state.tcps[arm], state.walls[tray][arm]
    dx, dy, dz = (w - t for w, t in zip(wall, tcp))
    more = _GRASP_ON if state.openings[arm] < _FREE else 0.0
    if abs(dx) < _GRASP_X + more and abs(dy) < _GRASP_Y + more and abs(dz) < _GRASP_Z + more:
        return STILL, CLOSED
    off = math.hypot(dx, dy)
    height = min(_HOVER, max(0.0, (off - 0.006) * FUNNEL))
    if state.openings[arm] < _FREE:
        if any(_between(tcp, walls[arm]) for walls in state.walls):
            return STILL, OPEN  # let go before moving
        height = _HOVER
    return approach(tcp, wall, wall[2] + height, _HOVER), OPEN


def _lower(state: LiftState, tray: int, arm: int) -> tuple[tuple, float]:
    """One hand's command while a tray is lowered: it sinks with it, lets go of it, rises from it."""
    tcp, wall = state.tcps[arm], state.walls[tray][arm]
    if state.gripped[tray][arm]:
        return _set_down(state, tray, arm, let_go=True)
    if state.gripped[1 - tray][arm]:
        return STILL, CLOSED  # nobody asked about that one
    if state.openings[arm] < _FREE and _between(tcp, wall):
        return STILL, OPEN
    if clear_of(tcp, wall):
        return STILL, OPEN
    return move(tcp, (tcp[0], tcp[1], wall[2] + _HOVER)), OPEN


def _set_down(state: LiftState, tray: int, arm: int, let_go: bool) -> tuple[tuple, float]:
    """Lowers a held tray to the table; there it is let go, or kept until the other hand has it, too."""
    height = state.walls[tray][arm][2] - REST
    if height < _DROP:
        return STILL, OPEN if let_go else CLOSED
    return _carry(state, tray, arm, -min(LIFT_SPEED, GAIN * height)), CLOSED


def _carry(state: LiftState, tray: int, arm: int, speed: float) -> tuple[float, float, float]:
    """Straight up or down, the lower of two hands faster upwards, so that the tray becomes level."""
    if all(state.gripped[tray]):
        own = state.walls[tray][arm][2] - REST
        speed += max(-LIFT_SPEED / 2, min(LIFT_SPEED / 2, _LEVELLING * (state.raised(tray) - own)))
    return 0.0, 0.0, speed


def _between(tcp, wall) -> bool:
    """Whether the wall, or something as near as it, may be between the fingers."""
    return abs(wall[0] - tcp[0]) < 0.075 and abs(wall[1] - tcp[1]) < 0.045 and tcp[2] - wall[2] < 0.035


def _advance(state: LiftState, velocities, openings, dt: float) -> None:
    """Moves hands, fingers and held trays by one step, in place."""
    for arm in range(ARMS):
        step = [v * dt for v in velocities[arm]]
        state.tcps[arm] = tuple(p + s for p, s in zip(state.tcps[arm], step))
        change = max(-GRIPPER_SPEED * dt, min(GRIPPER_SPEED * dt, openings[arm] - state.openings[arm]))
        before, state.openings[arm] = state.openings[arm], state.openings[arm] + change
        for tray, gripped in enumerate(state.gripped):
            if gripped[arm]:
                state.walls[tray][arm] = tuple(p + s for p, s in zip(state.walls[tray][arm], step))
                if state.openings[arm] > _HELD:
                    gripped[arm] = False
                    x, y, _ = state.walls[tray][arm]
                    state.walls[tray][arm] = (x, y, REST)
                else:
                    state.openings[arm] = max(state.openings[arm], THICKNESS)
            elif change < 0 and before >= THICKNESS >= state.openings[arm] - 1e-9:
                x, y, z = state.walls[tray][arm]
                tcp = state.tcps[arm]
                if abs(x - tcp[0]) < 0.05 and abs(y - tcp[1]) < 0.02 and abs(z - tcp[2]) < 0.02:
                    gripped[arm], state.openings[arm] = True, THICKNESS
                    state.walls[tray][arm] = (x, tcp[1], z)  # the fingers centre it along y
