#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What depth images cost perception: processor time of its process, without and with them.

This process plays the robot: joint states at 50 Hz, pictures of 112 x 112 for each view at 15 Hz, and for the first
view depth of 640 x 480 (16UC1) at 30 Hz, or the same as compressedDepth makes a PNG of it: a slope with noise of 3 mm,
of which a tenth of the pixels is missing. Perception runs in a process of its own at 10 observations a second, first
with `depth:=false`, which leaves the images alone, then with them. Its processor time is what the system counts for it.

    python benchmarks/depth_cost.py --seconds 20
    python benchmarks/depth_cost.py --seconds 20 --compressed
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import psutil
from PIL import Image as Picture

from wall_oss_ros.nodes.observation_messages import depth_message, image_message
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.profile import load_profile

import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Header
from wall_oss_msgs.msg import ModelInfo, Observation

PROFILE = load_profile("franka")
VIEWS = [view.name for view in PROFILE.views]
COMPRESSED = f"{PROFILE.views[0].depth_topic}/compressedDepth"


class Robot:
    """What perception listens to, and its observations; ``compressed`` says how depth is sent."""

    def __init__(self, node, compressed: bool):
        self.node, self.observations = node, []
        topics = {view.name: view.image_topic for view in PROFILE.views}
        self._pictures = [node.create_publisher(Image, topics[view], EVENTS) for view in VIEWS]
        kind, topic = (CompressedImage, COMPRESSED) if compressed else (Image, PROFILE.views[0].depth_topic)
        self._compressed, self._depth = compressed, node.create_publisher(kind, topic, EVENTS)
        infos = {PROFILE.views[0].camera_info_topic: (112, 112), PROFILE.views[0].depth_info_topic: (480, 640)}
        self._infos = {node.create_publisher(CameraInfo, topic, EVENTS): size for topic, size in infos.items()}
        self._joints = node.create_publisher(JointState, PROFILE.joint_states, EVENTS)
        said = {"expert": "e", "robot": robot_identity(PROFILE), "image_size": 112, "view_names": VIEWS}
        node.create_publisher(ModelInfo, "model", LATCHED).publish(ModelInfo(**said))
        self._pixels = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
        self._far, data = _slope(), io.BytesIO()
        Picture.fromarray(self._far).save(data, "PNG")
        self._packed = bytes(12) + data.getvalue()  # the plugin's header, and what it is followed by
        node.create_subscription(Observation, "observation", self.observations.append, NEWEST)
        for rate, speak in ((50, self._say_joints), (15, self._take_pictures), (30, self._measure_depth)):
            node.create_timer(1 / rate, speak)

    def _header(self) -> Header:
        return Header(stamp=self.node.get_clock().now().to_msg())

    def _say_joints(self) -> None:
        names = [*PROFILE.arm.joints, *PROFILE.gripper.joints]
        positions = [*PROFILE.arm.home, *[0.04] * len(PROFILE.gripper.joints)]
        self._joints.publish(JointState(header=self._header(), name=names, position=positions))

    def _take_pictures(self) -> None:
        self._pixels[0, 0] += 1  # no frozen camera
        header = self._header()
        for out in self._pictures:
            out.publish(image_message(self._pixels, header))
        for out, (height, width) in self._infos.items():
            lens = [float(height), 0.0, width / 2, 0.0, float(height), height / 2, 0.0, 0.0, 1.0]
            out.publish(CameraInfo(header=header, height=height, width=width, k=lens))

    def _measure_depth(self) -> None:
        if self._compressed:
            form = "16UC1; compressedDepth png"
            self._depth.publish(CompressedImage(header=self._header(), format=form, data=self._packed))
        else:
            self._depth.publish(depth_message(self._far, self._header()))


def _slope() -> np.ndarray:
    """(480, 640) uint16, mm."""
    rng = np.random.default_rng(0)
    far = 600 + np.arange(480)[:, None] + rng.integers(-3, 4, (480, 640))
    far[rng.random(far.shape) < 0.1] = 0
    return far.astype(np.uint16)


def measure(robot: Robot, executor, seconds: float, depth: bool, cameras: str) -> tuple[float, float, float]:
    """Processor time (s per s), observations (Hz), and share of these with depth, of one run of perception."""
    command = [sys.executable, "-m", "wall_oss_ros.nodes.perception", "--ros-args", "-r", "__ns:=/wall_oss"]
    parameters = ["-p", f"depth:={str(depth).lower()}", "-p", f"cameras:='{cameras}'"]
    process = subprocess.Popen([*command, *parameters], stdout=subprocess.DEVNULL)
    try:
        robot.observations.clear()
        while len(robot.observations) < 20:
            executor.spin_once(timeout_sec=0.1)
        robot.observations.clear()
        watched = psutil.Process(process.pid)
        before, began = watched.cpu_times(), time.monotonic()
        while time.monotonic() - began < seconds:
            executor.spin_once(timeout_sec=0.1)
        after, took = watched.cpu_times(), time.monotonic() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
    used = after.user + after.system - before.user - before.system
    with_depth = sum(any(one.height for one in message.depths) for message in robot.observations)
    return used / took, len(robot.observations) / took, with_depth / max(len(robot.observations), 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run (default: %(default)s)")
    parser.add_argument("--domain", type=int, default=88, help="ROS domain of its own (default: %(default)s)")
    parser.add_argument("--compressed", action="store_true", help="depth comes as PNG on a compressedDepth topic")
    args = parser.parse_args()
    os.environ["ROS_DOMAIN_ID"] = str(args.domain)
    rclpy.init(args=[])
    node, executor = rclpy.create_node("depth_cost", namespace="wall_oss"), SingleThreadedExecutor()
    executor.add_node(node)
    robot = Robot(node, args.compressed)
    cameras = f"{{{VIEWS[0]}: {{depth_topic: {COMPRESSED}}}}}" if args.compressed else ""
    for depth in (False, True):
        load, rate, share = measure(robot, executor, args.seconds, depth, cameras)
        print(f"depth {str(depth).lower():5}  {100 * load:5.1f} % of a core  {rate:4.1f} observations/s, "
              f"{100 * share:3.0f} % of them with depth", flush=True)  # fmt: skip
    node.destroy_node()
    rclpy.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
