# SPDX-License-Identifier: Apache-2.0
"""What a system that is all well looks like to the live check, made up from a robot's profile."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.commands.live.facts import Controller, Endpoint, Facts, JointReading, Lens, Picture, Placed, Stream
from wall_oss_ros.commands.live.sinks import GRIPPERS, LIST
from wall_oss_ros.commands.live.streams import JOINTS
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import RobotProfile

BEGAN = 1000.0  # s
DRIVER = "/driver"
_KINDS = {
    "trajectory": "trajectory_msgs/msg/JointTrajectory",
    "joint_group": "interbotix_xs_msgs/msg/JointGroupCommand",
}


def stream(rate: float = 100.0, span: float = 3.0, age: float = 0.01) -> Stream:
    """Messages at a steady rate (Hz), each ``age`` s old when it comes."""
    made = Stream()
    for stamp in BEGAN + np.arange(0.0, span, 1.0 / rate):
        made.add(stamp + age, stamp + age, stamp)
    return made


def readings(profile: RobotProfile, topic: str, times: Stream) -> list[JointReading]:
    """The robot at home, as one publisher says it."""
    at: dict[str, float] = {}
    for one in profile.arms:
        if one.joint_states == topic:
            at |= dict(zip(one.arm.joints, one.arm.home))
            at |= {joint: one.gripper.joint_position(one.gripper.open) for joint in one.gripper.joints}
    if topic == profile.joint_states:
        at |= {joint: home for part in profile.parts for joint, home in zip(part.joints, part.home)}
    names, positions = tuple(at), tuple(at.values())
    return [JointReading(stamp, names, positions, (0.0,) * len(names)) for stamp in times.stamps]


def well(profile: RobotProfile) -> Facts:
    """Facts without a fault: a driver, cameras, tf, and none of our nodes."""
    facts = Facts(seconds=3.0, others=(DRIVER,))
    for topic in profile.joint_sources:
        facts.streams[topic] = stream()
        facts.joints[topic] = readings(profile, topic, facts.streams[topic])
        facts.publishers[topic] = (Endpoint(DRIVER, JOINTS),)
    for view in profile.views:
        facts.streams[view.image_topic] = stream(15.0, age=0.03)
        facts.publishers[view.image_topic] = (Endpoint("/camera", "sensor_msgs/msg/Image", reliable=False),)
        facts.pictures[view.name] = [
            Picture(stamp, 640, 480, "rgb8", view.optical_frame) for stamp in facts.streams[view.image_topic].stamps
        ]
        if view.depth_topic:
            facts.publishers[view.depth_topic] = (Endpoint("/camera", "sensor_msgs/msg/Image", reliable=False),)
            facts.depths[view.name] = [
                Picture(stamp + 0.01, 640, 480, "16UC1", view.optical_frame) for stamp in stream(30.0).stamps
            ]
        facts.lenses[view.name] = Lens(640, 480, (600.0, 0, 320, 0, 600, 240, 0, 0, 1), view.optical_frame)
    known = []
    moved = [(one.command, one.arm.joints) for one in profile.arms] + [(p.command, p.joints) for p in profile.parts]
    for command, joints in moved:
        facts.subscriptions[command.topic] = (Endpoint(DRIVER, _KINDS[command.sink]),)
        if command.controller:
            kind = "joint_trajectory_controller/JointTrajectoryController"
            known.append(Controller(command.controller, "active", kind, tuple(f"{joint}/position" for joint in joints)))
        if command.program_running_topic:
            facts.programs[command.program_running_topic] = True
    for one in profile.arms:
        if one.arm.force:
            facts.streams[one.arm.force.topic] = stream()
            facts.publishers[one.arm.force.topic] = (Endpoint(DRIVER, "geometry_msgs/msg/WrenchStamped"),)
            facts.forces[one.arm.force.topic] = (3.0, 0.2)
        gripper = one.gripper
        if gripper.action:
            kinds = (f"{GRIPPERS[gripper.action_type][0]}_SendGoal",)
            facts.services[f"{gripper.action}/_action/send_goal"] = kinds
        if gripper.topic:
            facts.subscriptions[gripper.topic] = (Endpoint(DRIVER, _KINDS["trajectory"]),)
        if gripper.joint_single:
            kind = "interbotix_xs_msgs/msg/JointSingleCommand"
            facts.subscriptions[gripper.joint_single] = (Endpoint(DRIVER, kind),)
        placed = [Placed(BEGAN + 1.0 + 0.1 * n, *Arm(one).fk(one.arm.home)) for n in range(5)]
        facts.tools[one.arm.name] = {one.arm.tcp_frame: placed}
    if known:
        facts.controllers["/controller_manager"] = (
            *known, Controller("joint_state_broadcaster", "active", "joint_state_broadcaster/JointStateBroadcaster"),
        )  # fmt: skip
        facts.services["/controller_manager/list_controllers"] = (LIST,)
    if profile.base is not None:
        kind = "geometry_msgs/msg/TwistStamped" if profile.base.stamped else "geometry_msgs/msg/Twist"
        facts.subscriptions[profile.base.topic] = (Endpoint(DRIVER, kind),)
        facts.publishers[profile.base.odometry] = (Endpoint(DRIVER, "nav_msgs/msg/Odometry"),)
        facts.streams[profile.base.odometry] = stream(50.0)
    facts.description = profile.urdf_path.read_text()
    facts.frames = frozenset({"world", *(view.optical_frame for view in profile.views)})
    return facts
