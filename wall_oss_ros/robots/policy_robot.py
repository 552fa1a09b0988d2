# SPDX-License-Identifier: Apache-2.0
"""A robot that somebody else's program moves, such as a simulator's: what a policy must know of it, and no more.

Where hand and opening stand in the model's vectors, their ranges, the views and the rate. It has no URDF, joints,
controllers, topics or watchdogs, so that nodes cannot drive it: it is for recordings, training and ``wall-oss serve``.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator, model_validator

from wall_oss_ros.robots.components import Arm, Gripper, Name, View
from wall_oss_ros.robots.profile import POLICY_ONLY, RobotProfile, load_profile, read_content, validated

Empty = tuple[()]


class PolicyView(View):
    """A view: its name, its words in the prompt, and how its picture becomes the model's square."""

    image_topic: None = None
    camera_info_topic: None = None
    optical_frame: None = None


class PolicyArm(Arm):
    """A hand that is told where to be.

    Attributes:
        turns: false for one that keeps its rotation: the entries of ``rotation_dof`` are then not the robot's.
    """

    turns: bool = True
    position_dof: Name
    rotation_dof: Name
    joints_dof: None = None
    base_frame: None = None
    tcp_frame: None = None
    joints: Empty = ()
    home: Empty = ()
    max_tcp_speed: None = None
    limits: None = None
    force: None = None

    @property
    def keeps_rotation(self) -> bool:
        return not self.turns

    @model_validator(mode="after")
    def _same_length(self):
        if abs(sum(x * x for x in self.tool_rotation) - 1) > 1e-3:
            raise ValueError(f"tool_rotation {self.tool_rotation} must be a unit quaternion (x, y, z, w)")
        return self


class PolicyGripper(Gripper):
    """A gripper that is told its opening, in m between the fingers."""

    joints: Empty = ()
    joint_positions: None = None

    @model_validator(mode="after")
    def _commanded_in_one_way(self):
        if any(value is not None for value in (self.action, self.topic, self.joint_single, self.speed)):
            raise ValueError(f"a robot that is {POLICY_ONLY} has no action, topic, joint_single or speed")
        return self


class PolicyRobot(RobotProfile):
    """The profile of such a robot, which has one arm. ``policy_only: true`` marks its file."""

    policy_only: bool
    urdf: None = None
    views: tuple[PolicyView, ...] = Field(min_length=1)
    joint_states: None = None
    arm: PolicyArm
    gripper: PolicyGripper
    command: None = None
    more_arms: Empty = ()
    parts: Empty = ()
    base: None = None
    watchdog: None = None
    resume: None = None
    simulation: None = None

    @field_validator("policy_only")
    @classmethod
    def _marks(cls, value: bool) -> bool:
        if not value:
            raise ValueError("is either true or left out")
        return value


def load_embodiment(name_or_path: str | Path) -> RobotProfile:
    """A profile for recordings, training and serving: of a robot that nodes drive, or of one that is ``policy_only``.

    Raises:
        WallOSSError: as :func:`wall_oss_ros.robots.profile.load_profile`.
    """
    path, source, content = read_content(name_or_path)
    if POLICY_ONLY not in content:
        return load_profile(name_or_path)
    return validated(PolicyRobot, path, source, content)
