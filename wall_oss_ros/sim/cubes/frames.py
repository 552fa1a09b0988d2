# SPDX-License-Identifier: Apache-2.0
"""The record of a frame of the table with cubes: where everything is, and what the expert would do.

Positions in m in the arm's base frame.
"""

from __future__ import annotations

import numpy as np

from wall_oss_ros.sim.environment import HORIZON

PLACES = ("table", "left tray", "right tray", "gripper")
"""Where a cube can be; ``FRAME["where"]`` holds the index."""

FRAME = np.dtype(
    [
        ("tcp", "f4", 3),  # tool centre point, m, base frame
        ("rotation", "f4", 3),  # Euler xyz from the tool's home orientation, rad
        ("opening", "f4"),  # between the fingers, m
        ("colours", "i1", 3),  # index into sim.goals.COLOURS of each cube
        ("cubes", "f4", (3, 3)),  # cube centres, m, base frame
        ("where", "i1", 3),  # index into PLACES
        ("trays", "f4", (2, 2)),  # centres of the left and the right tray, m, base frame
        ("cube_pixels", "f4", (3, 2)),  # x, y in the front view; NaN outside it
        ("cube_wrist_pixels", "f4", (3, 2)),  # x, y in the wrist view; NaN outside it
        ("tray_pixels", "f4", (2, 2)),
        ("hand_pixel", "f4", 2),
        # The expert's: pick up cube 0, 1, 2, place left, place right; the arm's entries of the layout.
        ("chunks", "f4", (5, HORIZON, 7)),
    ]
)
