# SPDX-License-Identifier: Apache-2.0
"""Node viewer: keeps the page in the browser up to date, and has done what is asked for there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import wall_oss_ros.nodes  # noqa: F401  the embedded library takes rclpy's name where there is no ROS 2
from wall_oss_ros.nodes.lifecycle_node import OK, WARN, WallOSSNode
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.nodes.qos import LATCHED, NEWEST, SENSOR
from wall_oss_ros.nodes.running import run
from wall_oss_ros.nodes.view_source import ViewSource
from wall_oss_ros.page.calls import Calls, Reply
from wall_oss_ros.page.display import UNREADABLE, Display, picture
from wall_oss_ros.page.hardware import Hardware
from wall_oss_ros.page.panel import Panel
from wall_oss_ros.page.requests import Request
from wall_oss_ros.page.robot_scene import RobotScene
from wall_oss_ros.page.server import PageServer, PageSettings
from wall_oss_ros.perception.pictures import compressed_pixels, raw_pixels
from wall_oss_ros.robots.components import View
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.serving.access import is_loopback, read_token

from cv_bridge import CvBridge
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import WrenchStamped
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Bool, String
from wall_oss_msgs.msg import ActionChunk, ControlStatus, Grounding, Observation, SubtaskPlan

SCENE_PERIOD, PANEL_PERIOD, LOOK_PERIOD = 0.06, 0.25, 1.0  # s between updates of the scene, the rest, and what is there


class PageNode(WallOSSNode):
    """Topics: joint states, views, observation, plan, action_chunk, status, pointed_at, forces, emergency_stop,
    diagnostics and the ground truth in. Client of the services of planner, control and simulator, and of execute."""

    PARAMETERS = (
        Parameter("port", 8080, "Port of the page; 0 takes a free one.", 0, 65535),
        Parameter(
            "example", "put the red cube in the left tray", "What the field for an instruction contains at first."
        ),
        Parameter(
            "host",
            "127.0.0.1",
            "Address to serve the page on; 0.0.0.0 lets other machines see it and command the robot, with a token.",
        ),
        Parameter("token_file", "", "File with the token that browsers must show; empty takes the variable"
                  " WALL_OSS_TOKEN, or makes one where the page is not on loopback."),
        Parameter("cameras", True, "Whether the cameras' whole pictures are shown; false shows the model's views, which"
                  " a thin network carries more easily."),
    )  # fmt: skip

    def __init__(self, **options):
        super().__init__("viewer", **options)

    def setup(self) -> None:
        self._profile = profile = load_profile(self.value("robot"))
        host, port = self.value("host"), self.value("port")
        file = self.value("token_file")
        token, made = read_token(Path(file) if file else None, is_loopback(host))
        self._panel = Panel(f"WALL-OSS · {profile.full_name}", self.value("example"))
        self._calls: Calls | None = None
        self._server = PageServer(PageSettings(host, port, token), self._panel, self._command)
        self._scene = RobotScene(self._server.scene, profile)
        self._server.start()
        if token is not None:
            shown = f"?token={token}" if made else "?token=TOKEN"
            self.get_logger().info(f"The page for other machines: http://{host}:{self._server.port}/{shown}")

    def start(self) -> None:
        self._display = shown = Display(self._scene, self._panel, lambda: self.steady(), self.now)
        self._calls = Calls(self)
        self._hardware = Hardware(self, self._profile)
        self.listen_to_joints(self._profile, shown.hear_joints)
        self._show(String, "/simulation/ground_truth", lambda text: shown.hear_truth(json.loads(text.data)), NEWEST)
        self._show(SubtaskPlan, "plan", shown.hear_plan, LATCHED)
        self._show(ActionChunk, "action_chunk", shown.hear_chunk, NEWEST)
        self._show(ControlStatus, "status", shown.hear_status, LATCHED)
        self._show(Observation, "observation", self._on_observation, NEWEST)
        self._show(Grounding, "pointed_at", shown.hear_pointing, LATCHED)
        self._show(DiagnosticArray, "/diagnostics", shown.hear_diagnostics, SENSOR)
        self.listen_to_any(Bool, "emergency_stop", shown.hear_emergency)
        for number, one in enumerate(self._profile.arms):
            if one.arm.force:
                self._show(WrenchStamped, one.arm.force.topic, partial(shown.hear_wrench, number), SENSOR)
        self._bridge = CvBridge()
        views = self._profile.views if self.value("cameras") else ()
        self._sources = [ViewSource(self, view, partial(self._on_camera, view)) for view in views]
        for source in self._sources:
            self.keep(source, ViewSource.close)
        self.every(SCENE_PERIOD, self._guarded("/simulation/ground_truth", self._update_scene))
        self.every(PANEL_PERIOD, shown.update_panel)
        self.every(LOOK_PERIOD, self._look)
        self._look()

    def stop(self) -> None:
        self._calls.close()

    def teardown(self) -> None:
        self._server.stop()

    def diagnose(self):
        silent = [f"{name} {silence}" for name, silence in self._display.silences().items() if silence]
        values = {"browsers": self._server.browsers}
        return (WARN, ", ".join(silent), values) if silent else (OK, "serving the page", values)

    def _show(self, kind: type, topic: str, hear: Callable[[Any], None], qos: Any) -> None:
        self.listen(kind, topic, self._guarded(topic, hear), qos)

    def _guarded(self, topic: str, hear: Callable[..., None]) -> Callable[..., None]:
        """The page outlives what somebody publishes: that is left out, and said."""

        def take(*message: Any) -> None:
            try:
                hear(*message)
            except UNREADABLE as error:
                why = f"{type(error).__name__}: {error}"
                self.get_logger().error(f"What comes on {topic} cannot be shown: {why}", throttle_duration_sec=5.0)

        return take

    def _command(self, request: Request, who: str, reply: Reply) -> None:
        """Called by the server's thread."""
        if self._calls is None:
            reply("bad", "the page's node is not active")
        else:
            self._calls.do(request, who, reply)

    def _on_observation(self, message: Observation) -> None:
        stamp = message.header.stamp.sec, message.header.stamp.nanosec
        pictures = [picture(image) for image in message.views]
        self._display.hear_views(pictures, stamp if any(stamp) else None, list(message.view_names) or None)

    def _on_camera(self, view: View, image) -> None:
        if isinstance(image, CompressedImage):
            self._display.hear_camera(view.name, lambda: compressed_pixels(image.data, view.encoding))
        else:
            self._display.hear_camera(view.name, lambda: raw_pixels(image, self._bridge, view.encoding))

    def _update_scene(self) -> None:
        with self._server.scene.atomic():
            self._display.update_scene()

    def _look(self) -> None:
        """What is on the graph: whether the robot is real, and of which type cameras' images are."""
        word, tone, why = self._hardware.verdict()
        self._panel.show("reality", {"word": word, "tone": tone, "why": why})
        for source in self._sources:
            source.complaints(flowing=not source.waiting)


def main() -> int:
    return run(PageNode)


if __name__ == "__main__":
    sys.exit(main())
