# SPDX-License-Identifier: Apache-2.0
"""Chunks become one target for each moment: on time, without jumps, and never from the past."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.control.chunk_queue import JOININGS, ChunkQueue
from wall_oss_ros.policy.chunk import Chunk

ROTATION, GRIPPER = slice(10, 13), 13


def chunk(stamp: float, x: float = 0.0, speed: float = 0.1, opening: float = 0.08, horizon: int = 10) -> Chunk:
    """A motion along the right arm's x from ``x`` at ``speed``, ten rows a second."""
    start = np.zeros(20)
    start[7] = x
    rows = np.tile(start, (horizon, 1))
    rows[:, 7] += speed * 0.1 * np.arange(1, horizon + 1)
    rows[:, GRIPPER] = opening
    return Chunk(stamp, start, rows, 10.0)


def queue(blend: float = 0.2, joining: str = "blend") -> ChunkQueue:
    return ChunkQueue([ROTATION], [GRIPPER], blend, joining)


def test_a_late_chunk_is_entered_where_it_should_be_now():
    q = queue()
    assert q.put(chunk(5.0), now=5.34)
    assert q.steps_done(5.34) == 3
    assert q.target(5.34)[7] == pytest.approx(0.1 * 0.34)


def test_targets_lie_on_the_line_between_rows():
    q = queue()
    q.put(chunk(0.0), now=0.0)
    for time in (0.0, 0.05, 0.1, 0.333, 0.9, 1.0):
        assert q.target(time)[7] == pytest.approx(0.1 * time), time


def test_what_is_followed_has_the_openings_of_its_own_steps():
    """Else each chunk that goes on from the one before would close the hand a step earlier than that did."""
    q, closing = queue(), chunk(0.0)
    closing.targets[:, GRIPPER] = np.linspace(0.08, 0.0, 10)
    q.put(closing, now=0.0)
    assert q.followed().targets == pytest.approx(closing.targets)
    assert q._mixer.later(q.followed(), 0.3) == pytest.approx(closing.targets[3:])
    assert q._mixer.later(q.followed(), 0.25)[:, GRIPPER] == pytest.approx(closing.targets[3:, GRIPPER])


def test_a_used_up_chunk_gives_no_target():
    q = queue()
    assert q.target(0.0) is None
    q.put(chunk(0.0), now=0.0)
    assert q.target(1.0) is not None
    assert q.target(1.01) is None


def test_a_chunk_that_has_passed_or_is_older_is_refused():
    q = queue()
    assert not q.put(chunk(0.0), now=1.5)
    assert q.put(chunk(2.0), now=2.1)
    assert not q.put(chunk(1.5, x=9.0), now=2.1)
    assert q.target(2.1)[7] < 1.0


def test_the_gripper_takes_the_coming_row_at_once():
    q = queue()
    q.put(chunk(0.0, opening=0.08), now=0.0)
    q.put(chunk(0.5, opening=0.0), now=0.5)
    assert q.target(0.5)[GRIPPER] == 0.0


def test_angles_are_mixed_the_short_way_round():
    first, second = chunk(0.0), chunk(0.2)
    first.targets[:, 10], first.start[10] = 3.1, 3.1
    second.targets[:, 10], second.start[10] = -3.1, -3.1
    q = queue(blend=1.0)
    q.put(first, now=0.0)
    q.put(second, now=0.2)
    for time in np.linspace(0.2, 1.0, 9):
        angle = q.target(time)[10]
        assert abs(np.cos(angle) - np.cos(3.1)) < 1e-3


@settings(max_examples=100, deadline=None)
@given(offset=st.floats(-0.1, 0.1), late=st.floats(0.0, 0.9), speed=st.floats(-0.3, 0.3))
def test_switching_chunks_never_jumps(offset, late, speed):
    """However much two chunks disagree, the target moves on by little more than they do themselves."""
    q, step = queue(blend=0.2), 0.01
    q.put(chunk(0.0, speed=0.1), now=0.0)
    before = q.target(0.5)[7]
    q.put(chunk(0.5 - late / 2, x=before + offset, speed=speed), now=0.5)
    fastest = (0.1 + abs(speed)) * step + 1.5 * (abs(offset) + abs(speed) + 0.1) * step / 0.2 + 1e-9
    for time in np.arange(0.5 + step, 0.5 + 0.4, step):
        now = q.target(time)
        if now is None:
            break
        assert abs(now[7] - before) <= fastest
        before = now[7]


def test_switching_enters_the_new_chunk_at_once():
    q = ChunkQueue([ROTATION], [GRIPPER], 0.2, "switch")
    q.put(chunk(0.0), now=0.0)
    q.put(chunk(0.5, x=0.3), now=0.6)
    assert q.target(0.6)[7] == pytest.approx(0.3 + 0.1 * 0.1)


def test_an_ensemble_is_the_mean_of_what_all_chunks_say_for_a_moment():
    """With ACT's weights exp(-0.01 i), i = 0 for the oldest; the gripper obeys the newest."""
    q = ChunkQueue([ROTATION], [GRIPPER], 0.2, "ensemble")
    for index, (x, angle) in enumerate([(0.0, 3.1), (0.3, -3.1), (0.9, 3.1)]):
        one = chunk(0.1 * index, x=x, speed=0.0, opening=0.01 * index)
        one.targets[:, 10] = one.start[10] = angle
        q.put(one, now=0.1 * index)
    w = np.exp(-0.01 * np.arange(3))
    assert q.target(0.5)[7] == pytest.approx(w @ [0.0, 0.3, 0.9] / w.sum())
    assert np.cos(q.target(0.5)[10]) == pytest.approx(np.cos(np.pi), abs=2e-3), "the short way round"
    assert q.target(0.5)[GRIPPER] == 0.02
    assert q.target(1.05)[7] == pytest.approx(w[:2] @ [0.3, 0.9] / w[:2].sum()), "the oldest is over"
    assert q.target(1.15)[7] == pytest.approx(0.9)


def left(q, stamp):
    return q._mixer.later(q.followed(), stamp)


def test_what_remains_is_told_in_the_times_of_the_new_chunk():
    q = queue()
    assert q.followed() is None
    q.put(chunk(0.0), now=0.1)
    rows = left(q, 0.35)  # between two rows
    assert rows[:, 7] == pytest.approx(0.1 * (0.35 + 0.1 * np.arange(1, 7)))
    assert left(q, 1.0).shape[0] == 0 and left(q, -0.1).shape[0] == 0


@pytest.mark.parametrize("stamp", [0.0, 0.1, 5.3, 1795975785.3])
def test_steps_at_their_very_times_have_passed_and_all_are_left_at_the_beginning(stamp):
    q = queue()
    q.put(chunk(stamp), now=stamp)
    assert [q.steps_done(stamp + k / 10) for k in range(12)] == [*range(11), 10]
    assert len(left(q, stamp)) == 10
    times, targets = q.ahead(stamp + 0.35)
    assert times == pytest.approx(stamp + 0.1 * np.arange(4, 11))
    assert targets[:, 7] == pytest.approx(0.1 * (times - stamp), abs=1e-6)


def test_stamp_and_end_are_the_newest_chunks_and_none_without_one():
    q = queue()
    assert q.stamp is None and q.end is None and [len(part) for part in q.ahead(0.0)] == [0, 0]
    q.put(chunk(0.0), now=0.0)
    q.put(chunk(0.5), now=0.6)
    assert q.stamp == 0.5 and q.end == 1.5
    assert not q.put(chunk(0.6), now=1.6), "its last step is due now"
    assert q.put(chunk(0.5, x=0.3), now=0.6), "another one from the same observation"


def test_an_unknown_way_of_joining_is_refused():
    with pytest.raises(ValueError, match="real_time"):
        ChunkQueue([], [], 0.1, "glue")


@pytest.mark.parametrize("joining", JOININGS)
def test_what_is_put_off_is_the_same_later(joining):
    """A robot that cannot follow in time puts everything off; what a chunk's age counts from stays."""
    q, later = queue(joining=joining), queue(joining=joining)
    for one in (q, later):
        one.put(chunk(0.0), now=0.0)
        one.put(chunk(0.3), now=0.4)
    later.delay(0.25)
    for time in np.linspace(0.41, 1.29, 30):
        assert later.target(time + 0.25) == pytest.approx(q.target(time))
    assert later.end == pytest.approx(q.end + 0.25) and later.stamp == q.stamp == 0.3
    assert later.steps_done(0.85) == q.steps_done(0.85) == 5, "the next chunk is asked for in time"
    told = later.followed()
    assert told.stamp == 0.3 and told.end >= later.end - 1e-9
    assert told.targets[-1] == pytest.approx(q.target(q.end))


def test_a_chunk_is_entered_where_a_late_robot_has_come():
    q, late = queue(joining="switch"), queue(joining="switch")
    q.put(chunk(0.0), now=0.5)
    assert late.put(chunk(0.0), now=0.5, late=0.2)
    assert late.target(0.7) == pytest.approx(q.target(0.5)) and late.stamp == 0.0
    assert not queue(joining="switch").put(chunk(0.0), now=1.3, late=0.2) and queue(joining="switch").put(
        chunk(0.0), now=1.1, late=0.2
    )
    assert not late.put(chunk(-0.1), now=0.6, late=0.9), "by observation, not by when it is followed"
