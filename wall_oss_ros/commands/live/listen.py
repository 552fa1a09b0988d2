# SPDX-License-Identifier: Apache-2.0
"""Gathers the facts of a running system: a node that listens for a few seconds, asks, and publishes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import yaml
from pydantic import ValidationError

import wall_oss_ros.nodes  # noqa: F401  the embedded library takes rclpy's name where there is no ROS 2
from wall_oss_ros.bringup.remappings import remapped, remappings
from wall_oss_ros.bringup.system import NAMESPACE
from wall_oss_ros.commands.live.cameras import COMPRESSED
from wall_oss_ros.commands.live.facts import (
    Controller,
    Endpoint,
    Expert,
    Facts,
    JointReading,
    Lens,
    Picture,
    Placed,
    Stream,
)
from wall_oss_ros.commands.live.geometry import frames_of
from wall_oss_ros.commands.live.sinks import CHUNKS, LIST, MODEL, PLAN, STATUS
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.conversions import seconds
from wall_oss_ros.nodes.qos import LATCHED, NEWEST, SENSOR
from wall_oss_ros.perception.compressed_depth import is_compressed
from wall_oss_ros.perception.lens import is_rectified, lens_of
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.rotations import matrix_from_quaternion

import rclpy
from geometry_msgs.msg import WrenchStamped
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Bool, String
from tf2_ros import Buffer, TransformException, TransformListener
from wall_oss_msgs.msg import ControlStatus, ModelInfo

_DISCOVERY = 2.0  # s in which others on a network usually are found
_ANSWER = 3.0  # s for a controller manager's answer
_ALIVE = 3.0  # s of silence after which a control node counts as gone
_TF_EVERY = 0.1  # s
_STATES = ("idle", "running", "holding", "stopped", "homing")


def in_graph(profile: RobotProfile, namespace: str = "", controller: str = "", base_topic: str = "") -> RobotProfile:
    """The profile with its names as they are in the graph, by the launch arguments of these names.

    Raises:
        WallOSSError: ROS permits no such name.
    """

    def renamed(value: Any, field: str = "") -> Any:
        if isinstance(value, dict):
            return {key: renamed(inner, key) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return tuple(renamed(inner, field) for inner in value)
        if isinstance(value, str) and value.startswith("/") and field != "urdf":
            return remapped(value, profile, namespace, controller, base_topic)
        return value

    remappings(profile, namespace)  # refuses what is no namespace
    fields = renamed(profile.model_dump())
    if controller:
        fields["command"]["controller"] = controller
    try:
        return RobotProfile(**fields)
    except ValidationError as error:
        said = f"--controller {controller!r} and --base-topic {base_topic!r} do not go with {profile.name}"
        raise WallOSSError(f"{said}: {error.errors()[0]['msg']}.", "Give them as to the launch.") from error


@contextmanager
def listener(profile: RobotProfile, namespace: str = "", arguments: list[str] | None = None) -> Iterator[Listener]:
    """A listener for as long as it is used.

    Args:
        profile: with its names as they are in the graph.
        namespace: of the robot, without slashes around it.
        arguments: ROS arguments of the process.
    """
    below = f"/{namespace}" if namespace else ""
    words = [
        "--ros-args",
        *(word for name in ("/tf", "/tf_static") if below for word in ("-r", f"{name}:={below}{name}")),
    ]
    rclpy.init(args=[*(arguments or []), *words] if len(words) > 1 else arguments or [])
    node = rclpy.create_node(f"wall_oss_check_{time.time_ns() % 1_000_000}", start_parameter_services=False)
    try:
        yield Listener(node, profile, below)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


class Listener:
    """Subscribes to all that a profile names, and to what our nodes say of themselves.

    Args:
        node: of its own; it is spun here.
        below: what is before every name of the robot, such as ``/left_cell``, or nothing.
    """

    def __init__(self, node: Any, profile: RobotProfile, below: str = ""):
        self._node, self._profile, self._below = node, profile, below
        self.ours = f"{below}/{NAMESPACE}"
        self._facts, self._clock = Facts(), None
        self._heard: dict[str, tuple[float, str]] = {}  # of control nodes: when, what
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._buffer = Buffer()
        self._tf = TransformListener(self._buffer, node)
        self._wanted_frames = {one.arm.name: (one.arm.base_frame, frames_of(one)) for one in profile.arms}

    def listen(self, span: float) -> Facts:
        """Listens for ``span`` s after others have been found, and returns what was seen."""
        facts = self._facts
        self._subscribe(Clock, f"{self._below}/clock", self._on_clock, NEWEST)
        self._subscribe(String, f"{self._below}/robot_description", self._on_description, LATCHED)
        self._spin(_DISCOVERY)
        self._subscribe_to_the_robot()
        began = time.monotonic()
        asked = 0.0
        while (now := time.monotonic()) < began + span:
            self._executor.spin_once(timeout_sec=0.05)
            if now > asked + _TF_EVERY:
                asked = now
                self._look_up()
        facts.seconds = time.monotonic() - began
        self._ask_controllers()
        self._read_graph()
        end = time.monotonic()
        facts.controls = {name: said for name, (when, said) in self._heard.items() if end - when < _ALIVE}
        known = yaml.safe_load(self._buffer.all_frames_as_yaml()) or {}
        facts.frames = (
            frozenset(known) | {str(one["parent"]) for one in known.values()}
            if isinstance(known, dict)
            else frozenset()
        )
        return facts

    # What is subscribed to.

    def _subscribe(self, kind: type, topic: str, callback: Any, qos: Any) -> None:
        self._node.create_subscription(kind, topic, callback, qos)

    def _subscribe_to_the_robot(self) -> None:
        profile, facts = self._profile, self._facts
        for topic, prefix in profile.joint_sources.items():
            facts.joints[topic] = []
            self._subscribe(JointState, topic, lambda m, t=topic, p=prefix: self._on_joints(t, p, m), SENSOR)
        for view in profile.views:
            kinds = {end.topic_type for end in self._node.get_publishers_info_by_topic(view.image_topic)}
            kind = CompressedImage if view.transport == "compressed" or kinds == {COMPRESSED} else Image
            facts.pictures[view.name] = []
            self._subscribe(kind, view.image_topic, lambda m, v=view: self._on_picture(v, m), SENSOR)
            self._subscribe(CameraInfo, view.camera_info_topic, lambda m, v=view: self._on_lens(v, m), SENSOR)
            if view.depth_topic is not None:
                kind = CompressedImage if is_compressed(view.depth_topic) else Image
                self._subscribe(kind, view.depth_topic, lambda m, v=view: self._on_depth(v, m), SENSOR)
        for topic in {one.arm.force.topic for one in profile.arms if one.arm.force}:
            self._subscribe(WrenchStamped, topic, lambda m, t=topic: self._on_force(t, m), SENSOR)
        for topic in {one.command.program_running_topic for one in profile.arms} - {None}:
            for qos in (LATCHED, SENSOR):
                self._subscribe(Bool, topic, lambda m, t=topic: facts.programs.update({t: bool(m.data)}), qos)
        if profile.base is not None:
            topic = profile.base.odometry
            self._subscribe(Odometry, topic, lambda m, t=topic: self._add(t, seconds(m.header.stamp)), SENSOR)
        self._subscribe(ModelInfo, f"{self.ours}/{MODEL}", self._on_model, LATCHED)
        self._subscribe(ControlStatus, f"{self.ours}/{STATUS}", self._on_status, LATCHED)

    def _spin(self, span: float) -> None:
        end = time.monotonic() + span
        while (rest := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=rest)

    # What comes.

    def _now(self) -> float:
        return time.time() if self._clock is None else self._clock

    def _add(self, topic: str, stamp: float) -> None:
        self._facts.streams.setdefault(topic, Stream()).add(time.monotonic(), self._now(), stamp)

    def _on_clock(self, message: Clock) -> None:
        self._clock = seconds(message.clock)

    def _on_description(self, message: String) -> None:
        self._facts.description = message.data

    def _on_joints(self, topic: str, prefix: str, message: JointState) -> None:
        stamp = seconds(message.header.stamp)
        self._add(topic, stamp)
        names = tuple(prefix + name for name in message.name)
        reading = JointReading(stamp, names, tuple(message.position), tuple(message.velocity))
        self._facts.joints[topic].append(reading)

    def _on_picture(self, view: Any, message: Any) -> None:
        picture = _picture(message)
        self._add(view.image_topic, picture.stamp)
        self._facts.pictures[view.name].append(picture)

    def _on_depth(self, view: Any, message: Image | CompressedImage) -> None:
        self._facts.depths.setdefault(view.name, []).append(_picture(message))

    def _on_lens(self, view: Any, message: CameraInfo) -> None:
        lens = lens_of(message, is_rectified(view, view.image_topic))
        matrix = tuple(map(float, lens.matrix.ravel()))
        self._facts.lenses[view.name] = Lens(lens.width, lens.height, matrix, message.header.frame_id, lens.fault)

    def _on_force(self, topic: str, message: WrenchStamped) -> None:
        self._add(topic, seconds(message.header.stamp))
        push, turn = ([v.x, v.y, v.z] for v in (message.wrench.force, message.wrench.torque))
        before = self._facts.forces.get(topic, (0.0, 0.0))
        # np.maximum keeps what is no number, so that it is seen.
        self._facts.forces[topic] = tuple(float(np.maximum(a, np.linalg.norm(b))) for a, b in zip(before, (push, turn)))

    def _on_model(self, message: ModelInfo) -> None:
        self._facts.experts[message.expert] = Expert(
            message.expert, message.checkpoint, message.robot, tuple(message.view_names), message.image_size
        )

    def _on_status(self, message: ControlStatus) -> None:
        state = _STATES[message.state] if message.state < len(_STATES) else str(message.state)
        said = f"{state}, {message.reason}" if message.reason else state
        self._heard[message.control] = (time.monotonic(), said)

    # What is asked.

    def _look_up(self) -> None:
        for name, (base, frames) in self._wanted_frames.items():
            for frame in frames:
                try:
                    found = self._buffer.lookup_transform(base, frame, Time())
                except TransformException:
                    continue
                t, r = found.transform.translation, found.transform.rotation
                placed = Placed(
                    seconds(found.header.stamp), np.array([t.x, t.y, t.z]), matrix_from_quaternion([r.x, r.y, r.z, r.w])
                )
                self._facts.tools.setdefault(name, {}).setdefault(frame, []).append(placed)

    def _ask_controllers(self) -> None:
        facts = self._facts
        services = dict(self._node.get_service_names_and_types())
        managers = [name for name, kinds in services.items() if LIST in kinds]
        facts.services = {name: tuple(kinds) for name, kinds in services.items()}
        if not managers:
            return
        try:
            from controller_manager_msgs.srv import ListControllers
        except ImportError:
            why = "controller_manager_msgs is not installed (sudo apt install ros-$ROS_DISTRO-controller-manager-msgs)"
            facts.unasked = dict.fromkeys(managers, why)
            return
        for manager in managers:
            client = self._node.create_client(ListControllers, manager)
            future, end = client.call_async(ListControllers.Request()), time.monotonic() + _ANSWER
            while not future.done() and time.monotonic() < end:
                self._executor.spin_once(timeout_sec=0.1)
            if not future.done() or future.result() is None:
                facts.unasked[manager] = "no answer; is it of another release of ros2_control?"
                continue
            facts.controllers[manager.removesuffix("/list_controllers")] = tuple(
                Controller(one.name, one.state, one.type, tuple(one.claimed_interfaces))
                for one in future.result().controller
            )

    def _read_graph(self) -> None:
        profile, facts, node = self._profile, self._facts, self._node
        topics = {
            *profile.joint_sources,
            *(topic for view in profile.views for topic in (view.image_topic, view.depth_topic) if topic),
            *(one.arm.force.topic for one in profile.arms if one.arm.force),
            *(
                command.topic
                for command in (*(one.command for one in profile.arms), *(p.command for p in profile.parts))
            ),
            *(topic for one in profile.arms for topic in (one.gripper.topic, one.gripper.joint_single) if topic),
            *((profile.base.topic, profile.base.odometry) if profile.base else ()),
            *(f"{self.ours}/{name}" for name in (STATUS, PLAN, MODEL, CHUNKS)),
        }
        for topic in topics:
            facts.publishers[topic] = self._ends(node.get_publishers_info_by_topic(topic))
            facts.subscriptions[topic] = self._ends(node.get_subscriptions_info_by_topic(topic))
        facts.publishers["/clock"] = self._ends(node.get_publishers_info_by_topic(f"{self._below}/clock"))
        me = node.get_fully_qualified_name()
        everybody = {_full(name, space) for name, space in node.get_node_names_and_namespaces()}
        facts.others = tuple(sorted(everybody - {me}))

    def _ends(self, infos: list[Any]) -> tuple[Endpoint, ...]:
        me = self._node.get_fully_qualified_name()
        ends = [
            Endpoint(
                _full(info.node_name, info.node_namespace),
                info.topic_type,
                info.qos_profile.reliability == ReliabilityPolicy.RELIABLE,
                info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL,
            )
            for info in infos
        ]
        return tuple(end for end in ends if end.node != me)


def _picture(message: Image | CompressedImage) -> Picture:
    stamp, frame = seconds(message.header.stamp), message.header.frame_id
    if isinstance(message, CompressedImage):
        return Picture(stamp, 0, 0, message.format, frame, COMPRESSED)
    return Picture(stamp, message.width, message.height, message.encoding, frame)


def _full(name: str, namespace: str) -> str:
    return f"{namespace.rstrip('/')}/{name}"
