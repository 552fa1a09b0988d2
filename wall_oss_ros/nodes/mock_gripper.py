# SPDX-License-Identifier: Apache-2.0
"""Node mock_gripper: a pretended gripper for mock hardware, which moves an arm's joints but has no gripper.

It serves the action of each gripper that has one, and publishes where its fingers would be. It never stands in for a
real gripper unless asked to, and every line of its diagnostics says what it is.
"""

from __future__ import annotations

import sys
import threading

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.lifecycle_node import WARN, WallOSSNode
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.nodes.qos import EVENTS
from wall_oss_ros.nodes.running import run
from wall_oss_ros.nodes.simulated_controllers import GRIPPER_ACTION, GripperServer
from wall_oss_ros.robots.profile import load_profile

from rclpy.callback_groups import ReentrantCallbackGroup
from sensor_msgs.msg import JointState

_RATE = 50.0  # Hz
_TOLERANCE = 1e-4  # m


class MockGripperDriver:
    """Fingers that go where they are sent and never touch anything.

    Args:
        opening: at first, m.
        speed: at which the opening changes, m/s.
    """

    def __init__(self, opening: float, speed: float):
        self._opening = self._goal = opening
        self._speed, self._lock = speed, threading.Lock()

    def move(self, opening: float) -> None:
        """Sends the fingers to an opening, m."""
        with self._lock:
            self._goal = opening

    def state(self) -> tuple[float, bool, bool]:
        """Opening (m), whether the goal is reached, and whether something stopped the fingers, which nothing does."""
        with self._lock:
            return self._opening, abs(self._opening - self._goal) < _TOLERANCE, False

    def tick(self, period: float) -> float:
        """Moves on by ``period`` seconds; returns the opening, m."""
        with self._lock:
            step = self._speed * period
            self._opening += min(max(self._goal - self._opening, -step), step)
            return self._opening


class MockGripperNode(WallOSSNode):
    """The grippers' actions, as the profile names them, and joint states out."""

    PARAMETERS = (
        Parameter("joint_states", "/joint_states", "Topic on which the fingers' joint states are published."),
        Parameter("speed", 0.1, "How fast the opening changes, m/s.", 0.001, 1.0),
        GRIPPER_ACTION,
    )

    def __init__(self, **options):
        super().__init__("mock_gripper", **options)

    def setup(self) -> None:
        profile = load_profile(self.value("robot"))
        self._grippers = [one.gripper for one in profile.arms if one.gripper.action]
        if not self._grippers:
            raise WallOSSError(
                f"The grippers of robot {profile.name} have no action: they move with their arms.",
                "Leave the mock gripper out.",
            )
        if not profile.plain_joints:
            raise WallOSSError(
                f"The driver of robot {profile.name} has other joint names, which the mock gripper does not know.",
                "Leave the mock gripper out.",
            )
        self._drivers = [MockGripperDriver(gripper.open, self.value("speed")) for gripper in self._grippers]
        self._states = self.publish_to(JointState, self.value("joint_states"), EVENTS)

    def start(self) -> None:
        group = ReentrantCallbackGroup()
        for driver, gripper in zip(self._drivers, self._grippers):
            self.keep(GripperServer(self, driver, gripper, group, self.value("gripper_action")))
        self.every(1.0 / _RATE, self._tick)

    def diagnose(self):
        openings = ", ".join(f"{driver.state()[0]:.4f}" for driver in self._drivers)
        return WARN, "a mock gripper: nothing is held", {"opening_m": openings}

    def _tick(self) -> None:
        message = JointState()
        for driver, gripper in zip(self._drivers, self._grippers):
            position = gripper.joint_position(driver.tick(1.0 / _RATE))
            message.name = [*message.name, *gripper.joints]
            message.position = [*message.position, *[position] * len(gripper.joints)]
        message.header.stamp = self.get_clock().now().to_msg()
        self.send(self._states, message)


def main() -> int:
    return run(MockGripperNode, threads=4)


if __name__ == "__main__":
    sys.exit(main())
