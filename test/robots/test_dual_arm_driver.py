# SPDX-License-Identifier: Apache-2.0
"""The simulated AI Worker over topics and actions: its vendor's names, and what the planner makes of its cameras."""

import json

import numpy as np
import pytest
from nodes_support import FakePolicy, NodeProcess, a_bench

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.action_expert import ActionExpertNode
from wall_oss_ros.nodes.planner import PlannerNode
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST, SENSOR
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.registry import task_of

from control_msgs.action import FollowJointTrajectory
from control_msgs.msg import JointTrajectoryControllerState
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from wall_oss_msgs.msg import Observation, SubtaskPlan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.real_time]
PROFILE = load_profile("dual_arm")
TASK = task_of(PROFILE)
SLOW = ("robot:=dual_arm", "real_time_factor:=0.3", "camera_rate_hz:=2.0", "seed:=2", "colours:=green,red")


bench = pytest.fixture(a_bench)


def goal(names, positions):
    made = FollowJointTrajectory.Goal()
    made.trajectory.joint_names = list(names)
    made.trajectory.points = [JointTrajectoryPoint(positions=list(positions))]
    made.trajectory.points[0].time_from_start.sec = 1
    return made


def test_arms_head_lift_and_cameras_go_by_the_vendors_names(bench):
    joints = bench.listen(JointState, "/joint_states", SENSOR)
    states = {c: bench.listen(JointTrajectoryControllerState, f"/{c}/controller_state", EVENTS)
              for c in ("arm_r_controller", "arm_l_controller", "head_controller", "lift_controller")}  # fmt: skip
    lenses = [bench.listen(CameraInfo, view.camera_info_topic, SENSOR) for view in PROFILE.views]
    truth = bench.listen(String, "/simulation/ground_truth", NEWEST)
    with NodeProcess("simulated_robot", *SLOW) as robot:
        bench.until(lambda: joints and truth and all(states.values()) and all(lenses))
        assert [lens[0].header.frame_id for lens in lenses] == [view.optical_frame for view in PROFILE.views]
        assert set(json.loads(truth[-1].data)["wide_trays"]) == {"green", "red"}
        right = states["arm_r_controller"][-1]
        assert list(right.joint_names) == [*(f"arm_r_joint{i}" for i in range(1, 8)), "gripper_r_joint1"]

        name = "/arm_r_controller/follow_joint_trajectory"
        seven = goal(right.joint_names[:7], right.feedback.positions[:7])
        assert not bench.send_goal(FollowJointTrajectory, name, seven)[0].accepted, "no partial goals"
        _, closed = bench.send_goal(
            FollowJointTrajectory, name, goal(right.joint_names, [*right.feedback.positions[:7], 1.1])
        )
        name = "/head_controller/follow_joint_trajectory"
        _, turned = bench.send_goal(FollowJointTrajectory, name, goal(["head_joint2"], [0.2]))
        lift = bench.node.create_publisher(JointTrajectory, PROFILE.parts[1].command.topic, EVENTS)
        bench.until(lambda: lift.get_subscription_count() > 0)
        lift.publish(goal(["lift_joint"], [-0.22]).trajectory)
        bench.until(lambda: closed.done() and turned.done())
        for future in (closed, turned):
            assert future.result().result.error_code == FollowJointTrajectory.Result.SUCCESSFUL

        def newest(joint):  # states may come in later than results
            return joints[-1].position[joints[-1].name.index(joint)]

        wanted = {"gripper_r_joint1": 1.1, "gripper_l_joint1": 0.0, "head_joint2": 0.2, "lift_joint": -0.22}
        bench.until(lambda: all(abs(newest(joint) - place) < 0.02 for joint, place in wanted.items()))
        assert bench.call(Trigger, "/simulation/reset", Trigger.Request()).success
        bench.until(lambda: abs(newest("gripper_r_joint1")) < 0.02 and abs(newest("head_joint2")) < 0.02)
    assert robot.process.returncode == 0 and "Traceback" not in robot.output, robot.output


class Pointer(FakePolicy):
    """Plans to take the red tray, and points to where it is in the front view of the same scene."""

    def __init__(self, place):
        super().__init__()
        simulator = TASK.simulator(TASK.scene(2, "green,red"))
        self.pixel, self.asked = simulator.project(PROFILE.views[0].name, place).astype(int), []

    def plan(self, obs, instruction):
        return "take the red tray with both hands\nwait"

    def reason(self, obs, instruction):
        return "take the red tray with both hands"

    def ask(self, obs, question):
        self.asked.append(question)
        return f"<point>[{self.pixel[0]}, {self.pixel[1]}]</point>"


def test_a_subtasks_target_is_where_the_model_points_to(bench):
    place = np.array([0.31, 0.02, min(one.arm.workspace.min[2] for one in PROFILE.arms)])
    policy = Pointer(place)
    plans, observations = bench.listen(SubtaskPlan, "plan", LATCHED), bench.listen(Observation, "observation", NEWEST)
    robot = [Parameter("robot", value="dual_arm"), Parameter("use_sim_time", value=True)]
    bench.run(PlannerNode(policy_loader=lambda *_: policy, parameter_overrides=robot))
    bench.run(ActionExpertNode(lambda *_: policy, parameter_overrides=robot))  # says which views there are to be
    instructions = bench.node.create_publisher(String, "instruction", EVENTS)
    with NodeProcess("simulated_robot", *SLOW), NodeProcess("perception", "robot:=dual_arm", "use_sim_time:=true"):
        bench.until(lambda: observations and instructions.get_subscription_count() > 0)
        instructions.publish(String(data="lift the red tray"))
        bench.until(lambda: plans and plans[-1].subtasks and plans[-1].subtasks[0].has_target)
        target, judged = plans[-1].subtasks[0].target, len(observations)
        assert [target.x, target.y, target.z] == pytest.approx(place, abs=0.01), "by the head camera's place and lens"
        assert plans[-1].header.frame_id == PROFILE.arm.base_frame and not plans[-1].subtasks[1].has_target
        bench.until(lambda: len(observations) > judged + 3)
        assert policy.asked == ["Point to the red tray."], "once, however often progress is judged"
