# SPDX-License-Identifier: Apache-2.0
"""The simulated UR has the face of ur_robot_driver and of a robotiq driver."""

import pytest
from nodes_support import NodeProcess, a_bench

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, SENSOR
from wall_oss_ros.robots.profile import load_profile

from control_msgs.action import FollowJointTrajectory, GripperCommand
from control_msgs.msg import JointTrajectoryControllerState
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from trajectory_msgs.msg import JointTrajectoryPoint

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.real_time]
bench = pytest.fixture(a_bench)


def test_arm_gripper_and_program_state_go_by_the_drivers_names(bench):
    joints = bench.listen(JointState, "/joint_states", SENSOR)
    states = bench.listen(
        JointTrajectoryControllerState, "/scaled_joint_trajectory_controller/controller_state", EVENTS
    )
    home = list(load_profile("ur:ur10e").arm.home)
    with NodeProcess("simulated_robot", "robot:=ur:ur10e", "real_time_factor:=0.5", "camera_rate_hz:=1.0") as robot:
        bench.until(lambda: joints and states)
        running = bench.listen(
            Bool, "/io_and_status_controller/robot_program_running", LATCHED
        )  # late, and told all the same
        goal = FollowJointTrajectory.Goal()
        goal.trajectory.joint_names = [*states[-1].joint_names]
        point = JointTrajectoryPoint(positions=[home[0] + 0.1, *home[1:]])
        point.time_from_start.sec = 1
        goal.trajectory.points = [point]
        name = "/scaled_joint_trajectory_controller/follow_joint_trajectory"
        _, moved = bench.send_goal(FollowJointTrajectory, name, goal)
        grip = GripperCommand.Goal()
        grip.command.position = 0.9  # rad: beyond closed
        name = "/robotiq_gripper_controller/gripper_cmd"
        assert not bench.send_goal(GripperCommand, name, grip)[0].accepted
        grip.command.position = 0.6
        _, gripped = bench.send_goal(GripperCommand, name, grip)
        bench.until(lambda: moved.done() and gripped.done() and running)
        assert running[0].data is True
        assert moved.result().result.error_code == FollowJointTrajectory.Result.SUCCESSFUL
        assert gripped.result().result.reached_goal and gripped.result().result.position == pytest.approx(0.6, abs=0.03)

        def newest(joint):  # states may come in later than results
            return joints[-1].position[joints[-1].name.index(joint)]

        bench.until(lambda: newest("shoulder_pan_joint") == pytest.approx(home[0] + 0.1, abs=0.01))
        bench.until(lambda: newest("robotiq_85_left_knuckle_joint") == pytest.approx(0.6, abs=0.03))
    assert robot.process.returncode == 0 and "Traceback" not in robot.output, robot.output
