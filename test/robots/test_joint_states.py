# SPDX-License-Identifier: Apache-2.0
"""Joint state messages: what makes a reading, and every way in which one cannot be used, by name."""

import numpy as np
import pytest

from wall_oss_ros.robots.joint_states import JointStateReader
from wall_oss_ros.robots.stamps import Evidence, StampWatch

NAMES = ["a", "b", "finger"]


class Source:
    """A publisher of the joints at 50 Hz, read by a reader with a clock."""

    def __init__(self):
        self.reader, self.now = JointStateReader(["a", "b"], "joint states of the arm", ["finger", "lift"]), 10.0

    def send(self, stamp=None, names=NAMES, positions=(1.0, 2.0, 0.0), velocities=()) -> bool:
        self.now += 0.02
        return self.reader.take(self.now if stamp is None else stamp, names, positions, velocities, self.now)

    @property
    def reason(self) -> str:
        return self.reader.evidence.reason


WRONG = {
    "carry no time stamp": {"stamp": 0.0},
    "come with the same time stamp again and again": {"stamp": None},
    "out of order": {"stamp": 9.0},
    "ahead of now: two clocks disagree": {"stamp": 99.0},
    "have 2 positions for 3 names": {"positions": (1.0, 2.0)},
    "name a twice": {"names": ["a", "a", "b"]},
    "the position of b is not a finite number": {"positions": (1.0, np.nan, 0.0)},
    "the position of a is not a finite number": {"positions": (-np.inf, 2.0, 0.0)},
    "are another robot's: x, y; a was expected": {"names": ["x", "y"], "positions": (0.0, 0.0)},
}


@pytest.mark.parametrize("words", WRONG)
def test_what_cannot_be_used_is_named_soon_and_forgiven_after_a_few_good_ones(words):
    source = Source()
    for _ in range(3):
        assert source.send() and source.reason == ""
    before, since = source.reader.positions.copy(), source.now
    wrong = dict(WRONG[words])
    if "stamp" in wrong and wrong["stamp"] is None:
        wrong["stamp"] = source.reader.stamp
    while not source.reason:
        assert not source.send(**wrong)
        assert source.now - since < 0.2
    assert words in source.reason and source.reason.startswith("joint states of the arm")
    assert (source.reader.positions == before).all()
    for _ in range(5):
        assert source.reason
        assert source.send()
    assert source.reason == ""


def test_a_joint_that_is_missing_is_named_once_what_was_said_of_it_is_old():
    source = Source()
    source.send()
    while not source.reason:
        source.send(names=["a", "finger"], positions=(1.0, 0.0))
    assert source.reason == "joint states of the arm lack b" and source.now < 10.3


@pytest.mark.parametrize("wrong", [{"stamp": 9.0}, {"stamp": 99.0}])
def test_one_message_in_the_wrong_order_or_from_another_clock_may_be_chance(wrong):
    source = Source()
    for _ in range(5):
        for _ in range(30):
            assert source.send()
        assert not source.send(**wrong) and source.reason == ""


def test_a_second_source_whose_stamps_are_behind_is_noticed_although_the_first_goes_on():
    source = Source()
    reasons = []
    for _ in range(10):
        source.send()
        source.send(stamp=source.now - 0.5)
        reasons.append(source.reason)
    assert "out of order" in reasons[4] and reasons[-1]


@pytest.mark.parametrize("every", [2, 5, 12])
def test_a_second_source_that_repeats_stamps_is_noticed_by_what_it_says_and_holds_all_the_time(every):
    source = Source()
    reasons = []
    for n in range(240):
        source.send()
        if n % every == 0:
            assert not source.send(stamp=source.reader.stamp, positions=(0.0, 0.0, 0.0))
            assert "say two things of a at the same time: two publishers" in source.reason
        reasons.append(source.reason)
    assert all(reasons[120:]), "not one stop after the other"
    assert source.reader.positions.tolist() == [1.0, 2.0]


def test_other_joints_of_the_robot_come_in_messages_of_their_own():
    source = Source()
    source.send()
    for _ in range(50):
        assert not source.send(names=["finger", "lift"], positions=(0.0, 0.0))
    assert source.reason == "", "silence has a limit of its own"


def test_velocities_that_nobody_measures_are_not_numbers():
    source = Source()
    source.send(velocities=(0.1, np.nan, 0.0))
    assert source.reader.velocities[0] == 0.1 and np.isnan(source.reader.velocities[1]) and source.reason == ""
    source.send(velocities=(0.1, np.inf, -np.inf))
    assert source.reader.velocities[0] == 0.1 and np.isnan(source.reader.velocities[1:]).all() and source.reason == ""
    source.send(velocities=(0.1,))
    assert np.isnan(source.reader.velocities).all() and source.reason == ""


def test_sources_may_leave_stamps_at_zero_where_that_is_permitted():
    watch = StampWatch("forces", Evidence(), unstamped=True)
    assert watch.take(0.0, 5.0) and watch.take(0.0, 5.0) and watch.take(0.0, 5.1)
    assert watch.newest == 5.1
    watch.forget()
    assert watch.take(0.0, 1.0)
