# SPDX-License-Identifier: Apache-2.0
"""The failure monitor: what is alarming, what is not, and what nonsense it is told makes of it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from wall_oss_ros.policy.chunk import Chunk
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.uni_cot.watching.chunks import AgreementLimits
from wall_oss_ros.uni_cot.watching.grip import GripLimits
from wall_oss_ros.uni_cot.watching.monitor import WATCHES, FailureMonitor, WatchSettings
from wall_oss_ros.uni_cot.watching.repetition import Place

LAYOUT = Layout(load_profile("franka"))
RATE = LAYOUT.profile.rate_hz
STEP, HORIZON = 0.5, 10  # s between chunks, and their steps
HOME = np.array([0.4, 0.0, 0.3])
OPEN = LAYOUT.profile.gripper.open


def state(position=HOME, opening=OPEN):
    vector = np.zeros(LAYOUT.size, np.float32)
    vector[LAYOUT.position], vector[LAYOUT.gripper] = position, opening
    return vector


def chunk(stamp, start=HOME, way=(0.02, 0.0, 0.0), opening=OPEN):
    """Each step goes on by ``way`` (3,) m from ``start`` (3,)."""
    rows = np.array([state(np.add(start, np.multiply(way, k + 1)), opening) for k in range(HORIZON)], float)
    return Chunk(stamp, state(start).astype(float), rows, RATE)


def seen(stamp, position=HOME, opening=OPEN, images=None, known=True):
    mask = LAYOUT.mask.copy()
    mask[LAYOUT.gripper] = known
    return Observation(stamp, images or {}, state(position, opening), mask)


class Watched:
    """A monitor of one subtask, with what it has said."""

    def __init__(self, settings=WatchSettings(), layout=LAYOUT):
        self.monitor, self.said = FailureMonitor(layout, settings), []
        self.monitor.begin(("plan", 0))

    def chunk(self, *args, expert="", **options):
        self._note(self.monitor.chunk(chunk(*args, **options), expert))

    def see(self, *args, **options):
        self._note(self.monitor.observe(seen(*args, **options)))

    def _note(self, problem):
        if problem is not None:
            self.said.append(problem)

    @property
    def watches(self):
        return [problem.watch for problem in self.said]


def travel(watched, begin=0.0, seconds=12.0, start=HOME, speed=0.1, opening=OPEN):
    """A robot that does what it is told, and gets on."""
    for k in range(round(seconds / STEP)):
        at, now = begin + k * STEP, np.add(start, (speed * k * STEP, 0, 0))
        watched.see(at, now, opening)
        watched.chunk(at, now, (speed / RATE, 0, 0), opening)


def test_work_that_gets_on_is_not_alarming():
    watched = Watched()
    travel(watched)
    watched.monitor.begin(("plan", 1))
    travel(watched, 12.0)
    assert watched.said == []


# Chunks.


def known_usual(watched):
    """A subtask that goes well tells what is usual."""
    travel(watched, 0.0, 6.0)
    watched.monitor.begin(("plan", 1))


def dither(watched, begin=6.0, seconds=6.0, far=0.02):
    """Every second chunk wants to go the other way."""
    for k in range(round(seconds / STEP)):
        at = begin + k * STEP
        watched.see(at, np.add(HOME, (0, 0.002 * k, 0)))
        watched.chunk(at, way=(far * (-1) ** k, 0, 0))


def test_chunks_that_take_each_other_back_are_alarming():
    watched = Watched()
    known_usual(watched)
    dither(watched)
    assert watched.watches[0] == "agreement"
    first = watched.said[0]
    assert first.about == ("plan", 1) and 6.0 < first.stamp <= 6.0 + 5 * STEP
    assert "4 of the last" in first.why and " m in the last" in first.why and not first.why.endswith(".")


def test_dithering_that_is_usual_is_not():
    """A model whose chunks differ as much when all goes well."""
    watched = Watched()
    dither(watched, 0.0)
    watched.monitor.begin(("plan", 1))
    dither(watched)
    assert "agreement" not in watched.watches


def test_before_anything_is_usual_chunks_are_not_alarming():
    watched = Watched()
    dither(watched, 0.0)
    assert "agreement" not in watched.watches


def test_a_robot_that_falls_behind_does_not_take_back():
    """It sees that it is not yet where the last chunk wanted it to be, and goes on from there."""
    watched = Watched()
    known_usual(watched)
    for k in range(12):
        here = np.add(HOME, (0.05 * k, 0, 0))  # told to go 0.3 m/s, it goes a third of that
        watched.see(6.0 + k * STEP, here)
        watched.chunk(6.0 + k * STEP, here, (0.3 / RATE, 0, 0))
    assert watched.said == []
    assert watched.monitor.agreement.last[0] < 0.02  # 0.1 m without regard to that


def test_what_two_experts_say_is_not_compared():
    watched = Watched()
    known_usual(watched)
    for k in range(12):
        watched.see(6.0 + k * STEP, np.add(HOME, (0, 0.03 * k, 0)))
        watched.chunk(6.0 + k * STEP, way=(0.02 * (-1) ** k, 0, 0), expert="ab"[k % 2])
    assert watched.said == []


def test_chunks_that_ask_for_nothing_any_more_are_alarming():
    watched = Watched()
    travel(watched, 0.0, 2.0)
    for k in range(12):
        watched.chunk(2.0 + k * STEP, way=(0.0002, 0, 0))
    assert watched.watches == ["convergence"]
    assert watched.said[0].stamp == pytest.approx(6.0) and "nearly no motion for 4.0 s" in watched.said[0].why


def test_fingers_that_are_told_to_close_are_motion():
    watched = Watched()
    for k in range(12):
        watched.chunk(k * STEP, way=(0, 0, 0), opening=OPEN * (k % 2))
    assert watched.said == []


def test_a_judgement_that_changes_puts_that_off():
    watched = Watched()
    for k in range(12):
        watched.chunk(k * STEP, way=(0, 0, 0))
        watched.monitor.judged("done" if k % 6 == 5 else "pick up")
    assert watched.said == []


# Progress.


@pytest.mark.parametrize("radius", [0.001, 0.08], ids=["still", "circles"])
def test_no_progress_is_alarming(radius):
    watched = Watched()
    for k in range(44):
        around = (radius * math.cos(k), radius * math.sin(k), 0)
        watched.see(0.25 * k, np.add(HOME, around))
    assert watched.watches == ["progress"]
    words = watched.said[0].why
    assert ("to and fro within" in words) == (radius > 0.01) and ("stayed within" in words) == (radius < 0.01)
    assert "nothing new has been seen for 6 s" in words


def test_an_object_that_moves_is_progress():
    watched = Watched()
    for k in range(80):
        image = np.zeros((112, 112, 3), np.uint8)
        image[20:40, k : k + 20] = 255  # something is pushed along, which the hand stands beside
        watched.see(0.25 * k, images={"face_view": image})
    assert watched.said == []


def test_noise_and_exposure_are_not():
    watched, rng = Watched(), np.random.default_rng(0)
    scene = rng.integers(0, 200, (112, 112, 3))
    for k in range(44):
        image = np.clip(scene + 20 * (k % 3) + rng.normal(0, 8, scene.shape), 0, 255).astype(np.uint8)
        watched.see(0.25 * k, images={"face_view": image})
    assert watched.watches == ["progress"]


def test_who_is_told_to_move_and_stays_is_named_so():
    """As when a person holds the arm still: it is no progress, and the words say what was seen."""
    watched = Watched()
    for k in range(40):
        watched.see(0.25 * k)
        if k % 2 == 0:
            watched.chunk(0.25 * k)
    assert watched.watches == ["progress"] and "stayed within 0.00 m, and is told to go 0.18 m" in watched.said[0].why


def test_while_the_robot_holds_nothing_is_alarming():
    """A person has stopped it: for as long as they like, and time counts anew afterwards."""
    watched = Watched()
    watched.see(0.0)
    watched.monitor.working(False)
    for k in range(120):
        watched.see(0.25 * k)
        watched.chunk(0.25 * k, way=(0, 0, 0))
    watched.monitor.working(True)
    for k in range(12):
        watched.see(30.0 + 0.25 * k)
        watched.chunk(30.0 + 0.25 * k, way=(0, 0, 0))
    assert watched.said == []


def test_without_a_subtask_nothing_is_alarming():
    watched = Watched()
    watched.monitor.begin(None)
    for k in range(120):
        watched.see(0.25 * k)
        watched.chunk(0.25 * k, way=(0, 0, 0))
    assert watched.said == []


def test_a_new_judgement_is_news_once():
    watched = Watched()
    for k in range(100):
        watched.monitor.judged("pick up" if k % 2 else "done")
        watched.see(0.25 * k)
    assert watched.watches[0] == "progress" and watched.said[0].stamp < 10.0


def test_a_subtask_that_is_tried_again_gets_its_time_again():
    watched = Watched()
    for k in range(20):
        watched.see(0.25 * k)
    watched.monitor.begin(("plan", 0, "again"))
    for k in range(20, 40):
        watched.see(0.25 * k)
    assert watched.said == []


# Grip.


def grip(watched, openings, told=0.0, begin=0.0, known=True):
    """Fingers are told to close, and are seen at these openings (m), each 0.1 s."""
    watched.see(begin, opening=OPEN, known=known)
    for k, opening in enumerate(openings):
        now = begin + 0.1 * (k + 1)
        if k % 5 == 0:
            watched.chunk(now, opening=told)
        watched.see(now, np.add(HOME, (0.01 * k, 0, 0)), opening=opening, known=known)


CLOSING = [0.07, 0.06, 0.05, 0.04, 0.03, 0.02, 0.01]


def test_fingers_that_close_on_nothing_are_alarming_once():
    watched = Watched()
    grip(watched, [*CLOSING, *[0.0005] * 40])
    assert watched.watches == ["grip"]
    assert (
        watched.said[0].why
        == "the gripper has closed on nothing: told to close, its fingers went to 0.001 m, their end"
    )
    assert watched.said[0].stamp < 2.0


@pytest.mark.parametrize("thickness", [0.04, 0.006, 0.075], ids=["cube", "thin", "thicker than usual"])
def test_fingers_that_hold_something_are_not(thickness):
    watched = Watched()
    grip(watched, [max(opening, thickness) for opening in [*CLOSING, *[0.0] * 30]])
    assert "grip" not in watched.watches


def test_what_was_held_and_is_lost_is_alarming():
    watched = Watched()
    grip(watched, [0.07, 0.06, 0.05, *[0.04] * 15, 0.03, 0.02, 0.01, *[0.0005] * 15])
    assert watched.watches == ["grip"]
    assert "lost what it held: it was stopped at 0.040 m" in watched.said[0].why


def test_what_was_held_is_known_in_the_next_subtask():
    """Which begins as the model judges, at any moment, and some time before it has a chunk of its own."""
    watched = Watched()
    grip(watched, [0.07, 0.06, 0.05, *[0.04] * 12])
    watched.monitor.begin(("plan", 1))
    for k, opening in enumerate([0.04, 0.03, 0.01, *[0.0] * 17]):
        now = 1.7 + 0.1 * k
        if k >= 5 and k % 5 == 0:
            watched.chunk(now, opening=0.0)
        watched.see(now, np.add(HOME, (0, 0.01 * k, 0)), opening=opening)
    (problem,) = watched.said
    assert problem.why.startswith("the gripper has lost what it held: it was stopped at 0.040 m")
    assert problem.about == ("plan", 1) and problem.stamp >= 2.7, "time counts from what this subtask says itself"


def test_what_is_told_to_close_by_and_by_holds_nothing():
    watched = Watched()
    watched.see(0.0)
    for k in range(40):
        told = 0.01 if k < 20 else 0.0
        watched.chunk(0.1 * k, np.add(HOME, (0.01 * k, 0, 0)), opening=told)
        watched.see(0.1 * k + 0.05, np.add(HOME, (0.01 * k, 0, 0)), opening=max(OPEN - 0.01 * k, told))
    assert [problem.why.split(":")[0] for problem in watched.said] == ["the gripper has closed on nothing"]


@pytest.mark.parametrize(
    ("openings", "told", "known"),
    [
        ([OPEN] * 40, 0.0, True),  # a gripper whose opening is made up, or that is stuck
        ([0.0] * 40, 0.0, True),  # the same, closed
        ([*CLOSING, *[0.0] * 30], 0.0, False),  # one of which no opening is known
        ([*CLOSING, *[0.0] * 30], 0.03, True),  # told to stay open by 3 cm, it closes: not what this watches
    ],
    ids=["stuck", "stuck closed", "unknown", "told otherwise"],
)
def test_fingers_that_tell_nothing_are_not_alarming(openings, told, known):
    watched = Watched()
    if openings[0] == 0.0:
        watched.see(-0.1, opening=0.0)
        watched.monitor.begin(("plan", 1))
        watched.chunk(0.0, opening=0.0)
        for k in range(40):
            watched.see(0.1 * k, np.add(HOME, (0.01 * k, 0, 0)), opening=0.0)
    else:
        grip(watched, openings, told, known=known)
    assert "grip" not in watched.watches


def test_a_new_closing_is_alarming_again():
    watched = Watched()
    for begin in (0.0, 6.0):
        grip(watched, [*CLOSING, *[0.0] * 30], begin=begin)
        watched.chunk(begin + 4.0, opening=OPEN)
        watched.see(begin + 4.2, opening=OPEN)
    assert watched.watches.count("grip") == 2


def test_the_gripper_is_named_where_there_are_several():
    layout = Layout(load_profile("dual_arm"))
    monitor = FailureMonitor(layout)
    monitor.begin("carry")
    wide = layout.arms[0].profile.gripper.open
    vector, said = np.zeros(layout.size, np.float32), []
    vector[[own.gripper for own in layout.arms]] = wide
    for k in range(40):
        closed = layout.arms[1].gripper
        vector[closed] = max(0.0, wide - 0.02 * k)
        told = np.tile(vector.astype(float), (HORIZON, 1))
        told[:, closed] = 0.0
        if k % 4 == 0:
            monitor.chunk(Chunk(0.1 * k, vector.astype(float), told, layout.profile.rate_hz))
        said.append(monitor.observe(Observation(0.1 * k, {}, vector.copy(), layout.mask)))
    names = [problem.why for problem in said if problem]
    assert len(names) == 1 and f"gripper of the {layout.arms[1].profile.arm.name}" in names[0]


# What it may be told wrongly.


def nonsense():
    good = chunk(1.0)
    targets = good.targets.copy()
    targets[3, LAYOUT.position.start] = np.nan
    yield replace(good, targets=targets)
    yield replace(good, targets=np.empty((0, LAYOUT.size)))
    yield replace(good, targets=good.targets[:, :7])
    yield replace(good, targets=good.targets[0])
    yield replace(good, start=np.full(LAYOUT.size, np.inf))
    yield replace(good, start=np.zeros(3))
    yield replace(good, stamp=math.nan)
    yield replace(good, rate_hz=0.0)
    yield replace(good, rate_hz=math.inf)


@pytest.mark.parametrize(
    "wrong", list(nonsense()), ids=lambda one: f"{np.shape(one.targets)} {one.stamp:g} {one.rate_hz:g}"
)
def test_chunks_that_are_none_change_nothing(wrong):
    watched = Watched()
    known_usual(watched)
    before = watched.monitor.convergence.asked.copy()
    assert watched.monitor.chunk(wrong) is None
    assert (watched.monitor.convergence.asked == before).all()
    dither(watched)
    assert watched.watches[0] == "agreement"


def test_chunks_out_of_order_and_twice_are_left_out():
    watched = Watched()
    known_usual(watched)
    for k in range(12):
        at = 6.0 + k * STEP
        here = np.add(HOME, (0.05 * k, 0, 0))
        watched.see(at, here)
        for stamp in (at, at, at - 0.3, at - 0.9):
            watched.chunk(stamp, here, (0.1 / RATE if stamp == at else -0.1, 0, 0))
    assert watched.said == []


@pytest.mark.parametrize("leap", [-1000.0, 1000.0])
def test_a_clock_that_leaps_makes_it_start_over(leap):
    watched = Watched()
    for k in range(24):
        watched.see(100.0 + 0.25 * k)
    for k in range(24):
        watched.see(100.0 + leap + 0.25 * k)
    assert watched.said == []
    for k in range(24, 40):
        watched.see(100.0 + leap + 0.25 * k)
    assert watched.watches == ["progress"]


def test_a_stamp_that_is_a_little_late_is_left_out():
    watched = Watched()
    for k in range(44):
        watched.see(0.25 * k - (0.4 if k % 3 == 2 else 0.0))
    assert watched.watches == ["progress"]


@pytest.mark.parametrize(
    "bad",
    [
        Observation(math.nan, {}, state(), LAYOUT.mask),
        Observation(1.0, {}, np.zeros(3, np.float32), np.ones(3, bool)),
        Observation(1.0, {}, np.full(LAYOUT.size, np.nan, np.float32), LAYOUT.mask),
        Observation(1.0, {"tiny": np.zeros((3, 3, 3), np.uint8)}, state(), LAYOUT.mask),
        Observation(1.0, {}, state(), np.zeros(LAYOUT.size, bool)),
    ],
    ids=["no time", "another robot's", "not finite", "tiny picture", "nothing known"],
)
def test_observations_that_tell_nothing_raise_nothing(bad):
    watched = Watched()
    watched.see(0.5)
    assert watched.monitor.observe(bad) is None


def test_what_is_not_watched_says_nothing():
    for left_out in WATCHES:
        watched = Watched(WatchSettings(watches=tuple(one for one in WATCHES if one != left_out)))
        known_usual(watched)
        dither(watched)
        grip(watched, [*CLOSING, *[0.0] * 30], begin=20.0)
        for k in range(60):
            watched.see(30.0 + 0.25 * k)
            watched.chunk(30.0 + 0.25 * k, way=(0, 0, 0))
        for k in range(8):
            watched.monitor.begin(("plan", "to and fro", k % 2), Place(1 - k % 2, "a line", "order", "decision"))
            watched.see(46.0 + 0.25 * k)
        assert set(watched.watches) == set(WATCHES) - {left_out}


def test_limits_are_followed():
    strict = WatchSettings(agreement=AgreementLimits(metres=1.0), grip=GripLimits(seconds=3.0))
    watched = Watched(strict)
    known_usual(watched)
    dither(watched)
    grip(watched, [*CLOSING, *[0.0] * 25], begin=20.0)
    assert "agreement" not in watched.watches and "grip" not in watched.watches


def test_memory_is_bounded():
    watched, rng = Watched(), np.random.default_rng(0)
    for k in range(600):
        watched.see(0.25 * k, HOME + rng.uniform(-0.3, 0.3, 3))
    assert len(watched.monitor.progress._places) <= 256 and watched.said == []
