# SPDX-License-Identifier: Apache-2.0
"""The node plan_markers shows the scene by depth and what the model points at, to those who look."""

import numpy as np
import pytest
from nodes_support import FakePolicy, a_bench
from robot_support import PROFILE

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.conversions import pose_message
from wall_oss_ros.nodes.observation_messages import depth_message, image_message
from wall_oss_ros.nodes.plan_markers import PlanMarkersNode
from wall_oss_ros.nodes.planner import PlannerNode
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.sim.cell import mount

from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, PointCloud2
from sensor_msgs_py import point_cloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray
from wall_oss_msgs.msg import GroundedPoint, Observation
from wall_oss_msgs.srv import Ask

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.real_time]
bench = pytest.fixture(a_bench)
FACE = PROFILE.views[0].name
POSE = mount(PROFILE.simulation.cameras[0])


class Eyes:
    """Publishes observations of the front view at 10 Hz: everything is 0.7 m away."""

    def __init__(self, node):
        self.node, self.out = node, node.create_publisher(Observation, "observation", NEWEST)
        node.create_timer(0.1, self.see)

    def see(self) -> None:
        header = Header(stamp=self.node.get_clock().now().to_msg(), frame_id=PROFILE.arm.base_frame)
        message = Observation(header=header, view_names=[FACE], state=[0.0] * 20, state_mask=[False] * 20)
        message.views = [image_message(np.full((112, 112, 3), 90, np.uint8), header)]
        message.camera_matrices = [158.0, 0.0, 56.0, 0.0, 158.0, 56.0, 0.0, 0.0, 1.0]
        message.camera_poses = [pose_message(POSE)]
        message.depths = [depth_message(np.full((112, 112), 700, np.uint16), header)]
        message.view_to_camera = [4.0, 0.0, 80.0, 0.0, 4.0, 0.0, 0.0, 0.0, 1.0]
        self.out.publish(message)


def test_the_scene_is_a_point_cloud_for_those_who_look(bench):
    eyes = Eyes(bench.node)
    bench.run(PlanMarkersNode(parameter_overrides=[Parameter("scene_rate_hz", value=10.0)]))
    told = bench.listen(MarkerArray, "plan_markers", LATCHED)
    bench.until(lambda: told)
    assert eyes.out.get_subscription_count() == 0, "pictures are not listened to for nobody"
    clouds = []
    looking = bench.node.create_subscription(PointCloud2, "scene_points", clouds.append, EVENTS)
    bench.until(lambda: clouds)
    assert clouds[0].header.frame_id == PROFILE.arm.base_frame
    places = point_cloud2.read_points_numpy(clouds[0], ("x", "y", "z"))
    seen = (places - POSE[:3, 3]) @ POSE[:3, :3]
    assert len(places) > 500 and np.abs(seen[:, 2] - 0.7).max() < 1e-4
    bench.node.destroy_subscription(looking)
    bench.until(lambda: eyes.out.get_subscription_count() == 0)


def test_what_the_model_points_at_is_answered_and_shown(bench):
    Eyes(bench.node)
    policy = FakePolicy()
    policy.ask = lambda obs, question: "red <point>[56, 56]</point> and a tray <box>[20, 30, 60, 70]</box>"
    bench.run(PlannerNode(lambda *_: policy))
    bench.run(PlanMarkersNode())
    shown, drawn = bench.listen(MarkerArray, "plan_markers", LATCHED), bench.listen(Image, "annotated_image", EVENTS)
    bench.until(lambda: bench.node.count_publishers("/wall_oss/annotated_image"))
    client = bench.node.create_client(Ask, "ask")
    bench.until(client.service_is_ready)

    def ask():
        future = client.call_async(Ask.Request(question="where are they?"))
        bench.until(future.done)
        return future.result()

    bench.until(lambda: ask().success)  # once there is an observation
    answer = ask()
    (point,), (box,) = answer.points, answer.boxes
    assert answer.frame_id == PROFILE.arm.base_frame and (point.label, box.middle.label) == ("red", "a tray")
    assert (point.x, point.y, point.view) == (4 * 56.5 + 80, 4 * 56.5, FACE), "pixels of the camera's picture"
    assert (box.x_min, box.y_min, box.x_max, box.y_max) == (160.0, 120.0, 320.0, 280.0)
    assert point.has_position and point.method == GroundedPoint.DEPTH
    place = np.array([point.position.x, point.position.y, point.position.z])
    assert ((place - POSE[:3, 3]) @ POSE[:3, :3])[2] == pytest.approx(0.7)
    bench.until(lambda: drawn and any(marker.ns == "pointed" for array in shown[-1:] for marker in array.markers))
    assert {marker.ns for marker in shown[-1].markers} >= {"pointed", "pointed_words", "pointed_box"}
    count = len(drawn)
    late = []
    bench.node.create_subscription(Image, "annotated_image", late.append, EVENTS)
    bench.until(lambda: late and len(drawn) > count)  # who comes late is shown it as well
