# SPDX-License-Identifier: Apache-2.0
"""The page: what is shown, and that it commands the robot. The browser itself is left out."""

import socket
import time

import numpy as np
import pytest
import viser
from domains import own_domain

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.lifecycle_node import WARN
from wall_oss_ros.nodes.qos import EVENTS, LATCHED
from wall_oss_ros.page.display import picture
from wall_oss_ros.page.node import PageNode
from wall_oss_ros.page.panel import BADGES, Actions, Panel, PlanLine, mosaic
from wall_oss_ros.page.robot_scene import RobotScene
from wall_oss_ros.page.server import open_server
from wall_oss_ros.robots.profile import load_profile

import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from wall_oss_msgs.msg import ControlStatus, Observation, Subtask, SubtaskPlan

pytestmark = [pytest.mark.slow, pytest.mark.real_time]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server():
    server = viser.ViserServer(host="127.0.0.1", port=free_port(), verbose=False)
    yield server
    server.stop()


def test_a_taken_port_is_refused_rather_than_changed():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WallOSSError, match=f"Port {port} .*Choose another"):
            open_server("127.0.0.1", port)


def test_pictures_keep_their_pixels():
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    padded = np.concatenate([pixels.reshape(2, 9), np.zeros((2, 3), np.uint8)], axis=1)  # rows may be padded
    image = Image(height=2, width=3, step=12, encoding="rgb8", data=padded.tobytes())
    np.testing.assert_array_equal(picture(image), pixels)


def test_what_the_model_writes_cannot_become_markup(server):
    panel = Panel(server, "test", "do it", Actions(print, print))
    panel.show_plan("<script>alert(1)</script>", "running", "busy", [PlanLine("▶", "<b>lift</b>", "busy", True)], "")
    assert "<script>" not in panel._plan.content and "<b>lift" not in panel._plan.content
    assert "&lt;b&gt;lift" in panel._plan.content


def test_the_table_follows_the_truth(server):
    table = RobotScene(server, load_profile("franka"))
    cube = {"position": [0.4, 0.1, 0.02], "yaw": 0.0, "where": "table"}
    table.show_truth({"trays": {"left": [0.5, 0.3]}, "cubes": {"red": cube}})
    table.show_truth({"trays": {"left": [0.5, 0.3]}, "cubes": {"blue": {**cube, "position": [0.5, 0.0, 0.2]}}})
    shown = table._things._shown
    assert {name for name in shown if name.startswith("cube")} == {"cube/blue"}, "another scene replaces the cubes"
    np.testing.assert_allclose(shown["cube/blue"].position, [0.5, 0.0, 0.2])


def test_wide_trays_are_shown_where_the_lift_has_them(server):
    table = RobotScene(server, load_profile("dual_arm"))
    pose = {"position": [0.3, 0.02, -0.4], "quaternion": [0.1, 0.0, 0.0, 0.995]}
    table.show_truth({"wide_trays": {"red": pose, "blue": pose}})
    shown, before = table._things._shown, table._base.position[2]
    np.testing.assert_allclose(shown["tray/red"].wxyz, [0.995, 0.1, 0.0, 0.0], atol=1e-6)
    table.show_joints({"lift_joint": -0.3})
    (home,) = next(part.home for part in load_profile("dual_arm").parts if part.name == "lift")
    assert table._base.position[2] - before == pytest.approx(-0.3 - home, abs=1e-6), "told in the arms' base"
    table.show_truth({"wide_trays": {"red": pose}})
    assert set(shown) == {"tray/red"}


def test_paths_of_all_hands_and_the_target(server):
    table = RobotScene(server, load_profile("dual_arm"))
    ways = [[(0.3, y, -0.3), (0.35, y, -0.35)] for y in (-0.2, 0.2)]
    table.show_paths([*ways, [(0.0, 0.0, 0.0)]])
    table.show_target((0.3, 0.0, -0.5))
    np.testing.assert_allclose([end.position for end in table._path[1::2]], [way[-1] for way in ways])
    np.testing.assert_allclose(table._target.position, (0.3, 0.0, -0.5))
    table.show_paths([])
    table.show_target(None)
    assert table._path == [] and table._target is None


def test_every_view_is_in_the_picture():
    views = [np.full((112, 112, 3), shade, np.uint8) for shade in (10, 90, 170)]
    for count in (1, 2, 3):
        shown = mosaic(views[:count])
        for shade in (10, 90, 170)[:count]:
            assert 0.15 < (shown == shade).mean() <= 1.0, f"view of shade {shade} of {count}"


def test_the_robot_moves_with_its_joints(server):
    table = RobotScene(server, load_profile("franka"))
    table.show_joints({"fr3_joint1": 0.5, "some_other_joint": 3.0})
    assert table._shown_joints[table._joints.index("fr3_joint1")] == 0.5
    home = load_profile("franka").arm.home
    assert table._shown_joints[table._joints.index("fr3_joint2")] == home[1], "what is not named stays"


@pytest.fixture
def graph(monkeypatch):
    """The viewer's node beside one that plays all others, on a domain of their own."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(own_domain()))
    rclpy.init(args=["--ros-args", "-p", f"port:={free_port()}"])
    viewer, others = PageNode(), rclpy.create_node("others", namespace="wall_oss")
    executor = SingleThreadedExecutor()
    executor.add_node(viewer)
    executor.add_node(others)
    viewer.autostart()

    def spin_until(condition, seconds=30.0):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            executor.spin_once(timeout_sec=0.05)

    yield viewer, others, spin_until
    viewer.close()
    viewer.destroy_node()
    others.destroy_node()
    rclpy.shutdown()


def test_node_shows_plan_and_joints_and_sends_instructions(graph):
    viewer, others, spin_until = graph
    heard = []
    others.create_subscription(String, "instruction", lambda text: heard.append(text.data), EVENTS)
    plans = others.create_publisher(SubtaskPlan, "plan", LATCHED)
    joints = others.create_publisher(JointState, "/joint_states", EVENTS)

    subtask = Subtask(text="pick up the red cube", status=Subtask.ACTIVE)
    plans.publish(
        SubtaskPlan(plan_id=1, instruction="put it away", status=SubtaskPlan.RUNNING, subtasks=[subtask], active=0)
    )
    spin_until(lambda: "pick up the red cube" in viewer._panel._plan.content)

    def arm_has_turned() -> bool:
        joints.publish(JointState(name=["fr3_joint1"], position=[0.3]))
        return viewer._scene._shown_joints[0] == pytest.approx(0.3)

    spin_until(arm_has_turned)

    spin_until(lambda: viewer._instructions.get_subscription_count() > 0)
    viewer._actions.instruct("  pick up the blue cube ")
    viewer._actions.instruct("   ")  # an empty field says nothing
    spin_until(lambda: heard == ["pick up the blue cube"])


def test_buttons_call_control_and_its_answer_is_read_on_the_page(graph):
    viewer, others, spin_until = graph

    def shows(*words):
        return lambda: all(word in viewer._panel._answer.content for word in words)

    viewer._actions.call("stop")
    spin_until(shows("stop", "does not answer"))
    called = []

    def answer(name):
        def on_call(_request, response):
            called.append(name)
            response.success, response.message = name != "home", f"{name} was <asked> for"
            return response

        return on_call

    for name in ("stop", "resume", "home"):
        others.create_service(Trigger, name, answer(name))
    spin_until(lambda: all(client.service_is_ready() for client in viewer._callers.values()))
    for name, tone in (("stop", "good"), ("resume", "good"), ("home", "bad")):
        viewer._actions.call(name)
        spin_until(shows(f"{name} was &lt;asked&gt; for", BADGES[tone]))
    assert called == ["stop", "resume", "home"]


def test_what_is_stale_looks_stale_also_when_simulated_time_stands_still(graph, monkeypatch):
    viewer, others, spin_until = graph
    panel, ahead = viewer._panel, [0.0]
    steady = viewer.steady
    monkeypatch.setattr(viewer, "steady", lambda: steady() + ahead[0])
    assert "not heard yet" in panel._figures.content and "not heard yet" in panel._plan.content
    plans = others.create_publisher(SubtaskPlan, "plan", LATCHED)
    statuses = others.create_publisher(ControlStatus, "status", LATCHED)
    observations = others.create_publisher(Observation, "observation", EVENTS)
    pixels = np.full((8, 8, 3), (200, 20, 20), np.uint8)
    view = Image(height=8, width=8, step=24, encoding="rgb8", data=pixels.tobytes())

    def speak():
        plans.publish(SubtaskPlan(plan_id=1, instruction="put it away", status=SubtaskPlan.RUNNING, active=-1))
        status = ControlStatus(state=ControlStatus.RUNNING, command_rate_hz=15.0, observation_age_s=0.12)
        status.header.stamp = others.get_clock().now().to_msg()
        statuses.publish(status)
        observation = Observation(views=[view])
        observation.header.stamp = others.get_clock().now().to_msg()
        observations.publish(observation)

    def shows(content, *words):
        return all(word in content for word in words)

    def lively():
        speak()
        return (
            shows(panel._figures.content, ">running<", "15 Hz") and shows(panel._plan.content, ">running<")
            and panel._pictures.image is not None and np.ptp(panel._pictures.image[0, 0].astype(int)) > 50
        )  # fmt: skip

    spin_until(lively)
    assert (
        "opacity" not in panel._figures.content + panel._plan.content and "silent" not in panel._pictures_note.content
    )
    ahead[0] = 30.5
    spin_until(lambda: shows(panel._figures.content, "control silent for 3", "before that: running", "old", "opacity"))
    assert "15 Hz" not in panel._figures.content and ">running<" not in panel._figures.content
    assert shows(panel._plan.content, "planner silent for 3", "opacity") and ">running<" not in panel._plan.content
    assert shows(panel._pictures_note.content, "perception silent for 3") and np.ptp(panel._pictures.image[0, 0]) == 0
    level, words, _ = viewer.diagnose()
    assert level == WARN and "control silent for 3" in words
    spin_until(lively)
