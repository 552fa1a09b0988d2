# SPDX-License-Identifier: Apache-2.0
"""The live check beside a simulated robot, a controller manager of the test, and somebody who should not be there."""

import json

import pytest
from domains import own_domain
from nodes_support import NodeProcess, a_bench

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.commands.check import ros_main
from wall_oss_ros.commands.live.judge import judge
from wall_oss_ros.commands.live.listen import Listener, in_graph
from wall_oss_ros.nodes.qos import EVENTS, LATCHED
from wall_oss_ros.robots.profile import load_profile

import rclpy
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.real_time]
bench = pytest.fixture(a_bench)
PROFILE = load_profile("franka")


def test_a_simulated_robot_is_looked_over_and_a_stranger_is_named(bench):
    managers = pytest.importorskip("controller_manager_msgs.srv", reason="controller_manager_msgs is not installed")
    states = pytest.importorskip("controller_manager_msgs.msg")

    def listed(_request, response):
        kind = "x/JointTrajectoryController"
        response.controller = [states.ControllerState(name=PROFILE.command.controller, state="inactive", type=kind)]
        return response

    bench.node.create_service(managers.ListControllers, "/controller_manager/list_controllers", listed)
    bench.node.create_publisher(JointTrajectory, PROFILE.command.topic, EVENTS)
    described = bench.node.create_publisher(String, "/robot_description", LATCHED)
    described.publish(String(data=PROFILE.urdf_path.read_text()))
    slow = ("real_time_factor:=0.3", "camera_rate_hz:=4.0")
    with NodeProcess("simulated_robot", *slow) as robot:
        bench.until(lambda: bench.node.count_publishers(PROFILE.joint_states) or robot.process.poll() is not None)
        node = rclpy.create_node("looks", namespace="/wall_oss")
        ear = Listener(node, PROFILE)
        ear._executor.add_node(bench.node)  # which answers while the check waits
        bench.executor.remove_node(bench.node)
        facts = ear.listen(3.0)
        node.destroy_node()
    told = {(one.what, one.level): one for one in judge(PROFILE, facts)}
    assert ("graph", "OK") in told and "/simulated_robot" in told["clock", "OK"].found
    assert facts.streams[PROFILE.joint_states].rate > 5
    assert ("joint states: joints", "OK") in told and ("tool, arm", "OK") in told
    assert all((f"camera {view.name}: pictures", "OK") in told for view in PROFILE.views)
    assert ("gripper", "OK") in told and ("description", "OK") in told
    assert "/wall_oss/bench publishes" in told["commands, arm", "FAIL"].found
    assert "is inactive" in told["controller, arm", "FAIL"].found
    assert "does not run" in told["control", "OK"].found


def test_where_nobody_is_the_executable_says_so_and_ends_with_1(monkeypatch, capsys):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(own_domain()))
    assert ros_main(["--robot", "franka", "--seconds", "0.5", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["live"]
    assert {"what", "level", "found", "do"} == told[0].keys()
    assert told[0]["level"] == "FAIL" and "nobody is there" in told[0]["found"]


def test_what_cannot_be_looked_at_ends_with_2(capsys):
    assert ros_main(["--robot", "frank"]) == 2 and "no robot 'frank'" in capsys.readouterr().err
    assert ros_main(["--robot", "franka", "--seconds", "nan"]) == 2 and "no number" in capsys.readouterr().err
    assert ros_main(["--robot", "franka", "--namespace", "a b"]) == 2 and "is no namespace" in capsys.readouterr().err


def test_names_are_those_of_the_graph():
    moved = in_graph(load_profile("ur"), "cell", "joint_trajectory_controller")
    assert moved.command.topic == "/cell/joint_trajectory_controller/joint_trajectory"
    assert moved.command.controller == "joint_trajectory_controller"
    assert moved.joint_states == "/cell/joint_states" and moved.urdf == load_profile("ur").urdf
    assert in_graph(load_profile("dual_arm:mobile_aloha")) == load_profile("dual_arm:mobile_aloha")
