# SPDX-License-Identifier: Apache-2.0
"""What one hand of the scripted expert does with a tray's wall, or with the bar: it reaches, carries, lets go.

Each gives the velocity of the tool centre point (3,), m/s, and the opening to command, m.
"""

from __future__ import annotations

import math

from wall_oss_ros.sim.lifting.scene import clear_of
from wall_oss_ros.sim.lifting.state import RESTS, WIDTHS, LiftState
from wall_oss_ros.sim.reaching import FUNNEL, GAIN, STILL, approach, move

OPEN, CLOSED = 0.08, 0.0  # m, what the grippers are told
LIFT_SPEED = 0.10  # m/s, of a tray
FREE = 0.06  # m, opening at which a wall is let go for sure
HOVER = 0.09  # m above the place to grip, height of approach
_LEVELLING = 3.0  # 1/s, correction per difference in height
_GRASP_X, _GRASP_Y, _GRASP_Z = 0.020, 0.008, 0.009  # m, where closing starts
_GRASP_ON = 0.004  # m, how much farther off closing goes on, once begun
_SHUT = 0.002  # m, by which fingers are closer than what they would hold: they have closed on nothing
_DROP = 0.008  # m above its rest: a tray is let go below this
Command = tuple[tuple[float, float, float], float]


def reach(state: LiftState, thing: int, arm: int) -> Command:
    """An empty hand goes for its place on a thing, and closes there."""
    tcp, wall = state.tcps[arm], state.walls[thing][arm]
    dx, dy, dz = (w - t for w, t in zip(wall, tcp))
    more = _GRASP_ON if state.openings[arm] < FREE else 0.0
    if abs(dx) < _GRASP_X + more and abs(dy) < _GRASP_Y + more and abs(dz) < _GRASP_Z + more:
        return STILL, OPEN if state.openings[arm] < WIDTHS[thing] - _SHUT else CLOSED
    off = math.hypot(dx, dy)
    height = min(HOVER, max(0.0, (off - 0.006) * FUNNEL))
    if state.openings[arm] < FREE:
        if any(_between(tcp, walls[arm]) for walls in state.walls):
            return STILL, OPEN  # let go before moving
        height = HOVER
    return approach(tcp, wall, wall[2] + height, HOVER), OPEN


def set_down(state: LiftState, tray: int, arm: int, let_go: bool) -> Command:
    """Lowers a held tray to the table; there it is let go, or kept until the other hand has it, too."""
    height = state.walls[tray][arm][2] - RESTS[tray]
    if height < _DROP:
        return STILL, OPEN if let_go else CLOSED
    return carry(state, tray, arm, -min(LIFT_SPEED, GAIN * height)), CLOSED


def carry(state: LiftState, tray: int, arm: int, speed: float) -> tuple[float, float, float]:
    """Straight up or down, the lower of two hands faster upwards, so that the tray becomes level."""
    if all(state.gripped[tray]):
        own = state.walls[tray][arm][2] - RESTS[tray]
        speed += max(-LIFT_SPEED / 2, min(LIFT_SPEED / 2, _LEVELLING * (state.raised(tray) - own)))
    return 0.0, 0.0, speed


def withdraw(state: LiftState, thing: int, arm: int) -> Command:
    """A hand that does not hold a thing opens and rises from it; what else it holds, it keeps."""
    if state.held_by(arm) is not None:
        return STILL, CLOSED
    tcp, wall = state.tcps[arm], state.walls[thing][arm]
    if clear_of(tcp, wall) or (state.openings[arm] < FREE and _between(tcp, wall)):
        return STILL, OPEN
    return move(tcp, (tcp[0], tcp[1], wall[2] + HOVER)), OPEN


def _between(tcp, wall) -> bool:
    """Whether the wall, or something as near as it, may be between the fingers."""
    return abs(wall[0] - tcp[0]) < 0.075 and abs(wall[1] - tcp[1]) < 0.045 and tcp[2] - wall[2] < 0.035
