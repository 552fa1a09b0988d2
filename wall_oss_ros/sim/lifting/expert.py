# SPDX-License-Identifier: Apache-2.0
"""A scripted expert for two hands: what they would do next to take, lift or lower a tray, told from the true state.

It has no memory, as :mod:`wall_oss_ros.sim.cubes.expert`: whatever state the hands get into, it says how to go on from
there. Hands point straight down; turned ones turn back. Arms are in the profile's order. Positions in m in the arms'
base frame.
"""

from __future__ import annotations

import numpy as np

from wall_oss_ros.sim.lifting import bar
from wall_oss_ros.sim.lifting.frame import ARMS, CALLED, LEFT, LEVEL, RIGHT, at_middle
from wall_oss_ros.sim.lifting.goals import STEPS, LiftGoal, Step, giving, laying
from wall_oss_ros.sim.lifting.hand import CLOSED, LIFT_SPEED, OPEN, Command, carry, reach, set_down, withdraw
from wall_oss_ros.sim.lifting.scene import clear_of
from wall_oss_ros.sim.lifting.state import BAR, LiftState
from wall_oss_ros.sim.reaching import GAIN, STILL

TAKE, LIFT, LOWER = "take", "lift", "lower"
Subtask = tuple[str, str] | Step  # one of these and a tray's colour, or something to be done with the bar

TOP = 0.15  # m above the table, where a lifted tray is held


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
    if subtask in STEPS:
        commands = [bar.command(state, subtask, arm) if state.has_bar else (STILL, OPEN) for arm in range(ARMS)]
        velocities, openings = zip(*commands)
        return list(velocities), list(openings)
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
        commands = [(carry(state, tray, arm, speed), CLOSED) for arm in range(ARMS)]
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
        state.advance(velocities, openings, dt)
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


def called(goal: LiftGoal, state: LiftState) -> Subtask | None:
    """The subtask that a goal calls for; None where it is reached."""
    if goal.kind in ("lift", "down"):
        subtasks = [(TAKE, goal.colour), (LIFT, goal.colour)] if goal.kind == "lift" else [(LOWER, goal.colour)]
        return next((subtask for subtask in subtasks if not done(subtask, state)), None)
    gripped, holds = state.gripped[BAR], state.walls[BAR]
    clear = [clear_of(tcp, hold) for tcp, hold in zip(state.tcps, holds)]
    if goal.kind == "lay":
        return laying(gripped, clear)
    y = (holds[RIGHT][1] + holds[LEFT][1]) / 2
    return giving(goal.to, gripped, clear, at_middle(y, state.raised(BAR)), LEFT if y > 0 else RIGHT)


def _take(state: LiftState, tray: int, arm: int) -> Command:
    """One hand's command while the tray is not in both hands."""
    held = state.held_by(arm)
    if held == BAR:
        return bar.lay(state, arm)
    if held is not None:
        return set_down(state, held, arm, let_go=held != tray)
    if state.has_bar and any(state.gripped[BAR]) and not clear_of(state.tcps[arm], state.walls[BAR][arm]):
        return withdraw(state, BAR, arm)  # the other hand still has it
    return reach(state, tray, arm)


def _lower(state: LiftState, tray: int, arm: int) -> Command:
    """One hand's command while a tray is lowered: it sinks with it, lets go of it, rises from it."""
    return set_down(state, tray, arm, let_go=True) if state.gripped[tray][arm] else withdraw(state, tray, arm)
