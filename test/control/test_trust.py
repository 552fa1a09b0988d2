# SPDX-License-Identifier: Apache-2.0
"""Which readings are believed: after a glitch, a jump, a pause, and before anything was commanded."""

import numpy as np
import pytest

from wall_oss_ros.control.trust import Frozen, Possible, Trust

HOME = np.array([0.5, -0.5])
POSSIBLE = Possible(
    np.full(2, 2.0),
    np.full(2, 0.15),
    np.full(2, 0.05),
    np.full(2, 0.01),
    np.full(2, -1.0),
    np.full(2, 1.0),
    "rad",
    ("a", "b"),
)


class Read:
    """Readings at 50 Hz."""

    def __init__(self, commanded: bool = True):
        self.trust, self.now = Trust("arm", POSSIBLE), 10.0
        self(HOME, 12)
        self.trust.commanded = commanded

    def __call__(self, values, times: int = 1, every: float = 0.02) -> str:
        for _ in range(times):
            self.now += every
            self.trust.hear(self.now, np.asarray(values, float))
        return self.trust.reason


def test_at_first_readings_are_believed_after_a_while_at_rest():
    read = Read()
    assert read.trust.believed == pytest.approx(HOME)
    trust = Trust("arm", POSSIBLE)
    for n in range(10):
        trust.hear(n * 0.02, HOME)
        assert trust.believed is None and "at rest for 0.2 s" in trust.reason
    trust.hear(0.2, HOME)
    assert trust.believed is not None
    trust = Trust("arm", POSSIBLE)
    for n in range(50):
        trust.hear(n * 0.02, HOME - 0.005 * n)
    assert trust.believed is None, "it moves"


def test_at_first_they_are_to_be_in_range():
    trust = Trust("arm", POSSIBLE)
    for n in range(30):
        trust.hear(n * 0.02, np.array([0.0, 1.2]))
    assert trust.believed is None and trust.reason == "b of the arm reads 1.20 rad, outside its range -1.00 to 1.00"


def test_a_glitch_heals_by_itself():
    read = Read()
    assert read([0.0, 0.0]) == "the arm cannot be where it reads: a jumped by 0.50 rad"
    assert read.trust.believed == pytest.approx(HOME)
    assert read(HOME, 4) and read(HOME) == "" and not read.trust.latched


@pytest.mark.parametrize("between", [5, 8, 30])
def test_glitches_that_come_again_and_again_end_in_one_lasting_hold(between):
    """As of a second publisher that is slower than the first: not one stop after the other."""
    read = Read()
    reasons = []
    for _ in range(12):
        read([0.0, 0.0])
        reasons += [read(HOME) for _ in range(between)]
    assert all(reasons[len(reasons) // 2 :]), "it holds all the time"
    assert read(HOME, 400) == "" and not read.trust.latched, "until it has been quiet for long"


def test_a_jump_that_stays_waits_for_a_person():
    read = Read()
    there = HOME + [0.0, 0.4]
    assert "jumped" in read(there, 10) and not read.trust.latched
    assert "b jumped by 0.40 rad and stays there; call the service resume" in read(there)
    assert "resume" in read(HOME, 100) and "resume" in read(there, 100), "whatever it reads then"
    read.trust.forget()
    read(there, 20)
    assert read.trust.latched, "nor does a clock that leaps change that"
    assert read.trust.accept() and not read.trust.accept()
    assert read.trust.reason == "" and read.trust.believed == pytest.approx(there), "it has rested there for long"


def test_what_still_moves_is_not_accepted_before_it_rests():
    read = Read()
    for n in range(30):
        read(HOME + 0.5 + 0.02 * n)
    assert read.trust.latched and read.trust.accept() and read.trust.believed is None
    assert read(HOME + 0.3, 10) and read(HOME + 0.3) == ""


def test_nothing_becomes_possible_by_waiting():
    read = Read()
    for _ in range(40):  # a second source: good readings are rare
        for _ in range(8):
            assert read([0.0, 0.0])
        assert read(HOME)
    assert not read.trust.latched and read.trust.believed == pytest.approx(HOME)


def test_many_small_steps_are_a_jump_too():
    read = Read()
    values, reasons = HOME.copy(), []
    for _ in range(8):
        values = values - 0.14
        reasons.append(read(values))
    assert reasons[0] == "" and all("jumped" in reason for reason in reasons[2:])


def test_motion_as_fast_as_is_possible_is_none():
    read = Read()
    for n in range(20):
        assert read(HOME - 0.039 * n) == ""


def test_before_anything_is_commanded_it_collects_anew():
    read = Read(commanded=False)
    assert "jumped" in read([0.0, 0.0]) and read.trust.believed is None
    assert read([0.0, 0.0], 10) == "" and not read.trust.latched


def test_after_a_pause_they_are_to_be_at_rest_again_and_where_they_were():
    read = Read()
    read.now += 1.0
    assert "was not read for 1.0 s" in read(HOME) and read.trust.believed is None
    assert read(HOME, 10) == ""
    read.now += 1.0
    assert "elsewhere after a pause" in read(HOME - 0.3, 12)
    read.trust.accept()
    assert read(HOME - 0.3, 12) == ""


def test_the_same_figures_count_as_frozen_only_while_it_is_told_to_move():
    frozen, now = Frozen("arm", 0.03), 0.0
    for _ in range(100):
        now += 0.01
        frozen.hear(HOME.copy())
        frozen.told(now, HOME)
        assert frozen.reason == ""
    begun = now
    while not frozen.reason:
        now += 0.01
        frozen.hear(HOME.copy())
        frozen.told(now, HOME + (now - begun) * 0.4)
        assert now - begun < 0.2
    assert "same figures" in frozen.reason
    frozen.hear(HOME + 1e-9)
    assert frozen.reason == ""
