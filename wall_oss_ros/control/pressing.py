# SPDX-License-Identifier: Apache-2.0
"""Keeps an arm from pressing on against what it has met, long before the force that stops it."""

from __future__ import annotations

import math

import numpy as np

from wall_oss_ros.robots.components import Force

_MEETS, _ENOUGH = 0.1, 0.4  # shares of the permitted force: from which a tool is slowed, and goes no further
_SLOW = 0.05  # m/s further in at the former; at more than the latter back in the same proportion
_BACK = 0.1  # m/s at the most, the way it came
_GOING = 0.01  # m/s: slower tools have no direction
_LETS_GO = 0.7  # of the force at which it began


class Pressing:
    """Takes from the speed of one arm's tool what would press it further against what it has met.

    Only how hard it is pushed counts, not whither: frames and signs of what drivers measure differ, and one wrong sign
    would push harder. What the tool meets lies where it was going when the force came up. In that direction it is
    slowed as the force grows, stopped, and led back, no farther than it has come since; across it and away it is free.
    So a wrong guess can keep an arm back, and never sends it on.

    Args:
        limits: the arm's; None where nothing measures its force, and nothing is done.
    """

    def __init__(self, limits: Force | None):
        most = math.inf if limits is None else limits.max_force
        self._meets, self._enough = _MEETS * most, _ENOUGH * most
        self._newtons = 0.0
        self._direction: np.ndarray | None = None  # (3,) where the tool was going
        self._met, self._depth = False, 0.0  # m that it has gone in since

    def feel(self, newtons: float) -> None:
        """How hard the arm is pushed now."""
        self._newtons = newtons if math.isfinite(newtons) else 0.0  # which is a reason to hold elsewhere

    def shape(self, speed: np.ndarray, present: np.ndarray, jacobian: np.ndarray, dt: float) -> np.ndarray:
        """The joint speeds that are left of those wanted.

        Args:
            speed: (n,) rad/s wanted.
            present: (n,) rad/s commanded now.
            jacobian: (3, n) of the tool's position.
            dt: s since the last call.
        """
        if math.isinf(self._enough):
            return speed
        now = jacobian @ present
        going = float(np.linalg.norm(now))
        if self._newtons < self._meets * (_LETS_GO if self._met else 1.0):
            self._met, self._depth = False, 0.0
            self._direction = now / going if going > _GOING else None
            return speed
        self._met = True
        if self._direction is None:
            return speed  # it is pushed where it stands
        self._depth += float(now @ self._direction) * dt
        into = float(jacobian @ speed @ self._direction)
        may = _SLOW * (self._enough - self._newtons) / (self._enough - self._meets)
        if may < 0:
            may = max(may, -_BACK) if self._depth > 0 else 0.0
        if into <= may:
            return speed
        return speed - np.linalg.pinv(jacobian, rcond=1e-2) @ self._direction * (into - may)
