# SPDX-License-Identifier: Apache-2.0
"""The part of a robot's profile that says what stands in for it in simulation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from wall_oss_ros.robots.components import Component, Finite, Name, Positive, Vector3


class Servos(Component):
    """Position servos, one for each joint of an arm or group. For joints that slide, m replaces rad, N N m, kg kg m2.

    Attributes:
        stiffness, damping: N m/rad, N m s/rad; near critical.
        torque: N m, the most.
        armature: kg m2, the motors' inertia seen through their gears.
    """

    stiffness: tuple[Positive, ...]
    damping: tuple[Positive, ...]
    torque: tuple[Positive, ...]
    armature: tuple[Positive, ...]


class SimulatedFingers(Component):
    """Two fingers of the URDF that slide, each half the opening, with their servos.

    Attributes:
        joints: prismatic, 0 when closed.
        links: what touches the objects.
        stiffness, damping, force: of each finger's servo, N/m, N s/m, N.
        armature: kg.
        speed: m/s of the opening.
    """

    joints: tuple[Name, Name]
    links: tuple[Name, ...] = Field(min_length=1)
    stiffness: Positive
    damping: Positive
    force: Positive
    armature: Positive
    speed: Positive


class Camera(Component):
    """A simulated camera, at ``position`` and looking at ``target`` (m, in the link's frame); field of view in degrees.

    ``link`` is one of the URDF's, or ``world``: the table's frame, which is the arm's base.
    """

    view: Name
    link: Name
    position: Vector3
    target: Vector3
    up: Vector3
    field_of_view: float = Field(gt=0, lt=180)


class SimulatedArm(Component):
    """What stands in for an arm: its servos and fingers.

    Attributes:
        start: where it begins, if not at home (rad).
        max_tcp_speed: m/s, in place of the real arm's, beside which people stand; None leaves that.
    """

    start: tuple[Finite, ...] | None = None
    max_tcp_speed: Positive | None = None
    servos: Servos
    fingers: SimulatedFingers


class Simulation(SimulatedArm):
    """How the simulated robot stands in for this one.

    ``start``, ``max_tcp_speed``, ``servos`` and ``fingers`` are the first arm's; the profile's ``arms`` have each its
    own. What replaces a value of the real robot does so in :meth:`RobotProfile.simulated` alone.

    Attributes:
        resume: in place of the real robot's; None leaves that.
        scene: what stands on its table, and so which task it has: cubes for one arm, or trays for two.
        more_arms: of the profile's further arms, in their order.
        parts: servos by the name of the profile's part.
    """

    scene: Literal["table", "trays"]
    resume: Literal["automatic", "manual"] | None = None
    image_size: int = Field(ge=28, le=1024)
    camera_rate_hz: Positive
    joint_state_rate_hz: Positive
    more_arms: tuple[SimulatedArm, ...] = ()
    parts: dict[Name, Servos] = Field(default_factory=dict)
    cameras: tuple[Camera, ...] = Field(min_length=1)
