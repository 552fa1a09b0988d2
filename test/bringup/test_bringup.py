# SPDX-License-Identifier: Apache-2.0
"""The bringup of real robots on a real ROS 2, with stubs in place of the vendors' packages."""

import json
import os
import re
import shutil
import signal
import time

import pytest
import yaml
from ros_support import NEEDS_ROS, SLOW, Launches, StubDrivers, installed, ros2

from wall_oss_ros.paths import data_path

pytestmark = NEEDS_ROS

FRANKA = (
    "robot_type arm_prefix namespace robot_ip load_gripper use_fake_hardware joint_state_rate controllers_yaml model"
)
UR = "ur_type robot_ip use_mock_hardware headless_mode initial_joint_controller launch_rviz namespace"
FFW = "start_rviz use_fake_hardware port_name launch_cameras init_position model"
# What franka_ros2 starts for fake hardware: a node of this name that says where its fingers are, and serves no action.
FAKE_GRIPPER = """#!/usr/bin/env python3
import rclpy
from sensor_msgs.msg import JointState
rclpy.init()
node = rclpy.create_node("fake_gripper_state_publisher")
states = node.create_publisher(JointState, "~/joint_states", 1)
node.create_timer(0.1, lambda: states.publish(JointState(name=["fr3_finger_joint1"], position=[0.035])))
try:
    rclpy.spin(node)
except (KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
    pass
"""


@pytest.fixture
def stubs(tmp_path):
    return StubDrivers(tmp_path)


@pytest.fixture
def launches(tmp_path):
    launches = Launches(tmp_path)
    yield launches
    launches.end()


@pytest.fixture
def broken_checkpoint(tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).touch()
    return folder


def bring_up(stubs, *words, distribution="jazzy"):
    """driver.launch.py to its end: with a stub it has nothing to wait for."""
    environment = {**stubs.environment, "ROS_DISTRO": distribution}
    done = ros2("launch", "wall_oss_bringup", "driver.launch.py", *words, environment=environment)
    given = json.loads(stubs.noted("driver") or "{}")
    return done.returncode, given, done.stdout + done.stderr


def test_franka_gets_its_address_its_hand_and_an_effort_controller(stubs):
    stubs.driver("franka_bringup", "launch/franka.launch.py", FRANKA)
    status, given, output = bring_up(stubs, "robot:=franka", "robot_ip:=172.16.0.3", "namespace:=left")
    assert status == 0, output
    assert given["robot_ip"] == "172.16.0.3" and given["robot_type"] == "fr3" and given["namespace"] == "left"
    assert (
        given["load_gripper"] == "true" and given["use_fake_hardware"] == "false" and given["joint_state_rate"] == "100"
    )
    assert given["arm_prefix"] == given["model"] == "vendor's"
    controller, option, file, *_ = stubs.noted("spawner").split()
    assert (controller, option) == ("fr3_arm_controller", "--param-file") and file.endswith("franka_effort.yaml")
    assert "__ns:=/left" in stubs.noted("spawner")


@pytest.mark.parametrize(
    "distribution, controller",
    [("jazzy", "scaled_joint_trajectory_controller"), ("lyrical", "joint_trajectory_controller")],
)
def test_ur_gets_its_type_and_the_controller_of_the_distribution(stubs, distribution, controller):
    stubs.driver("ur_robot_driver", "launch/ur_control.launch.py", UR)
    words = ("robot:=ur", "ur_type:=ur10e", "robot_ip:=192.168.56.101", "driver_arguments:=headless_mode:=true")
    status, given, output = bring_up(stubs, *words, distribution=distribution)
    assert status == 0, output
    assert (given["ur_type"], given["robot_ip"], given["headless_mode"]) == ("ur10e", "192.168.56.101", "true")
    assert given["initial_joint_controller"] == controller
    assert given["launch_rviz"] == "false" and given["use_mock_hardware"] == "false"
    assert stubs.noted("spawner") == "", "the driver starts its controllers itself"
    assert "The driver has no gripper" in output


def test_ur_that_is_told_positions_gets_that_controller(stubs, tmp_path):
    content = yaml.safe_load(data_path("config/robots/ur.yaml").read_text())
    content["command"] = {"sink": "positions", "controller": "forward_position_controller", "rate_hz": 125.0,
                          "topic": "/forward_position_controller/commands"}  # fmt: skip
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content | {"simulation": None, "variants": {"ur5e": {}}}))
    stubs.driver("ur_robot_driver", "launch/ur_control.launch.py", UR)
    status, given, output = bring_up(stubs, f"robot:={tmp_path / 'mine.yaml'}", "robot_ip:=192.168.56.101")
    assert status == 0, output
    assert given["initial_joint_controller"] == "forward_position_controller"


def test_no_argument_of_ours_leaks_into_the_driver(stubs, broken_checkpoint):
    stubs.driver("franka_bringup", "launch/franka.launch.py", FRANKA)
    words = ("robot:=franka", "sim:=false", "robot_ip:=10.0.0.2", f"model:={broken_checkpoint}", "rviz:=false")
    done = ros2("launch", "wall_oss_bringup", "robot.launch.py", *words, environment=stubs.environment)
    assert "refused to start" in done.stdout + done.stderr, "the checkpoint is none"
    given = json.loads(stubs.noted("driver"))
    assert given["model"] == "vendor's" and not {"sim", "rviz", "robot", "device"} & set(given)


def test_what_matters_is_recorded(stubs, broken_checkpoint, tmp_path):
    stubs.package("ros2bag")
    stubs.executable("stub", "ros2", '#!/bin/sh\necho "$@" > "$STUB_NOTES/bag"\n')
    path = f"{stubs.prefix}/lib/stub:{os.environ['PATH']}"
    words = ("sim:=false", "driver:=false", f"model:={broken_checkpoint}", "rviz:=false", "namespace:=left")
    ros2("launch", "wall_oss_bringup", "robot.launch.py", f"record:={tmp_path}/bag", *words,
         environment={**stubs.environment, "PATH": path}, ros2=shutil.which("ros2"))  # fmt: skip
    *_, option, folder, regex, pattern = stubs.noted("bag").split()
    assert (option, folder, regex) == ("--output", f"{tmp_path}/bag", "--regex")
    ours = ("joint_states", "face_camera/color/image_raw", "wall_oss/plan", "tf")
    for name in (*(f"/left/{name}" for name in ours), "/diagnostics", "/rosout"):
        assert re.search(pattern, name), name
    assert not re.search(pattern, "/left/wall_oss/plan_markers")


@pytest.mark.skipif(installed("ros2bag"), reason="rosbag2 is installed here")
def test_without_rosbag2_wall_oss_records(broken_checkpoint, tmp_path):
    words = ("rviz:=false", f"model:={broken_checkpoint}", f"record:={tmp_path}/bag")
    done = ros2("launch", "wall_oss_bringup", "robot.launch.py", *words)
    assert f"episodes go to {tmp_path}/bag" in done.stdout + done.stderr


def test_a_driver_without_the_argument_for_mock_hardware_is_refused(stubs):
    stubs.driver("ur_robot_driver", "launch/ur_control.launch.py", UR.replace("use_mock_hardware", "pretend"))
    status, given, output = bring_up(stubs, "robot:=ur", "use_mock_hardware:=true")
    assert status == 1 and given == {}
    assert "has no argument use_mock_hardware nor use_fake_hardware; it has headless_mode" in output


@pytest.mark.parametrize(
    "words, message",
    [
        (["namespace:=left", "robot_ip:=1.2.3.4"], "The driver of ur cannot be put into a namespace."),
        (
            ["robot_ip:=1.2.3.4", "driver_arguments:=headless_mode"],
            "driver_arguments has 'headless_mode'. Give name:=value",
        ),
        ([], "The address of ur is not known. Give robot_ip:=<address>, or use_mock_hardware:=true"),
    ],
)
def test_what_the_driver_cannot_do_is_refused(stubs, words, message):
    stubs.driver("ur_robot_driver", "launch/ur_control.launch.py", UR)
    status, given, output = bring_up(stubs, "robot:=ur", *words)
    assert status == 1 and given == {} and message in output


def test_a_driver_whose_launch_file_is_broken_is_named(stubs):
    stubs.driver("ur_robot_driver", "launch/ur_control.launch.py", UR, actions="no_such_name")
    status, _, output = bring_up(stubs, "robot:=ur", "robot_ip:=1.2.3.4")
    assert status == 1 and "ur_control.launch.py cannot be read: name 'no_such_name' is not defined" in output


def test_mock_hardware_of_the_dual_arm_is_ros2_control_with_our_description(stubs):
    pytest.importorskip("xacro")
    for package in ("joint_state_broadcaster", "joint_trajectory_controller", "robot_state_publisher"):
        stubs.package(package)
    # Both write down their arguments, and the last of their parameter files.
    note = '#!/bin/sh\necho "$@" > "$STUB_NOTES/NAME"\n'
    note += 'for a; do [ -f "$a" ] && cat "$a" > "$STUB_NOTES/NAME.yaml"; done\nexit 0\n'
    for package, name in (
        ("controller_manager", "ros2_control_node"),
        ("robot_state_publisher", "robot_state_publisher"),
    ):
        stubs.executable(package, name, note.replace("NAME", name))
    status, _, output = bring_up(stubs, "robot:=dual_arm", "use_mock_hardware:=true", "namespace:=left")
    assert status == 0, output
    description = yaml.safe_load(stubs.noted("robot_state_publisher.yaml"))["/**"]["ros__parameters"][
        "robot_description"
    ]
    assert "mock_components/GenericSystem" in description and '<joint name="gripper_l_joint1">' in description
    manager = stubs.noted("ros2_control_node")
    assert "dual_arm_position.yaml" in manager and "~/robot_description:=/left/robot_description" in manager
    leader = "/left/leader/joint_trajectory_command_broadcaster_right/joint_trajectory"
    assert f"-r /left/arm_r_controller/joint_trajectory:={leader}" in manager
    controllers = [
        "joint_state_broadcaster",
        "arm_r_controller",
        "arm_l_controller",
        "head_controller",
        "lift_controller",
    ]
    assert stubs.noted("spawner").split()[:5] == controllers and "mock_gripper" not in output


def test_the_dual_arms_driver_is_ffws_and_stands_still(stubs):
    stubs.driver("ffw_bringup", "launch/ffw_bg2_follower_ai.launch.py", FFW)
    status, given, output = bring_up(stubs, "robot:=dual_arm")
    assert status == 0, output
    assert (given["init_position"], given["use_fake_hardware"], given["start_rviz"]) == ("false", "false", "false")
    assert given["model"] == "vendor's" and "Leave the leader's devices off" in output


def test_a_driver_that_cannot_be_started_from_here_is_left_to_the_robot(stubs):
    status, _, output = bring_up(stubs, "robot:=dual_arm:tiago_dual")
    assert status == 1 and "There is no driver of dual_arm:tiago_dual to start here. TIAGo's own computer" in output
    status, _, output = bring_up(stubs, "robot:=dual_arm:mobile_aloha", "use_mock_hardware:=true")
    assert status == 1 and "Mobile ALOHA's own computer runs its driver" in output


def test_cameras_are_put_into_tf_where_one_asks_for_it(stubs):
    pytest.importorskip("xacro")
    stubs.driver("franka_bringup", "launch/franka.launch.py", FRANKA)
    stubs.package("tf2_ros")
    stubs.executable("tf2_ros", "static_transform_publisher", '#!/bin/sh\necho "$@" >> "$STUB_NOTES/frames"\n')
    status, _, output = bring_up(stubs, "robot:=franka", "robot_ip:=172.16.0.3", "camera_frames:=true")
    assert status == 0, output
    wrist, face = sorted(stubs.noted("frames").splitlines(), key=lambda line: "face_camera" in line)
    assert "--x 1.0 --y 0" in face and "--frame-id fr3_link0 --child-frame-id face_camera_color_optical_frame" in face
    assert "--frame-id fr3_hand --child-frame-id right_wrist_camera_color_optical_frame" in wrist


@pytest.mark.slow
def test_mock_franka_has_a_gripper_that_obeys(stubs, launches):
    node = 'Node(package="franka_gripper", executable="fake_gripper_state_publisher.py", name="franka_gripper")'
    stubs.driver("franka_bringup", "launch/franka.launch.py", FRANKA, actions=node)
    stubs.executable("franka_gripper", "fake_gripper_state_publisher.py", FAKE_GRIPPER)
    stubs.package("franka_gripper")
    words = ("wall_oss_bringup", "driver.launch.py", "robot:=franka", "use_mock_hardware:=true")
    process, log = launches.start(*words, environment=stubs.environment)
    goal = ("/franka_gripper/gripper_action", "control_msgs/action/GripperCommand", "{command: {position: 0.01}}")
    answer = ros2("action", "send_goal", *goal).stdout
    assert "SUCCEEDED" in answer and "reached_goal: true" in answer, log.read_text()
    seen = ros2("topic", "echo", "--once", "/franka_gripper/joint_states", "sensor_msgs/msg/JointState").stdout
    assert "fr3_finger_joint2" in seen and "- 0.01" in seen and "0.035" not in seen
    assert "Publisher count: 1" in ros2("topic", "info", "/franka_gripper/joint_states").stdout
    given = json.loads(stubs.noted("driver"))
    assert given["use_fake_hardware"] == "true"
    assert "franka_position.yaml" in stubs.noted("spawner")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0 and "Traceback" not in log.read_text()


def topics() -> set[str]:
    return set(ros2("topic", "list").stdout.split()) - {"/diagnostics", "/parameter_events", "/rosout"}


@pytest.mark.slow
def test_a_namespace_holds_everything(launches):
    _process, log = launches.start("wall_oss_ros", "simulation.launch.py", "namespace:=cell_1")
    _perception, perception_log = launches.start("wall_oss_ros", "perception.launch.py", "namespace:=cell_1")
    topic = (
        "topic",
        "echo",
        "--once",
        "--no-arr",
        "--qos-reliability",
        "best_effort",
        "/cell_1/wall_oss/observation_state",
    )
    seen = ros2(*topic, "wall_oss_msgs/msg/Observation").stdout
    assert "robot: franka" in seen, log.read_text() + perception_log.read_text()
    deadline = time.monotonic() + SLOW

    def strangers() -> list[str]:
        return [name for name in names if not name.startswith("/cell_1/")]

    names = topics()
    while (
        strangers() and time.monotonic() < deadline
    ):  # nodes of a test before, which were killed, are remembered for a while
        names = topics()
    assert {"/cell_1/clock", "/cell_1/joint_states", "/cell_1/fr3_arm_controller/joint_trajectory"} <= names
    assert strangers() == []
    actions = set(ros2("action", "list").stdout.split())
    while not actions and time.monotonic() < deadline:
        actions = set(ros2("action", "list").stdout.split())
    assert actions == {"/cell_1/fr3_arm_controller/follow_joint_trajectory", "/cell_1/franka_gripper/gripper_action"}


def cameras(stubs, *words):
    """``cameras.launch.py`` to its end, whose drivers write down their arguments and parameters."""
    note = '#!/bin/sh\necho "$@" > "$STUB_NOTES/cameras"\n'
    note += 'for a; do [ -f "$a" ] && cat "$a" > "$STUB_NOTES/$(basename $a)"; done; sleep 11\n'
    for package, executable in (("realsense2_camera", "realsense2_camera_node"), ("usb_cam", "usb_cam_node_exe")):
        stubs.package(package)
        stubs.executable(package, executable, note)
    done = ros2("launch", "wall_oss_bringup", "cameras.launch.py", *words, environment=stubs.environment)
    return done.stdout + done.stderr


def test_a_camera_driver_is_started_for_each_view(stubs):
    devices = "camera_devices:=face_view=0123 right_wrist_view=0456"
    output = cameras(stubs, "robot:=ur", "cameras:=realsense", devices, "namespace:=cell", "respawn:=false")
    for view, serial in (("face_view", "_0123"), ("right_wrist_view", "_0456")):
        given = yaml.safe_load(stubs.noted(f"cell_{view}_camera.yaml"))["/**"]["ros__parameters"]
        assert given["serial_no"] == serial and given["camera_name"] == view, output
    assert "-r __ns:=/cell" in stubs.noted("cameras"), output


@pytest.mark.parametrize(
    "words, message",
    [
        (["cameras:=kinect"], "There are no cameras 'kinect'. Name one of realsense, usb_cam"),
        (
            ["cameras:=usb_cam", "camera_devices:=face_view=/dev/video0"],
            "Which camera is right_wrist_view is not known.",
        ),
        (["cameras:=usb_cam", "camera_devices:=left=/dev/video0"], "camera_devices names the view left, which ur"),
        (["camera_devices:=face_view=/dev/video0"], "no driver of cameras is to be started"),
        (["cameras:={face_view: {rotate: 45}}"], "view face_view is not valid: field rotate"),
    ],
)
def test_cameras_that_cannot_be_meant_are_refused(stubs, words, message):
    output = cameras(stubs, "robot:=ur", *words)
    assert message in output and "process started" not in output
