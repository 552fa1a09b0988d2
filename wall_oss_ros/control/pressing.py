# SPDX-License-Identifier: Apache-2.0
"""Keeps an arm from pressing on against what it has met, long before the force that stops it."""

from __future__ import annotations

import math

import numpy as np

from wall_oss_ros.robots.components import Force

_MEETS, _FIRM, _ENOUGH = (
    0.1,
    0.2,
    0.4,
)  # shares of the permitted force: it is slowed; has met something; goes no further
_BACK = 0.1  # m/s at the most, the way it came; at the force that stops it
_GOING = 0.01  # m/s: slower tools have no direction
_REMEMBERS = 1.0  # s after the force has gone that what was met is still expected there
_FEELS = 0.05  # m/s there


class Pressing:
    """Takes from the speed of one arm's tool what would press it further against what it has met.

    Only how hard it is pushed counts, not whither: frames and signs of what drivers measure differ, and one wrong sign
    would push harder. What the tool meets lies where it was going when the force came up. In that direction it is
    slowed as the force grows, stopped, and led back, no farther than it has come since; across it and away it is free.
    So a wrong guess can keep an arm back, and never sends it on.

    Args:
        limits: the arm's; None where nothing measures its force, and nothing is done.
        fastest: m/s of the tool.

    Attributes:
        holds_back: whether it took something from the speed wanted last.
    """

    def __init__(self, limits: Force | None, fastest: float):
        self._most, self._fastest = math.inf if limits is None else limits.max_force, fastest
        self._meets, self._firm, self._enough = (share * self._most for share in (_MEETS, _FIRM, _ENOUGH))
        self._newtons, self.holds_back = 0.0, False
        self._direction: np.ndarray | None = None  # (3,) where the tool was going
        self._left, self._depth = 0.0, 0.0  # s that what was met is remembered yet; m that it has gone in since

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
        self.holds_back = False
        if math.isinf(self._enough):
            return speed
        now = jacobian @ present
        going = float(np.linalg.norm(now))
        self._left = _REMEMBERS if self._newtons >= self._firm else max(0.0, self._left - dt)
        if self._newtons < self._meets and not self._left:
            self._depth, self._direction = 0.0, now / going if going > _GOING else None
            return speed
        if self._direction is None:
            return speed  # it is pushed where it stands
        self._depth += float(now @ self._direction) * dt
        into = float(jacobian @ speed @ self._direction)
        if into <= (may := self._permitted()):
            return speed
        self.holds_back = True
        return speed - np.linalg.pinv(jacobian, rcond=1e-2) @ self._direction * (into - may)

    def _permitted(self) -> float:
        """m/s further in."""
        if self._newtons < self._enough:
            # Cubed, little is lost to what an estimate of forces shows of an arm that moves freely.
            share = min(1.0, (self._enough - self._newtons) / (self._enough - self._meets))
            return min(self._fastest * share**3, _FEELS if self._left else math.inf)
        back = _BACK * (self._newtons - self._enough) / (self._most - self._enough)
        return -min(back, _BACK) if self._depth > 0 else 0.0
