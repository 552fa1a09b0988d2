# SPDX-License-Identifier: Apache-2.0
"""The record of a frame of the two-handed task: where hands, trays and the bar are, and what the expert would do.

Arms are in the profile's order (first right, then left), trays in the scene's, views in the profile's. Positions in m
in the arms' common base frame.
"""

from __future__ import annotations

import math

import numpy as np

from wall_oss_ros.sim.lifting.goals import HANDS, STEPS
from wall_oss_ros.sim.lifting.scene import GRIP, HOLDS, MIDDLE, SIDE, SIGNS
from wall_oss_ros.sim.steps import HORIZON

ARMS, TRAYS, VIEWS = 2, 2, 3
RIGHT, LEFT = 0, 1
"""Indices of the arms."""
ACTING = slice(0, 14)
"""The entries of the 20-D layout that the task moves: left arm and gripper, right arm and gripper."""

LIFT_FRAME = np.dtype(
    [
        ("tcps", "f4", (ARMS, 3)),  # tool centre points
        ("rotations", "f4", (ARMS, 3)),  # Euler xyz from the tool's home orientation, rad
        ("openings", "f4", ARMS),  # between the fingers, m
        ("colours", "i1", TRAYS),  # index into sim.goals.COLOURS of each tray
        ("trays", "f4", (TRAYS, 4)),  # x, y, z and yaw (rad) of the middle of each tray's floor
        ("raised", "f4", TRAYS),  # how far each floor is above where it rests on the table, m
        ("near", "i1"),  # index of the tray that stood nearer to the robot when the scene began
        ("gripped", "?", (TRAYS, ARMS)),  # whether this arm's fingers hold this tray
        ("tilt", "f4", TRAYS),  # of each tray, from level, rad
        ("tray_pixels", "f4", (VIEWS, TRAYS, 2)),  # x, y of each tray's middle in each view; NaN outside it
        ("hand_pixels", "f4", (VIEWS, ARMS, 2)),  # x, y of each tool centre point; NaN outside
        ("tray_boxes", "f4", (TRAYS, 4)),  # left, top, right, bottom in the front view; NaN where any of it is outside
        ("bar_there", "?"),  # whether there is a bar; if not, what is said of it below means nothing
        ("bar", "f4", 4),  # x, y, z and yaw (rad) of its middle
        ("bar_gripped", "?", ARMS),  # whether this arm's fingers hold it
        ("bar_pixels", "f4", (VIEWS, 2)),  # x, y of its middle in each view; NaN outside it
        # The expert's: take tray 0 and 1, lift them, lower them, and ``goals.STEPS``; the ACTING entries of the layout.
        ("chunks", "f4", (3 * TRAYS + len(STEPS), HORIZON, 14)),
    ]
)

SIDES = HANDS
"""The arms' names, in the frame's order."""
VIEW_WORDS = ("", " in the left wrist view", " in the right wrist view")
"""How questions name the views, in the frame's order; nothing is said of the front view."""

RAISED = 0.10
"""A tray this high (m) above where it rested counts as lifted, if it is level and in both hands."""
LEVEL = math.radians(10)
CALLED = 0.12
"""From this height on (m), the lifting is called done; above ``RAISED``, so that a little early is still right."""


ON_TABLE, FLAT = 0.01, 0.03
"""A tray raised (m) and tilted (rad) no more than this stands on the table."""
_CENTRED, _HIGH = 0.04, 0.10
"""The bar is in the middle within this (m) along y, from this height (m) above its rest on."""


def walls(frame: np.void, tray: int) -> np.ndarray:
    """Where each arm grips a tray (arms, 3), m, were it level."""
    x, y, z, yaw = frame["trays"][tray]
    aside = SIDE * np.array(SIGNS)
    return np.stack([x - aside * math.sin(yaw), y + aside * math.cos(yaw), np.full(ARMS, z + GRIP)], axis=1)


def bar_holds(frame: np.void) -> np.ndarray:
    """Where each arm holds the bar (arms, 3), m, were it level."""
    x, y, z, yaw = frame["bar"]
    along = np.array(HOLDS)
    return np.stack([x + along * math.cos(yaw), y + along * math.sin(yaw), np.full(ARMS, z)], axis=1)


def at_middle(y: float, height: float) -> bool:
    """Whether the bar's middle, at ``y`` and at a height above where it rests (m), is where it is handed over."""
    return abs(y - MIDDLE[0]) < _CENTRED and height > _HIGH


def stands(frame: np.void, tray: int) -> bool:
    """Whether a tray stands on the table."""
    return bool(frame["raised"][tray] < ON_TABLE and frame["tilt"][tray] < FLAT)
