# SPDX-License-Identifier: Apache-2.0
"""Bags for tests, written by rosbags: a robot that moves in a known way, seen by its cameras, told what it does."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys.store import Typestore

from wall_oss_ros.data.bags.types import known_types
from wall_oss_ros.embedded.definitions import MESSAGES
from wall_oss_ros.robots.profile import RobotProfile, load_profile

TYPES: Typestore = known_types({name.replace("/", "/msg/"): text for name, text in MESSAGES.items()})
FRANKA = load_profile("franka")
HEIGHT, WIDTH = 24, 32


def new(name: str, /, **fields: Any) -> Any:
    """A message such as std_msgs/msg/String; fields that are not given are zero or empty."""
    made = {}
    for key, (kind, detail) in TYPES.fielddefs[name][1]:
        made[key] = fields.pop(key) if key in fields else _empty(kind.name, detail)
    assert not fields, fields
    return TYPES.types[name](**made)


def _empty(kind: str, detail: Any) -> Any:
    if kind == "NAME":
        return new(detail)
    if kind == "BASE":
        return "" if detail[0] == "string" else (detail[0] == "bool" and False) or 0
    (inner, base), size = detail
    if inner.name == "BASE" and base[0] != "string":
        return np.zeros(size if kind == "ARRAY" else 0, base[0].replace("octet", "uint8"))
    return []


def stamp(time: float) -> Any:
    sec, nanosec = divmod(round(time * 1e9), 10**9)
    return new("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)


def header(time: float) -> Any:
    return new("std_msgs/msg/Header", stamp=stamp(time))


def image(pixels: np.ndarray, time: float) -> Any:
    """(H, W, 3) uint8 RGB as sensor_msgs/msg/Image."""
    height, width, _ = pixels.shape
    fields = {"header": header(time), "encoding": "rgb8", "data": pixels.ravel()}
    return new("sensor_msgs/msg/Image", height=height, width=width, step=width * 3, **fields)


@dataclass
class Said:
    """A message to be written: when it is received (s), its topic and type."""

    received: float
    topic: str
    kind: str
    message: Any

    def bytes(self) -> bytes:
        return bytes(TYPES.serialize_cdr(self.message, self.kind))


@dataclass
class Story:
    """What a robot with one arm does for some seconds.

    Attributes:
        begin: s, of all stamps.
        apart: s by which times of reception are later than stamps.
    """

    profile: RobotProfile = FRANKA
    seconds: float = 3.0
    begin: float = 1000.0
    apart: float = 0.002
    camera_hz: float = 15.0
    joint_hz: float = 50.0
    command_hz: float = 50.0
    compressed: bool = False
    instruction: str = "put the red cube in the left tray"
    mark: str = ""
    gripper_topic: str = "/wall_oss/gripper_commands"
    plan: tuple[tuple[float, str], ...] = ((0.5, "pick up the red cube"), (1.5, "put it in the left tray"))
    extra: list[Said] = field(default_factory=list)

    def joints(self, time: float) -> np.ndarray:
        """Where the arm is, (n,) rad."""
        home = np.array(self.profile.arm.home)
        return home + 0.2 * np.sin(0.7 * (time - self.begin) + np.arange(len(home)))

    def fingers(self, time: float) -> float:
        """Where each finger is."""
        stroke = self.profile.gripper.joint_positions
        share = 0.5 + 0.5 * math.cos(1.1 * (time - self.begin))
        return stroke.closed + share * (stroke.open - stroke.closed)

    def picture(self, view: int, number: int) -> np.ndarray:
        """(H, W, 3) whose first pixels say which it is."""
        pixels = np.full((HEIGHT, WIDTH, 3), 40 * view, np.uint8)
        pixels[:, : WIDTH // 2] = number * 3 % 256
        return pixels

    def said(self) -> Iterator[Said]:
        """All messages, topic by topic."""
        profile, end = self.profile, self.begin + self.seconds
        for index, view in enumerate(profile.views):
            for number, time in enumerate(np.arange(self.begin, end, 1 / self.camera_hz)):
                yield self._picture(view.image_topic, time, self.picture(index, number))
        names = [*profile.arm.joints, *profile.gripper.joints]
        for time in np.arange(self.begin, end, 1 / self.joint_hz):
            positions = [*self.joints(time), *[self.fingers(time)] * len(profile.gripper.joints)]
            yield self.joint_state(profile.joint_states, time, names, positions)
        for time in np.arange(self.begin + 0.3, end, 1 / self.command_hz):
            yield self.trajectory(time, [1 / self.command_hz, 3 / self.command_hz])
        for time in (self.begin + 0.6, self.begin + 1.8):
            opening = profile.gripper.joint_positions.closed
            yield self.joint_state(
                self.gripper_topic, time, list(profile.gripper.joints), [opening] * len(profile.gripper.joints)
            )
        if self.instruction:
            text = new("std_msgs/msg/String", data=self.instruction)
            yield Said(self.begin + 0.1, "/wall_oss/instruction", "std_msgs/msg/String", text)
        yield from self._plan(end)
        if self.mark:
            text = new("std_msgs/msg/String", data=self.mark)
            yield Said(end - 0.01, "/wall_oss/record", "std_msgs/msg/String", text)
        yield from self.extra

    def joint_state(self, topic: str, time: float, names: list[str], positions: list[float]) -> Said:
        message = new(
            "sensor_msgs/msg/JointState", header=header(time), name=names, position=np.array(positions, float)
        )
        return Said(time + self.apart, topic, "sensor_msgs/msg/JointState", message)

    def trajectory(self, time: float, ahead: list[float], stamped: bool = True) -> Said:
        """The arm is told where it will be."""
        points = []
        for span in ahead:
            sec, nanosec = divmod(round(span * 1e9), 10**9)
            duration = new("builtin_interfaces/msg/Duration", sec=sec, nanosec=nanosec)
            points.append(
                new(
                    "trajectory_msgs/msg/JointTrajectoryPoint",
                    positions=self.joints(time + span),
                    time_from_start=duration,
                )
            )
        message = new(
            "trajectory_msgs/msg/JointTrajectory", joint_names=list(self.profile.arm.joints), points=points,
            header=header(time if stamped else 0.0),
        )  # fmt: skip
        return Said(time + self.apart, self.profile.command.topic, "trajectory_msgs/msg/JointTrajectory", message)

    def _plan(self, end: float) -> Iterator[Said]:
        steps = [new("wall_oss_msgs/msg/Subtask", text=text) for _, text in self.plan]
        for index, (after, _) in enumerate(self.plan):
            time = self.begin + after
            message = new(
                "wall_oss_msgs/msg/SubtaskPlan", header=header(time), planner="p", plan_id=1, status=1, active=index,
                instruction=self.instruction, subtasks=steps,
            )  # fmt: skip
            yield Said(time + self.apart, "/wall_oss/plan", "wall_oss_msgs/msg/SubtaskPlan", message)

    def _picture(self, topic: str, time: float, pixels: np.ndarray) -> Said:
        if self.compressed:
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            data = np.frombuffer(file.getvalue(), np.uint8)
            message = new("sensor_msgs/msg/CompressedImage", header=header(time), format="png", data=data)
            return Said(time + self.apart, f"{topic}/compressed", "sensor_msgs/msg/CompressedImage", message)
        return Said(time + self.apart, topic, "sensor_msgs/msg/Image", image(pixels, time))


def write(
    path: Path,
    story: Story,
    storage: StoragePlugin = StoragePlugin.MCAP,
    compression: CompressionMode = CompressionMode.NONE,
    change: Callable[[list[Said]], list[Said]] = lambda said: said,
) -> Path:
    """Writes a bag of a story; ``change`` is given all messages by the time of reception."""
    said = change(sorted(story.said(), key=lambda one: one.received))
    writer = Writer(path, version=9, storage_plugin=storage)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connections: dict[str, Any] = {}
        for one in said:
            if one.topic not in connections:
                connections[one.topic] = writer.add_connection(one.topic, one.kind, typestore=TYPES)
            writer.write(connections[one.topic], round(one.received * 1e9), one.bytes())
    return path
