# SPDX-License-Identifier: Apache-2.0
"""Whether an arm is pushed, or pushes, harder than it may."""

from __future__ import annotations

import math

import numpy as np

from wall_oss_ros.robots.parts import Force

LASTS = 0.02  # s that it must last: sensors at 500 Hz and more have single readings that mean nothing


class ForceWatch:
    """Watches the force and the torque that are measured at one arm.

    Args:
        what: the arm's name, for the reason given.
        limits: of its profile.

    Attributes:
        excess: by how much a limit is exceeded at present, in words; an empty text where none is, or not for long enough.
        doubt: what is wrong with the last reading; an empty text when nothing is.
    """

    def __init__(self, what: str, limits: Force):
        self._what, self._limits = what, limits
        self._since: float | None = None  # when the limits were exceeded, s; None while they are kept
        self.excess = self.doubt = ""

    def add(self, now: float, force, torque) -> None:
        """Takes in a reading at ``now`` (s): force (3,) N, torque (3,) N m."""
        newtons, newton_metres = (float(np.linalg.norm(np.asarray(x, float))) for x in (force, torque))
        self.doubt = ""
        if not (math.isfinite(newtons) and math.isfinite(newton_metres)):
            self.doubt = f"the force at the {self._what} is not a finite number"
        elif newtons > self._limits.max_force:
            self._exceed(now, f"a force of {newtons:.0f} N at the {self._what}, {self._limits.max_force:g} N permitted")
        elif newton_metres > self._limits.max_torque:
            words = (
                f"a torque of {newton_metres:.1f} N m at the {self._what}, {self._limits.max_torque:g} N m permitted"
            )
            self._exceed(now, words)
        else:
            self.forget()

    def forget(self) -> None:
        """Starts over, as after a restart of the clock."""
        self._since, self.excess = None, ""

    def _exceed(self, now: float, words: str) -> None:
        self._since = now if self._since is None else self._since
        self.excess = words if now - self._since >= LASTS - 1e-6 else ""
