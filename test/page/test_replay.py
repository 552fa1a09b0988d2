# SPDX-License-Identifier: Apache-2.0
"""A record on the page again: it shows what was at each time of it, and is no part of ROS."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from bag_support import FRANKA, Said, Story, new, write

from wall_oss_ros.data.bags.bag import Bag
from wall_oss_ros.data.bags.events import Event
from wall_oss_ros.page.replay import Replay, ReplayPage, told

ROOT = Path(__file__).resolve().parents[2]
TRUTH = '{"trays": {}, "cubes": {"red": {"position": [0.4, %s, 0.02], "yaw": 0.0, "where": "table"}}, "time": 1.0}'


class Shown:
    """Plays scene and panel, and keeps what they are told to show."""

    def __init__(self, profile=FRANKA):
        self.profile = self._profile = profile
        self.joints, self.truth, self.pictures, self.paths, self.texts = {}, None, None, None, {}

    def show_joints(self, positions):
        self.joints = dict(positions)

    def show_truth(self, truth):
        self.truth = truth

    def __getattr__(self, name):
        if not name.startswith("show") and not name.startswith("note"):
            raise AttributeError(name)
        return lambda *args, **named: self.texts.__setitem__(name, (args, named))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A robot with one arm, its plan, and a cube that moves to the side."""
    said = [
        Said(
            1000.0 + at, "/simulation/ground_truth", "std_msgs/msg/String", new("std_msgs/msg/String", data=TRUTH % at)
        )
        for at in (0.5, 1.0, 2.0)
    ]
    for at, state in ((0.1, 1), (2.0, 3)):
        status = new("wall_oss_msgs/msg/ControlStatus", state=state, robot="franka@1", reason="by hand" * (state == 3))
        said.append(Said(1000.0 + at, "/wall_oss/status", "wall_oss_msgs/msg/ControlStatus", status))
    for at, node in ((0.2, "control"), (0.3, "planner"), (1.9, "control")):
        report = new("diagnostic_msgs/msg/DiagnosticStatus", name=node, message=f"at {at}")
        array = new("diagnostic_msgs/msg/DiagnosticArray", status=[report])
        said.append(Said(1000.0 + at, "/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", array))
    said.append(Said(1001.0, "/wall_oss/emergency_stop", "std_msgs/msg/Bool", new("std_msgs/msg/Bool", data=True)))
    folder = tmp_path_factory.mktemp("replay") / "bag"
    write(folder, Story(seconds=4.0, extra=said))
    return folder


@pytest.fixture
def shown():
    return Shown()


@pytest.fixture
def replay(path, shown):
    with Bag(path) as bag:
        replay = Replay(bag, FRANKA)
        replay.show_on(shown, shown)
        yield replay


def test_at_each_time_the_robot_and_its_scene_stand_as_they_did(replay, shown):
    story = Story()
    for time_there in (2.5, 0.7, 1.5):  # forth and back
        replay.seek(time_there)
        replay.display.update_scene()
        joints = [shown.joints[name] for name in FRANKA.arm.joints]
        np.testing.assert_allclose(joints, story.joints(1000.0 + time_there), atol=0.02)
        assert shown.truth["cubes"]["red"]["position"][1] == {2.5: 2.0, 0.7: 0.5, 1.5: 1.0}[time_there]


def test_what_nodes_said_of_themselves_and_the_emergency_stop(replay):
    for time_there, expected, pressed in ((2.0, {"control": "at 1.9", "planner": "at 0.3"}, True),
                                          (0.25, {"control": "at 0.2"}, None)):  # fmt: skip
        replay.seek(time_there)
        reports = {row["name"]: row["message"] for row in replay.display.reports.shown(replay.time)}
        assert reports == expected and replay.display._pressed is pressed


def test_it_goes_on_to_its_end_and_what_is_silent_there_is_silent_here(replay):
    replay.seek(0.0)
    assert replay.advance(0.6) and replay.time == pytest.approx(0.6)
    assert not replay.display.silences()["control"]
    assert replay.advance(1.9), "half a second after control's last word"
    assert not replay.display.silences()["control"]
    assert not replay.advance(10.0) and replay.time == replay.seconds
    assert "silent" not in replay.display.silences()["the robot's joints"]
    replay.seek(0.05)
    assert replay.display.silences()["control"] == "not heard yet", "as if nothing later had been"


def test_it_has_no_part_of_ros(path):
    code = (
        "import sys; from wall_oss_ros.data.bags.bag import Bag\n"
        "from wall_oss_ros.robots.profile import load_profile; from wall_oss_ros.page.replay import Replay\n"
        f"replay = Replay(Bag({str(path)!r}), load_profile('franka')); replay.seek(1.0)\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('rclpy', 'cyclonedds', 'std_msgs')])"
    )
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), *filter(None, sys.path)]))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]", "nothing that could speak to a robot was even imported"


def test_what_another_version_recorded_is_left_out_and_the_rest_is_shown(tmp_path, shown):
    text = "std_msgs/msg/String"
    topics = "/simulation/ground_truth", "/wall_oss/status"
    said = [Said(1000.5, topic, text, new(text, data="{nonsense")) for topic in topics]
    write(tmp_path / "bag", Story(seconds=1.5, extra=said))
    with Bag(tmp_path / "bag") as bag:
        replay = Replay(bag, FRANKA)
        replay.show_on(shown, shown)
        replay.seek(1.0)
        replay.display.update_scene()
    assert set(FRANKA.arm.joints) <= set(shown.joints) and shown.truth is None
    assert sum("cannot be shown" in note for note in replay.notes) == 2
    assert any("/wall_oss/status is of type std_msgs/msg/String" in note for note in replay.notes)


def test_what_happened_up_to_then_is_told_and_corrections_stand_out():
    events = [
        Event(1.0, "plan", "a; b", "model"),
        Event(2.0, "edit", "<b>b</b> is c now", "person"),
        Event(3.0, "end", "x"),
    ]
    assert ["a; b" in one["line"] for one in told(events, 1.5)] == [True]
    at_last = told(events, 9.0)
    for one, words in zip(at_last, ("end: x", "edit by person", "plan by model"), strict=True):
        assert words in one["line"]
    assert [one["corrects"] for one in at_last] == [False, True, False]


@pytest.mark.slow
def test_the_page_says_that_it_is_a_replay_and_has_nothing_to_command(path):
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Bag(path) as bag:
        page = ReplayPage(Replay(bag, FRANKA), port, speed=2.0)
        try:
            page.step(0.5)
            assert page._replay.time == pytest.approx(1.0), "twice as fast"
            assert page.panel.section("reality")["word"] == "REPLAY" and not page.panel.section("page")["steered"]
            assert page.panel.section("replay")["time"] == 1.0
            page.toggle()
            page.step(5.0)
            assert page._replay.time == pytest.approx(1.0), "paused"
            page.seek(3.9)
            page.toggle()
            page.step(1.0)
            assert not page.playing and page._replay.time == page._replay.seconds
            page.toggle()
            assert page.playing and page._replay.time == 0.0, "from the beginning again"
            begun = time.monotonic()
            page.step(0.1)
            assert time.monotonic() - begun < 30.0
        finally:
            page.close()
