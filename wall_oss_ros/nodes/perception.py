# SPDX-License-Identifier: Apache-2.0
"""Node perception: camera images and joint states in, observations for the model out."""

from __future__ import annotations

import sys
from functools import partial

from wall_oss_ros.nodes.conversions import image_message, planar_pose, seconds, to_stamp
from wall_oss_ros.nodes.lifecycle_node import ERROR, OK, WARN, WallOSSNode
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.nodes.qos import LATCHED, NEWEST, SENSOR
from wall_oss_ros.nodes.running import run
from wall_oss_ros.perception.model_views import Model, ModelViews
from wall_oss_ros.perception.rates import RateLimit, RateMeter
from wall_oss_ros.perception.robot_state import RobotState, RobotStateHistory
from wall_oss_ros.perception.views import ViewSync, fit_square
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.profile import load_profile

from cv_bridge import CvBridge, CvBridgeError
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header
from wall_oss_msgs.msg import ModelInfo, Observation


class PerceptionNode(WallOSSNode):
    """Topics: the profile's image topics, joint states, odometry and ``model`` in; out go ``observation``, with the
    views that the model takes, and ``observation_state``, the same without them."""

    PARAMETERS = (
        Parameter("rate_hz", 10.0, "Most observations published in a second, Hz.", 0.1, 60.0),
        Parameter(
            "image_size", 112, "Side of the square images until an action expert says what it takes, pixels.", 28, 1024
        ),
        Parameter("stale_s", 1.0, "Age from which views or joint states count as stale, s.", 0.05, 60.0, live=True),
    )

    def __init__(self, **options):
        super().__init__("perception", **options)

    def setup(self) -> None:
        self._profile = load_profile(self.value("robot"))
        self._identity = robot_identity(self._profile)
        self._bridge = CvBridge()
        self._observations = self.publish_to(Observation, "observation", NEWEST)
        self._states = self.publish_to(Observation, "observation_state", NEWEST)

    def start(self) -> None:
        profile = self._profile
        self._model = ModelViews(self._identity, [view.name for view in profile.views])
        self._views = ViewSync(self._model.names, profile.watchdog.view_skew)
        self._robot = RobotStateHistory(profile)
        self._limit = RateLimit(self.value("rate_hz"))
        self._meter = RateMeter(window=3.0)
        self._unusable = ""  # what was wrong with the last input that could not be used
        self.listen(ModelInfo, "model", self._on_model, LATCHED)
        for view in profile.views:
            self.listen(Image, view.image_topic, partial(self._on_image, view.name), SENSOR)
        self.listen_to_joints(profile, self._on_joints)
        if profile.base is not None:
            self.listen(Odometry, profile.base.odometry, self._on_odometry, SENSOR)

    def diagnose(self):
        now, limit = self.now(), self.value("stale_s")
        complaints = self._views.complaints(now, limit) + self._robot.complaints(now, limit)
        if self._model.fault:
            complaints.append(self._model.fault)
        if self._unusable:
            complaints.append(self._unusable)
            self._unusable = ""
        rate, jitter = self._meter.measure(self.steady())
        values = {"observations_hz": f"{rate:.1f}", "jitter_s": f"{jitter:.4f}"}
        if complaints:
            return ERROR if rate == 0.0 else WARN, "; ".join(complaints), values
        return OK, f"{rate:.1f} observations a second", values

    def _on_joints(self, message: JointState) -> None:
        stamp = seconds(message.header.stamp)
        if problem := self._robot.add_joint_state(stamp, message.name, message.position, message.velocity):
            self._complain(problem)

    def _on_odometry(self, message: Odometry) -> None:
        self._robot.add_odometry(seconds(message.header.stamp), planar_pose(message.pose.pose))

    def _on_model(self, message: ModelInfo) -> None:
        said = Model(
            message.expert, message.checkpoint, message.robot, tuple(message.view_names), int(message.image_size)
        )
        names = self._model.names
        self._model.hear(said, self.steady())
        if self._model.names != names:
            self._views = ViewSync(self._model.names, self._profile.watchdog.view_skew)

    def _on_image(self, view: str, message: Image) -> None:
        if self._model.fault or view not in self._model.names:
            return
        self._views.add_image(view, seconds(message.header.stamp), message)
        synchronised = self._views.pop_synchronised()
        if synchronised is None or not self._limit.permits(synchronised[0]):
            return
        stamp, images = synchronised
        state = self._robot.at(stamp)
        if state is None:  # among other causes, a camera that lags far behind
            self._complain("no joint states at the time of the images")
            return
        if state.missing:
            self._complain(f"nothing from {' nor '.join(state.missing)} at the time of the images")
        message = self._observation(stamp, state)
        self._states.publish(message)
        try:
            self._add_views(message, images)
        except (CvBridgeError, ValueError) as error:
            self._complain(f"an image cannot be used: {error}")
            return
        self._observations.publish(message)
        self._meter.tick(self.steady())

    def _observation(self, stamp: float, robot: RobotState) -> Observation:
        """The robot's state at ``stamp`` (s), without views."""
        message = Observation(header=Header(stamp=to_stamp(stamp), frame_id=self._profile.arm.base_frame))
        message.robot = self._identity
        message.state = robot.state.tolist()
        message.state_mask = robot.mask.tolist()
        message.joint_names = list(robot.joints)
        message.joint_positions = robot.positions.tolist()
        message.joint_velocities = robot.velocities.tolist()
        return message

    def _add_views(self, message: Observation, images: dict[str, Image]) -> None:
        size = self._model.size if self._model.known else self.value("image_size")
        for image in images.values():
            pixels = self._bridge.imgmsg_to_cv2(image, "rgb8")
            message.views.append(image_message(fit_square(pixels, size) if size else pixels, image.header))
        message.view_names = list(images)

    def _complain(self, why: str) -> None:
        self._unusable = why
        self.get_logger().warning(why, throttle_duration_sec=5.0)


def main() -> int:
    return run(PerceptionNode)


if __name__ == "__main__":
    sys.exit(main())
