# SPDX-License-Identifier: Apache-2.0
"""Observations count as well only if they come, and cameras as alive only if what they show changes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.perception.frozen import FrozenPictures
from wall_oss_ros.perception.health import ObservationHealth


def health(hz: float, seconds: float = 5.0, wanted: float = 10.0) -> ObservationHealth:
    made = ObservationHealth(wanted, 0.0)
    for k in range(int(seconds * hz) + 1):
        made.made(k / hz, k / hz)
    return made


def test_the_wanted_rate_is_well():
    verdict = health(10.0).verdict(5.0, 5.0, [], [])
    assert (verdict.level, verdict.message) == ("ok", "10.0 observations a second")


def test_less_is_said_with_the_figure():
    verdict = health(5.0).verdict(5.0, 5.0, [], ["images of front come 0.40 s after they were taken"])
    assert verdict.level == "warn" and verdict.message.startswith(
        "5.0 observations a second, 10 wanted; images of front"
    )


def test_silence_is_an_error_with_its_reason():
    silent = health(10.0)
    silent.failed("no joint states at the time of the images", 6.4)
    verdict = silent.verdict(6.5, 6.5, [], ["the views do not meet"])
    assert verdict.level == "error" and verdict.rate == 0.0
    assert verdict.message.startswith("no observations for 1.5 s: no joint states at the time of the images; the views")
    assert "observations yet" in ObservationHealth(10.0, 0.0).verdict(0.0, 2.0, [], []).message
    assert "does the clock stand still?" in health(10.0).verdict(5.0, 9.0, [], []).message


def test_what_forbids_observations_is_an_error():
    assert health(10.0).verdict(5.0, 5.0, ["the model is for robot ur"], []).level == "error"


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0.001, 3.0), max_size=60), st.floats(0, 10), st.booleans(), st.floats(0.5, 30.0))
def test_well_is_said_only_of_observations_that_come(gaps, since, stands, wanted):
    made, now, steady = ObservationHealth(wanted, 0.0), 0.0, 0.0
    times = []
    for gap in gaps:
        steady += gap
        now += 0.0 if stands else gap
        made.made(now, steady)
        times.append(steady)
    verdict = made.verdict(now + (0.0 if stands else since), steady + since, [], [])
    if verdict.level == "ok":
        recent = [time for time in times if time >= steady + since - 3.0]
        assert not stands and len(recent) >= 3 and since <= max(1.0, 3.0 / wanted)
        assert (len(recent) - 1) / (recent[-1] - recent[0]) >= 0.8 * wanted * (1 - 1e-9)
    else:
        assert verdict.message


def show(noiseless: bool, moving: bool, changing: bool, seconds: float = 3.0) -> list[str]:
    frozen, rng = FrozenPictures(noiseless), np.random.default_rng(0)
    data = rng.integers(0, 256, 300_000, dtype=np.uint8)
    for k in range(int(seconds * 10) + 1):
        if changing:
            data = data ^ rng.integers(0, 2, data.shape, dtype=np.uint8)
        frozen.look("front", data.tobytes(), k / 10, np.array([0.1 * k if moving else 0.0]))
    return frozen.complaints()


def test_a_picture_that_stays_the_same_for_seconds_is_named():
    assert show(noiseless=False, moving=False, changing=False) == ["front has shown the same picture for 3.0 s"]
    assert not show(noiseless=False, moving=False, changing=True)
    assert not show(noiseless=False, moving=False, changing=False, seconds=1.0)


def test_a_picture_without_bytes_is_no_frozen_one():
    frozen = FrozenPictures(noiseless=False)
    for k in range(50):
        frozen.look("front", b"", k / 10, np.zeros(1))
    assert not frozen.complaints()


def test_a_simulations_picture_may_stay_the_same_while_the_robot_is_still():
    assert not show(noiseless=True, moving=False, changing=False)
    assert show(noiseless=True, moving=True, changing=False) == [
        "front has shown the same picture for 3.0 s while the robot moved"
    ]
