# SPDX-License-Identifier: Apache-2.0
"""Views of one moment, the joints at that moment, and what is said when views do not meet."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.perception.joint_history import JointHistory
from wall_oss_ros.perception.rates import RateLimit, RateMeter
from wall_oss_ros.perception.views import ViewSync

START = 200_000.0  # s


def sync(slop: float = 0.05) -> ViewSync:
    return ViewSync(["front", "wrist"], slop)


def test_a_set_needs_every_view():
    views = sync()
    views.add_image("front", 1.0, "f1", 1.0)
    assert views.pop_synchronised() is None
    assert views.complaints(1.0, 0.5) == ["no image of wrist yet"]
    views.add_image("wrist", 1.02, "w1", 1.02)
    assert views.pop_synchronised() == (1.0, {"front": "f1", "wrist": "w1"})
    assert views.pop_synchronised() is None, "a set is given once"


def test_views_further_apart_than_the_slop_make_no_set():
    views = sync(slop=0.05)
    views.add_image("front", 1.0, "f1", 1.0)
    views.add_image("wrist", 1.2, "w1", 1.2)
    assert views.pop_synchronised() is None
    views.add_image("front", 1.18, "f2", 1.2)
    assert views.pop_synchronised() == (1.18, {"front": "f2", "wrist": "w1"})


def test_the_partner_nearest_in_time_is_chosen():
    views = sync()
    for stamp, name in ((1.00, "f1"), (1.03, "f2"), (1.06, "f3")):
        views.add_image("front", stamp, name, stamp)
    views.add_image("wrist", 1.035, "w1", 1.06)
    assert views.pop_synchronised()[1] == {"front": "f2", "wrist": "w1"}


def test_a_restarted_clock_begins_anew():
    views = sync()
    for stamp in (100.0, 0.1):
        views.add_image("front", stamp, "f", stamp)
        views.add_image("wrist", stamp, "w", stamp)
        assert views.pop_synchronised()[0] == stamp


def run(lags: dict[str, float], hz: float = 15.0, until: float = 5.0, late: dict[str, float] | None = None):
    """Two cameras for some seconds, whose stamps lag behind the clock, or whose images come late. Sets, complaints."""
    views, sets, late = sync(0.1), [], late or {}
    arrivals = sorted(
        (START + k / hz + late.get(name, 0.0), START + k / hz - lag, name)
        for k in range(1, int(until * hz))
        for name, lag in lags.items()
    )
    for now, stamp, name in arrivals:
        views.add_image(name, stamp, name, now)
        sets += filter(None, [views.pop_synchronised()])
    return sets, views.complaints(arrivals[-1][0], 1.0)


@pytest.mark.parametrize(
    "lags, said",
    [
        ({"front": 0.0, "wrist": -0.8}, "images of wrist are stamped 0.80 s in the future: is the clock"),
        ({"front": 0.0, "wrist": -3.0}, "images of wrist are stamped 3.00 s in the future: is the clock"),
        ({"front": 3.0, "wrist": 0.0}, "last image of front is 3.0 s old"),
        ({"front": 0.0, "wrist": 1e5}, "last image of wrist is stamped by another clock, far in the past"),
        ({"front": 0.0, "wrist": -1e9}, "wrist are stamped by another clock, far in the future"),
    ],
)
def test_views_that_never_meet_are_named_with_the_figure(lags, said):
    sets, complaints = run(lags)
    assert not sets and any(said in complaint for complaint in complaints), complaints


@pytest.mark.parametrize("hz, late", [(60.0, 0.25), (30.0, 0.8), (15.0, 0.9)])
def test_a_camera_whose_images_come_late_still_finds_its_partners(hz, late):
    sets, complaints = run({"front": 0.0, "wrist": 0.0}, hz, late={"front": late})
    assert len(sets) > 2.5 * hz
    assert complaints == ([f"images of front come {late:.2f} s after they were taken"] if late > 0.3 else [])


def test_slow_cameras_that_take_turns_do_not_meet():
    sets, complaints = run({"front": 0.25, "wrist": 0.0}, hz=2.0)
    assert not sets
    assert complaints == [
        "the views do not meet: front is 0.25 s behind wrist, the nearest images are 0.25 s apart, 0.1 s are allowed"
    ]


def test_stamps_that_are_none_are_named():
    views = sync()
    assert "sets no stamp" in views.add_image("front", 0.0, "f", 100.0)
    views.add_image("wrist", 100.0, "w", 100.0)
    assert views.complaints(100.0, 1.0) == ["images of front are stamped 0: the camera's driver sets no stamp"]
    for now in (100.1, 100.2, 100.3, 100.4):
        views.add_image("wrist", 100.0, "w", now)
    assert any("wrist repeats an image" in complaint for complaint in views.complaints(100.4, 1.0))


def test_a_clock_that_nobody_publishes_is_named():
    assert "nothing comes on /clock" in sync().add_image("front", 1.7e9, "f", 0.0)


def test_a_stale_view_is_named():
    views = sync()
    views.add_image("front", 1.0, "f", 1.0)
    views.add_image("wrist", 3.0, "w", 3.0)
    assert views.complaints(3.1, 1.0) == ["last image of front is 2.1 s old"]


@st.composite
def streams(draw):
    """Images as three cameras may send them: (came, view, stamp), with lags, drops, repeats, reorders and leaps."""
    events = []
    for name in ("a", "b", "c"):
        period, lag = draw(st.sampled_from([1 / 60, 1 / 15, 0.2, 0.5])), draw(st.floats(-1.5, 1.5))
        seed, faults = draw(st.integers(0, 2**32 - 1)), draw(st.floats(0, 0.5))
        rng, last = np.random.default_rng(seed), 0.0
        for now in START + np.arange(0.0, 5.0, period) + rng.uniform(0, period):
            stamp = now - lag + rng.normal(0, 0.01)
            kind = rng.choice(["drop", "repeat", "late", "leap", "zero", "far"]) if rng.random() < faults else ""
            if kind == "drop":
                continue
            stamp = {"repeat": last, "late": stamp - 0.3, "leap": stamp + rng.normal(0, 2), "zero": 0.0,
                     "far": stamp + 1e6}.get(kind, stamp)  # fmt: skip
            events.append((now + rng.exponential(0.05), name, float(stamp)))
            last = stamp
    return sorted(events)


@settings(deadline=None, max_examples=60)
@given(streams(), st.sampled_from([0.02, 0.1, 0.3]))
def test_sets_are_within_the_slop_in_order_and_their_absence_has_a_reason(events, slop):
    views, last, given_at, now = ViewSync(["a", "b", "c"], slop), float("-inf"), None, START
    for now, name, stamp in events:
        given_at = now if given_at is None else given_at
        views.add_image(name, stamp, stamp, now)
        found = views.pop_synchronised()
        if found is not None:
            stamp, images = found
            assert stamp == min(images.values()) and max(images.values()) - stamp <= slop
            assert stamp > last and max(images.values()) <= now + 1.0
            last, given_at = stamp, now
        if now - given_at > 1.0:
            assert views.complaints(now, 1.0) and all(views.complaints(now, 1.0))
    assert views.complaints(now + 5.0, 1.0), "silence"


@pytest.mark.parametrize("camera_hz, limit_hz, expected", [(15, 10, 10), (30, 10, 10), (15, 15, 15), (5, 10, 5)])
def test_the_rate_limit_keeps_the_average(camera_hz, limit_hz, expected):
    limit, noise = RateLimit(limit_hz), np.random.default_rng(0)
    stamps = np.arange(20 * camera_hz) / camera_hz + noise.uniform(-0.002, 0.002, 20 * camera_hz)
    passed = sum(limit.permits(stamp) for stamp in stamps)
    assert passed / 20 == pytest.approx(expected, rel=0.03)


def history() -> JointHistory:
    joints = JointHistory(["b", "a"])
    for stamp in (1.0, 1.1, 1.2):
        assert joints.add_joint_state(stamp, ["a", "b", "other"], [stamp, 10 * stamp, 0.0], [])
    return joints


def test_joints_are_interpolated_in_the_wanted_order():
    sample = history().at(1.15)
    assert sample.positions == pytest.approx([11.5, 1.15])
    assert sample.velocities == pytest.approx([10.0, 1.0]), "of positions alone"


def test_a_grippers_joints_may_come_by_themselves():
    joints = JointHistory(["arm", "finger"])
    assert not joints.add_joint_state(1.0, ["arm"], [0.5], [])
    assert not joints.add_joint_state(1.02, ["finger"], [0.04], []), "no sample: the arm was not in it"
    assert joints.newest is None
    assert joints.add_joint_state(1.05, ["arm"], [0.6], [0.1])
    assert joints.newest.positions == pytest.approx([0.6, 0.04])
    assert not joints.add_joint_state(1.5, ["arm"], [0.7], []), "the gripper has fallen silent"
    assert not joints.add_joint_state(1.51, ["finger"], [float("nan")], [])
    assert joints.newest.stamp == 1.05


def test_no_joints_far_from_the_image():
    assert history().at(1.5, tolerance=0.1) is None
    assert history().at(1.25, tolerance=0.1).positions[0] == 12.0


def test_unusable_joint_states_are_refused():
    joints = history()
    assert not joints.add_joint_state(1.3, ["a"], [1.0], [])
    assert not joints.add_joint_state(1.3, ["a", "b"], [1.0, float("nan")], [])
    assert joints.newest.stamp == 1.2


def test_joint_states_out_of_order_are_not_a_restarted_clock():
    joints = history()
    assert not joints.add_joint_state(1.15, ["a", "b"], [7.0, 8.0], []) and joints.problem == ""
    assert joints.newest.stamp == 1.2 and joints.at(1.05).positions == pytest.approx([10.5, 1.05])


def test_joints_after_a_restarted_clock():
    joints = history()
    assert joints.add_joint_state(0.02, ["a", "b"], [7.0, 8.0], [])
    assert joints.newest.stamp == 0.02
    assert not joints.add_joint_state(0.0, ["a", "b"], [7.0, 8.0], []) and "no time stamp" in joints.problem


def test_rate_and_jitter():
    meter = RateMeter(window=1.0)
    for n in range(100):
        meter.tick(n * 0.02)
    rate, jitter = meter.measure(99 * 0.02)
    assert rate == pytest.approx(50.0) and jitter == pytest.approx(0.0, abs=1e-9)
    assert meter.measure(10.0) == (0.0, 0.0), "silence is no rate"
