# SPDX-License-Identifier: Apache-2.0
"""The parts of a robot's profile: cameras, arm, gripper, controllers, watchdogs."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Vector3 = tuple[Finite, Finite, Finite]
Name = Annotated[str, Field(min_length=1)]
Encoding = Literal[
    "rgb8", "bgr8", "rgba8", "bgra8", "mono8", "bayer_rggb8", "bayer_bggr8", "bayer_gbrg8", "bayer_grbg8", "yuv422",
    "yuv422_yuy2",
]  # fmt: skip
_TOPIC = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*")


class Component(BaseModel):
    """Unknown fields are refused, so that a typing error cannot pass unseen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Crop(Component):
    """A region of a camera's picture: shares of its width and height where no number is above 1, or else pixels."""

    left: Annotated[float, Field(ge=0)] = 0.0
    top: Annotated[float, Field(ge=0)] = 0.0
    right: Positive = 1.0
    bottom: Positive = 1.0

    @model_validator(mode="after")
    def _has_an_area(self):
        if self.left >= self.right or self.top >= self.bottom:
            raise ValueError("a crop's left must be below its right, and its top below its bottom")
        if not self.in_shares and (self.right <= 1 or self.bottom <= 1):
            raise ValueError("a crop in pixels must say right and bottom, both above 1")
        return self

    @property
    def in_shares(self) -> bool:
        return max(self.left, self.top, self.right, self.bottom) <= 1

    def pixels(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in a picture of that size.

        Raises:
            ValueError: the region reaches beyond the picture.
        """
        across, down = (width, height) if self.in_shares else (1, 1)
        left, top = round(self.left * across), round(self.top * down)
        right, bottom = round(self.right * across), round(self.bottom * down)
        if right > width or bottom > height or left >= right or top >= bottom:
            raise ValueError(
                f"the crop from ({left}, {top}) to ({right}, {bottom}) is no part of a picture of {width} x {height}"
            )
        return left, top, right, bottom


class View(Component):
    """A camera: the model's name for it, its words in the prompt, its pictures' source and what becomes of them.

    Attributes:
        image_topic: of sensor_msgs/Image, or of sensor_msgs/CompressedImage with a JPEG or PNG.
        camera_info_topic: of sensor_msgs/CameraInfo, published beside ``image_topic``.
        rectified: whether pictures and depth images were freed of the lens's distortion before they come; left out,
            a topic's name says so, where a part of it begins with ``image_rect``, or is ``rect`` or ``rectified``.
        optical_frame: where the camera is in tf: x right, y down, z forward.
        transport: which of the two types comes on ``image_topic``; ``auto`` goes by what is published there.
        encoding: what the pixels are, where the messages say something else or do not say it (8UC3).
        crop: the region that is used, of the picture as it comes; None is all of it.
        rotate: by how many degrees the picture is then turned, clockwise, to stand upright.
        fit: how it then becomes the model's square: with black bars, by its central square, or out of proportion.
        reliability, depth: quality of service of the subscription; ``auto`` takes what any publisher offers. The first
            is that of depth images, too.
        depth_topic: of sensor_msgs/Image with distances for the same camera's pictures: 16UC1 in mm or 32FC1 in m,
            registered to ``optical_frame``; or, with a name that ends in ``/compressedDepth``, of
            sensor_msgs/CompressedImage with the same. Left out, what the model points at is placed on the workspace's
            floor.
        depth_info_topic: of sensor_msgs/CameraInfo, for the depth image as it is on ``depth_topic``; left out, its lens
            is the picture's.
    """

    name: Name
    prompt: Name
    image_topic: Name
    camera_info_topic: Name
    optical_frame: Name
    rectified: bool | None = None
    transport: Literal["auto", "raw", "compressed"] = "auto"
    encoding: Encoding | None = None
    crop: Crop | None = None
    rotate: Literal[0, 90, 180, 270] = 0
    fit: Literal["pad", "crop", "stretch"] = "pad"
    reliability: Literal["auto", "best_effort", "reliable"] = "auto"
    depth: int = Field(5, ge=1, le=100)
    depth_topic: Name | None = None
    depth_info_topic: Name | None = None

    @field_validator("image_topic", "camera_info_topic", "depth_topic", "depth_info_topic")
    @classmethod
    def _is_a_topic(cls, name: str | None) -> str | None:
        if name is not None and not _TOPIC.fullmatch(name):
            raise ValueError(f"{name!r} is no topic: such as /front_camera/color/image_raw was expected")
        return name

    @model_validator(mode="after")
    def _depth_has_images(self):
        if self.depth_info_topic is not None and self.depth_topic is None:
            raise ValueError("depth_info_topic is there without a depth_topic")
        if self.depth_topic is not None and self.depth_topic == self.image_topic:
            raise ValueError(f"depth_topic and image_topic are both {self.image_topic}: a picture has no distances")
        return self


class Limits(Component):
    """Bounds of each joint's motion: rad/s, rad/s2, rad/s3. Positions are the URDF's."""

    velocity: tuple[Positive, ...]
    acceleration: tuple[Positive, ...]
    jerk: tuple[Positive, ...]


def _one_for_each_joint(joints: tuple[str, ...], home: tuple[float, ...], limits: Limits) -> None:
    """Raises ValueError when a joint has no home or limit, or there are more of these than joints."""
    for key, values in {"home": home, **{f"limits.{key}": value for key, value in limits}}.items():
        if len(values) != len(joints):
            raise ValueError(f"{key} has {len(values)} entries, one for each of the {len(joints)} joints expected")


class Workspace(Component):
    """The box the tool centre point stays in, m, in the base frame."""

    min: Vector3
    max: Vector3

    @model_validator(mode="after")
    def _ordered(self):
        if not all(low < high for low, high in zip(self.min, self.max)):
            raise ValueError(f"min {self.min} must be below max {self.max} on every axis")
        return self

    def outside(self, positions) -> float:
        """How far the farthest of positions (..., 3) lies outside, m; negative when all are inside."""
        return float(np.maximum(np.subtract(self.min, positions), np.subtract(positions, self.max)).max())


class Force(Component):
    """How hard the arm may be pushed or push, where its driver says how hard it is, without the tool's own weight.

    Attributes:
        topic: of geometry_msgs/WrenchStamped.
        max_force, max_torque: N; N m, about the point that the driver takes.
    """

    topic: Name
    max_force: Positive
    max_torque: Positive


class Arm(Component):
    """An arm: what people call it, its place in the model's layout, its frames and joints, and its bounds.

    The model moves its tool or its joints.

    Attributes:
        position_dof, rotation_dof: the tool's; of a rotation 3 Euler angles, or 6 numbers.
        rotation_6d: what the 6 numbers are: the rotation matrix's first two columns, or its first two rows.
        joints_dof: the joints', in place of these.
        tool_rotation: quaternion (x, y, z, w) that rotations are measured from.
        force: None where nothing measures it.
    """

    name: Name = "arm"
    position_dof: Name | None = None
    rotation_dof: Name | None = None
    rotation_6d: Literal["columns", "rows"] = "columns"
    joints_dof: Name | None = None
    base_frame: Name
    tcp_frame: Name
    joints: tuple[Name, ...] = Field(min_length=1)
    home: tuple[Finite, ...]
    tool_rotation: tuple[Finite, Finite, Finite, Finite] = (0.0, 0.0, 0.0, 1.0)
    max_tcp_speed: Positive
    workspace: Workspace
    limits: Limits
    force: Force | None = None

    @property
    def keeps_rotation(self) -> bool:
        """Whether its tool never turns, so that the entries of ``rotation_dof`` are not the robot's."""
        return False

    @model_validator(mode="after")
    def _commanded_in_one_way(self):
        pose = (self.position_dof, self.rotation_dof)
        if None in pose if self.joints_dof is None else any(pose):
            raise ValueError("give position_dof and rotation_dof where the model moves the tool, or joints_dof instead")
        return self

    @model_validator(mode="after")
    def _same_length(self):
        _one_for_each_joint(self.joints, self.home, self.limits)
        if abs(sum(x * x for x in self.tool_rotation) - 1) > 1e-3:
            raise ValueError(f"tool_rotation {self.tool_rotation} must be a unit quaternion (x, y, z, w)")
        return self


class Stroke(Component):
    """The positions of something, in its own unit, where the gripper is closed and where it is open."""

    closed: Finite
    open: Finite

    @model_validator(mode="after")
    def _apart(self):
        if self.closed == self.open:
            raise ValueError(f"closed and open are both {self.open}; they must differ")
        return self


class Gripper(Component):
    """A gripper. Openings are in m, between the fingers; joints and action count in their own unit, in proportion.

    It is commanded by an action; by a joint trajectory controller of its own; by single commands to its one joint; or,
    where the driver gives it nothing of its own, by its arm's controller, whose last joints are then the gripper's.

    Attributes:
        joints: names in the joint states; they move alike.
        joint_positions: of each of these joints.
        action, action_positions, max_effort: the action, what it is told, and the most force, N.
        action_type: control_msgs/GripperCommand or ParallelGripperCommand; auto is what the server at ``action`` is.
        topic: of its own joint trajectory controller.
        joint_single: topic of interbotix_xs_msgs/JointSingleCommand, for its joint.
        speed: m/s of the opening, where it is told positions; a ParallelGripperCommand may be told it, too.
        counted: what checkpoints for this robot count in: m, or shares of the stroke, with 1 for open or for closed.
    """

    dof: Name
    counted: Literal["metres", "share_open", "share_closed"] = "metres"
    closed: float = Field(ge=0)
    open: Positive
    joints: tuple[Name, ...] = Field(min_length=1)
    joint_positions: Stroke
    action: Name | None = None
    action_positions: Stroke | None = None
    max_effort: Positive | None = None
    action_type: Literal["auto", "gripper_command", "parallel_gripper_command"] = "auto"
    topic: Name | None = None
    joint_single: Name | None = None
    speed: Positive | None = None

    @model_validator(mode="after")
    def _commanded_in_one_way(self):
        by_action = [value is not None for value in (self.action, self.action_positions, self.max_effort)]
        own = [value is not None for value in (self.topic, self.joint_single)]
        by_positions = self.speed is not None and not any(by_action)
        if not (by_positions or (all(by_action) and not any(own))):
            raise ValueError(
                "give action, action_positions and max_effort; or speed where it is told positions, and topic or "
                "joint_single if it is told them apart from its arm"
            )
        if self.action is None and self.action_type != "auto":
            raise ValueError(f"action_type {self.action_type} is there without an action")
        if all(own):
            raise ValueError("topic and joint_single are both there; it is told what to do in one way")
        if self.joint_single is not None and len(self.joints) > 1:
            raise ValueError(f"joint_single moves one joint, and joints has {len(self.joints)}")
        return self

    @property
    def in_trajectory(self) -> bool:
        """Whether its joints are the last ones that its arm's controller moves."""
        return self.action is None and self.topic is None and self.joint_single is None

    @property
    def streamed(self) -> bool:
        """Whether it is told its next position in each cycle of its arm."""
        return self.in_trajectory or self.joint_single is not None

    @model_validator(mode="after")
    def _opens(self):
        if not self.closed < self.open:
            raise ValueError(f"closed ({self.closed} m) must be below open ({self.open} m)")
        return self

    def opening(self, positions) -> float:
        """The opening (m) at these positions of ``joints``."""
        shut, wide = self.joint_positions.closed, self.joint_positions.open
        travel = sum(float(position) - shut for position in positions)
        return self.closed + travel * ((self.open - self.closed) / (len(self.joints) * (wide - shut)))

    def joint_position(self, opening: float) -> float:
        """Where each of ``joints`` is at an opening (m)."""
        return self._scaled(self.joint_positions, opening)

    def joint_velocity(self, speed: float) -> float:
        """How fast each of ``joints`` moves when the opening changes by ``speed`` m/s."""
        return speed * self._gain(self.joint_positions)

    def action_position(self, opening: float) -> float:
        """What the action is told for an opening (m)."""
        return self._scaled(self.action_positions, opening)

    def action_speed(self, speed: float) -> float:
        """How fast that changes when the opening changes by ``speed`` m/s."""
        return speed * self._gain(self.action_positions)

    def action_opening(self, position: float) -> float:
        """The opening (m) that a position told to the action stands for."""
        return self.closed + (position - self.action_positions.closed) / self._gain(self.action_positions)

    def _gain(self, stroke: Stroke) -> float:
        return (stroke.open - stroke.closed) / (self.open - self.closed)

    def _scaled(self, stroke: Stroke, opening: float) -> float:
        return stroke.closed + (opening - self.closed) * self._gain(stroke)


class Command(Component):
    """Where the joints' commands go, and how often (Hz).

    ``program_running_topic`` is a std_msgs/Bool, where a driver has one: whether the robot takes commands at all.

    Attributes:
        sink: what is at ``topic``: a joint trajectory controller, which is told how to come to rest as well; a forward
            position controller (std_msgs/Float64MultiArray) or a group of joints
            (interbotix_xs_msgs/JointGroupCommand), which are told the next position alone.
        controller: its name; a group of joints has none.
        action, state_topic: of a joint trajectory controller.
        group: name of the group of joints.
    """

    sink: Literal["trajectory", "positions", "joint_group"] = "trajectory"
    controller: Name | None = None
    topic: Name
    action: Name | None = None
    state_topic: Name | None = None
    group: Name | None = None
    rate_hz: float = Field(ge=10, le=1000)
    program_running_topic: Name | None = None

    @model_validator(mode="after")
    def _fits_its_sink(self):
        has = {key for key in _OF_SINKS["trajectory"] + _OF_SINKS["joint_group"] if getattr(self, key) is not None}
        needed = set(_OF_SINKS[self.sink])
        if missing := sorted(needed - has):
            raise ValueError(f"sink {self.sink} needs {', '.join(missing)}")
        if senseless := sorted(has - needed):
            raise ValueError(f"sink {self.sink} has no {', '.join(senseless)}")
        return self


_OF_SINKS = {
    "trajectory": ("controller", "action", "state_topic"),
    "positions": ("controller",),
    "joint_group": ("group",),
}


class Limb(Component):
    """A further arm with its gripper, and where its commands go.

    Attributes:
        joint_states, joint_prefix: as the profile's; left out, they are the same.
    """

    arm: Arm
    gripper: Gripper
    command: Command
    joint_states: Name | None = None
    joint_prefix: str | None = None

    @model_validator(mode="after")
    def _prefix_has_its_topic(self):
        if (self.joint_states is None) != (self.joint_prefix is None):
            raise ValueError("joint_states and joint_prefix are given together, or neither")
        return self


class JointGroup(Component):
    """Joints beside the arms that the model moves by absolute positions, such as a head or a lift.

    Attributes:
        name: what people call it.
        dof: its place in the model's layout, one entry a joint.
        home: where it stands unless the model moves it; rad or m, as the joints.
    """

    name: Name
    dof: Name
    joints: tuple[Name, ...] = Field(min_length=1)
    home: tuple[Finite, ...]
    limits: Limits
    command: Command

    @model_validator(mode="after")
    def _same_length(self):
        _one_for_each_joint(self.joints, self.home, self.limits)
        return self


class Base(Component):
    """A driving base, commanded by velocities: x and y (m/s), yaw (rad/s), in its own frame.

    Attributes:
        dof: its place in the model's layout; x, y (m) and yaw (rad) of its odometry.
        frame: the base's own.
        holonomic: whether it can move sideways.
        limits: of x, y and yaw.
        topic: of geometry_msgs/TwistStamped where ``stamped``, else Twist.
        odometry: topic of nav_msgs/Odometry.
    """

    dof: Name
    frame: Name
    holonomic: bool
    limits: Limits
    topic: Name
    stamped: bool
    odometry: Name
    rate_hz: float = Field(ge=5, le=200)

    @model_validator(mode="after")
    def _three(self):
        for key, values in self.limits:
            if len(values) != 3:
                raise ValueError(f"limits.{key} has {len(values)} entries, 3 expected: x, y and yaw")
        return self


class Watchdog(Component):
    """Ages (s) beyond which the arm holds, and the most that the views of one observation may lie apart (s)."""

    observation_age: Positive
    joint_state_age: Positive
    chunk_age: Positive
    view_skew: Positive
