# SPDX-License-Identifier: Apache-2.0
"""Parameters of the planner, and the settings that follow from them."""

from __future__ import annotations

from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.nodes.parameters import POLICY_PARAMETERS, Parameter
from wall_oss_ros.uni_cot.plan import APPROVALS, REASONING
from wall_oss_ros.uni_cot.plan_terms import PlannerSettings
from wall_oss_ros.uni_cot.plan_time import PlanLimits

_DEFAULTS, _LIMITS = PlannerSettings(), PlanLimits()
PLANNER_PARAMETERS = (
    *POLICY_PARAMETERS,
    Parameter("approval", "none", "What waits for the service approve_plan before the arm moves: no plan, every new"
              " plan, each subtask as well, or only plans that are made anew; a goal of the action may say otherwise.",
              choices=APPROVALS),
    Parameter("reasoning", "subtask", "What the model does before the robot moves: full: it writes"
              " what it sees, where it was trained so, and then the subtasks; subtask; none: it acts on the instruction"
              " itself. A goal of the action may say otherwise.", choices=REASONING),
    Parameter("require_approval", False, "Older name: true is approval plan, and gives a warning."),
    Parameter("approval_timeout_s", _LIMITS.approval, "Longest time that a plan waits for its approval, or for the next"
              " edit of it, s.", 1.0, 36000.0),
    Parameter("progress_rate_hz", 2.0, "How often the model judges progress, at most, Hz.", 0.1, 20.0),
    Parameter("confirmations", _DEFAULTS.confirmations, "Equal answers in a row before the plan moves on.", 1, 20),
    Parameter("stray_answers", _DEFAULTS.stray_answers, "Answers in a row that are not in the plan before it is"
              " made anew.", 1, 100),
    Parameter("retries", _DEFAULTS.retries, "How often a subtask that has failed is tried again, before the plan is"
              " made anew.", 0, 100),
    Parameter("replans", _DEFAULTS.replans, "How often a plan is made anew before it counts as failed.", 0, 100),
    Parameter("refusals", _DEFAULTS.refusals, "How often a plan that was refused is made anew by the reason, before"
              " a refusal ends it.", 0, 100),
    Parameter("subtask_timeout_s", _LIMITS.subtask, "Longest time that the robot works on one subtask before that has"
              " failed, s; time that it holds or is stopped does not count.", 1.0, 3600.0),
    Parameter("plan_timeout_s", _LIMITS.plan, "Longest time that the robot works on one plan, however often"
              " subtasks begin again, s.", 1.0, 36000.0),
    Parameter("held_timeout_s", _LIMITS.held, "Longest time that a plan waits while the robot holds or is stopped, s;"
              " time that it works in between counts back.", 1.0, 36000.0),
    Parameter("blind_timeout_s", _LIMITS.blind, "Longest time without observations while a plan runs, s.", 1.0,
              3600.0),
    Parameter("model_timeout_s", _LIMITS.model, "Longest time that the model may take over one answer, s.", 1.0,
              3600.0),
    Parameter("observation_timeout_s", _LIMITS.observation, "How long an instruction waits for an observation, s.",
              0.1, 60.0),
    Parameter("point", True, "Whether the model is asked, once, where the object of each subtask is, to show it."),
    Parameter("ask_timeout_s", 20.0, "How long the service ask waits for the model, s.", 0.1, 600.0, live=True),
)  # fmt: skip


def planner_settings(node: WallOSSNode) -> PlannerSettings:
    """As the node's parameters have them."""
    return PlannerSettings(
        confirmations=node.value("confirmations"),
        stray_answers=node.value("stray_answers"),
        replans=node.value("replans"),
        retries=node.value("retries"),
        refusals=node.value("refusals"),
    )


def plan_limits(node: WallOSSNode) -> PlanLimits:
    """As the node's parameters have them."""
    return PlanLimits(
        subtask=node.value("subtask_timeout_s"),
        plan=node.value("plan_timeout_s"),
        held=node.value("held_timeout_s"),
        approval=node.value("approval_timeout_s"),
        blind=node.value("blind_timeout_s"),
        model=node.value("model_timeout_s"),
        observation=node.value("observation_timeout_s"),
    )


def approval_wanted(node: WallOSSNode) -> str:
    """Which plans await approval; says so where the older name was given."""
    wanted = node.value("approval")
    if not node.value("require_approval"):
        return wanted
    node.get_logger().warning("require_approval is an older name: give approval:=plan.")
    return "plan" if wanted == "none" else wanted
