# SPDX-License-Identifier: Apache-2.0
"""The record of a frame of the two-handed task: where hands and trays are, and what the expert would do.

Arms are in the profile's order (first right, then left), trays in the scene's, views in the profile's. Positions in m
in the arms' common base frame.
"""

from __future__ import annotations

import numpy as np

from wall_oss_ros.sim.environment import HORIZON

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
        # The expert's: take tray 0, take tray 1, lift tray 0, lift tray 1; the ACTING entries of the layout.
        ("chunks", "f4", (4, HORIZON, 14)),
    ]
)
