# SPDX-License-Identifier: Apache-2.0
"""Node viewer: keeps the page in the browser up to date, and publishes and calls what is entered there."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable

import wall_oss_ros.nodes  # noqa: F401  the embedded library takes rclpy's name where there is no ROS 2
from wall_oss_ros.nodes.lifecycle_node import OK, WARN, WallOSSNode
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.nodes.running import run
from wall_oss_ros.page.display import Display, picture
from wall_oss_ros.page.panel import SERVICES, Actions, Panel
from wall_oss_ros.page.robot_scene import RobotScene
from wall_oss_ros.page.server import open_server
from wall_oss_ros.page.status_text import printable
from wall_oss_ros.robots.profile import load_profile

from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import Trigger
from wall_oss_msgs.msg import ActionChunk, ControlStatus, Observation, SubtaskPlan

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
        self._display = Display(self._scene, self._panel, lambda: self.steady(), self.now)
        self._instructions = self.publish_to(String, "instruction", EVENTS)
        self._callers = {name: self.create_client(Trigger, name) for name in SERVICES}
        shown = self._display
        self.listen_to_joints(self._profile, shown.hear_joints)
        self.listen(String, "/simulation/ground_truth", lambda text: shown.hear_truth(json.loads(text.data)), NEWEST)
        self.listen(SubtaskPlan, "plan", shown.hear_plan, LATCHED)
        self.listen(ActionChunk, "action_chunk", shown.hear_chunk, NEWEST)
        self.listen(ControlStatus, "status", shown.hear_status, LATCHED)
        self.listen(Observation, "observation", self._on_observation, NEWEST)
        self.every(SCENE_PERIOD, self._update_scene)
        self.every(PANEL_PERIOD, shown.update_panel)

    def stop(self) -> None:
        for client in self._callers.values():
            self.destroy_client(client)

    def teardown(self) -> None:
        self._server.stop()

    def diagnose(self):
        silent = [f"{name} {silence}" for name, silence in self._display.silences().items() if silence]
        values = {"browsers": len(self._server.get_clients())}
        return (WARN, ", ".join(silent), values) if silent else (OK, "serving the page", values)

    def _on_observation(self, message: Observation) -> None:
        stamp = message.header.stamp.sec, message.header.stamp.nanosec
        self._display.hear_views([picture(image) for image in message.views], stamp if any(stamp) else None)

    def _update_scene(self) -> None:
        while not self._clicks.empty():
            self._clicks.get()()
        with self._server.atomic():
            self._display.update_scene()

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


def main() -> int:
    return run(PageNode)
