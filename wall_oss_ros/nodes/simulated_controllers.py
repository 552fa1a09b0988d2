# SPDX-License-Identifier: Apache-2.0
"""The simulated robot's controllers as their users see them: joint_trajectory_controller and the gripper's action."""

from __future__ import annotations

import math
import threading
from typing import Protocol

from wall_oss_ros.nodes.conversions import seconds, to_stamp
from wall_oss_ros.nodes.gripper_actions import ACTIONS
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.nodes.qos import EVENTS
from wall_oss_ros.robots.components import Gripper
from wall_oss_ros.sim.joint_trajectory_controller import JointController, Point, Trajectory, TrajectoryError, fits

from control_msgs.action import FollowJointTrajectory
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

_POLL = 0.02  # s of wall time between two checks of a goal's progress

GRIPPER_ACTION = Parameter(
    "gripper_action", "", "Which action a gripper serves; empty: as the profile says, and where that leaves it open,"
    " GripperCommand.", choices=("", *ACTIONS),
)  # fmt: skip


class GripperDriver(Protocol):
    """Moves a gripper, simulated or pretended."""

    def move(self, opening: float) -> None:
        """Sends the fingers to an opening, m."""

    def state(self) -> tuple[float, bool, bool]:
        """Opening (m), whether the goal is reached, and whether something stopped the fingers short of it."""


def _follow(controller: JointController, message: JointTrajectory) -> Trajectory:
    points = [
        Point(seconds(point.time_from_start), point.positions, point.velocities if len(point.velocities) else None)
        for point in message.points
    ]
    start = seconds(message.header.stamp)
    return controller.follow(message.joint_names, points, start if start > 0 else None)


class TrajectoryServer:
    """Topic and action of a joint trajectory controller. A new trajectory by either way replaces the running one."""

    def __init__(self, node, controller: JointController, group):
        self._node, self._controller, self._closing = node, controller, threading.Event()
        self._joints, command = controller.joints, controller.command
        self._topic = node.create_subscription(
            JointTrajectory, command.topic, self._on_message, EVENTS, callback_group=group
        )
        self._server = ActionServer(
            node, FollowJointTrajectory, command.action, execute_callback=self._execute,
            goal_callback=self._on_goal, cancel_callback=lambda _: CancelResponse.ACCEPT, callback_group=group,
        )  # fmt: skip

    def destroy(self) -> None:
        self._closing.set()
        self._server.destroy()
        self._node.destroy_subscription(self._topic)

    def _on_message(self, message: JointTrajectory) -> None:
        try:
            _follow(self._controller, message)
        except TrajectoryError as error:
            name = self._controller.command.controller
            self._node.get_logger().error(f"{name} refused a trajectory: {error}.", throttle_duration_sec=1.0)

    def _on_goal(self, goal) -> GoalResponse:
        names = list(goal.trajectory.joint_names)
        if fits(names, self._joints, self._controller.partial) and goal.trajectory.points:
            return GoalResponse.ACCEPT
        some = "some of " if self._controller.partial else ""
        self._node.get_logger().error(
            f"Rejected a goal for joints {names}; expected {some}{list(self._joints)} and points."
        )
        return GoalResponse.REJECT

    def _execute(self, handle):
        goal, result = handle.request, FollowJointTrajectory.Result()
        try:
            trajectory = _follow(self._controller, goal.trajectory)
        except TrajectoryError as error:
            handle.abort()
            result.error_code, result.error_string = result.INVALID_GOAL, str(error)
            return result
        deadline = trajectory.end + seconds(goal.goal_time_tolerance)
        while not self._closing.wait(_POLL):
            if handle.is_cancel_requested:
                self._controller.hold(trajectory)
                handle.canceled()
                return result
            if not self._controller.is_running(trajectory):
                handle.abort()
                result.error_code, result.error_string = result.INVALID_GOAL, "replaced by another trajectory"
                return result
            self._feedback(handle)
            if self._controller.time >= trajectory.end:
                late = self._out_of_tolerance(goal)
                if not late:
                    handle.succeed()
                    result.error_code = result.SUCCESSFUL
                    return result
                if self._controller.time > deadline:
                    handle.abort()
                    result.error_code, result.error_string = result.GOAL_TOLERANCE_VIOLATED, late
                    return result
        handle.abort()
        result.error_code, result.error_string = result.INVALID_GOAL, "the controller was shut down"
        return result

    def _feedback(self, handle) -> None:
        joints = self._controller.state()
        feedback = FollowJointTrajectory.Feedback(joint_names=list(self._joints))
        feedback.header.stamp = to_stamp(self._controller.time)
        feedback.desired = JointTrajectoryPoint(positions=joints.desired_position.tolist())
        feedback.actual = JointTrajectoryPoint(positions=joints.position.tolist())
        feedback.error = JointTrajectoryPoint(positions=(joints.desired_position - joints.position).tolist())
        handle.publish_feedback(feedback)

    def _out_of_tolerance(self, goal) -> str:
        joints = self._controller.state()
        for tolerance in goal.goal_tolerance:
            if tolerance.name in self._joints and tolerance.position > 0:
                index = self._joints.index(tolerance.name)
                error = abs(joints.desired_position[index] - joints.position[index])
                if error > tolerance.position:
                    return f"{tolerance.name} is {error:.4f} off its goal, {tolerance.position:.4f} permitted"
        return ""


class GripperServer:
    """The action of a gripper, of either type. A new goal replaces the previous one.

    Args:
        node: that serves it.
        driver: moves the fingers.
        gripper: of the robot's profile.
        group: of its callbacks.
        action_type: as the profile's; where that leaves it open, or this does, it is GripperCommand.
    """

    def __init__(self, node, driver: GripperDriver, gripper: Gripper, group, action_type: str = ""):
        self._node, self._driver, self._gripper, self._closing = node, driver, gripper, threading.Event()
        kind = action_type or gripper.action_type
        self._action = next(iter(ACTIONS.values())) if kind == "auto" else ACTIONS[kind]
        self._newest = None  # the goal handle that counts
        self._server = ActionServer(
            node, self._action.type, gripper.action, execute_callback=self._execute, goal_callback=self._on_goal,
            cancel_callback=lambda _: CancelResponse.ACCEPT, callback_group=group,
        )  # fmt: skip

    def destroy(self) -> None:
        self._closing.set()
        self._server.destroy()

    def _on_goal(self, goal) -> GoalResponse:
        position = self._action.position(goal)
        low, high = sorted((self._gripper.action_positions.closed, self._gripper.action_positions.open))
        if position is not None and math.isfinite(position) and low - 1e-3 <= position <= high + 1e-3:
            return GoalResponse.ACCEPT
        self._node.get_logger().error(f"Rejected a gripper goal at {position}; expected {low} to {high}.")
        return GoalResponse.REJECT

    def _execute(self, handle):
        self._newest = handle
        self._driver.move(self._gripper.action_opening(self._action.position(handle.request)))
        result = self._result()
        while not self._closing.wait(_POLL):
            opening, reached, stalled = self._driver.state()
            result = self._result(opening, reached, stalled)
            if handle.is_cancel_requested:
                self._driver.move(opening)
                handle.canceled()
                return result
            if handle is not self._newest:
                break
            if reached or stalled:
                handle.succeed()
                return result
        handle.abort()
        return result

    def _result(self, opening: float | None = None, reached: bool = False, stalled: bool = False):
        opening = self._gripper.closed if opening is None else opening
        return self._action.result(self._gripper.joints, self._gripper.action_position(opening), reached, stalled)
