"""Launching on a real ROS 2, from an installed workspace. Needs ros2 on the PATH and the workspace sourced."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

SLOW = 120.0  # s: on a busy machine ros2's command line alone takes ten
DOMAIN = 100 + os.getpid() % 100
PREFIXES = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if prefix]


def installed(package: str) -> bool:
    return any((prefix / "share" / package / "package.xml").is_file() for prefix in PREFIXES)


pytestmark = [
    pytest.mark.ros,
    pytest.mark.timeout(400),
    pytest.mark.skipif(shutil.which("ros2") is None, reason="no ROS 2 here: the command ros2 is not on the PATH"),
    pytest.mark.skipif(
        not (installed("wall_oss_ros") and installed("wall_oss_bringup")),
        reason="the workspace is not sourced: colcon build, then . install/setup.bash",
    ),
]
ENVIRONMENT = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def ros2(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(["ros2", *words], env=ENVIRONMENT, capture_output=True, text=True, timeout=SLOW)


@pytest.fixture
def launch(tmp_path):
    """Starts ``ros2 launch`` in the background; its output goes to a file. Ends it as Ctrl-C does."""
    running = []

    def start(*words: str):
        log = (tmp_path / f"{len(running)}.log").open("w+")
        process = subprocess.Popen(
            ["ros2", "launch", *words], env=ENVIRONMENT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        running.append(process)
        return process, Path(log.name)

    yield start
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def broken_checkpoint(tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).touch()
    return tmp_path


def test_the_launch_file_is_the_manual():
    text = ros2("launch", "wall_oss_bringup", "robot.launch.py", "--show-args").stdout
    arguments = dict(re.findall(r"^    '(\w+)':\n((?:        .+\n?)+)", text, re.MULTILINE))
    assert {"robot", "sim", "model", "device", "rviz", "seed", "require_approval", "robot_ip"} <= set(arguments)
    for name, words in arguments.items():
        description, default = words.strip().rsplit("\n", 1)
        assert len(description) > 15 and "(default:" in default, name
    assert "Valid choices are: ['true', 'false']" in arguments["sim"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["robot:=nobody"], "There is no robot 'nobody'. Name one of franka"),
        (["model:=nowhere"], "There is no checkpoint nowhere."),
        (["model:=CHECKPOINT", "seed:=-1"], "The seed is '-1'. Give a whole number"),
        (["model:=CHECKPOINT", "sim:=false"], "The address of franka is not known. Give robot_ip"),
        (["model:=CHECKPOINT", "params_file:=no.yaml"], "There is no parameter file no.yaml."),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(words, message, broken_checkpoint):
    words = [word.replace("CHECKPOINT", str(broken_checkpoint)) for word in words]
    done = ros2("launch", "wall_oss_bringup", "robot.launch.py", "rviz:=false", *words)
    assert done.returncode == 1
    assert message in done.stdout + done.stderr
    assert "process started" not in done.stdout + done.stderr


@pytest.mark.skipif(installed("franka_bringup"), reason="the driver is installed here")
def test_a_missing_driver_is_named_with_what_installs_it(broken_checkpoint):
    words = ("sim:=false", "robot_ip:=172.16.0.3", f"model:={broken_checkpoint}")
    done = ros2("launch", "wall_oss_bringup", "robot.launch.py", *words)
    assert "package franka_bringup, is not installed. In the workspace: git clone" in done.stdout + done.stderr


@pytest.mark.slow
def test_a_node_that_refuses_its_input_ends_the_launch(broken_checkpoint):
    done = ros2("launch", "wall_oss_ros", "planner.launch.py", f"model:={broken_checkpoint}")
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert "[planner-1] error: " in output and "refused to start" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_simulation_and_perception_work_together_and_end_at_ctrl_c(launch):
    robot, robot_log = launch("wall_oss_ros", "simulation.launch.py", "seed:=3")
    perception, perception_log = launch("wall_oss_ros", "perception.launch.py")
    # The command waits until the topic is there and a message has come.
    topic = ("topic", "echo", "--once", "--no-arr", "--qos-reliability", "best_effort", "/wall_oss/observation")
    seen = ros2(*topic, "wall_oss_msgs/msg/Observation").stdout
    assert "robot: franka" in seen and "frame_id: fr3_link0" in seen, robot_log.read_text() + perception_log.read_text()
    assert "active [3]" in ros2("lifecycle", "get", "/wall_oss/perception").stdout
    for process, log in ((perception, perception_log), (robot, robot_log)):
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert "finished cleanly" in log.read_text()
        assert "Traceback" not in log.read_text()
