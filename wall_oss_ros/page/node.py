# SPDX-License-Identifier: Apache-2.0
"""Node viewer: keeps the page in the browser up to date, and publishes and calls what is entered there."""

from __future__ import annotations

import json
import queue
import socket
from collections.abc import Callable

import numpy as np
import viser

import wall_oss_ros.nodes  # noqa: F401  the embedded library takes rclpy's name where there is no ROS 2
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.conversions import seconds
from wall_oss_ros.nodes.lifecycle_node import OK, WARN, WallOSSNode
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.nodes.running import run
from wall_oss_ros.page.panel import SERVICES, Actions, Panel, PlanLine
from wall_oss_ros.page.robot_scene import RobotScene
from wall_oss_ros.page.status_text import SUBTASK_MARKS, age_words, control_words, plan_words, printable
from wall_oss_ros.perception.ages import CHUNK_FRESH, PLAN_FRESH, STATUS_FRESH, VIEWS_FRESH, LastHeard, span
from wall_oss_ros.robots.profile import load_profile

from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from wall_oss_msgs.msg import ActionChunk, ControlStatus, Observation, Subtask, SubtaskPlan

SCENE_PERIOD, PANEL_PERIOD = 0.06, 0.25  # s between updates of the scene, and of images and figures


class PageNode(WallOSSNode):
    """Topics: joint states, observation, plan, action_chunk, status and the ground truth in; instruction out."""

    PARAMETERS = (
        Parameter("port", 8080, "Port of the page.", 1, 65535),
        Parameter(
            "example", "put the red cube in the left tray", "What the field for an instruction contains at first."
        ),
        Parameter(
            "host",
            "127.0.0.1",
            "Address to serve the page on; 0.0.0.0 lets other machines see it and command the robot.",
        ),
    )

    def __init__(self, **options):
        super().__init__("viewer", **options)

    def setup(self) -> None:
        self._profile = profile = load_profile(self.value("robot"))
        self._server = open_server(self.value("host"), self.value("port"))
        self._scene = RobotScene(self._server, profile)
        # Clicks arrive in the server's threads; the node handles them in its own.
        self._clicks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        put = self._clicks.put
        self._actions = Actions(
            instruct=lambda text: put(lambda: self._instruct(text)),
            call=lambda service: put(lambda: self._call(service)),
        )
        self._panel = Panel(self._server, f"WALL-OSS · {profile.name}", self.value("example"), self._actions)

    def start(self) -> None:
        self._joints: dict[str, float] = {}
        self._truth: dict | None = None
        self._status: ControlStatus | None = None
        self._plan: SubtaskPlan | None = None
        self._target: tuple[float, float, float] | None = None
        self._pictures: list[np.ndarray] = []
        self._new_pictures = self._grey = False
        self._status_heard, self._plan_heard = LastHeard(STATUS_FRESH), LastHeard(PLAN_FRESH)
        self._views_heard, self._joints_heard = LastHeard(VIEWS_FRESH), LastHeard(VIEWS_FRESH)
        self._chunk_heard, self._time_heard = LastHeard(CHUNK_FRESH), LastHeard(VIEWS_FRESH)
        self._instructions = self.publish_to(String, "instruction", EVENTS)
        self._callers = {name: self.create_client(Trigger, name) for name in SERVICES}
        self.listen_to_joints(self._profile, self._on_joints)
        self.listen(String, "/simulation/ground_truth", self._on_truth, NEWEST)
        self.listen(SubtaskPlan, "plan", self._on_plan, LATCHED)
        self.listen(ActionChunk, "action_chunk", self._on_chunk, NEWEST)
        self.listen(ControlStatus, "status", self._on_status, LATCHED)
        self.listen(Observation, "observation", self._on_observation, NEWEST)
        self.every(SCENE_PERIOD, self._update_scene)
        self.every(PANEL_PERIOD, self._update_panel)

    def stop(self) -> None:
        for client in self._callers.values():
            self.destroy_client(client)

    def teardown(self) -> None:
        self._server.stop()

    def diagnose(self):
        silent = [f"{name} {silence}" for name, silence in self._silences().items() if silence]
        values = {"browsers": len(self._server.get_clients())}
        return (WARN, ", ".join(silent), values) if silent else (OK, "serving the page", values)

    def _silences(self) -> dict[str, str]:
        """Of whom nothing has been heard of late, and for how long; empty for who speaks."""
        heard = {
            "control": self._status_heard, "planner": self._plan_heard, "perception": self._views_heard,
            "the robot's joints": self._joints_heard,
        }  # fmt: skip
        return {name: one.silence(self.steady()) for name, one in heard.items()}

    def _on_joints(self, message: JointState) -> None:
        self._joints |= zip(message.name, message.position)
        self._joints_heard.hear(self.steady(), mark=_mark(message))

    def _on_truth(self, message: String) -> None:
        self._truth = json.loads(message.data)

    def _on_observation(self, message: Observation) -> None:
        self._pictures, self._new_pictures = [picture(image) for image in message.views], True
        self._views_heard.hear(self.steady(), mark=_mark(message))

    def _on_status(self, message: ControlStatus) -> None:
        self._status = message
        self._status_heard.hear(self.steady(), sent_ago=self.now() - seconds(message.header.stamp))

    def _on_plan(self, plan: SubtaskPlan) -> None:
        self._plan_heard.hear(self.steady())
        if plan == self._plan:  # the planner repeats itself
            return
        self._plan = plan
        if plan.status != SubtaskPlan.RUNNING:
            self._scene.show_paths([])

    def _on_chunk(self, chunk: ActionChunk) -> None:
        self._chunk_heard.hear(self.steady())
        paths = (chunk.path, *chunk.more_paths)
        self._scene.show_paths([[_point(pose.position) for pose in path.poses] for path in paths])

    def _update_scene(self) -> None:
        while not self._clicks.empty():
            self._clicks.get()()
        with self._server.atomic():
            if self._joints:
                self._scene.show_joints(self._joints)
            if self._truth is not None:
                self._scene.show_truth(self._truth)
                self._truth = None

    def _update_panel(self) -> None:
        silences = self._silences()
        self._show_pictures(f"perception {silence}" if (silence := silences["perception"]) else "")
        self._show_plan(silences["planner"])
        self._show_control(silences["control"])
        self._scene.show_note(f"joint states {silence}" if (silence := silences["the robot's joints"]) else "")
        if self._chunk_heard.ever and self._chunk_heard.stale(self.steady()):
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
            lines.append(PlanLine(mark, printable(subtask.text), tone, subtask.status == Subtask.ACTIVE))
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
        status, steady, now = self._status, self.steady(), self.now()
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

    def _instruct(self, text: str) -> None:
        if text.strip():
            self._instructions.publish(String(data=text.strip()))

    def _call(self, service: str) -> None:
        if self._callers[service].service_is_ready():
            self._panel.show_answer(service, "busy", "called")
            self._callers[service].call_async(Trigger.Request()).add_done_callback(
                lambda done: self._on_answer(service, done)
            )
        else:
            self._panel.show_answer(service, "bad", "the control node does not answer")
            self.get_logger().error(f"The control node does not answer; {service} had no effect.")

    def _on_answer(self, service: str, answer: Future) -> None:
        if not answer.cancelled() and answer.exception() is None:
            self._panel.show_answer(
                service, "good" if answer.result().success else "bad", printable(answer.result().message)
            )


def _mark(message) -> tuple[int, int] | None:
    """The moment that a message is about; None if it does not say."""
    stamp = message.header.stamp.sec, message.header.stamp.nanosec
    return stamp if any(stamp) else None


def _point(message) -> tuple[float, float, float]:
    return message.x, message.y, message.z


def picture(image) -> np.ndarray:
    """An rgb8 sensor_msgs/Image as (height, width, 3) uint8."""
    return np.frombuffer(bytes(image.data), np.uint8).reshape(image.height, image.step // 3, 3)[:, : image.width]


def open_server(host: str, port: int) -> viser.ViserServer:
    """The page's server on exactly that port; viser itself would take the next free one.

    Raises:
        WallOSSError: the port is taken or may not be used.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise WallOSSError(
                f"Port {port} of {host} cannot be used for the page: {error.strerror}.",
                "Choose another with the parameter port.",
            ) from None
    return viser.ViserServer(host=host, port=port, label="WALL-OSS", verbose=False)


def main() -> int:
    return run(PageNode)
