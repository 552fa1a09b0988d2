# SPDX-License-Identifier: Apache-2.0
"""For launch_testing: the simulated robot moves by its action, and a node that is killed comes back.

launch_test test/launch/simulation_and_perception.py
"""

import os
import signal
import time
import unittest

import launch_testing
import launch_testing.actions
import launch_testing.asserts
import psutil
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from wall_oss_ros.robots.profile import load_profile

import rclpy
from control_msgs.action import FollowJointTrajectory
from rclpy.action import ActionClient
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectoryPoint
from wall_oss_msgs.msg import Observation

PROFILE = load_profile("franka")
SLOW = 90.0  # s


def generate_test_description():
    def include(name):
        path = PathJoinSubstitution([FindPackageShare("wall_oss_ros"), "launch", f"{name}.launch.py"])
        return IncludeLaunchDescription(PythonLaunchDescriptionSource(path))

    return LaunchDescription([include("simulation"), include("perception"), launch_testing.actions.ReadyToTest()])


class WhileItRuns(unittest.TestCase):
    def setUp(self):
        rclpy.init()
        self.node = rclpy.create_node("test")
        self.observations, self.joints = [], {}
        self.node.create_subscription(
            Observation, "/wall_oss/observation_state", self.observations.append, qos_profile_sensor_data
        )
        self.node.create_subscription(
            JointState, PROFILE.joint_states, lambda m: self.joints.update(zip(m.name, m.position)), 10
        )

    def tearDown(self):
        self.node.destroy_node()
        rclpy.shutdown()

    def until(self, condition):
        deadline = time.monotonic() + SLOW
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it did not happen")
            rclpy.spin_once(self.node, timeout_sec=0.1)

    def test_the_arm_goes_where_its_action_is_sent(self):
        client = ActionClient(self.node, FollowJointTrajectory, PROFILE.command.action)
        self.until(lambda: client.server_is_ready() and self.joints)
        goal = FollowJointTrajectory.Goal()
        goal.trajectory.joint_names = list(PROFILE.arm.joints)
        target = [position + 0.1 for position in PROFILE.start]
        point = JointTrajectoryPoint(positions=target)
        point.time_from_start.sec = 2
        goal.trajectory.points = [point]
        sent = client.send_goal_async(goal)
        self.until(sent.done)
        self.assertTrue(sent.result().accepted)
        result = sent.result().get_result_async()
        self.until(result.done)
        self.assertEqual(result.result().result.error_code, FollowJointTrajectory.Result.SUCCESSFUL)
        for name, wanted in zip(PROFILE.arm.joints, target):
            self.assertAlmostEqual(self.joints[name], wanted, delta=0.03)

    def test_a_node_that_is_killed_comes_back(self):
        self.until(lambda: self.observations)
        (node,) = _perception()
        self.until(lambda: time.time() - node.create_time() > 12.0)  # sooner, launch takes it for one that cannot start
        node.send_signal(signal.SIGKILL)
        self.until(lambda: [other for other in _perception() if other != node])
        self.observations.clear()
        self.until(lambda: self.observations)


def _perception() -> list[psutil.Process]:
    """The processes of that node in this domain."""
    nodes = [p for p in psutil.process_iter() if "__node:=perception" in " ".join(_quietly(p.cmdline, []))]
    return [p for p in nodes if _quietly(p.environ, {}).get("ROS_DOMAIN_ID") == os.environ.get("ROS_DOMAIN_ID")]


def _quietly(question, otherwise):
    try:
        return question()
    except psutil.Error:
        return otherwise


@launch_testing.post_shutdown_test()
class AfterItsEnd(unittest.TestCase):
    def test_everything_ended_well(self, proc_info):
        # Of a process that was respawned, the last exit counts.
        launch_testing.asserts.assertExitCodes(proc_info)
