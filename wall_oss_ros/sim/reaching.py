# SPDX-License-Identifier: Apache-2.0
"""How the scripted experts move a tool centre point (TCP): velocities from positions, m/s and m in the base frame."""

from __future__ import annotations

import math

SPEED = 0.25  # m/s, fastest motion
NEAR_SPEED = 0.15  # m/s, fastest vertical motion close to a goal
GAIN = 4.0  # 1/s, approach speed per distance left
FUNNEL = 4.0  # height allowed per distance from the axis of approach
STILL = (0.0, 0.0, 0.0)


def move(tcp, goal) -> tuple[float, float, float]:
    """Velocity straight towards ``goal`` (3,)."""
    dx, dy, dz = goal[0] - tcp[0], goal[1] - tcp[1], goal[2] - tcp[2]
    distance = math.sqrt(dx * dx + dy * dy + dz * dz)
    if distance < 1e-6:
        return STILL
    speed = min(SPEED, GAIN * distance + 0.01, 10.0 * distance) / distance  # 10/s: not beyond the goal in 0.1 s
    return dx * speed, dy * speed, dz * speed


def approach(tcp, goal, allowed: float, near: float) -> tuple[float, float, float]:
    """Velocity towards ``goal`` through a funnel: rises where the TCP is below ``allowed``, sinks as it gets nearer.

    Args:
        allowed: the lowest height at this distance from the goal.
        near: up to this height above the goal, the TCP sinks at ``NEAR_SPEED`` at most.
    """
    low = allowed - tcp[2]
    ahead = (goal[0], goal[1], allowed if low > 0 else max(goal[2], allowed))
    vx, vy, vz = move(tcp, ahead)
    slow = min(1.0, max(0.0, 1.0 - (low - 0.01) / 0.03))
    if vz < 0 and tcp[2] - goal[2] < near:
        vz = max(vz, -NEAR_SPEED)
    return vx * slow, vy * slow, vz
