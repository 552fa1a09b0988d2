# SPDX-License-Identifier: Apache-2.0
"""A run is recorded, told in a few lines, shown again on the page, and becomes a dataset; for each kind of robot."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from domains import reserve

from wall_oss_ros.commands.data.definitions import message_definitions
from wall_oss_ros.data.bags.record import open_record, profile_of
from wall_oss_ros.data.lerobot import open_dataset
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.page.replay import Replay, ReplayPage
from wall_oss_ros.policy.checkpoints import model_directory
from wall_oss_ros.robots.profile import load_profile

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.real_time]


def wall_oss(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    command = [sys.executable, "-m", "wall_oss_ros.commands.main", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400)


@pytest.mark.parametrize("robot, where", [("franka", "run.mcap"), ("ur", "bags"), ("dual_arm", "bags")])
def test_a_run_is_recorded_shown_again_and_becomes_a_dataset(tmp_path, robot, where):
    try:
        model_directory(None, load_profile(robot))
    except WallOSSError:
        pytest.skip(f"there is no trained checkpoint for {robot} in models/")
    run = ("run", "--headless", "--robot", robot, "--speed", "0.5", "--timeout", "20", "--json", "--record", where)
    done = wall_oss(tmp_path, *run, ROS_DOMAIN_ID=str(reserve()))
    assert done.returncode in (0, 1), done.stderr
    verdict = json.loads(done.stdout)

    told = json.loads(wall_oss(tmp_path, "replay", where, "--json").stdout)
    (attempt,) = told["attempts"]
    assert attempt["instruction"] == verdict["instruction"] and attempt["judged_by"] == "mark"
    assert attempt["success"] == verdict["success"] == (done.returncode == 0), "the verdict on the simulator's state"
    assert attempt["subtasks"][0]["words"] == verdict["subtasks"][0]
    kinds = {one["type"] for one in told["topics"].values()}
    assert {"wall_oss_msgs/msg/ActionChunk", "sensor_msgs/msg/Image", "diagnostic_msgs/msg/DiagnosticArray"} <= kinds

    with open_record(tmp_path / where, message_definitions()) as bag, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        profile = profile_of(bag)
        assert profile.name == robot
        page = ReplayPage(Replay(bag, profile), port, speed=1.0)
        try:
            begin = attempt["begin"]
            joints = []
            for at in (begin, begin + 3.0, (begin + (attempt["end"] or told["seconds"])) / 2):
                page.seek(at)
                page.step(0.01)
                joints.append([page._replay.display._joints[name] for name in profile.arms[0].arm.joints])
            assert np.ptp(joints, axis=0).max() > 0.05, "the arm moves again"
            assert not page._replay.display.silences()["planner"]
        finally:
            page.close()

    made = wall_oss(tmp_path, "data", "from-bag", where, "--robot", robot, "--output", "dataset", "--gaps", "cut")
    assert made.returncode == 0, made.stderr
    dataset = open_dataset(tmp_path / "dataset")
    assert {one.extra["success"] for one in dataset.episodes} == {verdict["success"]}, "failed attempts too, marked"
    assert verdict["subtasks"][0] in dataset.subtasks.values() and verdict["instruction"] in dataset.tasks.values()
    assert not any(one.extra["corrections"] for one in dataset.episodes)
