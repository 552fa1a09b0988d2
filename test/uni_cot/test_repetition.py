# SPDX-License-Identifier: Apache-2.0
"""Plans that go back again and again: what counts as that, and what people, monitors and new plans make of it."""

import math

import numpy as np
import pytest

from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.uni_cot.plan import By, Plan, PlanStatus
from wall_oss_ros.uni_cot.plan_edits import Edit, EditKind
from wall_oss_ros.uni_cot.plan_terms import PlannerSettings
from wall_oss_ros.uni_cot.planner import UniCoTPlanner
from wall_oss_ros.uni_cot.watching.monitor import WATCHES, FailureMonitor, WatchSettings
from wall_oss_ros.uni_cot.watching.repetition import Place, RepetitionLimits

LAYOUT = Layout(load_profile("franka"))
PICK, PLACE, PICK_BLUE, PLACE_BLUE = "pick up the red cube", "place it", "pick up the blue cube", "place it there"
TWO = (PICK, PLACE, PICK_BLUE, PLACE_BLUE)


class Model:
    """Plans the same lines whatever it is told."""

    lists_instructions = judges_plans = thinks = False

    def __init__(self, lines):
        self.lines = lines

    def understood(self, text, kind):
        return text, ""

    def plan(self, obs, instruction):
        return "\n".join(self.lines)

    def reason(self, obs, instruction):
        return self.lines[0]


class Course:
    """The life of a plan, and a monitor that is told how it stands and sees an observation after each judgement."""

    def __init__(self, lines=(PICK, PLACE), returns=3, approval="none", heeded=False, watches=("repetition",)):
        settings = PlannerSettings(confirmations=1, retries=1, replans=1)
        self.planner, self.stamp, self.said, self.heeded = UniCoTPlanner(Model(lines), settings), 0.0, [], heeded
        limits = RepetitionLimits(returns)
        self.monitor = FailureMonitor(LAYOUT, WatchSettings(watches=watches, repetition=limits))
        self.life = self.planner.life(Plan(1, "do it"), approval)
        self.make()

    @property
    def plan(self):
        return self.life.plan

    def make(self):
        self.life.planned(self.planner.draft(self.seen(), self.life.goal, self.plan.mode))
        self.look()

    def seen(self):
        state = np.zeros(LAYOUT.size, np.float32)
        state[LAYOUT.position] = (0.4, 0.0, 0.3)
        return Observation(self.stamp, {}, state, LAYOUT.mask)

    def look(self):
        plan = self.plan
        about = (plan.id, plan.active, plan.active_revision) if plan.active >= 0 else None
        self.monitor.begin(about, Place.of(plan))
        self.stamp += 1.0
        if (problem := self.monitor.observe(self.seen())) is not None:
            self.said.append(problem)
            if self.heeded:
                assert self.life.fail_subtask(problem.why, By.MONITOR, problem.watch, self.stamp)
                self.look()

    def go(self, *lines):
        """The model calls for these, one after the other."""
        for words in lines:
            if self.plan.remaking:
                self.make()
            if (question := self.life.question()) is None:
                return
            self.life.judged(question, words, math.nan, self.stamp)
            self.look()

    def edit(self, kind, *, index=0, to=0, texts=()):
        made, words = self.life.edit(self.plan.revision, Edit(kind, index, to, texts, "Ada"), self.stamp)
        assert made, words
        self.look()


def round_trips(times):
    return [PLACE, PICK] * times


def test_a_plan_that_goes_back_again_and_again_is_alarming():
    course = Course()
    course.go(*round_trips(2))
    assert course.said == [], "lost and taken up again, twice"
    course.go(*round_trips(1))
    (problem,) = course.said
    assert (problem.watch, problem.about) == ("repetition", (1, 0, 1))
    assert problem.why == f'the model has gone back to "{PICK}" 3 times, and the plan got no farther in between'
    course.go(*round_trips(1))
    assert len(course.said) == 2 and "4 times" in course.said[-1].why, "said again when it has shown anew"


def test_it_is_said_once_for_each_time():
    course = Course()
    course.go(*round_trips(3), *[PICK] * 20)
    assert len(course.said) == 1


def test_so_is_a_plan_of_more_subtasks_that_goes_round():
    course = Course((PICK, PLACE, PICK_BLUE))
    course.go(*[PLACE, PICK_BLUE, PICK] * 3)
    assert len(course.said) == 1 and f'"{PICK}" 3 times' in course.said[0].why


def test_once_may_be_enough():
    course = Course(returns=1)
    course.go(PLACE, PICK)
    assert "once, and" in course.said[0].why


def test_cubes_put_away_in_turn_are_not():
    course = Course(TWO)
    course.go(PLACE, PICK_BLUE, PLACE_BLUE)
    assert course.said == [] and course.plan.active == 3


def test_a_cube_that_is_lost_twice_and_then_put_away_adds_nothing_to_the_next():
    course = Course(TWO)
    course.go(*round_trips(2), PLACE, PICK_BLUE, PLACE_BLUE, PICK_BLUE, PLACE_BLUE, PICK_BLUE, PLACE_BLUE, PICK)
    assert course.said == []


def test_different_subtasks_count_apart():
    course = Course(TWO)
    course.go(PLACE, PICK_BLUE, PLACE_BLUE)
    for line in (PICK_BLUE, PLACE, PICK):
        course.go(line, PLACE_BLUE, line, PLACE_BLUE)
    assert course.said == []


def test_the_same_words_twice_are_two_subtasks():
    """Two cubes for one tray: "place it" is called for in turn, and never twice for the same."""
    course = Course((PICK, PLACE, PICK_BLUE, PLACE), returns=1)
    course.go(PLACE, PICK_BLUE, PLACE)
    assert course.said == [] and course.plan.active == 3


def test_lines_that_are_all_the_same_are_not_gone_back_to():
    course = Course((PLACE,) * 6, returns=1)
    course.go(*[PLACE] * 30)
    assert course.said == []


def test_a_plan_of_one_line_has_nothing_to_go_back_to():
    course = Course((PICK,), returns=1)
    course.go(*[PICK, "nonsense"] * 20)
    assert course.said == []


def test_what_was_skipped_at_first_is_not_begun_again():
    course = Course(TWO, returns=1)
    course.go(PLACE_BLUE, PICK_BLUE)
    assert course.said == []
    course.go(PLACE_BLUE, PICK_BLUE)
    assert len(course.said) == 1


# What people do.


def test_a_person_repeats_a_subtask_five_times():
    course = Course(returns=1)
    for _ in range(5):
        course.edit(EditKind.REPEAT, index=0, to=course.plan.front)
    for _ in range(6):
        course.go(PICK, PLACE)
    assert course.said == []


def test_a_person_who_edits_what_comes_later_lets_counts_start_over():
    course = Course(TWO)
    course.go(*round_trips(2))
    course.edit(EditKind.SKIP, index=3)
    course.go(*round_trips(3))
    assert course.said == [], "the way back right after it was into another plan"
    course.go(*round_trips(1))
    assert len(course.said) == 1


def test_whoever_approves_each_subtask_has_seen_it_go_back():
    course = Course(approval="subtask", returns=1)
    for line in [PICK, *round_trips(10)]:
        course.go(line)
        if course.plan.status == PlanStatus.AWAITING_APPROVAL:
            assert course.life.approve(0, "", "Ada", course.stamp, fresh=True)[0]
            course.look()
    assert course.said == [] and course.plan.subtasks[0].attempts > 5


def test_a_plan_that_a_person_let_begin_counts_from_then_on():
    course = Course(approval="plan")
    assert course.life.approve(0, "", "Ada", course.stamp, fresh=True)[0]
    course.look()
    course.go(*round_trips(3))
    assert len(course.said) == 1


def test_while_the_robot_rests_what_people_move_does_not_count():
    course = Course(returns=1)
    course.monitor.working(False)
    course.go(*round_trips(10))
    course.monitor.working(True)
    course.go(PICK)
    assert course.said == []
    course.go(*round_trips(1))
    assert len(course.said) == 1


# What others decide.


def test_what_a_monitor_or_the_clock_has_tried_again_does_not_count_and_takes_nothing_back():
    course = Course()
    course.go(*round_trips(2), PLACE)
    assert course.life.fail_subtask("it slipped", By.MONITOR, "grip", course.stamp)
    course.look()
    course.go(PICK)
    assert course.plan.active == 0 and course.plan.subtasks[0].attempts == 4
    assert course.said == []
    course.go(*round_trips(1))
    assert "3 times" in course.said[0].why


def test_a_plan_made_anew_begins_to_count():
    course = Course()
    course.go(*round_trips(2), *["nonsense"] * 6)
    assert course.plan.remaking
    course.go(*round_trips(2))
    assert course.said == [] and course.plan.history[-1].what.startswith("made anew")
    course.go(*round_trips(1))
    assert len(course.said) == 1


def test_it_is_tried_again_then_made_anew_then_given_up():
    course = Course(heeded=True)
    course.go(*round_trips(20))
    assert course.plan.status == PlanStatus.FAILED
    ways = [one.what for one in course.plan.history if one.name == "repetition"]
    assert ways == [f'"{PICK}" is tried again', "to be made anew", f'"{PICK}" is tried again', "failed"]
    assert "gone back" in course.plan.message and [one.watch for one in course.said] == ["repetition"] * 4


def test_another_plan_has_nothing_to_do_with_it():
    course = Course()
    course.go(*round_trips(2))
    course.life = course.planner.life(Plan(2, "do it"))
    course.make()
    course.go(*round_trips(2))
    assert course.said == []


# What it may be told wrongly.


@pytest.mark.parametrize("leap", [-1000.0, 1000.0])
def test_a_clock_that_leaps_makes_it_start_over(leap):
    """As where a simulation begins a new scene."""
    course = Course()
    course.go(*round_trips(2))
    course.stamp += leap
    course.go(*round_trips(3))
    assert course.said == []
    course.go(*round_trips(1))
    assert len(course.said) == 1


def test_observations_that_tell_nothing_put_it_off():
    course = Course()
    course.go(*round_trips(2), PLACE)
    whole, course.seen = course.seen, lambda: Observation(course.stamp, {}, np.full(LAYOUT.size, np.nan), LAYOUT.mask)
    course.go(PICK)
    assert course.said == []
    course.seen = whole
    course.look()
    assert len(course.said) == 1


def test_who_does_not_want_it_is_not_told():
    course = Course(watches=tuple(one for one in WATCHES if one not in ("repetition", "progress")))
    course.go(*round_trips(20))
    assert course.said == []


def test_words_of_any_kind_stay_short():
    line = "x" * 1500
    course = Course((line, PLACE), returns=1)
    course.go(PLACE, line)
    assert len(course.said[0].why) < 250
