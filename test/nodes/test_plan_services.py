# SPDX-License-Identifier: Apache-2.0
"""People at a running planner: plans are approved, edited and refused by services, and the action tells of it."""

import math

import pytest
from nodes_support import FakePolicy, a_bench
from robot_support import Robot

from wall_oss_ros.nodes.planner import PlannerNode
from wall_oss_ros.nodes.qos import EVENTS, LATCHED
from wall_oss_ros.policy.answer import Answer

from action_msgs.msg import GoalStatus
from rcl_interfaces.msg import Log
from rclpy.parameter import Parameter
from wall_oss_msgs.action import ExecuteInstruction
from wall_oss_msgs.msg import PlanChange, Subtask, SubtaskPlan
from wall_oss_msgs.srv import ApprovePlan, EditPlan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.real_time]
bench = pytest.fixture(a_bench)
PICK, PLACE = "pick up the red cube", "place it in the left tray"


def test_a_plan_is_approved_edited_and_carried_out(bench):
    policy = FakePolicy()
    policy.reason = lambda obs, about: Answer(policy.answer, 0.75)
    plans = bench.listen(SubtaskPlan, "plan", LATCHED)
    logged = bench.listen(Log, "/rosout", EVENTS)
    Robot(bench)
    bench.run(
        PlannerNode(policy_loader=lambda *_: policy, parameter_overrides=[Parameter("require_approval", value=True)])
    )

    def edit(kind, revision=None, **fields):
        plan = plans[-1]
        request = EditPlan.Request(plan_id=plan.plan_id, revision=revision or plan.revision, edit=kind, **fields)
        return bench.call(EditPlan, "edit_plan", request)

    def approve(**fields):
        return bench.call(ApprovePlan, "approve_plan", ApprovePlan.Request(**fields))

    unknown, _ = bench.send_goal(
        ExecuteInstruction, "execute", ExecuteInstruction.Goal(instruction="tidy up", approval="perhaps")
    )
    assert not unknown.accepted
    unknown = ExecuteInstruction.Goal(instruction="tidy up", reasoning="deep")
    assert not bench.send_goal(ExecuteInstruction, "execute", unknown)[0].accepted
    feedback = []
    goal = ExecuteInstruction.Goal(instruction="tidy up")
    _, result = bench.send_goal(ExecuteInstruction, "execute", goal, lambda message: feedback.append(message.feedback))
    bench.until(lambda: plans and plans[-1].status == SubtaskPlan.AWAITING_APPROVAL)
    assert any("require_approval is an older name" in line.msg for line in logged)
    plan = plans[-1]
    assert (plan.revision, plan.next, plan.active, plan.approval) == (1, 0, -1, "plan")
    assert plan.judgement == PICK and plan.judgement_confidence == 0.75 and plan.judged_about == "tidy up"
    bench.until(lambda: feedback and feedback[-1].status == SubtaskPlan.AWAITING_APPROVAL)
    assert (feedback[-1].plan_id, feedback[-1].revision, feedback[-1].judgement) == (plan.plan_id, 1, PICK)

    refused = edit(EditPlan.Request.INSERT, index=0, texts=["frobnicate"])
    assert not refused.success and "frobnicate" in refused.message and refused.revision == 1
    inserted = edit(EditPlan.Request.INSERT, index=2, texts=["pick up the blue cube"], name="Ada", why="it is hers")
    assert inserted.success and inserted.revision == 2
    late = edit(EditPlan.Request.REMOVE, revision=1, index=0)
    assert not late.success and "is at revision 2 by now" in late.message and late.revision == 2
    assert "revision 2" in approve(approve=True, plan_id=plan.plan_id, revision=1).message
    assert "revision 2" in approve(approve=True).message, "nobody has approved the edit"
    bench.until(lambda: plans[-1].revision == 2)
    change = plans[-1].history[-1]
    assert (change.by, change.name, change.why) == (PlanChange.PERSON, "Ada", "it is hers")
    assert approve(approve=True, plan_id=plan.plan_id, revision=2, name="Bob").success
    bench.until(lambda: plans[-1].status == SubtaskPlan.RUNNING and plans[-1].active == 0)
    assert [line.text for line in plans[-1].subtasks] == [PICK, PLACE, "pick up the blue cube"]
    assert plans[-1].subtasks[2].by_person and not plans[-1].subtasks[0].by_person

    before = plans[-1].active_revision
    assert edit(EditPlan.Request.CHANGE, index=0, texts=["grasp it"]).success
    bench.until(lambda: plans[-1].active == 0 and plans[-1].subtasks[0].acting == PICK)
    assert plans[-1].active_revision > before and plans[-1].judged_about == "grasp it"
    policy.answer = "done"
    bench.until(result.done)
    outcome = result.result()
    assert outcome.status == GoalStatus.STATUS_SUCCEEDED
    assert [line.status for line in outcome.result.plan.subtasks] == [Subtask.DONE] * 3
    assert [one.revision for one in outcome.result.plan.history] == [*range(1, outcome.result.plan.revision + 1)]
    gone = edit(EditPlan.Request.SKIP, index=0)
    assert not gone.success and gone.message == "no plan is under way" and gone.revision == 0


def test_a_goal_may_ask_for_approval_and_nobody_may_come(bench):
    policy = FakePolicy()
    plans = bench.listen(SubtaskPlan, "plan", LATCHED)
    Robot(bench)
    expiry = [Parameter("approval_timeout_s", value=1.0)]
    bench.run(PlannerNode(policy_loader=lambda *_: policy, parameter_overrides=expiry))
    goal = ExecuteInstruction.Goal(instruction="tidy up", approval="subtask", reasoning="none")
    _, result = bench.send_goal(ExecuteInstruction, "execute", goal)
    bench.until(result.done)
    outcome = result.result()
    assert outcome.status == GoalStatus.STATUS_ABORTED
    assert outcome.result.message == "Nobody approved the plan within 1 s."
    assert outcome.result.plan.history[-1].by == PlanChange.CLOCK and outcome.result.plan.approval == "subtask"
    assert outcome.result.plan.reasoning_mode == "none"
    assert [line.text for line in outcome.result.plan.subtasks] == ["tidy up"], "the instruction itself"
    assert math.isnan(outcome.result.plan.judgement_confidence), "this policy does not say how sure it is"
    assert all(plan.status != SubtaskPlan.RUNNING for plan in plans)
