# SPDX-License-Identifier: Apache-2.0
"""How long a plan may take: time that the robot works, that it is held, and that nobody approves it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from wall_oss_ros.uni_cot.plan import Plan, PlanStatus

FASTEST = 20.0  # a simulation may run so many times faster than real time, or slower


@dataclass(frozen=True)
class PlanLimits:
    """Bounds in s. The first two are of the node's time, which may be simulated, the others of steady time.

    Attributes:
        subtask: longest time that the robot works on one subtask, from when it became active.
        plan: longest time that it works on the whole plan, however often subtasks begin again.
        held: longest time that a plan waits while the robot holds.
        approval: longest time that a plan waits for a person to approve or edit it.
        blind: longest time without a new observation while a plan runs.
        model: longest time that the model may take over one answer.
        observation: how long an instruction waits for an observation, and how old the one may be that it begins with.
    """

    subtask: float = 60.0
    plan: float = 600.0
    held: float = 300.0
    approval: float = 300.0
    blind: float = 30.0
    model: float = 120.0
    observation: float = 5.0


class PlanTime:
    """The time that one plan has taken.

    The node's time may be simulated, set, or stand still: it counts at no more than ``FASTEST`` times the pace of
    steady time, and at no less than its ``FASTEST`` part, so that every bound is reached.

    Attributes:
        worked: time that the robot has worked on the plan, s.
        subtask: time of it since the active subtask became so, s.
        held: steady time that it has been held, s. Time that it works counts back: a hold is forgotten when the robot
            has worked for as long, so a plan that is held again and again comes to its end as well.
        waited: steady time that it has awaited an approval, s, since that began or a person last edited it.
    """

    def __init__(self, limits: PlanLimits, now: float, steady: float):
        self._limits, self._now, self._steady = limits, now, steady
        self._activation: int | None = None
        self._waits = 0
        self.worked = self.subtask = self.held = self.waited = 0.0

    def count(self, plan: Plan, working: bool, now: float, steady: float) -> None:
        """Counts the time since the last call, which the robot has spent working on ``plan``, or held."""
        wall = max(steady - self._steady, 0.0)
        gone = now - self._now
        gone = min(max(gone, wall / FASTEST), wall * FASTEST) if math.isfinite(gone) else wall
        self._now, self._steady = now, max(steady, self._steady)
        activation = plan.activations if plan.active >= 0 else None
        fresh, self._activation = activation != self._activation, activation
        if fresh:
            self.subtask = 0.0
        if plan.status == PlanStatus.AWAITING_APPROVAL:
            self.waited = self.waited + wall if plan.waits == self._waits else 0.0
            self._waits = plan.waits
        elif not working:
            self.held += wall
        else:
            self.worked += gone
            self.subtask += 0.0 if fresh else gone
            self.held = max(self.held - wall, 0.0)

    def late(self, plan: Plan) -> str:
        """Why the active subtask has taken too long; empty while it has not."""
        limit = self._limits.subtask
        return f'"{plan.active_text}" took longer than {limit:g} s' if plan.active_text and self.subtask > limit else ""

    def over(self, plan: Plan, why_held: str) -> str:
        """Why the plan has taken too long; empty while it has not."""
        limits = self._limits
        if plan.status == PlanStatus.AWAITING_APPROVAL and self.waited > limits.approval:
            return f"Nobody approved the plan within {limits.approval:g} s."
        if self.held > limits.held:
            return f"The plan was held for more than {limits.held:g} s: {why_held or 'the robot did not move'}."
        if self.worked > limits.plan:
            return f"The plan took longer than {limits.plan:g} s."
        return ""
