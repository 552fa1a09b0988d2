# SPDX-License-Identifier: Apache-2.0
"""wall-oss action, node, param and topic info, against nodes of another process."""

import json
import os
import signal
import subprocess
import sys

import pytest
from embedded_support import DOMAIN, PATIENCE, ROOT, context, executor, make_node, spin_until  # noqa: F401

from wall_oss_ros.commands.topic_values import type_and_values
from wall_oss_ros.embedded.action import ActionServer, CancelResponse, GoalResponse
from wall_oss_ros.embedded.callback_groups import ReentrantCallbackGroup
from wall_oss_ros.embedded.executors import MultiThreadedExecutor
from wall_oss_ros.embedded.interfaces import get_interface

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

Execute, FloatRange, ParameterDescriptor, SetParametersResult = (
    get_interface(package, kind, name)
    for package, kind, name in (
        ("wall_oss_msgs", "action", "ExecuteInstruction"),
        ("rcl_interfaces", "msg", "FloatingPointRange"),
        ("rcl_interfaces", "msg", "ParameterDescriptor"),
        ("rcl_interfaces", "msg", "SetParametersResult"),
    )
)


@pytest.fixture
def executor(context):
    """A goal waits in a thread of its own while cancelling is heard."""
    made = MultiThreadedExecutor(num_threads=4, context=context)
    yield made
    made.shutdown()


class Command:
    """A running wall-oss command on this process's domain."""

    def __init__(self, spun, *words: str):
        env = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN), "PYTHONPATH": str(ROOT)}
        self._spun = spun
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "wall_oss_ros.commands.main", *words],
            cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def ends(self) -> tuple[int, str, str]:
        """Exit status, output and errors."""
        try:
            assert spin_until(self._spun, lambda: self.process.poll() is not None, 60.0)
            return self.process.returncode, *self.process.communicate(timeout=PATIENCE)
        finally:
            self.process.kill()


@pytest.fixture
def run(executor):
    return lambda *words: Command(executor, *words).ends()


class Worker:
    """A node with an action that goes on until it is let go, or cancelled, and a parameter within bounds."""

    def __init__(self, node):
        self.node, self.goals, self.let_go, self.cancelled = node, [], False, 0
        bounds = ParameterDescriptor(
            description="How fast, m/s.", floating_point_range=[FloatRange(from_value=0.0, to_value=1.0)]
        )
        node.declare_parameter("speed", 0.5, bounds)
        node.declare_parameter("names", ["a", "b"])
        node.add_on_set_parameters_callback(self._check)
        self.server = ActionServer(
            node, Execute, "/hall/execute", self._execute, goal_callback=self._take,
            cancel_callback=lambda _: CancelResponse.ACCEPT, callback_group=ReentrantCallbackGroup(),
        )  # fmt: skip

    def _check(self, parameters):
        wrong = any(one.name == "names" and "bad" in one.value for one in parameters)
        return SetParametersResult(successful=not wrong, reason="no such name" if wrong else "")

    def _take(self, goal):
        return GoalResponse.ACCEPT if goal.instruction else GoalResponse.REJECT

    def _execute(self, handle):
        self.goals.append(handle.request.instruction)
        handle.publish_feedback(Execute.Feedback(index=0, count=2, holding="nobody said go"))
        while not self.let_go:
            if handle.is_cancel_requested:
                self.cancelled += 1
                handle.canceled()
                return Execute.Result(message="taken back")
        handle.succeed() if "cube" in handle.request.instruction else handle.abort()
        return Execute.Result(success=True, message="done")


@pytest.fixture
def worker(make_node):
    made = Worker(make_node("worker", namespace="/hall"))
    yield made
    made.let_go = True
    made.server.destroy()


def test_a_goal_is_followed_to_its_end(worker, run):
    worker.let_go = True
    status, out, errors = run("action", "send_goal", "-f", "/hall/execute", "instruction: pick up the red cube")
    assert (status, errors) == (0, "") and worker.goals == ["pick up the red cube"]
    assert "Goal accepted" in out and "holding: nobody said go" in out.split("Result:")[0]
    assert out.endswith("Goal finished with status: SUCCEEDED\n")
    words = ["wall_oss_msgs/action/ExecuteInstruction", "instruction:", "dance", "and", "sing"]
    status, out, _ = run("action", "send_goal", "hall/execute", *words)
    assert status == 1 and worker.goals[-1] == "dance and sing" and out.endswith("status: ABORTED\n")
    assert "Feedback" not in out
    status, _, errors = run("action", "send_goal", "/hall/execute", "{}")
    assert status == 1 and "rejected" in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_ends_the_command_takes_its_goal_back(worker, executor, number):
    command = Command(executor, "action", "send_goal", "/hall/execute", "instruction: pick up the red cube")
    assert spin_until(executor, lambda: worker.goals, 60.0)
    command.process.send_signal(number)
    status, out, _ = command.ends()
    assert status == 130 and worker.cancelled == 1
    assert "taken back" in out and out.endswith("Goal finished with status: CANCELED\n")


def test_what_cannot_be_done_with_an_action_is_told_in_one_line(worker, run):
    for words, why in (
        (("/hall/dance", "{}"), "There is no action /hall/dance"),
        (("/hall/execute", "wall_oss_msgs/action/Home", "{}"), "is of type wall_oss_msgs/action/ExecuteInstruction"),
        (("/hall/execute", "words: a"), "has no field 'words'"),
        (("/hall/execute", "pick", "it", "up"), 'write "instruction: pick it up"'),
        (("execute", "{}"), "There is no action /execute. Did you mean /hall/execute?"),
    ):
        status, out, errors = run("action", "send_goal", *words)
        assert status == 2 and out == "" and why in errors and errors.count("\n") == 1
    assert not worker.goals


def test_nodes_and_what_they_have_are_printed(worker, run):
    status, out, _ = run("node", "list")
    assert status == 0 and "/hall/worker" in out.splitlines() and "wall_oss_node" not in out
    status, out, _ = run("node", "info", "/hall/worker")
    assert status == 0
    assert "    /hall/execute: wall_oss_msgs/action/ExecuteInstruction" in out.split("Action Servers:")[1]
    assert "    /hall/worker/set_parameters: rcl_interfaces/srv/SetParameters" in out and "/_action/" not in out
    told = json.loads(run("node", "info", "hall/worker", "--json")[1])
    assert (
        told["action_servers"] == [{"name": "/hall/execute", "types": ["wall_oss_msgs/action/ExecuteInstruction"]}]
        and not told["action_clients"]
    )
    status, _, errors = run("node", "info", "/nobody")
    assert status == 2 and errors.startswith("error: There is no node /nobody")


def test_actions_services_and_topics_are_listed_as_json(worker, run):
    named = lambda *words: {one["name"]: one["types"] for one in json.loads(run(*words, "list", "--json")[1])}  # noqa: E731
    assert named("action") == {"/hall/execute": ["wall_oss_msgs/action/ExecuteInstruction"]}
    assert "/hall/worker/get_parameters" in named("service")
    assert named("topic")["/parameter_events"] == ["rcl_interfaces/msg/ParameterEvent"]
    status, out, _ = run("topic", "info", "-v", "/parameter_events")
    assert status == 0 and out.startswith("Type: rcl_interfaces/msg/ParameterEvent\nPublisher count: ")
    assert "node: /hall/worker" in out and "reliability: reliable" in out
    assert run("topic", "info", "/nothing")[0] == 2


def test_parameters_are_read_and_set_within_their_bounds(worker, run):
    node = "/hall/worker"
    assert run("param", "get", node, "speed")[:2] == (0, "Double value is: 0.5\n")
    assert run("param", "set", node, "speed", "0.75")[:2] == (0, "Set parameter successful\n")
    assert worker.node.get_parameter("speed").value == 0.75
    for value, why in (("2.0", ""), ("fast", ""), ("[1.0]", "")):
        status, out, errors = run("param", "set", node, "speed", value)
        assert status == 1 and out == "" and errors.startswith("Setting parameter failed: ") and why in errors
    status, _, errors = run("param", "set", node, "names", "[bad]")
    assert status == 1 and "no such name" in errors
    assert worker.node.get_parameter("speed").value == 0.75
    status, out, _ = run("param", "describe", node, "speed")
    assert status == 0 and "How fast, m/s." in out and "Min value: 0.0" in out and "Max value: 1.0" in out
    assert json.loads(run("param", "get", node, "names", "--json")[1]) == ["a", "b"]
    assert "  speed\n" in run("param", "list", node)[1]
    assert "speed: 0.75" in run("param", "dump", node)[1]
    status, _, errors = run("param", "get", node, "sped")
    assert status == 2 and "has no parameter sped" in errors


@pytest.mark.parametrize(
    "words, expected",
    [
        ([], ("", "{}")),
        (["std_srvs/srv/Trigger"], ("std_srvs/srv/Trigger", "{}")),
        (["std_srvs/Trigger", "{}"], ("std_srvs/srv/Trigger", "{}")),
        (["question: where/Is it?"], ("", "question: where/Is it?")),
        (["question:", "where", "is", "it?"], ("", "question: where is it?")),
        (["{question: a}"], ("", "{question: a}")),
    ],
)
def test_a_type_may_stand_before_the_values(words, expected):
    assert type_and_values(words, "srv") == expected
