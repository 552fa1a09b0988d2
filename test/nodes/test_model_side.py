# SPDX-License-Identifier: Apache-2.0
"""The model's side as one process or two, and what control does without it."""

import subprocess
import sys

import pytest
from nodes_support import ROOT, FakePolicy, a_bench
from robot_support import PROFILE, Robot, in_state

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.action_expert import ActionExpertNode
from wall_oss_ros.nodes.model import SharedPolicies
from wall_oss_ros.nodes.planner import PlannerNode
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, REQUEST
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.profile import load_profile

from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory
from wall_oss_msgs.msg import ActionChunk, ActionRequest, ControlStatus, ModelInfo, SubtaskPlan

pytestmark = pytest.mark.real_time

bench = pytest.fixture(a_bench)


class Twinned(FakePolicy):
    """Counts how often it is loaded and doubled."""

    loaded = twins = 0

    def twin(self):
        type(self).twins += 1
        return self


# What one node needs, and others would only wait for: it took a second and more of each start.
HEAVY = {"torch", "transformers", "tokenizers", "safetensors", "mujoco", "OpenGL", "scipy", "viser", "rich"}


@pytest.mark.parametrize(
    "nodes, needed",
    [
        ("perception", {"PIL"}),
        ("control home mock_gripper", {"ruckig"}),
        ("plan_markers", {"PIL"}),
        ("simulated_robot", {"mujoco", "OpenGL"}),
        ("model", set()),  # torch comes with the checkpoint
    ],
)
def test_a_node_imports_nothing_that_only_another_one_needs(nodes, needed):
    code = (
        f"import sys; {'; '.join(f'import wall_oss_ros.nodes.{node}' for node in nodes.split())}; print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = set(run.stdout.split())
    assert imported & HEAVY <= needed and (needed - {"OpenGL"}) <= imported


def test_a_checkpoint_that_moves_by_flow_needs_neither_transformers_nor_scipy():
    code = "import sys, wall_oss_ros.policy.policy; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"transformers", "scipy", "mujoco", "matplotlib", "rich"} & set(run.stdout.split())


def test_planner_and_expert_load_a_checkpoint_once():
    def load(*_):
        Twinned.loaded += 1
        return Twinned()

    policies, franka = SharedPolicies(load), load_profile("franka")
    first, second = policies("a", "cpu", 1, "auto", franka), policies("a", "cpu", 1, "auto", franka)
    assert (Twinned.loaded, Twinned.twins) == (1, 1) and second is first
    policies("b", "cpu", 1, "auto", franka)
    policies("a", "cpu", 1, "auto", load_profile("ur"))
    assert (Twinned.loaded, Twinned.twins) == (3, 1), "another checkpoint, or another robot"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_model_says_what_it_runs_and_answers_with_it(bench):
    models, chunks = bench.listen(ModelInfo, "model", LATCHED), bench.listen(ActionChunk, "action_chunk", EVENTS)
    asked, robot = bench.listen(ActionRequest, "action_request", REQUEST), Robot(bench)
    control = bench.run_control(FakePolicy())
    bench.node.create_timer(0.5, robot.plan)
    bench.until(lambda: models and asked and chunks and chunks[-1].horizon)
    model, chunk, request = models[-1], chunks[-1], asked[0]
    assert (model.checkpoint, model.robot, model.image_size) == ("script@00000000", robot_identity(PROFILE), 112)
    assert list(model.view_names) == [view.name for view in PROFILE.views] and sum(model.dof_mask) == 7
    assert (chunk.expert, chunk.checkpoint) == (model.expert, model.checkpoint)
    assert (chunk.control, chunk.planner, chunk.plan_id, chunk.subtask) == (control._identity, "bench", 1, "go")
    assert request.robot == chunk.robot == model.robot
    bench.until(lambda: any(one.previous_rows == 11 for one in asked))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_without_the_models_side_the_arm_holds_and_goes_on_when_it_is_back(bench):
    statuses, robot = bench.listen(ControlStatus, "status", LATCHED), Robot(bench)
    control = bench.run_control(None)
    bench.node.create_timer(0.5, robot.plan)
    bench.until(lambda: statuses and statuses[-1].reason.startswith("waiting for the first actions, which has not"))
    assert not robot.trajectories
    expert = bench.run(ActionExpertNode(lambda *_: FakePolicy()))
    bench.until(in_state(statuses, ControlStatus.RUNNING))
    expert.trigger_deactivate()
    bench.until(lambda: statuses[-1].state == ControlStatus.HOLDING and "waiting for the model" in statuses[-1].reason)
    bench.until(lambda: not control.motion.moving)
    expert.trigger_activate()
    bench.until(in_state(statuses, ControlStatus.RUNNING))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_stop_and_an_old_plan_outlast_control(bench):
    statuses, robot = bench.listen(ControlStatus, "status", LATCHED), Robot(bench)
    first = bench.run_control(FakePolicy())
    plan = bench.node.create_timer(0.5, robot.plan)
    bench.until(in_state(statuses, ControlStatus.RUNNING))
    assert bench.call(Trigger, "stop", Trigger.Request()).success
    plan.cancel()
    robot.repeat()  # the plan as it is, from now on
    first.close()
    bench.forget(first)
    again = bench.run_control(None)
    bench.until(lambda: statuses[-1].control == again._identity)
    own = [one for one in statuses if one.control == again._identity]
    assert all(one.state == ControlStatus.STOPPED and one.needs_resume for one in own), "from its first word on"
    assert "stopped by a person" in statuses[-1].reason
    bench.until(lambda: again._plan.older)
    assert bench.call(Trigger, "resume", Trigger.Request()).success
    bench.until(in_state(statuses, ControlStatus.RUNNING))
    again.close()
    bench.forget(again)
    third = bench.run_control(None)
    bench.until(lambda: statuses[-1].control == third._identity and "older than this control" in statuses[-1].reason)
    said = len(statuses)
    bench.until(lambda: len(statuses) > said + 3)  # what the second one sent last has come
    sent = len(robot.trajectories)
    bench.until(lambda: len(statuses) > said + 10)
    assert len(robot.trajectories) == sent and third._chunks == 0 and statuses[-1].needs_resume
    assert bench.call(Trigger, "resume", Trigger.Request()).success
    bench.until(in_state(statuses, ControlStatus.RUNNING))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_second_of_anything_is_named_and_the_arm_holds(bench):
    statuses, robot = bench.listen(ControlStatus, "status", LATCHED), Robot(bench)
    control = bench.run_control(FakePolicy())
    bench.node.create_timer(0.5, robot.plan)

    def holds(*words):
        return lambda: statuses[-1].state == ControlStatus.HOLDING and all(one in statuses[-1].reason for one in words)

    bench.until(in_state(statuses, ControlStatus.RUNNING))
    plans = bench.node.create_publisher(SubtaskPlan, "plan", LATCHED)
    plans.publish(SubtaskPlan(planner="another#1", plan_id=0, status=SubtaskPlan.NO_PLAN, active=-1))
    bench.until(holds("2 planners", "another#1", "bench"))
    bench.until(in_state(statuses, ControlStatus.RUNNING))

    models = bench.node.create_publisher(ModelInfo, "model", LATCHED)
    models.publish(ModelInfo(expert="another#2", robot=robot_identity(PROFILE)))
    bench.until(holds("2 action experts", "another#2"))
    bench.until(in_state(statuses, ControlStatus.RUNNING))

    others = bench.node.create_publisher(ControlStatus, "status", LATCHED)
    others.publish(ControlStatus(control="another#3"))
    bench.until(lambda: any(one.state == ControlStatus.HOLDING and "another#3" in one.reason for one in statuses))
    bench.until(lambda: statuses[-1].control == control._identity and statuses[-1].state == ControlStatus.RUNNING)

    foreign = bench.node.create_publisher(JointTrajectory, PROFILE.command.topic, EVENTS)
    bench.until(holds("/wall_oss/bench", PROFILE.command.topic))
    bench.node.destroy_publisher(foreign)
    bench.until(in_state(statuses, ControlStatus.RUNNING))


def test_planner_and_expert_can_share_a_process(bench):
    policies = SharedPolicies(lambda *_: Twinned())
    models, plans = bench.listen(ModelInfo, "model", LATCHED), bench.listen(SubtaskPlan, "plan", LATCHED)
    bench.run(PlannerNode(policies))
    bench.run(ActionExpertNode(policies))
    bench.until(lambda: models and plans)
    assert plans[-1].planner.startswith("/wall_oss/planner#") and models[-1].expert.startswith(
        "/wall_oss/action_expert#"
    )
