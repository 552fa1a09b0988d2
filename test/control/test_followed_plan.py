# SPDX-License-Identifier: Apache-2.0
"""Control never goes on by itself with a plan that is older than itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wall_oss_ros.control.followed_plan import FollowedPlan, PlanNews
from wall_oss_ros.uni_cot.plan import PlanStatus


def news(number=1, began=0.0, status=PlanStatus.RUNNING, planner="planner#1", active=0) -> PlanNews:
    return PlanNews(planner, number, began, int(status), active, ("pick", "place"))


def followed(now: float = 10.0) -> FollowedPlan:
    plan = FollowedPlan()
    plan.clock(now)
    return plan


def test_a_plan_that_begins_later_is_followed():
    plan = followed()
    plan.update(news(began=10.5), 1.0)
    assert plan.running and not plan.older and plan.heard == 1.0
    assert plan.active == ("planner#1", 1, 0, "pick", 0)


@pytest.mark.parametrize("began", [0.0, 3.0, 10.0])
def test_a_plan_that_runs_already_needs_a_person(began):
    plan = followed()
    plan.update(news(began=began), 1.0)
    assert plan.older
    plan.update(news(began=began, active=1), 2.0)
    assert plan.older, "its next subtask makes it no younger"
    plan.accept()
    plan.update(news(began=began, active=1), 3.0)
    assert not plan.older and plan.active[3] == "place"


def test_without_a_clock_every_running_plan_is_older():
    plan = FollowedPlan()
    plan.clock(0.0)
    plan.update(news(began=5.0), 1.0)
    assert plan.older


def test_the_next_plan_of_a_planner_that_was_heard_before_is_new():
    plan = followed()
    plan.update(news(number=0, status=PlanStatus.NO_PLAN), 1.0)
    plan.update(news(number=1, began=0.0), 2.0)
    assert not plan.older
    older = followed()
    older.update(news(number=4, began=1.0), 1.0)
    older.update(news(number=5, began=11.0), 2.0)
    assert not older.older


def test_an_old_plan_that_a_person_approves_now_may_run():
    plan = followed()
    plan.update(news(began=1.0, status=PlanStatus.AWAITING_APPROVAL, active=-1), 1.0)
    plan.update(news(began=1.0), 2.0)
    assert plan.running and not plan.older


def test_what_was_said_before_a_change_does_not_count_after_it():
    plan = followed()
    plan.update(PlanNews("planner#1", 1, 10.5, 1, 0, ("pick", "place"), revision=3, active_revision=3), 1.0)
    plan.update(PlanNews("planner#1", 1, 10.5, 1, 0, ("push", "place"), revision=2, active_revision=2), 2.0)
    assert plan.active == ("planner#1", 1, 0, "pick", 3)
    plan.update(PlanNews("planner#1", 2, 10.6, 1, 0, ("push",), revision=1, active_revision=1), 3.0)
    assert plan.active.subtask == "push", "another plan counts from 1"


def test_an_old_plan_that_ends_holds_nothing():
    plan = followed()
    plan.update(news(began=1.0), 1.0)
    plan.update(news(began=1.0, status=PlanStatus.FAILED, active=-1), 2.0)
    assert not plan.older and plan.words == "the plan has failed"


def test_an_old_plan_of_another_planner_is_older_too():
    plan = followed()
    plan.update(news(number=3, began=11.0), 1.0)
    plan.update(news(number=3, began=2.0, planner="planner#2"), 2.0)
    assert plan.older and plan.active.planner == "planner#2"


@pytest.mark.parametrize("active", [-1, 2, 99, -7])
def test_a_subtask_that_is_none_is_not_worked_on(active):
    plan = followed()
    plan.update(news(began=11.0, active=active), 1.0)
    assert plan.active is None and plan.words == "no subtask is active"
    plan.update(news(began=11.0, status=77), 1.0)
    assert plan.words == "no such plan status"


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.floats(0.0, 9.9), st.sampled_from(list(PlanStatus)), st.sampled_from("ab")),
        min_size=1,
    )
)
def test_no_first_word_of_a_planner_lets_an_old_plan_run(messages):
    """Whatever planners say, a plan from before that ran when its planner was first heard of needs a person."""
    plan, first = followed(), {}
    for number, began, status, planner in messages:
        plan.update(news(number, began, status, planner), 0.0)
        first.setdefault(planner, (number, status))
        ran = first[planner] == (number, PlanStatus.RUNNING)
        last = [m for m in messages if m[3] == planner]
        if plan.running and ran and all(m[0] == number for m in last) and len({m[3] for m in messages}) == 1:
            assert plan.older
