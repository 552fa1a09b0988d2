# SPDX-License-Identifier: Apache-2.0
"""What two hands of the scripted expert do with the bar: one brings it to the middle, the other takes it there.

It has no memory, as the rest of the expert. The hands hold the bar side by side along x; each lays it down on its own
side of the table, beside the trays.
"""

from __future__ import annotations

import math

from wall_oss_ros.sim.lifting.frame import RIGHT
from wall_oss_ros.sim.lifting.goals import BRING, LET_GO, TAKE_BAR, Step
from wall_oss_ros.sim.lifting.hand import CLOSED, FREE, HOVER, OPEN, Command, reach, set_down, withdraw
from wall_oss_ros.sim.lifting.scene import BAR_X, BAR_Y, HOLDS, MIDDLE, SIGNS
from wall_oss_ros.sim.lifting.state import BAR, RESTS, LiftState
from wall_oss_ros.sim.reaching import FUNNEL, STILL, approach, move

_LOW, _ALONG, _ASIDE = 0.010, 0.03, 0.02  # m above its rest, along x and y off its place: the bar is let go there
_WAY = 0.16  # m from the middle along y: an empty hand nearer than that is in the way of the other one


def command(state: LiftState, step: Step, arm: int) -> Command:
    """What an arm does for a step."""
    action, hand = step
    held = state.gripped[BAR][arm]
    if not held and state.held_by(arm) is not None and action in (TAKE_BAR, BRING):
        return set_down(state, state.held_by(arm), arm, let_go=True)
    if action == TAKE_BAR:
        if arm != hand:
            return STILL, CLOSED if held else OPEN
        return (STILL, CLOSED) if held else _reach(state, arm)
    if action == BRING:
        return _bring(state, arm)
    if action == LET_GO and arm != hand:
        return STILL, OPEN if state.held_by(arm) is None else CLOSED
    if action == LET_GO and all(state.gripped[BAR]):
        return STILL, OPEN
    return lay(state, arm)


def _reach(state: LiftState, arm: int) -> Command:
    """Of an empty hand; where the other one has the bar, it comes from its own side, for hands must not meet."""
    tcp, hold = state.tcps[arm], state.walls[BAR][arm]
    if not state.gripped[BAR][1 - arm] or abs(tcp[0] - hold[0]) < _ALONG or state.openings[arm] < FREE:
        return reach(state, BAR, arm)
    return move(tcp, (hold[0], hold[1] + SIGNS[arm] * _WAY, hold[2] + HOVER)), OPEN


def lay(state: LiftState, arm: int) -> Command:
    """One hand's part in laying the bar down; of two that hold it, the right one lets go first."""
    if not state.gripped[BAR][arm]:
        return withdraw(state, BAR, arm)
    if all(state.gripped[BAR]):
        return (STILL, OPEN) if arm == RIGHT else (STILL, CLOSED)
    x = HOLDS[arm] + BAR_X
    here = state.walls[BAR][arm]
    there = (min(max(here[0], x - _ALONG), x + _ALONG), SIGNS[arm] * BAR_Y, RESTS[BAR] + 0.4 * _LOW)
    off = math.dist(here[:2], there[:2])
    if off < _ASIDE and here[2] - RESTS[BAR] < _LOW:
        return STILL, OPEN
    goal = tuple(t + p - h for t, p, h in zip(there, state.tcps[arm], here))
    allowed = goal[2] + min(MIDDLE[1], max(0.0, (off - 0.7 * _ASIDE) * FUNNEL))
    return approach(state.tcps[arm], goal, allowed, HOVER), CLOSED


def _bring(state: LiftState, arm: int) -> Command:
    """Of the hand that holds the bar: up, and then to the middle; the other one keeps out of the way."""
    if not any(state.gripped[BAR]):  # it was lost
        y = state.walls[BAR][RIGHT][1]
        return reach(state, BAR, arm) if SIGNS[arm] * y > 0 else (STILL, OPEN)
    if not state.gripped[BAR][arm]:
        x, y, z = state.tcps[arm]
        high = RESTS[BAR] + MIDDLE[1] + HOVER
        return (move((x, y, z), (x, y, high)) if SIGNS[arm] * y < _WAY and z < high else STILL), OPEN
    here, tcp = state.walls[BAR][arm], state.tcps[arm]
    if all(state.gripped[BAR]):
        return STILL, CLOSED
    there = (HOLDS[arm] + BAR_X, MIDDLE[0], RESTS[BAR] + MIDDLE[1])
    goal = tuple(t + p - h for t, p, h in zip(there, tcp, here))
    return approach(tcp, goal, goal[2], HOVER), CLOSED
