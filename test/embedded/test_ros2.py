# SPDX-License-Identifier: Apache-2.0
"""The embedded library and a real ROS 2, both ways. Needs a sourced ROS 2 with rmw_cyclonedds_cpp."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from embedded_support import DOMAIN, Child, context, executor, make_node, result_of, spin_until  # noqa: F401

from wall_oss_ros.embedded.action import ActionClient, ActionServer, CancelResponse, GoalStatus
from wall_oss_ros.embedded.interfaces import get_interface, get_message
from wall_oss_ros.embedded.lifecycle import LifecycleNode
from wall_oss_ros.embedded.qos import DurabilityPolicy, QoSProfile

SLOW = 90.0  # s: ros2's command line takes long to start on a busy machine
PREFIXES = os.environ.get("AMENT_PREFIX_PATH", "").split(":")
pytestmark = [
    pytest.mark.ros,
    pytest.mark.timeout(400),
    pytest.mark.skipif(shutil.which("ros2") is None, reason="no ROS 2 here: the command ros2 is not on the PATH"),
    pytest.mark.skipif(
        not any((Path(prefix) / "share/rmw_cyclonedds_cpp").is_dir() for prefix in PREFIXES if prefix),
        reason="rmw_cyclonedds_cpp is not installed; with other middlewares services do not match",
    ),
]
ENVIRONMENT = {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
String, Image = get_message("std_msgs/msg/String"), get_message("sensor_msgs/msg/Image")
SetBool = get_interface("std_srvs", "srv", "SetBool")
Gripper = get_interface("control_msgs", "action", "GripperCommand")
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

HEAD = """
    import rclpy, rclpy.node, rclpy.action, sys
    from rclpy.qos import QoSProfile, DurabilityPolicy, qos_profile_sensor_data
    from rclpy.action import ActionClient, ActionServer, CancelResponse
    from std_msgs.msg import String
    from sensor_msgs.msg import Image
    from std_srvs.srv import SetBool
    from control_msgs.action import GripperCommand
    assert "embedded" not in rclpy.__file__
    LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    rclpy.init()
    node = rclpy.create_node("real", namespace="/there")
"""


def real(code: str) -> Child:
    """A process with the real rclpy."""
    path = os.pathsep.join(p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p)
    return Child(HEAD + code, PYTHONPATH=path, AMENT_PREFIX_PATH=os.environ["AMENT_PREFIX_PATH"], **ENVIRONMENT)


@pytest.fixture
def ros2(executor):
    """Runs a ros2 command while the embedded nodes spin; returns its output."""

    def run(*words):
        env = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN), **ENVIRONMENT}
        process = subprocess.Popen(
            ["ros2", *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            assert spin_until(executor, lambda: process.poll() is not None, SLOW), f"ros2 {words} did not end"
        finally:
            process.kill()
        return process.communicate()[0]

    yield run
    if shutil.which("ros2"):
        env = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN)}
        subprocess.run(["ros2", "daemon", "stop"], env=env, capture_output=True)


def test_the_embedded_library_reaches_real_nodes(make_node, executor):
    code = """
    plan = node.create_publisher(String, "plan", LATCHED)
    plan.publish(String(data="latched"))
    back = node.create_publisher(Image, "back", qos_profile_sensor_data)
    node.create_subscription(Image, "image", back.publish, qos_profile_sensor_data)
    node.declare_parameter("speed", 1.0)
    def flip(request, response):
        response.success, response.message = not request.data, "flipped"
        return response
    node.create_service(SetBool, "flip", flip)
    def execute(handle):
        handle.publish_feedback(GripperCommand.Feedback(position=0.25))
        handle.succeed()
        return GripperCommand.Result(position=handle.request.command.position)
    server = ActionServer(node, GripperCommand, "grip", execute)
    print("ready")
    rclpy.spin(node)
    """
    node, plans, images, feedback = make_node("near"), [], [], []
    with real(code) as peer:
        assert peer.line() == "ready", peer.finish()
        node.create_subscription(String, "/there/plan", plans.append, LATCHED)
        assert spin_until(executor, lambda: plans) and plans[0].data == "latched"
        assert ("real", "/there") in node.get_node_names_and_namespaces()

        node.create_subscription(Image, "/there/back", images.append, 1)  # reliable: does not match best effort
        best_effort = QoSProfile(depth=1, reliability=2)
        node.create_subscription(Image, "/there/back", images.append, best_effort)
        publisher = node.create_publisher(Image, "/there/image", best_effort)
        image = Image(height=480, width=640, encoding="rgb8", step=1920, data=bytes(range(256)) * 3600)
        node.create_timer(0.2, lambda: publisher.publish(image))
        assert spin_until(executor, lambda: images) and images[0] == image

        client = node.create_client(SetBool, "/there/flip")
        assert client.wait_for_service(SLOW)
        for data in (True, False):
            response = result_of(executor, client.call_async(SetBool.Request(data=data)))
            assert (response.success, response.message) == (not data, "flipped")

        get = get_interface("rcl_interfaces", "srv", "GetParameters")
        parameters = node.create_client(get, "/there/real/get_parameters")
        assert parameters.wait_for_service(SLOW)
        values = result_of(executor, parameters.call_async(get.Request(names=["speed"]))).values
        assert values[0].double_value == 1.0

        action = ActionClient(node, Gripper, "/there/grip")
        assert action.wait_for_server(SLOW)
        goal = Gripper.Goal()
        goal.command.position = 0.75
        handle = result_of(executor, action.send_goal_async(goal, lambda message: feedback.append(message.feedback)))
        answer = result_of(executor, handle.get_result_async())
        assert (answer.status, answer.result.position) == (GoalStatus.STATUS_SUCCEEDED, 0.75)
        assert spin_until(executor, lambda: feedback) and feedback[0].position == 0.25


def test_real_nodes_reach_the_embedded_library(make_node, executor):
    node, heard = make_node("near", namespace="/here"), []
    node.create_publisher(String, "plan", LATCHED).publish(String(data="latched"))
    node.create_subscription(String, "chat", heard.append, 10)

    def flip(request, response):
        response.success, response.message = not request.data, "flipped"
        return response

    node.create_service(SetBool, "flip", flip)

    async def execute(handle):
        handle.publish_feedback(Gripper.Feedback(position=0.25))
        while not handle.is_cancel_requested and handle.request.command.max_effort > 0:
            await tick()
        if handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.succeed()
        return Gripper.Result(position=handle.request.command.position)

    def tick():
        from wall_oss_ros.embedded.task import Future

        future = Future()
        timer = node.create_timer(0.02, lambda: (timer.cancel(), future.set_result(None)))
        return future

    ActionServer(node, Gripper, "grip", execute, cancel_callback=lambda handle: CancelResponse.ACCEPT)
    code = """
    def until(future):
        rclpy.spin_until_future_complete(node, future, timeout_sec=60)
        return future.result()
    got = rclpy.task.Future()
    node.create_subscription(String, "/here/plan", lambda message: got.set_result(message.data), LATCHED)
    print(until(got))
    chat = node.create_publisher(String, "/here/chat", LATCHED)
    chat.publish(String(data="hello"))
    client = node.create_client(SetBool, "/here/flip")
    print(client.wait_for_service(60), until(client.call_async(SetBool.Request(data=False))).message)
    action, positions = ActionClient(node, GripperCommand, "/here/grip"), []
    print(action.wait_for_server(60))
    goal = GripperCommand.Goal()
    goal.command.position = 0.5
    handle = until(action.send_goal_async(goal, feedback_callback=lambda m: positions.append(m.feedback.position)))
    result = until(handle.get_result_async())
    print(result.status, result.result.position, positions)
    goal.command.max_effort = 1.0
    handle = until(action.send_goal_async(goal))
    print(len(until(handle.cancel_goal_async()).goals_canceling))
    print(until(handle.get_result_async()).status)
    """
    with real(code) as peer:
        assert spin_until(executor, lambda: peer.process.poll() is not None, SLOW * 2)
        _, out, errors = peer.finish()
    assert out.splitlines() == ["latched", "True flipped", "True", "4 0.5 [0.25]", "1", "5"], errors
    assert [message.data for message in heard] == ["hello"]


def test_the_command_line_of_ros_2_sees_embedded_nodes(make_node, executor, ros2):
    node, heard = make_node("managed", LifecycleNode, namespace="/here"), []
    node.declare_parameter("rate", 10.0)
    node.create_publisher(String, "plan", LATCHED).publish(String(data="latched"))
    node.create_subscription(String, "chat", heard.append, 10)
    assert "/here/managed" in ros2("node", "list", "--no-daemon", "--spin-time", "3").splitlines()
    assert "data: latched" in ros2("topic", "echo", "--once", "/here/plan", "--spin-time", "3")
    assert "publishing #1" in ros2("topic", "pub", "--once", "/here/chat", "std_msgs/msg/String", "data: hello")
    assert spin_until(executor, lambda: heard) and heard[0].data == "hello"
    info = ros2("topic", "info", "-v", "/here/chat", "--no-daemon", "--spin-time", "3")
    assert "Node name: managed" in info and "RIHS01_df668c74" in info
    assert "parse type hash" not in info
    assert "unconfigured [1]" in ros2("lifecycle", "get", "/here/managed")
    assert "Transitioning successful" in ros2("lifecycle", "set", "/here/managed", "configure")
    assert node._state.label == "inactive"
    assert "Set parameter successful" in ros2("param", "set", "/here/managed", "rate", "5.0")
    assert node.get_parameter("rate").value == 5.0


def test_a_real_rclpy_is_preferred():
    code = "from wall_oss_ros.embedded import auto; import rclpy; print(auto.IN_USE, 'embedded' in rclpy.__file__)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert out.stdout.split() == ["False", "False"], out.stderr
