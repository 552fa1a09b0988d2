# SPDX-License-Identifier: Apache-2.0
"""What the planner knows of control: whether the robot works on its plan, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass

SILENCE = 3.0  # s after which nothing that control has said counts; it speaks several times a second


@dataclass(frozen=True)
class ControlReport:
    """What a control node has said of itself.

    Attributes:
        control: an id of that run of the node.
        robot: the identity of its robot.
        planner, plan_id: whose plan it works on; empty and 0 when on none.
        moving: whether it follows the model's actions.
        words: its state, with the reason.
    """

    control: str
    robot: str
    planner: str
    plan_id: int
    moving: bool
    words: str


class ControlWatch:
    """Believes the control node of one robot, as long as there is one and it speaks.

    Args:
        robot: the identity of the robot.
        planner: the id of this run of the planner.
    """

    def __init__(self, robot: str, planner: str):
        self._robot, self._planner = robot, planner
        self._report: ControlReport | None = None
        self._heard: dict[str, float] = {}  # by the node's id, s
        self._several: tuple[tuple[str, ...], float] | None = None  # ids that speak at one time, and when they did last
        self._foreign: tuple[str, float] | None = None  # another robot's identity, and when its control spoke last

    def is_of_this_robot(self, report: ControlReport) -> bool:
        return report.robot == self._robot

    def repeats(self, report: ControlReport) -> bool:
        """Whether it is from the node that spoke last, and about this robot."""
        last = self._report
        return last is not None and (report.robot, report.control) == (last.robot, last.control)

    def hear(self, report: ControlReport, steady: float) -> bool:
        """Takes in a report at ``steady`` s. Returns whether it is about this robot."""
        if not self.is_of_this_robot(report):
            self._foreign = report.robot, steady
            return False
        self._heard = {one: when for one, when in self._heard.items() if steady - when <= SILENCE}
        newest = self._report.control if self._report is not None else report.control
        if report.control != newest and report.control in self._heard:  # not a restart: the one before goes on speaking
            self._several = tuple(sorted({report.control, newest})), steady
        self._heard[report.control] = steady
        self._report = report
        return True

    def holding(self, plan_id: int, steady: float) -> str:
        """Why the robot does not work on that plan; empty while it does."""
        report = self._report
        if report is None:
            if self._foreign is not None and steady - self._foreign[1] <= SILENCE:
                return f"the control that speaks is of another robot, {self._foreign[0] or 'which it does not name'}"
            return "nothing has been heard of control"
        if steady - self._heard[report.control] > SILENCE:
            return f"control has been silent for more than {SILENCE:g} s"
        if self._several is not None and steady - self._several[1] <= SILENCE:
            return f"several control nodes speak: {', '.join(self._several[0])}"
        if report.plan_id and not self._ours(plan_id):
            return f"control works on another plan: {report.plan_id} of planner {report.planner or 'unknown'}"
        return "" if report.moving and report.plan_id else report.words or "control works on no plan"

    def takes_up(self, plan_id: int) -> bool:
        """Whether control speaks, but not yet of that plan: it may not have heard of it."""
        return self._report is not None and not self._ours(plan_id)

    def _ours(self, plan_id: int) -> bool:
        return (self._report.planner, self._report.plan_id) == (self._planner, plan_id)
