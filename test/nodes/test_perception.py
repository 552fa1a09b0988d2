# SPDX-License-Identifier: Apache-2.0
"""The perception node with cameras, joint states and an action expert that the test plays."""

import io

import numpy as np
import pytest
from nodes_support import NodeProcess, a_bench
from PIL import Image as Picture
from robot_support import ARM, PROFILE

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.conversions import transform_message
from wall_oss_ros.nodes.observation_messages import depth_message, image_message, observation_from
from wall_oss_ros.nodes.perception import PerceptionNode
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.robots.identity import robot_identity

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.duration import Duration
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Header
from tf2_ros import StaticTransformBroadcaster
from wall_oss_msgs.msg import ModelInfo, Observation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.real_time]
bench = pytest.fixture(a_bench)
FACE, WRIST = PROFILE.views
VIEWS = [view.name for view in PROFILE.views]


class Senses:
    """A robot's cameras and joint states at 20 Hz, an action expert when asked, and what perception says of itself."""

    def __init__(self, bench, kind=Image, **topics):
        self.bench, self.node = bench, bench.node
        self.cameras = {}
        if kind is not None:
            self.plug_in(kind, **topics)
        self.lags = dict.fromkeys(VIEWS, 0.0)
        self.joints = self.node.create_publisher(JointState, PROFILE.joint_states, EVENTS)
        self.model = self.node.create_publisher(ModelInfo, "model", LATCHED)
        self.random, self.frozen = np.random.default_rng(0), False
        self.pixels = self.random.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        self.seen = bench.listen(Observation, "observation", NEWEST)
        self.states = bench.listen(Observation, "observation_state", NEWEST)
        self.told = bench.listen(DiagnosticArray, "/diagnostics", EVENTS)
        self.node.create_timer(0.05, self.speak)

    def plug_in(self, kind, **topics) -> None:
        for view in PROFILE.views:
            of, topic = topics.get(view.name, (kind, view.image_topic))
            self.cameras[view.name] = self.node.create_publisher(of, topic, EVENTS)

    def header(self, lag: float = 0.0) -> Header:
        return Header(stamp=(self.node.get_clock().now() - Duration(seconds=lag)).to_msg())

    def speak(self) -> None:
        names = [*PROFILE.arm.joints, *PROFILE.gripper.joints]
        self.joints.publish(JointState(header=self.header(), name=names, position=[*ARM.home.tolist(), 0.04, 0.04]))
        if not self.frozen:
            self.pixels = self.random.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        for name, camera in self.cameras.items():
            header = self.header(self.lags[name])
            if camera.msg_type is Image:
                camera.publish(image_message(self.pixels, header))
            else:
                buffer = io.BytesIO()
                Picture.fromarray(self.pixels).save(buffer, "PNG")
                camera.publish(CompressedImage(header=header, format="png", data=buffer.getvalue()))

    def say_model(self, **fields) -> None:
        said = {"expert": "e", "checkpoint": "tiny", "robot": robot_identity(PROFILE), "view_names": VIEWS}
        self.model.publish(ModelInfo(**{**said, "image_size": 56, **fields}))

    def perceive(self, **parameters) -> None:
        self.bench.run(PerceptionNode(parameter_overrides=[Parameter(name, value=v) for name, v in parameters.items()]))

    def until_said(self, text: str, level=None) -> None:
        def said():
            newest = [status for array in self.told[-1:] for status in array.status]
            return any(text in status.message and level in (None, status.level) for status in newest)

        self.bench.until(said)


def test_the_views_are_what_the_model_says(bench):
    senses = Senses(bench)
    senses.perceive()
    bench.until(lambda: senses.states)
    state = senses.states[-1]
    assert state.robot == robot_identity(PROFILE) and not state.views and not state.view_names
    assert len(state.state) == 20 and len(state.joint_positions) == 9
    senses.until_said("waiting for the model", DiagnosticStatus.WARN)

    seen = senses.seen
    senses.say_model()
    bench.until(lambda: seen and seen[-1].views[0].width == 56)
    assert list(seen[-1].view_names) == VIEWS and {(view.height, view.width) for view in seen[-1].views} == {(56, 56)}
    senses.until_said("10", DiagnosticStatus.OK)
    senses.say_model(image_size=28, view_names=VIEWS[::-1])  # another checkpoint
    bench.until(lambda: seen[-1].views[0].width == 28)
    bench.until(lambda: list(seen[-1].view_names) == VIEWS[::-1])
    senses.say_model(image_size=0)
    bench.until(lambda: (seen[-1].views[0].height, seen[-1].views[0].width) == (48, 64))

    senses.say_model(robot="ur:ur5e@12345678")
    senses.until_said("ur:ur5e@12345678", DiagnosticStatus.ERROR)
    seen.clear()
    senses.say_model()
    bench.until(lambda: seen)
    assert seen[0].views[0].width == 56, "nothing came for the other robot's model"


def test_cameras_that_are_ahead_or_frozen_are_named(bench):
    senses = Senses(bench)
    senses.say_model()
    senses.lags[WRIST.name] = -3.0
    senses.perceive()
    senses.until_said(f"images of {WRIST.name} are stamped 3.0", DiagnosticStatus.ERROR)
    assert not senses.seen
    senses.lags[WRIST.name] = 0.0
    bench.until(lambda: senses.seen)
    senses.until_said("observations a second", DiagnosticStatus.OK)
    senses.frozen = True
    senses.until_said(f"{WRIST.name} has shown the same picture", DiagnosticStatus.WARN)


def test_compressed_pictures_turned_and_where_their_camera_is(bench):
    senses, node = Senses(bench, **{FACE.name: (CompressedImage, "/front/compressed")}), bench.node
    info = node.create_publisher(CameraInfo, FACE.camera_info_topic, EVENTS)
    matrix = [60.0, 0.0, 32.0, 0.0, 60.0, 24.0, 0.0, 0.0, 1.0]
    lens = {"distortion_model": "plumb_bob", "d": [-0.2, 0.05, 0.001, 0.002, 0.0]}
    node.create_timer(0.1, lambda: info.publish(CameraInfo(height=48, width=64, k=matrix, **lens)))
    frames, pose = StaticTransformBroadcaster(node), np.eye(4)
    pose[:3, 3] = 1.0, 0.0, 0.6
    frames.sendTransform(transform_message(PROFILE.arm.base_frame, FACE.optical_frame, pose))
    senses.say_model(image_size=0)
    senses.frozen = True  # one picture in both, whichever belong together
    senses.perceive(cameras=f"{{{FACE.name}: {{image_topic: /front/compressed, rotate: 90}}}}")
    bench.until(lambda: senses.seen and observation_from(senses.seen[-1]).cameras)
    observation = observation_from(senses.seen[-1])
    senses.frozen = False  # or it is named as frozen, in time
    assert observation.images[FACE.name].shape == (64, 48, 3) and observation.images[WRIST.name].shape == (48, 64, 3)
    assert np.array_equal(np.rot90(observation.images[FACE.name]), observation.images[WRIST.name])
    assert list(observation.cameras) == [FACE.name], "nobody knows where the other is"
    camera = observation.cameras[FACE.name]
    assert camera.matrix == pytest.approx(np.array([[60.0, 0, 24], [0, 60, 32], [0, 0, 1]]))
    assert camera.distortion.numbers[:4] == pytest.approx((-0.2, 0.05, 0.002, -0.001)), "turned with its picture"
    assert camera.pose[:3, 3] == pytest.approx([1.0, 0.0, 0.6])
    assert camera.pose[:3, :3] == pytest.approx(np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]), abs=1e-9)
    senses.until_said(f"{WRIST.name} is not calibrated: nothing on {WRIST.camera_info_topic}", DiagnosticStatus.OK)


def test_depth_goes_with_its_picture_or_is_said_to_be_missing(bench):
    senses, node = Senses(bench), bench.node
    senses.say_model(image_size=0)
    senses.perceive()
    senses.until_said(f"{FACE.name} has no depth: nothing on {FACE.depth_topic}", DiagnosticStatus.OK)
    bench.until(lambda: senses.seen)
    assert observation_from(senses.seen[-1]).depths == {} and len(senses.seen[-1].depths) == len(VIEWS)
    camera = node.create_publisher(Image, FACE.depth_topic, EVENTS)
    depth, frame = np.full((24, 32), 700, np.uint16), [""]

    def see():
        header = senses.header()
        header.frame_id = frame[0]
        camera.publish(depth_message(depth, header))

    node.create_timer(0.05, see)
    bench.until(lambda: observation_from(senses.seen[-1]).depths)
    observation = observation_from(senses.seen[-1])
    assert list(observation.depths) == [FACE.name], "the other view has none"
    assert observation.depths[FACE.name].shape == (48, 64) and (observation.depths[FACE.name] == 700).all()
    assert observation.to_camera[FACE.name] == pytest.approx(np.eye(3))
    senses.until_said("observations a second", DiagnosticStatus.OK)
    senses.say_model(image_size=56)
    bench.until(lambda: senses.seen[-1].views[0].width == 56)
    depth = observation_from(senses.seen[-1]).depths[FACE.name]
    assert (depth[7:49] == 700).all() and not depth[:7].any(), "fitted with black bars, as the picture"


def test_compressed_depth_goes_with_its_picture(bench):
    senses, node = Senses(bench), bench.node
    senses.say_model(image_size=0)
    topic, data = "/front/depth/image_raw/compressedDepth", io.BytesIO()
    senses.perceive(cameras=f"{{{FACE.name}: {{depth_topic: {topic}}}}}")
    camera = node.create_publisher(CompressedImage, topic, EVENTS)
    Picture.fromarray(np.full((24, 32), 700, np.uint16)).save(data, "PNG")
    sent = {"format": "16UC1; compressedDepth png", "data": bytes(12) + data.getvalue()}
    node.create_timer(0.05, lambda: camera.publish(CompressedImage(header=senses.header(), **sent)))
    bench.until(lambda: senses.seen and observation_from(senses.seen[-1]).depths)
    assert (observation_from(senses.seen[-1]).depths[FACE.name] == 700).all()
    sent["data"] = sent["data"][:-20]  # what is damaged is said, and observations go on
    senses.until_said(f"{FACE.name} has no depth: a compressed depth image of 32 x 24 is damaged", DiagnosticStatus.OK)


def test_the_type_on_a_topic_is_followed_or_named(bench):
    """In a process of its own: the embedded library has one type of a topic in a process."""
    senses = Senses(bench, None)
    senses.say_model()
    with NodeProcess("perception", f"cameras:='{{{WRIST.name}: {{transport: raw}}}}'") as perception:
        senses.until_said(f"nobody publishes {FACE.name} at {FACE.image_topic}", DiagnosticStatus.ERROR)
        senses.plug_in(CompressedImage)
        senses.until_said(f"{WRIST.name} at {WRIST.image_topic}: sensor_msgs/msg/CompressedImage is published")
    assert "Traceback" not in perception.output
    with NodeProcess("perception"):
        bench.until(lambda: senses.seen)
