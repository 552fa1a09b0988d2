# SPDX-License-Identifier: Apache-2.0
"""What the page shows of a robot, from the messages that come of it: now, or from a record. Needs no ROS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wall_oss_ros.page.cameras import Cameras
from wall_oss_ros.page.node_reports import NodeReports
from wall_oss_ros.page.panel import Panel
from wall_oss_ros.page.plan_view import plan_view
from wall_oss_ros.page.robot_scene import RobotScene
from wall_oss_ros.page.status_text import age_words, control_words, printable
from wall_oss_ros.page.traces import Traces
from wall_oss_ros.perception.ages import CHUNK_FRESH, PLAN_FRESH, STATUS_FRESH, VIEWS_FRESH, LastHeard, span
from wall_oss_ros.robots.frames import Frames
from wall_oss_ros.uni_cot.plan import PlanStatus

PLOT_PERIOD = 1.0  # s between two versions of the plots
UNREADABLE = (AttributeError, ValueError, LookupError, TypeError, ArithmeticError)
"""What is raised by messages that are not what their types are for, or of another version: they cannot be shown."""


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
        self._profile, self._frames = scene.profile, Frames(scene.profile)
        self._target: tuple[float, float, float] | None = None
        self.forget()

    def forget(self) -> None:
        """Nothing has been heard yet; what was shown stays until something else is."""
        arms = self._profile.arms
        self._plotted = float("-inf")
        self._joints: dict[str, float] = {}
        self._truth: Mapping[str, Any] | None = None
        self._status: Any = None
        self._plan: Any = None
        self._pressed: bool | None = None
        self.cameras = Cameras(self._panel, [(view.name, view.prompt) for view in self._profile.views])
        self.reports = NodeReports()
        self._traces = Traces(
            [one.name or "arm" for one in arms],
            [one.arm.force.max_force if one.arm.force else None for one in arms],
        )
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
        stamp = _seconds(message.header.stamp) or self._now()
        for number, one in enumerate(self._profile.arms):
            pose = self._frames.pose(one.arm.tcp_frame, one.arm.base_frame, self._joints)
            if pose is not None:
                self._traces.tool[number].add(stamp, pose[:3, 3])

    def hear_truth(self, truth: Mapping[str, Any]) -> None:
        """The simulator's."""
        self._truth = truth

    def hear_views(self, pictures: Sequence[np.ndarray], mark: Any = None, names: Sequence[str] | None = None) -> None:
        """The model's views, each (H, W, 3) uint8 RGB, in the profile's order or with their names; ``mark`` says of
        which moment."""
        self.cameras.hear_views(pictures, self._steady(), names)
        self._views_heard.hear(self._steady(), mark=mark)

    def hear_camera(self, view: str, pixels: Callable[[], np.ndarray]) -> None:
        """A camera's whole picture; ``pixels`` gives it, (H, W, 3) uint8 RGB."""
        self.cameras.hear_camera(view, pixels, self._steady())

    def hear_pointing(self, message: Any) -> None:
        """wall_oss_msgs/Grounding."""
        self.cameras.hear_pointing(message)

    def hear_status(self, message: Any) -> None:
        """wall_oss_msgs/ControlStatus."""
        self._status = message
        stamp = _seconds(message.header.stamp)
        self._status_heard.hear(self._steady(), sent_ago=self._now() - stamp)
        self._traces.latency.add(stamp, (1000 * message.latency_s, 1000 * message.inference_s))

    def hear_plan(self, plan: Any) -> None:
        """wall_oss_msgs/SubtaskPlan."""
        self._plan_heard.hear(self._steady())
        self._plan = plan
        if plan.status != PlanStatus.RUNNING:
            self._scene.show_paths([])

    def hear_chunk(self, chunk: Any) -> None:
        """wall_oss_msgs/ActionChunk."""
        self._chunk_heard.hear(self._steady())
        paths = [[_point(pose.position) for pose in path.poses] for path in (chunk.path, *chunk.more_paths)]
        self._scene.show_paths(paths)
        begins = _seconds(chunk.header.stamp)
        for number, points in enumerate(paths[: len(self._profile.arms)]):
            if points and chunk.rate_hz > 0:
                self._traces.add_chunk(number, begins, 1.0 / chunk.rate_hz, points)

    def hear_wrench(self, arm: int, message: Any) -> None:
        """geometry_msgs/WrenchStamped of the profile's arm of that number."""
        force = message.wrench.force
        newtons = float(np.linalg.norm((force.x, force.y, force.z)))
        self._traces.force[arm].add(_seconds(message.header.stamp) or self._now(), (newtons,))

    def hear_emergency(self, message: Any) -> None:
        """std_msgs/Bool of the emergency stop's topic."""
        self._pressed = bool(message.data)

    def hear_diagnostics(self, message: Any) -> None:
        """diagnostic_msgs/DiagnosticArray."""
        self.reports.hear(message, self._steady())

    def update_scene(self) -> None:
        """Moves the robot and what stands before it; to be called several times a second."""
        if self._joints:
            self._scene.show_joints(self._joints)
        truth, self._truth = self._truth, None  # once, also where it cannot be shown
        if truth is not None:
            self._scene.show_truth(truth)

    def update_panel(self) -> None:
        """Pictures, plan and figures; to be called a few times a second."""
        silences = self.silences()
        self.cameras.show(self._steady(), self._now(), silences["perception"])
        self._show_plan(silences["planner"])
        self._show_control(silences["control"])
        self._panel.show("nodes", self.reports.shown(self._steady()))
        if abs(self._steady() - self._plotted) >= PLOT_PERIOD:
            self._plotted = self._steady()
            self._panel.show("traces", self._traces.shown(self._now()))
        self._scene.show_note(f"joint states {silence}" if (silence := silences["the robot's joints"]) else "")
        if self._chunk_heard.ever and self._chunk_heard.stale(self._steady()):
            self._scene.show_paths([])  # it is no longer ahead

    def _show_plan(self, silence: str) -> None:
        plan = self._plan
        if plan is None:
            self._panel.show("plan", None)
            return
        self._panel.show("plan", plan_view(plan, self._now(), silence))
        active = plan.subtasks[plan.active] if 0 <= plan.active < len(plan.subtasks) else None
        target = _point(active.target) if active is not None and active.has_target and not silence else None
        if target != self._target:
            self._target = target
            self._scene.show_target(target)

    def _show_control(self, silence: str) -> None:
        status, steady, now = self._status, self._steady(), self._now()
        words = {True: "pressed", False: "released", None: "not heard yet"}[self._pressed]
        emergency = {"words": words, "tone": "bad" if self._pressed else "quiet"}
        if status is None:
            shown = {"state": "not heard yet", "tone": "quiet", "reason": "", "figures": [], "stale": False}
            self._panel.show("control", shown | {"emergency": emergency, "needs_resume": False})
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
        self._panel.show(
            "control",
            {
                "state": f"control {state}" if silence else state,
                "tone": tone,
                "reason": reason,
                "figures": list(figures.items()),
                "stale": bool(silence),
                "emergency": emergency,
                "needs_resume": bool(status.needs_resume) and not silence,
            },
        )


def picture(image: Any) -> np.ndarray:
    """An rgb8 sensor_msgs/Image as (height, width, 3) uint8."""
    rows = np.frombuffer(bytes(image.data), np.uint8).reshape(image.height, image.step)
    return rows[:, : 3 * image.width].reshape(image.height, image.width, 3)


def _mark(message: Any) -> tuple[int, int] | None:
    """The moment that a message is about; None if it does not say."""
    stamp = message.header.stamp.sec, message.header.stamp.nanosec
    return stamp if any(stamp) else None


def _seconds(stamp: Any) -> float:
    return stamp.sec + stamp.nanosec * 1e-9


def _point(message: Any) -> tuple[float, float, float]:
    return message.x, message.y, message.z
