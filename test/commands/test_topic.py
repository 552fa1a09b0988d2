# SPDX-License-Identifier: Apache-2.0
"""wall-oss topic."""

import argparse
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from embedded_support import DOMAIN, PATIENCE, ROOT, context, executor, make_node, spin_until  # noqa: F401

from wall_oss_ros.commands import topic, topic_values
from wall_oss_ros.commands.topic_values import fill, message_class, pick, plain
from wall_oss_ros.embedded.interfaces import get_message
from wall_oss_ros.embedded.qos import DurabilityPolicy, QoSProfile
from wall_oss_ros.errors import WallOSSError

pytestmark = pytest.mark.slow

String = get_message("std_msgs/msg/String")
JointState = get_message("sensor_msgs/msg/JointState")
Plan = get_message("wall_oss_msgs/msg/SubtaskPlan")


@pytest.fixture
def command():
    """Starts wall-oss topic in this process's domain."""
    started = []

    def start(*words):
        env = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN), "PYTHONPATH": str(ROOT)}
        started.append(
            subprocess.Popen(
                [sys.executable, "-u", "-m", "wall_oss_ros.commands.main", "topic", *words], cwd=ROOT, env=env,
                text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )  # fmt: skip
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_pub_reaches_a_node(command, make_node, executor):
    got = []
    make_node("node").create_subscription(JointState, "/joints", got.append, 10)
    process = command("pub", "--once", "/joints", "sensor_msgs/msg/JointState", "{name: [a], position: [1]}")
    assert spin_until(executor, lambda: got)
    assert got[0].name == ["a"] and got[0].position.tolist() == [1.0]
    out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and "publishing #1" in out and errors == ""


def test_echo_finds_the_type_and_prints_a_latched_message(command, make_node, executor):
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    make_node("node").create_publisher(String, "/plan", latched).publish(String(data="first: take it"))
    process = command("echo", "--once", "/plan")
    assert spin_until(executor, lambda: process.poll() is not None)
    assert process.communicate() == ("data: 'first: take it'\n---\n", "")


@pytest.mark.slow
def test_list_and_hz(command, make_node, executor):
    node = make_node("node")
    publisher = node.create_publisher(String, "/tick", 10)
    node.create_timer(0.02, lambda: publisher.publish(String()))
    rates, lister = command("hz", "/tick"), command("list", "-t")
    assert spin_until(executor, lambda: lister.poll() is not None)
    assert "/tick [std_msgs/msg/String]" in lister.communicate()[0].splitlines()
    lines = []

    def read():
        for line in rates.stdout:
            lines.append(line)
            if "std dev:" in line:
                break

    thread = threading.Thread(target=read)
    thread.start()
    assert spin_until(executor, lambda: not thread.is_alive())
    assert lines[-2].startswith("average rate: ") and float(lines[-2].split()[2]) > 0


def test_a_rate_is_in_messages_a_second():
    first, second = topic._rate_report([10.0, 10.1, 10.2, 10.5]).splitlines()
    assert first == "average rate: 6.000"
    assert second.split() == "min: 0.100s max: 0.300s std dev: 0.09428s window: 4".split()


@pytest.mark.slow
def test_unknown_topic_and_type_end_in_one_line(command):
    process = command("echo", "/nothing/there")
    out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2 and out == ""
    assert errors.startswith("error: There is no topic /nothing/there") and errors.count("\n") == 1


@pytest.mark.parametrize(
    "type_name, text, complaint",
    [
        ("std_msgs/msg/String", "dat: a", "no field 'dat'. Its fields are data"),
        ("std_msgs/msg/String", "data: [a", "not YAML"),
        ("std_msgs/msg/String", "hello", 'write "data: hello"'),
        ("std_msgs/msg/Int32", "data: a", "data is a int32"),
        ("sensor_msgs/msg/JointState", "{header: {stamp: {sec: x}}}", "header.stamp.sec"),
        ("wall_oss_msgs/msg/SubtaskPlan", "{subtasks: [{words: a}]}", "subtasks\\[0\\] has no field 'words'"),
    ],
)
def test_bad_values_are_refused_with_the_reason(monkeypatch, type_name, text, complaint):
    monkeypatch.setattr(topic_values, "message_class", get_message)  # this process has no rclpy in place
    with pytest.raises(WallOSSError, match=complaint):
        fill(get_message(type_name)(), text, type_name)


def test_values_are_converted_as_the_fields_want(monkeypatch):
    monkeypatch.setattr(topic_values, "message_class", get_message)
    plan = fill(Plan(), "{plan_id: 3, instruction: 7, subtasks: [{text: a, target: {x: 1}}]}", "plan")
    assert (plan.plan_id, plan.instruction, plan.subtasks[0].target.x) == (3, "7", 1.0)
    assert pick(plan, "subtasks[0].text") == "a" and pick(plan, "subtasks[4].text") is None
    assert plain(plan, None)["subtasks"][0]["target"] == {"x": 1.0, "y": 0.0, "z": 0.0}
    image = get_message("sensor_msgs/msg/Image")(data=bytes(500))
    assert len(plain(image, 128)["data"]) == 129 and len(plain(image, None)["data"]) == 500
    with pytest.raises(WallOSSError, match="steps"):
        pick(plan, "steps")


@pytest.mark.parametrize("name", ["String", "std_msgs/srv/String", "std_msgs/msg/1"])
def test_what_is_no_type_name_is_refused(name):
    with pytest.raises(WallOSSError, match="package/msg/Name"):
        message_class(name)


def test_arguments():
    parser = argparse.ArgumentParser()
    topic.add_arguments(parser)
    args = parser.parse_args("pub /a std_msgs/msg/String -r 5 -w 2".split())
    assert (args.rate, args.wait_matching_subscriptions, args.values) == (5.0, 2, [])
    for bad in (["pub", "/a", "b", "-r", "0"], ["hz", "/a", "-w", "0"], []):
        with pytest.raises(SystemExit):
            parser.parse_args(bad)


def test_what_is_no_type_is_none_though_python_finds_it(monkeypatch):
    """As std_msgs/msg/__doc__, which every module has."""
    monkeypatch.setitem(sys.modules, "std_msgs.msg", SimpleNamespace(words="a text"))
    with pytest.raises(WallOSSError, match="There is no message type std_msgs/msg/words"):
        message_class("std_msgs/msg/words")
