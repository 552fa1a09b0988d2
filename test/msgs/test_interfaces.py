# SPDX-License-Identifier: Apache-2.0
"""The interfaces of wall_oss_msgs: complete, documented, and what the nodes agreed on."""

import re

import pytest

from wall_oss_ros.control.state_machine import State
from wall_oss_ros.embedded.interfaces import get_interface, get_message
from wall_oss_ros.paths import data_path
from wall_oss_ros.uni_cot.plan import PlanStatus, SubtaskStatus

FILES = sorted(path for folder in ("msg", "srv", "action") for path in data_path(folder, "wall_oss_msgs").iterdir())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_field_is_explained(path):
    """Each field has a comment directly above it, or belongs to the group below one."""
    explained = False
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            explained = True
        elif not line.strip():
            explained = False
        elif line != "---":
            assert explained or "#" in line, f"{path.name}: no comment for {line!r}"


def test_every_file_is_built_by_cmake():
    cmake = data_path("CMakeLists.txt", "wall_oss_msgs").read_text()
    assert {f"{path.parent.name}/{path.name}" for path in FILES} == set(
        re.findall(r'"((?:msg|srv|action)/.*?)"', cmake)
    )


def test_constants_that_nodes_and_viewers_share():
    Subtask, Plan = get_message("wall_oss_msgs/Subtask"), get_message("wall_oss_msgs/SubtaskPlan")
    Status = get_message("wall_oss_msgs/ControlStatus")
    assert (Subtask.PENDING, Subtask.ACTIVE, Subtask.DONE, Subtask.FAILED, Subtask.CANCELLED) == (0, 1, 2, 3, 4)
    assert Subtask.SKIPPED == 5
    assert (Plan.AWAITING_APPROVAL, Plan.RUNNING, Plan.SUCCEEDED) == (0, 1, 2)
    assert (Plan.FAILED, Plan.CANCELLED, Plan.REJECTED, Plan.NO_PLAN) == (3, 4, 5, 6)
    assert (Status.IDLE, Status.RUNNING, Status.HOLDING, Status.STOPPED) == (0, 1, 2, 3)
    for message, plain in ((Subtask, SubtaskStatus), (Plan, PlanStatus), (Status, State)):
        assert {name: getattr(message, name) for name in plain.__members__} == dict(plain.__members__)


def test_an_action_has_goal_result_and_feedback():
    action = get_interface("wall_oss_msgs", "action", "ExecuteInstruction")
    assert list(action.Goal.get_fields_and_field_types()) == ["instruction", "approval", "reasoning"]
    assert list(action.Result.get_fields_and_field_types()) == ["success", "message", "plan"]
    assert list(action.Feedback.get_fields_and_field_types()) == [
        "active", "index", "count", "progress", "plan_id", "revision", "status", "judgement", "judgement_confidence",
        "holding",
    ]  # fmt: skip
