# SPDX-License-Identifier: Apache-2.0
"""What holds of every plan that is shown, whoever does what to it."""

from wall_oss_ros.uni_cot.plan import HISTORY, Plan, PlanStatus, SubtaskStatus
from wall_oss_ros.uni_cot.plan_edits import MOST


def sound(plan: Plan) -> None:
    """Asserts it."""
    active = [i for i, line in enumerate(plan.subtasks) if line.status == SubtaskStatus.ACTIVE]
    assert active == ([plan.active] if plan.active >= 0 else []), "at most one subtask is active"
    assert plan.active < 0 or plan.running
    assert bool(plan.active_text) == (plan.active >= 0)
    kept = len(plan.history)
    assert [one.revision for one in plan.history] == [*range(plan.revision - kept + 1, plan.revision + 1)]
    assert 0 < kept <= HISTORY and plan.active_revision <= plan.revision
    assert len(plan.subtasks) <= MOST
    assert all(len(one.what) < 1000 and len(one.why) < 1000 and len(one.name) < 1000 for one in plan.history)
    if plan.status == PlanStatus.AWAITING_APPROVAL and not plan.remaking:
        assert 0 <= plan.next < len(plan.subtasks) and plan.subtasks[plan.next].status != SubtaskStatus.SKIPPED
    if plan.running and not plan.remaking:
        at = plan.active if plan.active >= 0 else plan.next
        assert plan.subtasks[at].left, "there is something to do"
    if plan.over:
        assert not any(line.left for line in plan.subtasks) and (plan.active, plan.next) == (-1, -1)
