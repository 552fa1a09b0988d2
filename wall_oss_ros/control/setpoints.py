# SPDX-License-Identifier: Apache-2.0
"""What a controller is sent each cycle: the next point, and how to come to rest should no more follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_BRAKE = 0.8  # share of the acceleration limit used to come to rest


@dataclass(frozen=True)
class Setpoint:
    """One point of a motion: s from the command's time, (n,) rad or m, (n,) rad/s or m/s."""

    time: float
    position: np.ndarray
    velocity: np.ndarray

    def of(self, joints: slice) -> Setpoint:
        """The same of some of the joints."""
        return Setpoint(self.time, self.position[joints], self.velocity[joints])


class Stopping:
    """Makes setpoints that end at rest.

    Args:
        dt: s between commands.
        low, high: (n,) bounds of the positions.
        acceleration: (n,) the limits.
    """

    def __init__(self, dt: float, low, high, acceleration):
        self._dt, self._low, self._high = dt, np.asarray(low, float), np.asarray(high, float)
        self._deceleration = _BRAKE * np.asarray(acceleration, float)

    def setpoints(self, q: np.ndarray, qd: np.ndarray) -> list[Setpoint]:
        """The next point; one cycle at that speed, should the next command be late; then rest, should none come."""
        dt, low, high = self._dt, self._low, self._high
        qd = np.where((q <= low) & (qd < 0) | (q >= high) & (qd > 0), 0.0, qd)
        next_point = Setpoint(dt, q, qd)
        if not np.any(qd):
            return [next_point, Setpoint(10 * dt, q, qd)]  # long enough not to be over when it comes late
        brake = max(float((np.abs(qd) / self._deceleration).max()), dt)
        rest = q + qd * (dt + brake / 2)
        # A joint that would pass its limit brakes at once.
        coast = np.where((rest < low) | (rest > high), 0.0, qd)
        coasted = np.clip(q + (qd + coast) / 2 * dt, low, high)
        rest = np.clip(coasted + coast * brake / 2, low, high)
        return [next_point, Setpoint(2 * dt, coasted, coast), Setpoint(2 * dt + brake, rest, np.zeros_like(qd))]
