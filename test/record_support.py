# SPDX-License-Identifier: Apache-2.0
"""Plans with a history, as the planner publishes them, for records in tests."""

from __future__ import annotations

from bag_support import Said, Story, header, new, stamp

AWAITING, RUNNING, SUCCEEDED, FAILED, CANCELLED = 0, 1, 2, 3, 4
MODEL, PERSON, CLOCK, MONITOR = 0, 1, 2, 3
IDLE, MOVES, HOLDING, STOPPED, HOMING = range(5)
PICK, PLACE = "pick up the red cube", "put it in the left tray"


class Plans:
    """Versions of one plan, as the planner publishes them."""

    def __init__(self, number: int = 1, instruction: str = "put the red cube in the left tray"):
        self.number, self.instruction = number, instruction
        self._history: list = []

    def __call__(self, time: float, texts, active=0, status=RUNNING, change=None, **fields):
        """``change``: by, what and, if need be, name."""
        if change is not None or not self._history:
            by, what, *name = change or (MODEL, "made")
            self._history.append(
                new("wall_oss_msgs/msg/PlanChange", revision=len(self._history) + 1, stamp=stamp(time), by=by,
                    what=what, name=name[0] if name else "")
            )  # fmt: skip
        steps = [
            new("wall_oss_msgs/msg/Subtask", text=text.strip("-"), status=5 * text.startswith("-")) for text in texts
        ]
        return new(
            "wall_oss_msgs/msg/SubtaskPlan", header=header(time), planner="p", plan_id=self.number, status=status,
            active=active if status == RUNNING else -1, instruction=self.instruction, subtasks=steps,
            revision=len(self._history), history=list(self._history), **fields,
        )  # fmt: skip


def status(state: int, reason: str = "", needs_resume: bool = False):
    return new("wall_oss_msgs/msg/ControlStatus", state=state, reason=reason, needs_resume=needs_resume)


def corrected_story(begin: float) -> Story:
    """A person changes the words of a subtask while it runs, and stops the robot for a moment."""
    plan, at = Plans(), "/wall_oss/plan"
    versions = [
        plan(begin + 0.2, [PICK, PLACE]),
        plan(begin + 1.0, [PICK, PLACE], 1),
        plan(begin + 2.0, [PICK, "put it in the right tray"], 1, change=(PERSON, "subtask 1 has other words", "Ann")),
        plan(begin + 3.5, [PICK, "put it in the right tray"], status=FAILED, change=(CLOCK, "failed"), message="late"),
    ]
    said = [
        Said(one.header.stamp.sec + one.header.stamp.nanosec * 1e-9 + 0.002, at, "wall_oss_msgs/msg/SubtaskPlan", one)
        for one in versions
    ]
    for time, state in ((0.1, status(MOVES)), (2.5, status(STOPPED, "stopped", True)), (3.0, status(MOVES))):
        state.header = header(begin + time)
        said.append(Said(begin + time + 0.002, "/wall_oss/status", "wall_oss_msgs/msg/ControlStatus", state))
    return Story(seconds=4.0, begin=begin, plan=(), extra=said, mark="failure")
