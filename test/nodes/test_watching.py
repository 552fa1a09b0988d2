# SPDX-License-Identifier: Apache-2.0
"""The failure monitor in the planner node: what it is told of plans and chunks, and whom it tells."""

import math

import numpy as np
import pytest
from nodes_support import FakePolicy, a_bench
from robot_support import Robot

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.conversions import answer_message, to_stamp
from wall_oss_ros.nodes.planner import PlannerNode
from wall_oss_ros.nodes.qos import EVENTS, LATCHED
from wall_oss_ros.nodes.watching import WATCH_PARAMETERS, SubtaskWatch, watch_settings
from wall_oss_ros.policy.chunk import Chunk, ChunkAnswer, Task
from wall_oss_ros.policy.observation import Observation as Seen
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.uni_cot.plan import Judgement, Plan, Subtask
from wall_oss_ros.uni_cot.watching.monitor import WatchSettings

from rclpy.parameter import Parameter
from std_msgs.msg import String
from wall_oss_msgs.msg import ActionChunk, ControlStatus, Observation, PlanChange, SubtaskPlan

LAYOUT = Layout(load_profile("franka"))
bench = pytest.fixture(a_bench)


def a_plan(active=0, active_revision=1, words="pick up", judged=0.0):
    plan = Plan(7, "do it", subtasks=[Subtask("pick up"), Subtask("place")])
    plan.activate(active, 0.0)
    plan.active_revision, plan.judgement = active_revision, Judgement(words, math.nan, judged)
    return plan


def a_chunk(stamp, way=0.0, planner="me", plan_id=7, active=0, active_revision=1, error="", expert="one"):
    state = np.zeros(LAYOUT.size)
    state[LAYOUT.position] = (0.4, 0.0, 0.3)
    rows = np.tile(state, (10, 1))
    rows[:, LAYOUT.position.start] += way * np.arange(1, 11)
    made = None if error else Chunk(stamp, state, rows, LAYOUT.profile.rate_hz)
    task = Task(planner, plan_id, active, "pick up")
    answer = ChunkAnswer("control", 1, task, "", stamp, made, LAYOUT.mask, error, expert=expert)
    message = answer_message(answer, LAYOUT)
    message.active_revision = active_revision
    return message


def seen(stamp, x=0.4):
    state = np.zeros(LAYOUT.size, np.float32)
    state[LAYOUT.position] = (x, 0.0, 0.3)
    return Seen(stamp, {}, state, LAYOUT.mask)


@pytest.fixture
def told():
    return []


@pytest.fixture
def watch(told):
    made = SubtaskWatch(LAYOUT, "me", WatchSettings(), lambda *problem: told.append(problem))
    made.plan(a_plan())
    return made


def still(watch, begin=0.0, **about):
    for k in range(12):
        watch.chunk(a_chunk(begin + 0.5 * k, **about))


def test_whoever_fails_a_subtask_is_told_which(watch, told):
    still(watch)
    ((name, why, *which),) = told
    assert name == "convergence" and "nearly no motion" in why and which == [7, 0, 1]


@pytest.mark.parametrize(
    "about",
    [{"planner": "another"}, {"plan_id": 6}, {"active": 1}, {"active_revision": 2}, {"error": "the model failed"}],
    ids=lambda about: next(iter(about)),
)
def test_chunks_for_anything_else_are_left_out(watch, told, about):
    still(watch, **about)
    assert told == []


def test_messages_that_contradict_themselves_are_left_out(watch, told):
    for k in range(12):
        message = a_chunk(0.5 * k)
        message.horizon = 9
        watch.chunk(message)
    assert told == []


def test_while_nothing_is_active_nothing_is_watched(watch, told):
    plan = a_plan()
    plan.active = -1
    watch.plan(plan)
    still(watch)
    assert told == []


def test_a_robot_that_holds_is_not_watched(watch, told):
    for k in range(40):
        watch.observation(seen(0.25 * k), "stopped by a person")
    assert told == []
    for k in range(40, 80):
        watch.observation(seen(0.25 * k), "")
    assert [name for name, *_ in told] == ["progress"] and told[0][1].startswith("nothing new has been seen for 6 s")


def test_a_grip_that_closes_on_nothing_fails_the_subtask_that_the_node_is_told_of(bench):
    """By what comes on the node's topics: observations at 10 Hz, chunks that go on closing, and control's status.

    The stamps are the test's own, and the judgement does not change: a model that does not notice.
    """
    values = [Parameter(f"watch_{one}", value=False) for one in ("progress", "convergence", "agreement")]
    node = bench.run(PlannerNode(policy_loader=lambda *_: FakePolicy(), parameter_overrides=values))
    stroke, told = LAYOUT.profile.gripper.open, []
    node._on_observation(message_of(seen(0.0), stroke))
    node._on_instruction(String(data="pick up the red cube"))
    plan = bench.until(lambda: node._message.active == 0 and node._message)
    status = ControlStatus(state=ControlStatus.RUNNING, control="bench", robot=robot_identity(LAYOUT.profile))
    status.planner, status.plan_id = plan.planner, plan.plan_id
    for k in range(1, 25):
        now = 0.1 * k
        node._on_status(status)
        if k % 5 == 1:
            chunk = a_chunk(now + 1.0, 0.01, plan.planner, plan.plan_id, active_revision=plan.active_revision)
            node._watch.chunk(chunk)  # whose fingers are told to close
        node._on_observation(message_of(seen(now, 0.4 + 0.01 * k), max(stroke - 0.02 * k, 0.0)))
        told = [change for change in node._message.history if change.by == PlanChange.MONITOR]
        if told:
            break
    (change,) = told
    assert change.name == "grip" and "the gripper has closed on nothing" in change.why
    assert "is tried again" in change.what and 0.8 <= now <= 1.2, "half a second after they came to their end"


def message_of(observation, opening):
    state = observation.state.copy()
    state[LAYOUT.gripper] = opening
    message = Observation(state=state.tolist(), state_mask=LAYOUT.mask.tolist())
    message.header.stamp = to_stamp(observation.stamp + 1.0)
    return message


def test_the_same_judgement_once_more_is_no_news(watch, told):
    """The plan is shown again whenever anything in it changes."""
    for k in range(40):
        watch.plan(a_plan(judged=float(k // 2)))
        watch.observation(seen(0.25 * k), "")
    assert [name for name, *_ in told] == ["progress"]


def test_a_plan_that_goes_to_and_fro_fails_the_subtask_that_it_goes_back_to(watch, told):
    """With the next observation, and not while the plan is being shown: who shows it holds the runner's lock."""
    for k in range(1, 7):
        watch.plan(a_plan(active=k % 2))
        assert told == []
        watch.observation(seen(0.25 * k, 0.4 + 0.1 * k), "") if k < 6 else None
    watch.observation(seen(2.0), "")
    ((name, why, *which),) = told
    assert name == "repetition" and 'gone back to "pick up" 3 times' in why and which == [7, 0, 1]


def test_who_is_told_may_show_the_plan_at_once():
    """As the runner does, in the same thread and with its own lock held."""
    told = []

    def fail(*problem):
        told.append(problem)
        made.plan(a_plan(active_revision=2))

    made = SubtaskWatch(LAYOUT, "me", WatchSettings(), fail)
    made.plan(a_plan())
    still(made)
    still(made, begin=6.0)
    assert len(told) == 1, "chunks for the try before count for nothing"
    still(made, begin=12.0, active_revision=2)
    assert len(told) == 2 and told[1][2:] == (7, 0, 2)


class Node:
    """Has the parameters' values, and nothing else."""

    def __init__(self, **values):
        self._values = {parameter.name: parameter.default for parameter in WATCH_PARAMETERS} | values

    def value(self, name):
        return self._values[name]


def test_parameters_are_the_settings():
    assert watch_settings(Node()) == WatchSettings()
    changed = watch_settings(
        Node(watch_grip=False, progress_s=30.0, agreement_m=0.2, grip_least=0.01, convergence_s=9.0)
    )
    assert changed.watches == ("agreement", "convergence", "progress", "repetition")
    assert (changed.progress.seconds, changed.agreement.metres, changed.grip.least) == (30.0, 0.2, 0.01)
    assert changed.convergence.seconds == 9.0
    used = {
        name for name in Node()._values if watch_settings(Node(**{name: other(Node().value(name))})) != WatchSettings()
    }
    assert used == set(Node()._values), "every parameter changes something"


def other(value):
    return not value if isinstance(value, bool) else value + 1


@pytest.mark.real_time
def test_the_plan_says_what_was_seen_and_tries_again(bench):
    plans = bench.listen(SubtaskPlan, "plan", LATCHED)
    Robot(bench)
    values = [Parameter("convergence_s", value=1.0), Parameter("watch_progress", value=False)]
    bench.run(PlannerNode(policy_loader=lambda *_: FakePolicy(), parameter_overrides=values))
    instructions = bench.node.create_publisher(String, "instruction", EVENTS)
    statuses = bench.node.create_publisher(ControlStatus, "status", LATCHED)
    chunks = bench.node.create_publisher(ActionChunk, "action_chunk", EVENTS)
    bench.until(lambda: instructions.get_subscription_count() and chunks.get_subscription_count())
    instructions.publish(String(data="put the red cube in the left tray"))
    bench.until(lambda: plans and plans[-1].status == SubtaskPlan.RUNNING)
    plan = plans[-1]
    robot = robot_identity(load_profile("franka"))
    status = ControlStatus(state=ControlStatus.RUNNING, control="bench", robot=robot, planner=plan.planner)
    status.plan_id, status.active_revision = plan.plan_id, plan.active_revision
    about = {"planner": plan.planner, "plan_id": plan.plan_id, "active_revision": plan.active_revision}
    sent = []

    def told():
        statuses.publish(status)
        now = bench.node.get_clock().now().nanoseconds * 1e-9
        if not sent or now >= sent[-1] + 0.1:  # each asks for nothing
            sent.append(now)
            chunks.publish(a_chunk(now, **about))
        return [change for change in plans[-1].history if change.by == PlanChange.MONITOR]

    (change, *_) = bench.until(told)
    assert change.name == "convergence" and "is tried again" in change.what and "nearly no motion" in change.why
    bench.until(lambda: plans[-1].active == 0 and plans[-1].subtasks[0].attempts == 2)
    assert plans[-1].active_revision > plan.active_revision and change.stamp.sec > 0
