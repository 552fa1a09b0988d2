"""Node mock_gripper: a gripper that only pretends, for mock hardware, which moves an arm's joints but has no hand.

It serves the gripper's action and says in joint states where its fingers would be. It never stands in for a real hand
unless asked to, and every line of its diagnostics says what it is.
"""

from __future__ import annotations

import sys
import threading

from rclpy.callback_groups import ReentrantCallbackGroup
from sensor_msgs.msg import JointState

from wall_oss_ros.nodes.base import WARN, WallOSSNode, run
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.nodes.qos import EVENTS
from wall_oss_ros.nodes.simulated_controllers import GripperServer
from wall_oss_ros.robots.profile import load_profile

_RATE = 50.0  # Hz
_THERE = 1e-4  # m


class Fingers:
    """Fingers without a hand: they go where they are sent, and meet nothing.

    Args:
        opening: where they begin, m.
        speed: m/s of the opening.
    """

    def __init__(self, opening: float, speed: float):
        self._opening = self._goal = opening
        self._speed, self._lock = speed, threading.Lock()

    def move_gripper(self, opening: float) -> None:
        """Sends them to an opening, m."""
        with self._lock:
            self._goal = opening

    def gripper(self) -> tuple[float, bool, bool]:
        """Opening (m), whether the goal is reached, and whether something stopped them, which nothing does."""
        with self._lock:
            return self._opening, abs(self._opening - self._goal) < _THERE, False

    def tick(self, period: float) -> float:
        """Goes on for ``period`` seconds; the opening then, m."""
        with self._lock:
            step = self._speed * period
            self._opening += min(max(self._goal - self._opening, -step), step)
            return self._opening


class MockGripperNode(WallOSSNode):
    """The gripper's action, as the profile names it, and joint states out."""

    PARAMETERS = (
        Parameter("joint_states", "/joint_states", "Topic on which the fingers' joint states are published."),
        Parameter("speed", 0.1, "How fast the opening changes, m/s.", 0.001, 1.0),
    )

    def __init__(self, **options):
        super().__init__("mock_gripper", **options)

    def setup(self) -> None:
        self._gripper = load_profile(self.value("robot")).gripper
        self._fingers = Fingers(self._gripper.open, self.value("speed"))
        self._states = self.publish_to(JointState, self.value("joint_states"), EVENTS)

    def start(self) -> None:
        profile = load_profile(self.value("robot"))
        self.keep(GripperServer(self, self._fingers, profile, ReentrantCallbackGroup()))
        self.every(1.0 / _RATE, self._tick)

    def diagnose(self):
        opening, _, _ = self._fingers.gripper()
        return WARN, "a mock gripper: nothing is held", {"opening_m": f"{opening:.4f}"}

    def _tick(self) -> None:
        joints = list(self._gripper.joints)
        position = self._gripper.joint_position(self._fingers.tick(1.0 / _RATE))
        message = JointState(name=joints, position=[position] * len(joints))
        message.header.stamp = self.get_clock().now().to_msg()
        self.send(self._states, message)


def main() -> int:
    return run(MockGripperNode, threads=4)


if __name__ == "__main__":
    sys.exit(main())
