# SPDX-License-Identifier: Apache-2.0
"""The page: its scene, and that what is asked for on it is done and answered. The browser itself is left out."""

import json
import socket
import time
from types import SimpleNamespace

import numpy as np
import pytest
import viser
from domains import own_domain
from websockets.sync.client import connect

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.lifecycle_node import WARN
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, SENSOR
from wall_oss_ros.page.display import picture
from wall_oss_ros.page.node import PageNode
from wall_oss_ros.page.robot_scene import RobotScene
from wall_oss_ros.robots.profile import load_profile

import rclpy
from rclpy.action import ActionServer
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from wall_oss_msgs.action import ExecuteInstruction
from wall_oss_msgs.msg import ControlStatus, Observation, Subtask, SubtaskPlan
from wall_oss_msgs.srv import ApprovePlan, Ask, EditPlan

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


def test_pictures_keep_their_pixels():
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    for more in (0, 1, 3):  # rows may be padded, to any length
        padded = np.concatenate([pixels.reshape(2, 9), np.zeros((2, more), np.uint8)], axis=1)
        image = Image(height=2, width=3, step=9 + more, encoding="rgb8", data=padded.tobytes())
        np.testing.assert_array_equal(picture(image), pixels)


def test_what_cannot_be_shown_is_left_out_and_said():
    """The page, and with it Stop, outlives whatever somebody publishes."""
    said, shown = [], []
    node = SimpleNamespace(get_logger=lambda: SimpleNamespace(error=lambda words, **_: said.append(words)))
    take = PageNode._guarded(
        node, "/simulation/ground_truth", lambda text: shown.append(json.loads(text.data)["cubes"])
    )
    for data in ("{nonsense", "[]", "3", '{"cubes": 1}', "null"):
        take(String(data=data))
    assert shown == [1] and len(said) == 4
    assert said[0].startswith("What comes on /simulation/ground_truth cannot be shown: JSONDecodeError: Expecting")
    PageNode._guarded(node, "observation", lambda image: shown.append(picture(image)))(Image(height=3, width=2, step=6))
    assert len(shown) == 1 and "observation" in said[-1]


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


class Seen:
    """A browser, as the node sees it."""

    def __init__(self, port: int):
        self.socket = connect(f"ws://127.0.0.1:{port}/live", max_size=None, proxy=None)
        self.shown: dict = {}

    def send(self, do: str, **values) -> None:
        self.socket.send(json.dumps({"do": do, **values}))

    def look(self) -> None:
        """Takes in what has come."""
        while True:
            try:
                message = self.socket.recv(0.0)
            except TimeoutError:
                return
            if isinstance(message, str):
                self.shown |= json.loads(message)
                if self.shown.pop("end", False):
                    self.send("seen")

    def answer(self, do: str) -> str:
        """The newest answer to that, once there is one."""
        self.look()
        found = next((one for one in self.shown.get("answers", []) if one["do"] == do), None)
        return "" if found is None or found["tone"] == "busy" else f"{found['tone']}: {found['words']}"


@pytest.fixture
def browser(graph):
    browser = Seen(graph[0]._server.port)
    yield browser
    browser.socket.close()


def test_node_shows_plan_and_joints(graph, browser):
    viewer, others, spin_until = graph
    plans = others.create_publisher(SubtaskPlan, "plan", LATCHED)
    joints = others.create_publisher(JointState, "/joint_states", EVENTS)
    subtask = Subtask(text="pick up the <b>red</b> cube", status=Subtask.ACTIVE)
    plans.publish(
        SubtaskPlan(plan_id=1, instruction="put it away", status=SubtaskPlan.RUNNING, subtasks=[subtask], active=0)
    )

    def plan_is_shown() -> bool:
        browser.look()
        plan = browser.shown.get("plan")
        return plan is not None and plan["subtasks"][0]["text"] == "pick up the <b>red</b> cube"

    spin_until(plan_is_shown)

    def arm_has_turned() -> bool:
        joints.publish(JointState(name=["fr3_joint1"], position=[0.3]))
        return viewer._scene._shown_joints[0] == pytest.approx(0.3)

    spin_until(arm_has_turned)
    spin_until(lambda: browser.look() or "others" in browser.shown["reality"]["why"])
    assert browser.shown["reality"]["word"] == "UNKNOWN", "nobody has said that it is simulated"


def test_what_is_asked_for_is_done_and_answered(graph, browser):
    _, others, spin_until = graph
    asked = []
    browser.send("hello", session="session1")
    browser.send("instruct", text="pick it up")
    spin_until(lambda: browser.look() or browser.shown.get("refused") == "Take the wheel first.")
    browser.send("stop")
    spin_until(lambda: "nobody answers: the control node" in browser.answer("stop"))
    browser.send("take", name="anna")
    spin_until(lambda: browser.look() or browser.shown["wheel"] == {"name": "anna", "mine": True})

    def serve(kind, name, good=True):
        def on_call(request, response):
            asked.append((name, request))
            response.success, response.message = good, f"{name} was <asked> for"
            return response

        others.create_service(kind, name, on_call)

    for name in ("stop", "resume", "home", "cancel_plan", "/simulation/reset"):
        serve(Trigger, name, good=name != "home")
    serve(ApprovePlan, "approve_plan")
    serve(EditPlan, "edit_plan")
    serve(Ask, "ask")
    action = ActionServer(others, ExecuteInstruction, "execute", lambda handle: _done(handle, asked))
    clients = browser and graph[0]._calls
    spin_until(lambda: all(one.service_is_ready() for one in clients._clients.values()))
    spin_until(clients._execute.server_is_ready)

    for do, name in (("stop", "stop"), ("resume", "resume"), ("cancel", "cancel_plan"), ("scene", "/simulation/reset")):
        browser.send(do)
        spin_until(lambda do=do, name=name: browser.answer(do) == f"good: {name} was <asked> for")
    browser.send("home")
    spin_until(lambda: browser.answer("home") == "bad: home was <asked> for")
    browser.send("approve", plan=3, revision=7)
    spin_until(lambda: browser.answer("approve").startswith("good"))
    approved = asked[-1][1]
    assert (approved.plan_id, approved.revision, approved.approve, approved.name) == (3, 7, True, "anna")
    browser.send("refuse", plan=3, revision=7, why="the other cube")
    spin_until(lambda: browser.answer("refuse").startswith("good"))
    assert not asked[-1][1].approve and asked[-1][1].reason == "the other cube"
    browser.send("edit", plan=3, revision=8, edit="MOVE", index=2, to=1, why="first things first")
    spin_until(lambda: browser.answer("edit").startswith("good"))
    edit = asked[-1][1]
    assert (edit.edit, edit.index, edit.to, edit.name) == (EditPlan.Request.MOVE, 2, 1, "anna")
    browser.send("ask", text="where is it?")
    spin_until(lambda: browser.answer("ask").startswith("good"))
    browser.send("instruct", text="pick it up")
    spin_until(lambda: browser.answer("instruct") == "good: accepted")
    spin_until(lambda: asked[-1] == ("execute", "pick it up"))
    action.destroy()


def _done(handle, asked):
    asked.append(("execute", handle.request.instruction))
    handle.succeed()
    return ExecuteInstruction.Result(success=True)


def test_stop_is_for_all_and_silence_is_said_within_a_second(graph, browser):
    viewer, others, spin_until = graph
    looker = Seen(viewer._server.port)
    browser.send("hello", session="session1")
    browser.send("take", name="anna")
    looker.send("hello", session="session2")
    spin_until(lambda: looker.look() or looker.shown.get("wheel") == {"name": "anna", "mine": False})
    looker.send("home")
    spin_until(lambda: looker.look() or looker.shown.get("refused") == "anna drives.")
    others.create_service(Trigger, "stop", lambda _, response: response)
    spin_until(viewer._calls._clients["stop"].service_is_ready)
    looker.send("stop")  # and nothing spins from here on: neither the node nor control does anything
    deadline = time.monotonic() + 20.0
    while "nobody has answered for 1 s" not in looker.answer("stop"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    spin_until(lambda: browser.answer("stop").startswith("bad: refused without a word"))
    assert browser.shown["answers"][0]["who"] == "a person at the page", "and all see it"
    looker.socket.close()


def test_what_is_stale_is_said_to_be_so_also_when_simulated_time_stands_still(graph, browser, monkeypatch):
    viewer, others, spin_until = graph
    ahead, steady = [0.0], viewer.steady
    monkeypatch.setattr(viewer, "steady", lambda: steady() + ahead[0])
    plans = others.create_publisher(SubtaskPlan, "plan", LATCHED)
    statuses = others.create_publisher(ControlStatus, "status", LATCHED)
    observations = others.create_publisher(Observation, "observation", SENSOR)
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

    def shown(section):
        browser.look()
        return json.dumps(browser.shown.get(section))

    def lively():
        speak()
        return (
            "15 Hz" in shown("control") and '"state": "running"' in shown("plan")
            and json.loads(shown("cameras"))["views"][0]["silence"] == ""
        )  # fmt: skip

    spin_until(lively)
    ahead[0] = 30.5
    spin_until(lambda: "control silent for 3" in shown("control") and "before that: running" in shown("control"))
    assert "15 Hz" not in shown("control") and json.loads(shown("control"))["stale"]
    spin_until(lambda: "planner silent for 3" in shown("plan") and json.loads(shown("plan"))["stale"])
    spin_until(lambda: "silent for 3" in json.loads(shown("cameras"))["views"][0]["silence"])
    level, words, _ = viewer.diagnose()
    assert level == WARN and "control silent for 3" in words
    spin_until(lively)
