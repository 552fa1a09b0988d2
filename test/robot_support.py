# SPDX-License-Identifier: Apache-2.0
"""A Franka of the tests' own: what a driver and perception would say to control, and what control sends."""

import numpy as np
from nodes_support import Bench, Observations, running_plan

from wall_oss_ros.nodes.observation_messages import image_message
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

from control_msgs.action import GripperCommand
from geometry_msgs.msg import WrenchStamped
from rclpy.action import ActionServer
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory
from wall_oss_msgs.msg import Observation, SubtaskPlan

PROFILE = load_profile("franka")
ARM = Arm(PROFILE)


class Robot:
    """The world around the control node: joints that follow, a gripper, observations and a plan while they are on."""

    def __init__(self, bench: Bench):
        node = bench.node
        self.q, self.seeing, self.node = ARM.home.copy(), True, node
        self.trajectories, self.openings, self.robot = [], [], robot_identity(PROFILE)
        self.pushed: float | None = 0.0  # N; None says nothing
        self.finger = 0.04  # m, of each
        self._joints = node.create_publisher(JointState, PROFILE.joint_states, EVENTS)
        self._wrenches = node.create_publisher(WrenchStamped, PROFILE.arm.force.topic, NEWEST)
        self._observations = Observations(node)
        self._plan = node.create_publisher(SubtaskPlan, "plan", LATCHED)
        node.create_subscription(JointTrajectory, PROFILE.command.topic, self._on_trajectory, EVENTS)
        self.gripper = ActionServer(node, GripperCommand, PROFILE.gripper.action, self._on_gripper)
        node.create_timer(0.02, self._say_joints)
        node.create_timer(0.1, self._see)

    def plan(self, status: int = SubtaskPlan.RUNNING, plan_id: int = 1) -> None:
        self._plan.publish(running_plan(self.node, status, plan_id))

    def repeat(self) -> None:
        """Says the plan that there is twice a second, begun when it began."""
        plan = running_plan(self.node)
        self.node.create_timer(0.5, lambda: self._plan.publish(plan))

    def _stamp(self) -> Header:
        return Header(stamp=self.node.get_clock().now().to_msg())

    def _say_joints(self) -> None:
        names = [*PROFILE.arm.joints, *PROFILE.gripper.joints]
        self._joints.publish(
            JointState(header=self._stamp(), name=names, position=[*self.q.tolist(), self.finger, self.finger])
        )
        if self.pushed is not None:
            wrench = WrenchStamped(header=self._stamp())
            wrench.wrench.force.z = self.pushed
            self._wrenches.publish(wrench)

    def _see(self) -> None:
        if not self.seeing:
            return
        state, mask = Layout(PROFILE).pack(*ARM.fk(self.q), 2 * self.finger)
        message = Observation(header=self._stamp(), robot=self.robot, state=state.tolist(), state_mask=mask.tolist())
        message.view_names = [view.name for view in PROFILE.views]
        message.views = [image_message(np.zeros((112, 112, 3), np.uint8), Header()) for _ in PROFILE.views]
        self._observations.publish(message)

    def _on_trajectory(self, message: JointTrajectory) -> None:
        self.trajectories.append(message)
        self.q = np.array(message.points[0].positions)

    def _on_gripper(self, handle):
        self.finger = handle.request.command.position
        self.openings.append(self.finger)
        handle.succeed()
        return GripperCommand.Result(reached_goal=True)


def in_state(statuses, state):
    return lambda: statuses and statuses[-1].state == state
