# SPDX-License-Identifier: Apache-2.0
"""The perception node with cameras, joint states and an action expert that the test plays."""

import numpy as np
import pytest
from nodes_support import a_bench
from robot_support import ARM, PROFILE

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.conversions import image_message
from wall_oss_ros.nodes.perception import PerceptionNode
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.robots.identity import robot_identity

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header
from wall_oss_msgs.msg import ModelInfo, Observation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
bench = pytest.fixture(a_bench)
VIEWS = [view.name for view in PROFILE.views]


class Senses:
    """A robot's cameras and joint states at 20 Hz, and an action expert when asked."""

    def __init__(self, bench):
        self.node = bench.node
        self.cameras = {
            view.name: self.node.create_publisher(Image, view.image_topic, EVENTS) for view in PROFILE.views
        }
        self.joints = self.node.create_publisher(JointState, PROFILE.joint_states, EVENTS)
        self.model = self.node.create_publisher(ModelInfo, "model", LATCHED)
        self.pixels = np.random.default_rng(0)
        self.node.create_timer(0.05, self.speak)

    def speak(self) -> None:
        header = Header(stamp=self.node.get_clock().now().to_msg())
        names = [*PROFILE.arm.joints, *PROFILE.gripper.joints]
        self.joints.publish(JointState(header=header, name=names, position=[*ARM.home.tolist(), 0.04, 0.04]))
        for camera in self.cameras.values():
            camera.publish(image_message(self.pixels.integers(0, 256, (48, 64, 3), dtype=np.uint8), header))

    def say_model(self, **fields) -> None:
        said = {"expert": "e", "checkpoint": "tiny", "robot": robot_identity(PROFILE), "view_names": VIEWS}
        self.model.publish(ModelInfo(**{**said, "image_size": 56, **fields}))


def test_the_views_are_what_the_model_says(bench):
    seen = bench.listen(Observation, "observation", NEWEST)
    states = bench.listen(Observation, "observation_state", NEWEST)
    told = bench.listen(DiagnosticArray, "/diagnostics", EVENTS)
    senses = Senses(bench)
    bench.run(PerceptionNode())
    bench.until(lambda: states)
    assert states[-1].robot == robot_identity(PROFILE) and not states[-1].views and not states[-1].view_names
    assert len(states[-1].state) == 20 and len(states[-1].joint_positions) == 9

    senses.say_model()
    bench.until(lambda: seen and seen[-1].views[0].width == 56)
    assert list(seen[-1].view_names) == VIEWS and {(view.height, view.width) for view in seen[-1].views} == {(56, 56)}
    senses.say_model(image_size=28, view_names=VIEWS[::-1])  # another checkpoint
    bench.until(lambda: seen[-1].views[0].width == 28)
    bench.until(lambda: list(seen[-1].view_names) == VIEWS[::-1])
    senses.say_model(image_size=0)
    bench.until(lambda: (seen[-1].views[0].height, seen[-1].views[0].width) == (48, 64))

    senses.say_model(robot="ur:ur5e@12345678")
    bench.until(lambda: any("ur:ur5e@12345678" in status.message for array in told[-2:] for status in array.status))
    seen.clear()
    senses.say_model()
    bench.until(lambda: seen)
    assert seen[0].views[0].width == 56, "nothing came for the other robot's model"
