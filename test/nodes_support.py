# SPDX-License-Identifier: Apache-2.0
"""What the tests of running nodes share: a private corner of DDS, a policy without weights, waiting for events."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from domains import own_domain

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.action_expert import ActionExpertNode
from wall_oss_ros.nodes.control import ControlNode
from wall_oss_ros.nodes.qos import NEWEST
from wall_oss_ros.robots.profile import load_profile

import rclpy
from rclpy.action import ActionClient
from rclpy.executors import MultiThreadedExecutor
from rclpy.parameter import Parameter
from wall_oss_msgs.msg import Observation, Subtask, SubtaskPlan

ROOT = Path(__file__).resolve().parents[1]
# For control: faults are tried one after another, and nobody stands beside the arm to resume.
SIMULATED = Parameter("simulated", value=True)
LIMIT = 240.0  # s; every wait is for an event, this only ends a test that hangs, also on a busy machine


def spin_until(executor, condition: Callable[[], object], limit: float = LIMIT):
    """Runs callbacks until ``condition`` gives something true, which is returned.

    Raises:
        AssertionError: it took longer than ``limit`` s.
    """
    deadline = time.monotonic() + limit
    while not (found := condition()):
        assert time.monotonic() < deadline, f"nothing after {limit} s"
        executor.spin_once(timeout_sec=0.1)
    return found


class NodeProcess:
    """A node in a process of its own; a context manager that ends it as Ctrl-C does."""

    def __init__(self, module: str, *parameters: str):
        command = [sys.executable, "-m", f"wall_oss_ros.nodes.{module}", "--ros-args", "-r", "__ns:=/wall_oss"]
        for parameter in parameters:
            command += ["-p", parameter]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self.output = ""

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(self, *_exception) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.wait()
            raise

    def wait(self) -> int:
        """Its exit status, once it has ended; ``output`` then has all it said."""
        if not self.process.stdout.closed:
            self.output = self.process.communicate(timeout=LIMIT)[0]
        return self.process.returncode


class Bench:
    """A node of the test's own, and an executor."""

    def __init__(self):
        self.node = rclpy.create_node("bench", namespace="/wall_oss")
        self.executor = MultiThreadedExecutor(num_threads=6)
        self.executor.add_node(self.node)
        self.heard = {}
        self._nodes = [self.node]

    def listen(self, message_type, topic, qos):
        self.heard[topic] = []
        self.node.create_subscription(message_type, topic, self.heard[topic].append, qos)
        return self.heard[topic]

    def run(self, node):
        """Starts a node under test in this process."""
        self._nodes.append(node)
        self.executor.add_node(node)
        node.autostart()
        return node

    def forget(self, node):
        """A node under test has been closed."""
        self._nodes.remove(node)
        self.executor.remove_node(node)
        node.destroy_node()

    def run_control(self, policy, **values):
        """Starts the control node, of a simulated robot unless ``values`` say otherwise, and an action expert unless
        there is no policy."""
        values = {"simulated": load_profile(values.get("robot", "franka")).simulation is not None} | values
        shared = [Parameter(name, value=values[name]) for name in ("robot", "use_sim_time") if name in values]
        if policy is not None:
            self.run(ActionExpertNode(lambda *_: policy, parameter_overrides=shared))
        return self.run(ControlNode(parameter_overrides=[Parameter(name, value=one) for name, one in values.items()]))

    def until(self, condition):
        return spin_until(self.executor, condition)

    def call(self, service_type, name, request):
        client = self.node.create_client(service_type, name)
        self.until(client.service_is_ready)
        future = client.call_async(request)
        self.until(future.done)
        return future.result()

    def send_goal(self, action_type, name, goal, feedback=None):
        """The goal's handle and the future of its result."""
        client = ActionClient(self.node, action_type, name)
        self.until(client.server_is_ready)
        sent = client.send_goal_async(goal, feedback_callback=feedback)
        self.until(sent.done)
        return sent.result(), sent.result().get_result_async() if sent.result().accepted else None

    def close(self):
        for node in reversed(self._nodes):
            if hasattr(node, "close"):
                node.close()
        self.executor.shutdown()
        for node in self._nodes:
            node.destroy_node()


def a_bench(monkeypatch):
    """A fixture's body: a bench in a private corner of DDS."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(own_domain()))
    gc.freeze()  # as a node's process does: a full collection of all that tests import takes several cycles
    rclpy.init(args=[])
    made = Bench()
    yield made
    made.close()
    rclpy.shutdown()


class Observations:
    """Publishes observations as perception does: with their views, and without."""

    def __init__(self, node):
        self._whole = node.create_publisher(Observation, "observation", NEWEST)
        self._state = node.create_publisher(Observation, "observation_state", NEWEST)

    def publish(self, message: Observation) -> None:
        self._whole.publish(message)
        message.view_names, message.views = [], []
        self._state.publish(message)


def running_plan(node, status: int = SubtaskPlan.RUNNING, plan_id: int = 1) -> SubtaskPlan:
    """A plan of one subtask, begun just now."""
    plan = SubtaskPlan(planner="bench", plan_id=plan_id, status=status, subtasks=[Subtask(text="go")])
    plan.began, plan.active = node.get_clock().now().to_msg(), 0 if status == SubtaskPlan.RUNNING else -1
    return plan


class FakePolicy:
    """A policy with a script instead of a network: plans two steps, and moves forward at 5 cm/s."""

    horizon, rate_hz, views, image_size = 10, 10.0, ["face_view", "right_wrist_view"], 112

    def __init__(self):
        self.answer, self.checkpoint = "pick up the red cube", "script@00000000"
        self.acted = 0
        self.actions: np.ndarray | None = None  # instead of moving forward
        self.dof_mask = (np.arange(20) >= 7) & (np.arange(20) < 14)  # the right arm's

    def warm_up(self) -> None:
        pass

    def unknown_words(self, text: str) -> list[str]:
        return [word for word in text.split() if word == "frobnicate"]

    lists_instructions = False
    judges_plans = False

    def understood(self, text: str, kind: str) -> tuple[str, str]:
        return text, "".join(f'The model was not trained on "{word}".' for word in self.unknown_words(text))

    def plan(self, obs, instruction: str) -> str:
        return "pick up the red cube\nplace it in the left tray"

    def reason(self, obs, instruction: str) -> str:
        return self.answer

    def ask(self, obs, question: str) -> str:
        return f"you asked: {question}"

    def act(self, obs, subtask: str, steps=None, seed=None, previous=None) -> np.ndarray:
        self.acted += 1
        if self.actions is not None:
            return self.actions
        rows = np.zeros((10, 20), np.float32)
        rows[:, 7] = 0.05 * np.linspace(0.1, 1.0, 10)
        rows[:, 13] = 0.08
        return rows
