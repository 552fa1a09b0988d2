# SPDX-License-Identifier: Apache-2.0
"""Conversions between plans and their messages."""

from __future__ import annotations

from wall_oss_ros.control.followed_plan import PlanNews
from wall_oss_ros.nodes.conversions import seconds, to_stamp
from wall_oss_ros.uni_cot.plan import Plan

from geometry_msgs.msg import Point
from std_msgs.msg import Header
from wall_oss_msgs.msg import PlanChange, Subtask, SubtaskPlan


def plan_news(message: SubtaskPlan) -> PlanNews:
    """What control follows of a plan's message."""
    texts = tuple(subtask.acting or subtask.text for subtask in message.subtasks)
    return PlanNews(
        message.planner,
        message.plan_id,
        seconds(message.began),
        message.status,
        message.active,
        texts,
        revision=message.revision,
        active_revision=message.active_revision,
    )


def plan_message(plan: Plan, frame: str, time: float, planner: str = "") -> SubtaskPlan:
    """A plan as it is at ``time`` (s); ``frame``: the robot's base frame; ``planner``: the id of who made it."""
    message = SubtaskPlan(header=Header(stamp=to_stamp(time), frame_id=frame), plan_id=plan.id, planner=planner)
    message.instruction, message.reasoning, message.message = plan.instruction, plan.reasoning, plan.message
    message.reasoning_mode, message.thought = plan.mode, plan.thought
    message.active, message.next, message.status = plan.active, plan.next, int(plan.status)
    message.revision, message.active_revision, message.approval = plan.revision, plan.active_revision, plan.approval
    message.began, message.ended = to_stamp(plan.began or 0.0), to_stamp(plan.ended or 0.0)
    judgement = plan.judgement
    message.judgement, message.judgement_confidence = judgement.words, float(judgement.confidence)
    message.judged, message.judged_about = to_stamp(judgement.stamp or 0.0), judgement.about
    message.judgement_repeats, message.confirmations = judgement.repeats, plan.confirmations
    for change in plan.history:
        item = PlanChange(revision=change.revision, stamp=to_stamp(change.stamp), by=int(change.by), name=change.name)
        item.what, item.why = change.what, change.why
        message.history.append(item)
    for subtask in plan.subtasks:
        item = Subtask(text=subtask.text, acting=subtask.acting, status=int(subtask.status))
        item.by_person, item.attempts = subtask.by_person, subtask.attempts
        item.started, item.finished = to_stamp(subtask.started or 0.0), to_stamp(subtask.finished or 0.0)
        if subtask.target is not None:
            x, y, z = map(float, subtask.target)
            item.has_target, item.target = True, Point(x=x, y=y, z=z)
        message.subtasks.append(item)
    return message
