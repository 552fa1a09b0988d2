# SPDX-License-Identifier: Apache-2.0
"""Goals to a gripper: few, the last one surely, and whatever a server does is either got over or named."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wall_oss_ros.control.gripper_goals import PERIOD, Answer, GripperGoals

NAME, STEP, DT = "/hand/gripper_cmd", 0.005, 0.02
A = Answer


@pytest.fixture
def goals() -> GripperGoals:
    made = GripperGoals(NAME, widest=0.08)
    made.server(True)
    return made


def until_sent(goals, now, wanted, limit=20.0, measured=None):
    """The next goal, and when it goes out (s)."""
    end = now + limit
    while now < end:
        goal = goals.step(now, wanted, STEP, measured)
        if goal is not None:
            return goal, now
        now += DT
    raise AssertionError(f"no goal in {limit} s; {goals.words}; {goals.fault}")


def test_closing_over_a_second_sends_few_goals_and_the_last_one(goals):
    sent = []
    for cycle in range(150):
        goal = goals.step(cycle * DT, 0.08 * max(0.0, 1 - cycle * DT), STEP)
        if goal is not None:
            sent.append((cycle * DT, goal.opening))
            goals.answer(cycle * DT, goal.number, A.ACCEPTED)
    assert len(sent) <= 6 and sent[-1][1] == 0.0
    assert sent[0][0] == 0.0, "the first goes out at once"


def test_what_is_within_the_step_is_sent_once_it_has_settled(goals):
    goal, now = until_sent(goals, 0.0, 0.04)
    goals.answer(now, goal.number, A.SUCCEEDED)
    goal, when = until_sent(goals, now, 0.037)
    assert goal.opening == 0.037 and when - now >= 0.5
    goals.answer(when, goal.number, A.SUCCEEDED)
    assert all(goals.step(when + k * DT, 0.037 + (k % 2) * 1e-4, STEP) is None for k in range(500))


def test_a_refusal_is_named_at_once_and_tried_again_later_while_the_arm_waits(goals):
    goal, now = until_sent(goals, 0.0, 0.08)
    goals.answer(now, goal.number, A.REFUSED)
    assert goals.fault == f"the gripper at {NAME} refused an opening of 0.0800 m"
    again, when = until_sent(goals, now, 0.08)
    assert when - now > 2.0 and again.number != goal.number
    assert goals.unsure and not goals.fault
    goals.answer(when, again.number, A.ACCEPTED)
    assert not goals.unsure and not goals.fault


def test_a_lost_goal_is_repeated_and_at_last_named(goals):
    now, sent = 0.0, []
    while not goals.fault:
        goal, now = until_sent(goals, now, 0.0) if not sent or now - sent[-1] > 1.0 else (None, now)
        if goal is not None:
            sent.append(now)
        now += DT
        goals.step(now, None, STEP)
        assert now < 10.0
    assert len(sent) == 3 and "does not answer" in goals.fault and NAME in goals.fault


@pytest.mark.parametrize("status", [A.SUCCEEDED, A.ABORTED])
@pytest.mark.parametrize("stalled", [True, False])
def test_fingers_that_close_on_something_hold_it(goals, status, stalled):
    if status is A.SUCCEEDED and not stalled:
        return  # there
    goal, now = until_sent(goals, 0.0, 0.0, measured=0.08)
    goals.answer(now, goal.number, A.ACCEPTED)
    for k in range(50):
        assert goals.step(now + k * DT, 0.0, STEP, max(0.039, 0.08 - k * 0.002)) is None
    goals.answer(now + 1.0, goal.number, status, stalled, 0.039)
    assert "holds something at 0.039" in goals.words and not goals.fault
    assert all(goals.step(now + 1.0 + k * DT, 0.0, STEP, 0.039) is None for k in range(500)), "it is not told again"


def test_fingers_that_do_not_close_at_all_hold_nothing(goals):
    now = 0.0
    for _ in range(3):
        goal, now = until_sent(goals, now, 0.0, measured=0.08)
        goals.answer(now, goal.number, A.ACCEPTED)
        goals.answer(now, goal.number, A.ABORTED, False, 0.08)
    assert "gave up an opening of 0.0000 m, at 0.0800 m" in goals.fault


def test_a_hand_that_does_not_open_is_named(goals):
    now = 0.0
    for _ in range(3):
        assert not goals.fault
        goal, now = until_sent(goals, now, 0.08, measured=0.039)
        goals.answer(now, goal.number, A.ACCEPTED)
        goals.answer(now, goal.number, A.ABORTED, True, 0.039)
    assert "was stopped short of an opening of 0.0800 m, at 0.0390 m" in goals.fault


def test_nothing_is_sent_while_nothing_is_wanted(goals):
    goal, now = until_sent(goals, 0.0, 0.0)
    for k in range(1000):
        assert goals.step(now + k * DT, None, STEP) is None
    assert goal.opening == 0.0


def test_an_older_goal_that_is_accepted_late_is_overruled(goals):
    late, now = until_sent(goals, 0.0, 0.08)
    newer, now = until_sent(goals, now, 0.0)
    goals.answer(now, newer.number, A.ACCEPTED)
    goals.answer(now, newer.number, A.SUCCEEDED)
    goals.answer(now + 0.1, late.number, A.ACCEPTED)
    again, _ = until_sent(goals, now + 0.1, 0.0, limit=1.0)
    assert again.opening == 0.0


def test_a_server_that_comes_anew_is_told_again(goals):
    goal, now = until_sent(goals, 0.0, 0.0)
    goals.answer(now, goal.number, A.ACCEPTED)
    goals.answer(now, goal.number, A.SUCCEEDED)
    goals.server(False)
    assert goals.step(now + 1.0, 0.0, STEP) is None
    goals.server(True)
    assert until_sent(goals, now + 1.0, 0.0, limit=0.5)[0].opening == 0.0


def test_fingers_that_somebody_else_opens_are_closed_again(goals):
    goal, now = until_sent(goals, 0.0, 0.0, measured=0.02)
    goals.answer(now, goal.number, A.ACCEPTED)
    goals.answer(now, goal.number, A.SUCCEEDED)
    assert all(goals.step(now + k * DT, 0.0, STEP, 0.001) is None for k in range(50))
    again, _ = until_sent(goals, now + 1.0, 0.0, limit=0.5, measured=0.05)
    assert again.opening == 0.0


def test_joint_states_that_deny_what_the_server_says_are_told_and_hold_nobody_up(goals):
    sent = 0
    for cycle in range(1000):
        goal = goals.step(cycle * DT, 0.0, STEP, 0.08)
        if goal is not None:
            sent += 1
            goals.answer(cycle * DT, goal.number, A.ACCEPTED)
            goals.answer(cycle * DT, goal.number, A.SUCCEEDED, False, 0.0)
    assert sent == 3 and not goals.fault and not goals.unsure
    assert "there, says the server; at 0.0800 m, say the joint states" in goals.words


def test_a_topic_without_answers_is_told_again_where_the_fingers_do_not_follow():
    goals = GripperGoals("/hand/joint_trajectory", answered=False)
    goals.server(True)
    first, now = until_sent(goals, 0.0, 0.0, measured=0.08)
    second, now = until_sent(goals, now, 0.0, measured=0.08)
    assert second.opening == first.opening and not goals.unsure
    for k in range(150):
        assert goals.step(now + k * DT, 0.0, STEP, max(0.0, 0.08 - k * 0.002)) is None
    assert "there" in goals.words


# Servers that do whatever they like for a while.


@dataclass
class Manner:
    """What a server does with one goal: s until it accepts and ends it, None never; and how often it says so."""

    takes: float | None
    refuses: bool
    ends: float | None
    end: Answer
    stalled: bool
    twice: bool
    acts: bool  # whether the fingers move


MANNERS = st.builds(
    Manner,
    takes=st.none() | st.floats(0, 4),
    refuses=st.booleans(),
    ends=st.none() | st.floats(0, 12),
    end=st.sampled_from([A.SUCCEEDED, A.ABORTED, A.CANCELED, A.LOST]),
    stalled=st.booleans(),
    twice=st.booleans(),
    acts=st.booleans(),
)
GOOD = Manner(takes=0.02, refuses=False, ends=None, end=A.SUCCEEDED, stalled=False, twice=False, acts=True)


class Hand:
    """A server with fingers; an object may be between them."""

    def __init__(self, goals: GripperGoals, thing: float | None):
        self.goals, self.thing, self.opening, self.aim = goals, thing, 0.08, 0.08
        self.events: list[tuple[float, int, tuple]] = []
        self.there, self.newest, self.count = True, None, 0

    def receive(self, now, goal, manner: Manner):
        if not self.there or manner.takes is None:
            return
        taken = now + manner.takes
        if manner.refuses:
            self._at(taken, (goal.number, A.REFUSED))
            return
        self._at(taken, ("takes", goal, manner))

    def _at(self, time, what):
        self.count += 1
        self.events.append((time, self.count, what))

    def die(self):
        self.there, self.newest = False, None
        self.events.clear()

    def advance(self, now):
        for event in sorted(event for event in self.events if event[0] <= now):
            self.events.remove(event)
            what = event[2]
            if what[0] == "takes":
                _, goal, manner = what
                for _ in range(1 + manner.twice):
                    self.goals.answer(now, goal.number, A.ACCEPTED)
                if manner.acts:
                    self.aim, self.newest = goal.opening, goal.number
                if manner is not GOOD and manner.ends is not None:
                    for _ in range(1 + manner.twice):
                        self._at(now + manner.ends, (goal.number, manner.end, manner.stalled, self.opening))
            else:
                self.goals.answer(now, *what)
        low = max(self.aim, self.thing or 0.0) if self.aim < self.opening else self.aim
        self.opening += min(max(low - self.opening, -0.1 * DT), 0.1 * DT)
        if self.newest is not None and abs(self.opening - low) < 1e-6:
            short = abs(low - self.aim) > 1e-6
            self.goals.answer(now, self.newest, A.SUCCEEDED, short, self.opening)
            self.newest = None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    wanted=st.lists(st.sampled_from([None, 0.0, 0.004, 0.02, 0.05, 0.08]) | st.floats(0, 0.08), min_size=1, max_size=8),
    manners=st.lists(MANNERS, min_size=1, max_size=12),
    lives=st.lists(st.floats(0.05, 3.0), max_size=4),
    thing=st.none() | st.floats(0.02, 0.06),
    seen=st.booleans(),
    last=st.sampled_from([0.0, 0.03, 0.08]),
)
def test_whatever_a_server_did_the_last_opening_arrives_once_it_works(wanted, manners, lives, thing, seen, last):
    goals = GripperGoals(NAME, widest=0.08)
    hand = Hand(goals, thing)
    # A server that says that it was done, or that fingers short of wide open have met something, is believed by who
    # does not see the fingers, or sees them there.
    manners = [replace(one, acts=True) if not seen or one.stalled else one for one in manners]
    now, sent, served = 0.0, [], 0
    turns, dies = iter(wanted), iter(lives)
    want, change, death, birth = next(turns), 1.5, next(dies, None), None
    troubled = 1.5 * len(wanted)
    while now < troubled + 25.0:
        good = now >= troubled
        if good:
            want, death, hand.there = last, None, True
        elif now >= change:
            want, change = next(turns, want), change + 1.5
        if death is not None and now >= death:
            hand.die()
            birth, death = now + 0.7, None
        if birth is not None and now >= birth:
            hand.there, birth, after = True, None, next(dies, None)
            death = None if after is None else now + after
        goals.server(hand.there)
        goal = goals.step(now, want, STEP, hand.opening if seen else None)
        if goal is not None:
            assert want is not None and abs(goal.opening - want) < 5e-4, "only what is wanted now"
            assert not sent or now - sent[-1] >= PERIOD - 1e-9, "never more often"
            sent.append(now)
            hand.receive(now, goal, GOOD if good else manners[served % len(manners)])
            served += 1
        hand.advance(now)
        now += DT
    if "say the joint states" in goals.words:
        return  # a server that said so, thrice, and the joint states contradict it: named, and left
    aim = max(last, thing or 0.0) if hand.aim <= (thing or 0.0) else last
    assert abs(hand.aim - last) < 1e-3 or (thing is not None and last < thing and abs(hand.opening - aim) < 0.005)
    assert not goals.fault and not goals.unsure


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    manner=MANNERS.filter(lambda m: m.takes is None or m.refuses or (not m.acts and m.end is not A.SUCCEEDED)),
    wanted=st.floats(0.0, 0.04),
    seen=st.booleans(),
)
def test_a_server_that_never_does_it_is_named_soon_and_again_and_again(manner, wanted, seen):
    goals = GripperGoals(NAME, widest=0.08)
    hand = Hand(goals, None)
    goals.server(True)
    faulty, now = [], 0.0
    while now < 60.0:
        goal = goals.step(now, None if goals.fault else wanted, STEP, hand.opening if seen else None)
        if goal is not None:
            hand.receive(now, goal, manner)
        hand.advance(now)
        if goals.fault:
            assert NAME in goals.fault
            faulty.append(now)
        now += DT
    lied = manner.takes is not None and not manner.refuses and manner.stalled and manner.end is A.ABORTED
    if not lied:  # stalled at once, closing: who does not see the fingers believes that there is something wide
        assert faulty and faulty[0] < 45.0 and max(b - a for a, b in zip(faulty, faulty[1:])) < 20.0
