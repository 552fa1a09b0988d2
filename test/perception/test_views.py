# SPDX-License-Identifier: Apache-2.0
"""Views of one moment, the joints at that moment, and images of the model's size."""

import numpy as np
import pytest

from wall_oss_ros.perception.joint_history import JointHistory
from wall_oss_ros.perception.rates import RateLimit, RateMeter
from wall_oss_ros.perception.views import ViewSync, fit_square


def sync(slop: float = 0.05) -> ViewSync:
    return ViewSync(["front", "wrist"], slop)


def test_a_set_needs_every_view():
    views = sync()
    views.add_image("front", 1.0, "f1")
    assert views.pop_synchronised() is None
    assert views.complaints(1.0, 0.5) == ["no image of wrist yet"]
    views.add_image("wrist", 1.02, "w1")
    assert views.pop_synchronised() == (1.0, {"front": "f1", "wrist": "w1"})
    assert views.pop_synchronised() is None, "a set is given once"


def test_views_further_apart_than_the_slop_make_no_set():
    views = sync(slop=0.05)
    views.add_image("front", 1.0, "f1")
    views.add_image("wrist", 1.2, "w1")
    assert views.pop_synchronised() is None
    views.add_image("front", 1.18, "f2")
    assert views.pop_synchronised() == (1.18, {"front": "f2", "wrist": "w1"})


def test_the_partner_nearest_in_time_is_chosen():
    views = sync()
    for stamp, name in ((1.00, "f1"), (1.03, "f2"), (1.06, "f3")):
        views.add_image("front", stamp, name)
    views.add_image("wrist", 1.035, "w1")
    assert views.pop_synchronised()[1] == {"front": "f2", "wrist": "w1"}


def test_a_restarted_clock_begins_anew():
    views = sync()
    for stamp in (100.0, 0.1):
        views.add_image("front", stamp, "f")
        views.add_image("wrist", stamp, "w")
        assert views.pop_synchronised()[0] == stamp


def test_a_stale_view_is_named():
    views = sync()
    views.add_image("front", 1.0, "f")
    views.add_image("wrist", 3.0, "w")
    assert views.complaints(3.1, 1.0) == ["last image of front is 2.1 s old"]


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
    assert sample.velocities == pytest.approx([0.0, 0.0])


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
    assert joints.add_joint_state(1.15, ["a", "b"], [7.0, 8.0], [])
    assert joints.newest.stamp == 1.2 and joints.at(1.05).positions == pytest.approx([10.5, 1.05])


def test_joints_after_a_restarted_clock():
    joints = history()
    assert joints.add_joint_state(0.0, ["a", "b"], [7.0, 8.0], [])
    assert joints.newest.stamp == 0.0


def test_images_are_cropped_at_the_centre_and_resized():
    image = np.zeros((60, 100, 3), np.uint8)
    image[:, 20:80] = (10, 200, 30)  # the centre square
    fitted = fit_square(image, 30)
    assert fitted.shape == (30, 30, 3) and (fitted == (10, 200, 30)).all()


@pytest.mark.parametrize("shape, kind", [((4, 4), np.uint8), ((4, 4, 3), np.float32), ((0, 4, 3), np.uint8)])
def test_what_is_no_image_is_refused(shape, kind):
    with pytest.raises(ValueError, match="expected an image"):
        fit_square(np.zeros(shape, kind), 8)


def test_rate_and_jitter():
    meter = RateMeter(window=1.0)
    for n in range(100):
        meter.tick(n * 0.02)
    rate, jitter = meter.measure(99 * 0.02)
    assert rate == pytest.approx(50.0) and jitter == pytest.approx(0.0, abs=1e-9)
    assert meter.measure(10.0) == (0.0, 0.0), "silence is no rate"
