# SPDX-License-Identifier: Apache-2.0
"""A scripted expert: what a good arm would do next, told from the true state alone.

It has no memory. Whatever state a robot gets into, by noise or by another policy's mistake, the expert says how to go
on from there, so its roll-outs label any state. It moves the tool centre point (tool straight down) and the gripper;
``rollout`` follows it without physics. Positions in m in the robot's base frame, openings in m, time in s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from wall_oss_ros.sim.cubes.scene import (
    CUBE_DISTANCE,
    CUBE_SIZE,
    CUBE_X,
    CUBE_Y,
    TABLE,
    TRAY_FLOOR,
    TRAY_INNER,
    TRAY_SPOTS,
    TRAY_WALL,
    rests_on,
)
from wall_oss_ros.sim.reaching import FUNNEL, NEAR_SPEED, STILL, approach, move

PICK, PLACE = "pick up", "place"
Subtask = tuple[str, str]  # (PICK, colour) or (PLACE, a tray's side, TABLE, or the colour of a cube to put it on)

OPEN, CLOSED = 0.08, 0.0  # m, what the gripper is told
CARRY = 0.20  # m, height of the TCP when a cube is carried
CLEAR = 0.15  # m, height of the TCP that has let go
LIFTED = 0.08  # m above the table: a cube counts as picked up
GRIPPER_SPEED = 0.1  # m/s of the opening
_HELD = CUBE_SIZE + 0.0035  # m, widest opening that holds a cube
_FREE = 0.066  # m, opening at which a cube is let go for sure
_GRASP_XY, _GRASP_Z = 0.012, 0.009  # m, where closing starts
_GRASP_ON = 0.004  # m, how much farther off closing goes on, once begun
_DROP_XY, _DROP_Z = 0.020, 0.010  # m, where opening starts
_STACK_XY = 0.008  # m, the same on another cube
_DROP_GAP = 0.004  # m, a cube is let go this far above what it is put on
_NEAR = 0.08  # m above a cube or tray: the hand sinks slowly
_HOVER = 0.10  # m above a cube's centre, height of approach


@dataclass
class ExpertState:
    """All that the expert looks at.

    Attributes:
        tcp: (3,) tool centre point.
        opening: between the fingers.
        held: colour of the cube between the fingers, or None.
        cubes: colour to centre (3,).
        trays: side to the centre of the floor's surface (3,).
    """

    tcp: tuple[float, float, float]
    opening: float
    held: str | None
    cubes: dict[str, tuple[float, float, float]]
    trays: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, simulator) -> ExpertState:
        """The state of a ``CubeSimulator`` now."""
        return cls(
            tcp=tuple(simulator.arm.tcp[0].tolist()),
            opening=simulator.arm.gripper_width,
            held=simulator.held(),
            cubes={colour: tuple(pose[0].tolist()) for colour, pose in simulator.cubes().items()},
            trays={tray.side: (tray.x, tray.y, TRAY_FLOOR) for tray in simulator.spec.trays},
        )


def target(state: ExpertState, subtask: Subtask | None) -> tuple[tuple[float, float, float], float]:
    """The expert's command in a state.

    Args:
        state: where everything is.
        subtask: ``("pick up", colour)``, ``("place", place)``, or None when there is nothing left to do.

    Returns:
        velocity of the TCP (3,) m/s, and the opening to command (m).
    """
    if subtask is None:
        return STILL, CLOSED if state.held else OPEN
    action, name = subtask
    if action == PICK:
        if state.held == name:
            return move(state.tcp, (state.tcp[0], state.tcp[1], CARRY)), CLOSED
        return _put_back(state) if state.held else _grasp(state, state.cubes[name])
    if action == PLACE:
        return _put_down(state, name) if state.held else _withdraw(state)
    raise ValueError(f"the expert knows {PICK!r} and {PLACE!r}, not {action!r}")


def rollout(state: ExpertState, subtask: Subtask | None, horizon: int = 10, dt: float = 0.1) -> np.ndarray:
    """The expert's next ``horizon`` commands as an action chunk, by following it without physics.

    Args:
        state: left as it is.

    Returns:
        (horizon, 20) float32, of which entries 7 to 13 are this arm's: step k holds the TCP's displacement at
        (k + 1) dt from where it is now, rotation zero (the tool keeps pointing down), and the commanded opening.
    """
    state = ExpertState(state.tcp, state.opening, state.held, dict(state.cubes), state.trays)
    start = state.tcp
    chunk = np.zeros((horizon, 20), np.float32)
    for step in range(horizon):
        velocity, opening = target(state, subtask)
        _advance(state, velocity, opening, dt)
        chunk[step, 7:10] = [now - then for now, then in zip(state.tcp, start)]
        chunk[step, 13] = opening
    return chunk


def lies(state: ExpertState, colour: str, place: str) -> bool:
    """Whether the cube of that colour lies there, let go: in that tray, on the table, or on that cube."""
    cube = state.cubes[colour]
    if state.held == colour or colour == place:
        return False
    if place in state.trays:
        return _inside(cube, state.trays[place])
    if place == TABLE:
        return cube[2] < CUBE_SIZE and not any(_above(cube, tray) for tray in state.trays.values())
    return state.held != place and rests_on(cube, state.cubes[place])


def done(subtask: Subtask, state: ExpertState, colour: str | None = None) -> bool:
    """Whether a subtask is over.

    Picking up is done when the cube is held and lifted by ``LIFTED``. Placing is done when the cube of ``colour`` (any
    cube, when None) lies there and the open gripper is 6 cm above it.
    """
    action, name = subtask
    if action == PICK:
        return state.held == name and state.cubes[name][2] >= CUBE_SIZE / 2 + LIFTED
    colours = [colour] if colour else list(state.cubes)
    clear = state.held is None and state.opening >= _FREE
    return clear and any(lies(state, c, name) and state.tcp[2] >= state.cubes[c][2] + 0.06 for c in colours)


def active_subtask(subtasks: list[Subtask], state: ExpertState) -> int:
    """Index of the first subtask still to do; ``len(subtasks)`` when all are done.

    A subtask that places belongs to the last one before it that picks up. A cube that lies at its place, or hangs over
    it, has been picked up already.
    """
    for index, (action, name) in enumerate(subtasks):
        if action == PICK:
            following = subtasks[index + 1] if index + 1 < len(subtasks) else None
            place = following[1] if following and following[0] == PLACE else None
            over = place is not None and _over(state, name, place)
            if place is not None and lies(state, name, place):
                continue
            if not (done((action, name), state) or (state.held == name and over)):
                return index
        else:
            colour = next((n for a, n in reversed(subtasks[:index]) if a == PICK), None)
            last = index == len(subtasks) - 1
            if colour is not None and not last and lies(state, colour, name) and state.held:
                continue  # a later cube is in the hand already: the gripper need not be clear of this one
            if not done((action, name), state, colour):
                # Once the cube lies there, a hand that went on to other work does not make it undone.
                if colour is not None and lies(state, colour, name) and _away(state, colour):
                    continue
                return index
    return len(subtasks)


def _grasp(state: ExpertState, cube) -> tuple:
    x, y, z = state.tcp
    off = math.hypot(cube[0] - x, cube[1] - y)
    more = _GRASP_ON if state.opening < _FREE else 0.0
    if off < _GRASP_XY + more and abs(z - cube[2]) < _GRASP_Z + more:
        return STILL, CLOSED
    if state.opening < _FREE and _at_a_cube(state):
        return STILL, OPEN  # something is between the fingers: let go before moving
    allowed = cube[2] + min(_HOVER, max(0.0, (off - 0.008) * FUNNEL))
    if state.opening < _FREE:
        allowed = max(allowed, cube[2] + 0.07)
    return approach(state.tcp, cube, allowed, _NEAR), OPEN


def _put_down(state: ExpertState, place: str) -> tuple:
    if place == state.held:
        return STILL, CLOSED  # on itself
    cube, near = state.cubes[state.held], _DROP_XY
    if place in state.trays:
        tray = state.trays[place]
        x, y, floor = tray[0] + _spot(state, tray), tray[1], tray[2]
    elif place == TABLE:
        (x, y), floor = _free(state), 0.0
    else:
        x, y, floor = state.cubes[place]
        floor, near = floor + CUBE_SIZE / 2, _STACK_XY
    spot = (x, y, floor + CUBE_SIZE / 2 + _DROP_GAP)
    goal = tuple(s + t - c for s, t, c in zip(spot, state.tcp, cube))  # where the TCP is when the cube is there
    off = math.hypot(goal[0] - state.tcp[0], goal[1] - state.tcp[1])
    if off < near and state.tcp[2] - goal[2] < _DROP_Z:
        return STILL, OPEN
    allowed = min(CARRY, goal[2] + max(0.0, (off - 0.7 * near) * FUNNEL))
    return approach(state.tcp, goal, allowed, _NEAR), CLOSED


def _free(state: ExpertState) -> tuple[float, float]:
    """The nearest place on the table, between the trays, that is free for the held cube."""
    x, y, _ = state.cubes[state.held]
    x, y = min(max(x, CUBE_X[0]), CUBE_X[1]), min(max(y, CUBE_Y[0]), CUBE_Y[1])
    others = [cube for colour, cube in state.cubes.items() if colour != state.held]
    for _ in range(4):  # pushed aside by one cube, it may be near another
        close = min(others, key=lambda cube: math.dist(cube[:2], (x, y)), default=None)
        if close is None or (distance := math.dist(close[:2], (x, y))) >= CUBE_DISTANCE:
            break
        away = ((x - close[0]) / distance, (y - close[1]) / distance) if distance > 1e-6 else (-1.0, 0.0)
        x, y = close[0] + away[0] * CUBE_DISTANCE, close[1] + away[1] * CUBE_DISTANCE
    return x, min(max(y, CUBE_Y[0]), CUBE_Y[1])


def _withdraw(state: ExpertState) -> tuple:
    if state.opening < _FREE:
        return STILL, OPEN
    return move(state.tcp, (state.tcp[0], state.tcp[1], max(CLEAR, state.tcp[2]))), OPEN


def _put_back(state: ExpertState) -> tuple:
    """Sets down a cube that nobody asked for, beside whatever is below it."""
    cube = state.cubes[state.held]
    others = [c for colour, c in state.cubes.items() if colour != state.held]
    nearest = min(others, key=lambda c: math.dist(c[:2], cube[:2]), default=None)
    floor = _floor(state, state.held)
    height = cube[2] - (floor + CUBE_SIZE / 2 + _DROP_GAP)
    if nearest is not None and height > 0.04 and math.dist(nearest[:2], cube[:2]) < 0.09:
        away = (cube[0] - nearest[0], cube[1] - nearest[1])
        length = math.hypot(*away)
        away = (away[0] / length, away[1] / length) if length > 1e-6 else (-1.0, 0.0)
        return (away[0] * NEAR_SPEED, away[1] * NEAR_SPEED, 0.0), CLOSED
    if height < _DROP_Z:
        return STILL, OPEN
    return move(state.tcp, (state.tcp[0], state.tcp[1], state.tcp[2] - height)), CLOSED


def _spot(state: ExpertState, tray) -> float:
    """Where along the tray to put a cube: the first place that is free, else the freest."""
    others = [c for colour, c in state.cubes.items() if colour != state.held and _inside(c, tray)]
    room = [min((math.dist((tray[0] + s, tray[1]), c[:2]) for c in others), default=1.0) for s in TRAY_SPOTS]
    return next((s for s, r in zip(TRAY_SPOTS, room) if r > CUBE_SIZE * 1.4), TRAY_SPOTS[room.index(max(room))])


def _advance(state: ExpertState, velocity, opening: float, dt: float) -> None:
    """Moves hand, fingers and held cube by one step, in place."""
    state.tcp = tuple(p + v * dt for p, v in zip(state.tcp, velocity))
    if state.held:
        cube = state.cubes[state.held]
        state.cubes[state.held] = tuple(p + v * dt for p, v in zip(cube, velocity))
    change = max(-GRIPPER_SPEED * dt, min(GRIPPER_SPEED * dt, opening - state.opening))
    before, state.opening = state.opening, state.opening + change
    if state.held is not None:
        if state.opening > _HELD:
            x, y, _ = state.cubes[state.held]
            state.cubes[state.held] = (x, y, _floor(state, state.held) + CUBE_SIZE / 2)
            state.held = None
        else:
            state.opening = max(state.opening, CUBE_SIZE)
    elif change < 0 and before >= CUBE_SIZE >= state.opening - 1e-9:
        for colour, cube in state.cubes.items():
            if (
                math.hypot(cube[0] - state.tcp[0], cube[1] - state.tcp[1]) < 0.017
                and abs(cube[2] - state.tcp[2]) < 0.02
            ):
                state.held, state.opening = colour, CUBE_SIZE
                state.cubes[colour] = (cube[0], state.tcp[1], cube[2])  # the fingers centre it along y


def _at_a_cube(state: ExpertState) -> bool:
    x, y, z = state.tcp
    return any(abs(c[0] - x) < 0.03 and abs(c[1] - y) < 0.045 and z - c[2] < 0.035 for c in state.cubes.values())


def _away(state: ExpertState, colour: str) -> bool:
    """Whether the hand is well clear of a cube, to the side or above."""
    cube = state.cubes[colour]
    return math.dist(state.tcp[:2], cube[:2]) > 0.06 or state.tcp[2] - cube[2] > 0.06


def _over(state: ExpertState, colour: str, place: str) -> bool:
    """Whether a cube is where it only has to sink to its place."""
    cube = state.cubes[colour]
    if place in state.trays:
        return _above(cube, state.trays[place])
    if place == TABLE:
        return _floor(state, colour) == 0.0
    return colour != place and math.dist(cube[:2], state.cubes[place][:2]) < CUBE_SIZE


def _floor(state: ExpertState, colour: str) -> float:
    """Height of what is below a cube: another cube, a tray's floor, or the table."""
    cube = state.cubes[colour]
    below = [tray[2] for tray in state.trays.values() if _above(cube, tray)]
    for other, (x, y, z) in state.cubes.items():
        if other != colour and z < cube[2] and max(abs(x - cube[0]), abs(y - cube[1])) < 0.75 * CUBE_SIZE:
            below.append(z + CUBE_SIZE / 2)
    return max(below, default=0.0)


def _above(cube, tray) -> bool:
    return max(abs(cube[0] - tray[0]), abs(cube[1] - tray[1])) < TRAY_INNER / 2


def _inside(cube, tray) -> bool:
    return _above(cube, tray) and cube[2] < CUBE_SIZE + TRAY_WALL
