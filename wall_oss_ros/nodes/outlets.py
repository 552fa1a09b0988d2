"""The topics by which a robot is told what to do."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Twist, TwistStamped
from trajectory_msgs.msg import JointTrajectory

from wall_oss_ros.nodes.base import WallOSSNode
from wall_oss_ros.nodes.qos import EVENTS
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile


class Outlets:
    """The publishers of all commands. Made once: they outlast any motion, so that what was said last arrives.

    Args:
        node: whose they are.
        profile: the robot.
        moves: (A,) bool, the entries of the layout that the model decides.

    Attributes:
        moves: the same.
        parts: those of the robot's parts that the model moves; the others stay where they are and are told nothing.
        base: the robot's base, if the model drives it.
    """

    def __init__(self, node: WallOSSNode, profile: RobotProfile, moves: np.ndarray):
        self.moves, slots = np.asarray(moves, bool), Layout(profile).slots
        self.parts = tuple(part for part in profile.parts if self.moves[slots[part.dof]].any())
        commands = [*(one.command for one in profile.arms), *(part.command for part in self.parts)]
        self._outs = {x.topic: node.publish_to(JointTrajectory, x.topic, EVENTS) for x in commands}
        drives = profile.base is not None and self.moves[slots[profile.base.dof]].any()
        self.base = profile.base if drives else None
        if self.base is not None:
            if kind := node.value("twists"):
                self.base = self.base.model_copy(update={"stamped": kind == "stamped"})
            kind = TwistStamped if self.base.stamped else Twist
            self._outs[self.base.topic] = node.publish_to(kind, self.base.topic, EVENTS)

    def __getitem__(self, topic: str):
        return self._outs[topic]

    def listeners(self) -> dict[str, int]:
        """How many listen, by topic."""
        return {topic: out.get_subscription_count() for topic, out in self._outs.items()}
