# SPDX-License-Identifier: Apache-2.0
"""The topics by which a robot is told what to do."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.nodes.qos import EVENTS
from wall_oss_ros.nodes.sinks import JointSingleSink, Sink, make_sink
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile

from geometry_msgs.msg import Twist, TwistStamped


class Outlets:
    """The publishers of all commands. Made once: they outlast any motion, so that what was said last arrives.

    Args:
        node: whose they are.
        profile: the robot.
        moves: (A,) bool, the entries of the layout that the model decides.

    Attributes:
        moves: the same.
        parts: those of the robot's parts that the model moves; the others stay where they are and are told nothing.
        sinks: of the arms, of these parts, and of grippers that are told single commands, by topic.
        base: the robot's base, if the model drives it.
        twists: the publisher of its velocities.

    Raises:
        WallOSSError: the package of a message is not installed.
    """

    def __init__(self, node: WallOSSNode, profile: RobotProfile, moves: np.ndarray):
        self.moves, slots = np.asarray(moves, bool), Layout(profile).slots
        self.parts = tuple(part for part in profile.parts if self.moves[slots[part.dof]].any())
        self.sinks: dict[str, Sink] = {}
        for one in profile.arms:
            gripper = one.gripper
            joints = one.driver_names((*one.arm.joints, *(gripper.joints if gripper.in_trajectory else ())))
            self.sinks[one.command.topic] = make_sink(node, one.command, joints)
            if (topic := gripper.joint_single) is not None:
                self.sinks[topic] = JointSingleSink(node, topic, *one.driver_names(gripper.joints))
        for part in self.parts:
            self.sinks[part.command.topic] = make_sink(node, part.command, profile.driver_names(part.joints))
        drives = profile.base is not None and self.moves[slots[profile.base.dof]].any()
        self.base, self.twists = profile.base if drives else None, None
        if self.base is not None:
            if kind := node.value("twists"):
                self.base = self.base.model_copy(update={"stamped": kind == "stamped"})
            self.twists = node.publish_to(TwistStamped if self.base.stamped else Twist, self.base.topic, EVENTS)

    def forget(self) -> None:
        """Motion begins anew: what was told before the node was last deactivated is not told again."""
        for sink in self.sinks.values():
            sink.forget()

    def listeners(self) -> dict[str, int]:
        """How many listen, by topic."""
        found = {topic: sink.listeners() for topic, sink in self.sinks.items()}
        return found if self.base is None else found | {self.base.topic: self.twists.get_subscription_count()}
