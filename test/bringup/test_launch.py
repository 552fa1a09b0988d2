# SPDX-License-Identifier: Apache-2.0
"""Launching on a real ROS 2, from an installed workspace. Needs ros2 on the PATH and the workspace sourced."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from ros_support import ENVIRONMENT, NEEDS_ROS, SLOW, Launches, installed, ros2

pytestmark = NEEDS_ROS
ROOT = Path(__file__).resolve().parents[2]
NO_MOVEIT = pytest.mark.skipif(installed("moveit_py"), reason="MoveIt is installed here")


@pytest.fixture
def launch(tmp_path):
    """Starts ``ros2 launch`` in the background."""
    launches = Launches(tmp_path)
    yield launches.start
    launches.end()


@pytest.fixture
def broken_checkpoint(tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).touch()
    return tmp_path


def test_the_launch_file_is_the_manual():
    text = ros2("launch", "wall_oss_bringup", "robot.launch.py", "--show-args").stdout
    arguments = dict(re.findall(r"^    '(\w+)':\n((?:        .+\n?)+)", text, re.MULTILINE))
    assert {
        "robot",
        "sim",
        "model",
        "device",
        "dtype",
        "rviz",
        "seed",
        "approval",
        "reasoning",
        "require_approval",
        "robot_ip",
        "ur_type",
        "use_mock_hardware",
        "namespace",
        "record",
        "planner",
        "model_side",
        "check_targets",
    } <= set(arguments)
    for name, words in arguments.items():
        description, default = words.strip().rsplit("\n", 1)
        assert len(description) > 15 and "(default:" in default, name
    assert "Valid choices are: ['true', 'false']" in arguments["sim"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["robot:=nobody"], "There is no robot 'nobody'. Name one of dual_arm, franka, ur"),
        (["model:=nowhere"], "There is no checkpoint nowhere."),
        (["model:=CHECKPOINT", "seed:=-1"], "The seed is '-1'. Give a whole number"),
        (["model:=CHECKPOINT", "namespace:=a-b"], "'a-b' is no namespace."),
        (["model:=CHECKPOINT", "ur_type:=ur5e"], "has no variants, so there is no 'ur5e'."),
        (["model:=CHECKPOINT", "record:=true"], "record:=true names no folder. Give one that is not there yet"),
        (["model:=CHECKPOINT", "record:=/"], "There is a / already. ros2 bag makes the folder itself"),
        pytest.param(["model:=CHECKPOINT", "planner:=moveit"], "MoveIt was asked for", marks=NO_MOVEIT),
        pytest.param(["model:=CHECKPOINT", "check_targets:=true"], "MoveIt was asked for", marks=NO_MOVEIT),
        (["model:=CHECKPOINT", "params_file:=no.yaml"], "There is no parameter file no.yaml."),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(words, message, broken_checkpoint):
    words = [word.replace("CHECKPOINT", str(broken_checkpoint)) for word in words]
    done = ros2("launch", "wall_oss_bringup", "robot.launch.py", "rviz:=false", *words)
    assert done.returncode == 1
    assert message in done.stdout + done.stderr
    assert "process started" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "robot, package, command",
    [("franka", "franka_bringup", "In the workspace: git clone"), ("ur", "ur_robot_driver", "sudo apt install ros-")],
)
def test_a_missing_driver_is_named_with_what_installs_it(robot, package, command, broken_checkpoint):
    if installed(package):
        pytest.skip("the driver is installed here")
    words = (f"robot:={robot}", "sim:=false", "robot_ip:=172.16.0.3", f"model:={broken_checkpoint}")
    done = ros2("launch", "wall_oss_bringup", "robot.launch.py", *words)
    assert done.returncode == 1
    assert f"package {package}, is not installed. {command}" in done.stdout + done.stderr
    assert "process started" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_node_that_refuses_its_input_ends_the_launch(broken_checkpoint):
    done = ros2("launch", "wall_oss_ros", "model.launch.py", f"model:={broken_checkpoint}")
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert "[model-1] error: " in output and "refused to start" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_simulation_and_perception_work_together_and_end_at_ctrl_c(launch):
    robot, robot_log = launch("wall_oss_ros", "simulation.launch.py", "seed:=3")
    perception, perception_log = launch("wall_oss_ros", "perception.launch.py")
    # The command waits until the topic is there and a message has come.
    topic = ("topic", "echo", "--once", "--no-arr", "--qos-reliability", "best_effort", "/wall_oss/observation_state")
    seen = ros2(*topic, "wall_oss_msgs/msg/Observation").stdout
    assert "robot: franka" in seen and "frame_id: fr3_link0" in seen, robot_log.read_text() + perception_log.read_text()
    assert "active [3]" in ros2("lifecycle", "get", "/wall_oss/perception").stdout
    for process, log in ((perception, perception_log), (robot, robot_log)):
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert "finished cleanly" in log.read_text()
        assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_the_users_parameter_file_wins(launch, tmp_path):
    (tmp_path / "mine.yaml").write_text("/**/perception: {ros__parameters: {autostart: false, rate_hz: 4.0}}")
    _, log = launch("wall_oss_ros", "perception.launch.py", f"params_file:={tmp_path}/mine.yaml")
    deadline = time.monotonic() + SLOW
    while "unconfigured [1]" not in (state := ros2("lifecycle", "get", "/wall_oss/perception").stdout):
        assert time.monotonic() < deadline and "active" not in state, state + log.read_text()
    assert "4.0" in ros2("param", "get", "/wall_oss/perception", "rate_hz").stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nodes_end_with_launch_however_that_ends(launch, number):
    process, log = launch("wall_oss_ros", "perception.launch.py")
    deadline = time.monotonic() + SLOW
    while not (pids := re.findall(r"process started with pid \[(\d+)\]", log.read_text())):
        assert time.monotonic() < deadline and process.poll() is None, log.read_text()
        time.sleep(0.1)
    (node,) = [psutil.Process(int(pid)) for pid in pids]
    process.send_signal(number)
    assert psutil.wait_procs([node], timeout=SLOW)[1] == [], log.read_text()
    process.wait(timeout=SLOW)
    assert number == signal.SIGKILL or process.returncode == 0, "launch ended in order"


@pytest.mark.slow
def test_launch_testing_finds_the_arm_obedient_and_killed_nodes_back():
    pytest.importorskip("launch_testing")
    command = [sys.executable, "-m", "launch_testing.launch_test", "test/launch/simulation_and_perception.py"]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=380)
    assert done.returncode == 0, done.stdout + done.stderr
