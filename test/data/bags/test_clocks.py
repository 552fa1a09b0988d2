# SPDX-License-Identifier: Apache-2.0
"""Clocks that were set while a robot was recorded, and orientations that nobody set."""

from types import SimpleNamespace

import numpy as np
import pytest
from bag_support import Said, Story, header, write

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.bags.listeners import OdometryListener
from wall_oss_ros.data.bags.samples import Samples, set_back

LATER = 1001.5


def moved(said: list[Said], by: float) -> list[Said]:
    """All stamps from some time on are others."""
    for one in said:
        if one.received > LATER and hasattr(one.message, "header"):
            stamp = one.message.header.stamp
            one.message.header = header(stamp.sec + stamp.nanosec * 1e-9 + by)
    return said


@pytest.mark.parametrize(
    ("by", "words"), [(1.7e9, "leaps by 1700000000 s"), (-1.3, "goes back by 1.2 s and on from there")]
)
def test_a_clock_that_was_set_is_said_and_the_other_one_does(by, words, tmp_path, capsys):
    bag = write(tmp_path / "bag", Story(seconds=3.0), change=lambda said: moved(said, by))
    convert = ["data", "from-bag", str(bag), "--robot", "franka", "--output", str(tmp_path / "out")]
    assert main([*convert, "--gaps", "cut"]) == 2
    said = capsys.readouterr().out
    assert words in said and "--time" in said
    assert main([*convert, "--time", "receive"]) == 0


def test_late_messages_and_wild_stamps_are_no_clock_that_was_set():
    times = np.arange(100) / 10
    assert set_back(times) == 0 and set_back(times[:0]) == 0
    late = times.copy()
    late[[30, 60]] -= 1.55  # two messages that were under way for long
    assert set_back(late) == 0
    wild = times.copy()
    wild[[20, 40]] += 1e6
    assert set_back(wild) == 0
    assert set_back(np.where(np.arange(100) < 50, times, times - 2)) == pytest.approx(1.9)
    assert set_back(np.where(np.arange(100) % 2, times, times - 30)) == pytest.approx(29.9)  # two that publish


def test_the_yaw_of_quaternions_of_any_length_and_none_of_those_that_nobody_set():
    listener = OdometryListener("odometry", ["/odom"], Samples(3, "nearest", 1.0, turns=(2,)))

    def hear(time: float, length: float, sign: float = 1.0) -> None:
        x, y, z, w = sign * length * np.array([0.0, 0.0, np.sin(0.4), np.cos(0.4)])
        place, turn = SimpleNamespace(x=1.0, y=2.0), SimpleNamespace(x=x, y=y, z=z, w=w)
        pose = SimpleNamespace(pose=SimpleNamespace(position=place, orientation=turn))
        listener.hear("/odom", SimpleNamespace(pose=pose), time, time)

    for time, (length, sign) in enumerate([(1.0, 1.0), (0.7, 1.0), (3.0, -1.0), (0.0, 1.0)]):
        hear(float(time), length, sign)
    np.testing.assert_allclose(listener.samples.values, [[1.0, 2.0, 0.8]] * 3)
    assert listener.problems == {"no rotation": 1}
