# SPDX-License-Identifier: Apache-2.0
"""What the page shows of a robot, from the messages that come of it: now, or from a record. Needs no ROS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wall_oss_ros.page.panel import Panel, PlanLine
from wall_oss_ros.page.robot_scene import RobotScene
from wall_oss_ros.page.status_text import SUBTASK_MARKS, age_words, control_words, plan_words, printable
from wall_oss_ros.perception.ages import CHUNK_FRESH, PLAN_FRESH, STATUS_FRESH, VIEWS_FRESH, LastHeard, span
from wall_oss_ros.uni_cot.plan import PlanStatus, SubtaskStatus


class Display:
    """Takes in messages, and brings scene and panel up to date. Times are those of one steady clock, s.

    Messages have the fields of their types, whoever decoded them.

    Args:
        scene, panel: where it is shown.
        steady: the clock.
        now: the time that messages are stamped in, s.
    """

    def __init__(self, scene: RobotScene, panel: Panel, steady: Callable[[], float], now: Callable[[], float]):
        self._scene, self._panel, self._steady, self._now = scene, panel, steady, now
        self._target: tuple[float, float, float] | None = None
        self._grey = False
        self.forget()

    def forget(self) -> None:
        """Nothing has been heard yet; what was shown stays until something else is."""
        self._joints: dict[str, float] = {}
        self._truth: Mapping[str, Any] | None = None
        self._status: Any = None
        self._plan: Any = None
        self._pictures: Sequence[np.ndarray] = ()
        self._new_pictures = False
        self._status_heard, self._plan_heard = LastHeard(STATUS_FRESH), LastHeard(PLAN_FRESH)
        self._views_heard, self._joints_heard = LastHeard(VIEWS_FRESH), LastHeard(VIEWS_FRESH)
        self._chunk_heard, self._time_heard = LastHeard(CHUNK_FRESH), LastHeard(VIEWS_FRESH)

    def silences(self) -> dict[str, str]:
        """Of whom nothing has been heard of late, and for how long; empty for who speaks."""
        heard = {
            "control": self._status_heard, "planner": self._plan_heard, "perception": self._views_heard,
            "the robot's joints": self._joints_heard,
        }  # fmt: skip
        return {name: one.silence(self._steady()) for name, one in heard.items()}

    def hear_joints(self, message: Any) -> None:
        """sensor_msgs/JointState."""
        self._joints |= zip(message.name, message.position)
        self._joints_heard.hear(self._steady(), mark=_mark(message))

    def hear_truth(self, truth: Mapping[str, Any]) -> None:
        """The simulator's."""
        self._truth = truth

    def hear_views(self, pictures: Sequence[np.ndarray], mark: Any = None) -> None:
        """The views, each (H, W, 3) uint8 RGB; ``mark`` says of which moment."""
        self._pictures, self._new_pictures = pictures, True
        self._views_heard.hear(self._steady(), mark=mark)

    def hear_status(self, message: Any) -> None:
        """wall_oss_msgs/ControlStatus."""
        self._status = message
        stamp = message.header.stamp
        self._status_heard.hear(self._steady(), sent_ago=self._now() - stamp.sec - stamp.nanosec * 1e-9)

    def hear_plan(self, plan: Any) -> None:
        """wall_oss_msgs/SubtaskPlan."""
        self._plan_heard.hear(self._steady())
        self._plan = plan
        if plan.status != PlanStatus.RUNNING:
            self._scene.show_paths([])

    def hear_chunk(self, chunk: Any) -> None:
        """wall_oss_msgs/ActionChunk."""
        self._chunk_heard.hear(self._steady())
        paths = (chunk.path, *chunk.more_paths)
        self._scene.show_paths([[_point(pose.position) for pose in path.poses] for path in paths])

    def update_scene(self) -> None:
        """Moves the robot and what stands before it; to be called several times a second."""
        if self._joints:
            self._scene.show_joints(self._joints)
        if self._truth is not None:
            self._scene.show_truth(self._truth)
            self._truth = None

    def update_panel(self) -> None:
        """Pictures, plan and figures; to be called a few times a second."""
        silences = self.silences()
        self._show_pictures(f"perception {silence}" if (silence := silences["perception"]) else "")
        self._show_plan(silences["planner"])
        self._show_control(silences["control"])
        self._scene.show_note(f"joint states {silence}" if (silence := silences["the robot's joints"]) else "")
        if self._chunk_heard.ever and self._chunk_heard.stale(self._steady()):
            self._scene.show_paths([])  # it is no longer ahead

    def _show_pictures(self, silence: str) -> None:
        if self._pictures and (self._new_pictures or silence):
            if self._new_pictures or not self._grey:
                self._panel.show_pictures(self._pictures, silence)
            self._new_pictures, self._grey = False, bool(silence)
        self._panel.note_pictures(silence)

    def _show_plan(self, silence: str) -> None:
        plan = self._plan
        if plan is None:
            return
        lines = []
        for subtask in plan.subtasks:
            mark, tone = SUBTASK_MARKS.get(subtask.status, ("?", "quiet"))
            lines.append(PlanLine(mark, printable(subtask.text), tone, subtask.status == SubtaskStatus.ACTIVE))
        state, tone = plan_words(plan.status, silence)
        self._panel.show_plan(
            printable(plan.instruction), state, tone, lines, printable(plan.message), stale=bool(silence)
        )
        active = plan.subtasks[plan.active] if 0 <= plan.active < len(plan.subtasks) else None
        target = _point(active.target) if active is not None and active.has_target and not silence else None
        if target != self._target:
            self._target = target
            self._scene.show_target(target)

    def _show_control(self, silence: str) -> None:
        status, steady, now = self._status, self._steady(), self._now()
        if status is None:
            return
        self._time_heard.hear(steady, mark=now)
        stands = f", stands still for {span(self._time_heard.age(steady))}" if self._time_heard.stale(steady) else ""
        state, tone, reason = control_words(status.state, status.reason, silence)
        at_report = -1.0 if silence else status.observation_age_s
        seen = age_words(at_report, self._status_heard.age(steady), self._views_heard.age(steady))
        figures = {"time": f"{now:.1f} s{stands}", "subtask": printable(status.subtask) or "none", "observation": seen}
        if joints := self._joints_heard.silence(steady):
            figures["joint states"] = joints
        if not silence:
            figures |= {
                "chunk": f"{1000 * status.inference_s:.0f} ms, {status.chunks} so far",
                "commands": f"{status.command_rate_hz:.0f} Hz, jitter {1000 * status.command_jitter_s:.1f} ms",
            }
        self._panel.show_control(f"control {state}" if silence else state, tone, reason, figures, stale=bool(silence))


def picture(image: Any) -> np.ndarray:
    """An rgb8 sensor_msgs/Image as (height, width, 3) uint8."""
    return np.frombuffer(bytes(image.data), np.uint8).reshape(image.height, image.step // 3, 3)[:, : image.width]


def _mark(message: Any) -> tuple[int, int] | None:
    """The moment that a message is about; None if it does not say."""
    stamp = message.header.stamp.sec, message.header.stamp.nanosec
    return stamp if any(stamp) else None


def _point(message: Any) -> tuple[float, float, float]:
    return message.x, message.y, message.z
