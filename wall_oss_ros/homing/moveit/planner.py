# SPDX-License-Identifier: Apache-2.0
"""The way home by MoveIt, which knows the objects in its planning scene."""

from __future__ import annotations

import queue

import numpy as np

from wall_oss_ros.homing.builtin import Way
from wall_oss_ros.homing.clearance import Clearance
from wall_oss_ros.homing.moveit.link import MoveItLink

_ATTEMPTS = 3  # a random planner may find another way
_PATIENCE = 10.0  # s for one: twice what it is given to plan


class MoveItPlanner:
    """Has MoveIt plan, and looks at the way as at any other: MoveIt knows no workspace."""

    name = "moveit"

    def __init__(self, link: MoveItLink, clearance: Clearance):
        self._link, self._clearance = link, clearance

    def plan(self, q) -> Way:
        """A way home from joints (n,) rad at which the arms rest. Waits for MoveIt: call it beside control."""
        q, home = np.asarray(q, float), self._clearance.home
        reason = ""
        for _ in range(_ATTEMPTS):
            try:
                answer = self._link.ask({"do": "plan", "start": q.tolist(), "goal": home.tolist()}).get(
                    timeout=_PATIENCE
                )
            except queue.Empty:
                return Way(None, f"MoveIt has not answered for {_PATIENCE:.0f} s")
            if "reason" in answer:
                without = "; the parameter planner at builtin goes without it" if self._link.reason else ""
                return Way(None, f"MoveIt: {answer['reason']}{without}")
            knots = np.vstack([q, np.reshape(answer["knots"], (-1, len(q))), home])
            reason = self._clearance.objection(knots)
            if not reason:
                return Way(knots)
        return Way(
            None, f"of {_ATTEMPTS} ways that MoveIt found none keeps to the robot's profile: on the last one {reason}"
        )
