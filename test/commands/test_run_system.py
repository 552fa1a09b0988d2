# SPDX-License-Identifier: Apache-2.0
"""wall-oss run as a whole, in processes of its own: verdict, death of a node, Ctrl-C, and nobody left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import psutil
import pytest
from domains import reserve

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.bags.bag import Bag
from wall_oss_ros.data.lerobot import open_dataset
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.checkpoints import model_directory, robots_of
from wall_oss_ros.robots.profile import load_profile

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(420), pytest.mark.real_time]


class Run:
    """A running ``wall-oss run --headless`` and what it prints.

    Args:
        beside: another command on the same domain, which has said something before this one begins.
    """

    def __init__(self, directory: Path, domain: int, *words: str, beside: tuple[str, ...] = (), **variables: str):
        self.mark = f"WALL_OSS_TEST_{uuid.uuid4().hex}"
        self._output = directory / "output"
        self._environment = {
            **os.environ,
            "ROS_DOMAIN_ID": str(domain),
            self.mark: "1",
            "PYTHONPATH": str(ROOT),
            **variables,
        }
        if beside:
            self.other = subprocess.Popen(
                [sys.executable, "-m", "wall_oss_ros.commands.main", *beside], cwd=directory, env=self._environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert self.other.stdout.readline()
        with open(self._output, "wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "wall_oss_ros.commands.main", "run", "--headless", *words],
                cwd=directory, env=self._environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def error(self) -> str:
        """The error that it ends with; there must be exactly one."""
        assert self.process.wait(200) == 2, self.lines
        (line,) = [line for line in self.lines if line.startswith("error: ")]
        assert not any("Traceback" in line for line in self.lines)
        assert self.processes() == []
        return line

    @property
    def lines(self) -> list[str]:
        return self._output.read_text(errors="replace").splitlines()

    def processes(self) -> list[psutil.Process]:
        """The command and everything that it has started, however it has fared since."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and self.mark in process.environ():
                    found.append(process)
            except psutil.Error:
                pass
        return found

    def wait_for_node(self, name: str) -> psutil.Process:
        """The process of a node, as soon as there is one."""
        found: list[psutil.Process] = []

        def look() -> bool:
            found[:] = [p for p in self.processes() if p.name() == name]
            return bool(found)

        wait_for(look, 60)
        return found[0]


def wait_for(condition, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


@pytest.fixture
def start(tmp_path):
    try:
        model_directory(None)
    except WallOSSError:
        pytest.skip("there is no trained checkpoint in models/")
    runs = []

    def begin(*words: str, beside: tuple[str, ...] = (), **variables: str) -> Run:
        runs.append(Run(tmp_path, reserve(), *words, beside=beside, **variables))
        return runs[-1]

    yield begin
    for run in runs:
        for process in run.processes():
            process.kill()


def verdict(run: Run) -> str:
    """The verdict that a run ends with."""
    status = run.process.wait(400)
    assert status in (0, 1), run.lines
    (said,) = [line for line in run.lines if line.startswith(("success:", "not reached:"))]
    assert said.startswith("success:") == (status == 0)
    return said


def test_two_arms_run_as_a_whole(start):
    if "dual_arm" not in robots_of(model_directory(None, load_profile("dual_arm"))):
        pytest.skip("there is no checkpoint for two arms in models/")
    run = start("--robot", "dual_arm", "--timeout", "20", "--json", "lift the red tray")
    assert "the red tray " in verdict(run)
    (told,) = [json.loads(line) for line in run.lines if line.startswith("{")]
    assert told["success"] == (run.process.returncode == 0) and told["instruction"] == "lift the red tray"
    assert told["robot"] == "dual_arm" and "the red tray " in told["truth"] and told["subtasks"]
    assert any("take the red tray with both hands" in line for line in run.lines), "the plan was shown"
    assert run.processes() == []


def test_the_exit_status_is_the_verdict_and_what_was_done_becomes_a_dataset(start, tmp_path):
    recorder = ("record", "--robot", "franka", "--output", "bags", "--auto")
    run = start("--seed", "3", "--timeout", "40", beside=recorder)
    verdict(run)
    run.other.terminate()
    said, _ = run.other.communicate(timeout=60)
    assert run.other.returncode == 0 and "recording episode_0000" in said
    assert_is_recorded(tmp_path)
    assert any("pick up the " in line for line in run.lines), "the plan was shown"
    (logs,) = (tmp_path / "runs").iterdir()
    assert {path.stem for path in logs.iterdir()} >= {"simulated_robot", "perception", "model", "control"}
    assert run.processes() == []


def assert_is_recorded(folder: Path) -> None:
    """The bags below the folder become episodes whose actions are where the arm then came to be."""
    with Bag(folder / "bags/episode_0000") as bag:
        assert {"/tf_static", "/wall_oss/plan", "/wall_oss/action_chunk"} <= set(bag.topics), (
            "said before it began, too"
        )
    out = str(folder / "dataset")
    assert main(["data", "from-bag", str(folder / "bags"), "--robot", "franka", "--output", out, "--gaps", "cut"]) == 0
    dataset = open_dataset(out)
    columns, length = dataset.columns(0), dataset.episodes[0].length
    assert length > 20 and any("cube" in task for task in dataset.tasks.values())
    assert any("pick up the " in subtask for subtask in dataset.subtasks.values())
    moved = np.ptp(columns["observation.joints"], axis=0).max()
    ahead = np.abs(columns["action.joints"][:-1] - columns["observation.joints"][1:]).mean()
    assert moved > 0.1 and ahead < 0.05 * moved
    assert np.ptp(columns["action"][:, -1]) > 0.03, "the gripper was told to close"
    view = dataset.pictures("observation.images.face_view", 0, [0, length - 1])
    assert np.abs(view[0].astype(int) - view[1]).max() > 50


@pytest.mark.parametrize("node", ["control", "simulated_robot"])
def test_a_node_that_dies_ends_the_run_with_its_name(start, node):
    run = start()
    run.wait_for_node(node).kill()
    line = run.error()
    assert line.startswith(f"error: {node} ended") and f"{node}.log" in line


def test_a_truncated_checkpoint_is_named(start, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(model_directory(None), broken)
    (weights,) = broken.glob("*.safetensors")
    os.truncate(weights, weights.stat().st_size // 2)
    assert f"{weights} is truncated" in start("--model", str(broken)).error()


def test_no_network_interface(start):
    assert "No network interface could be used" in start(WALL_OSS_NETWORK="nosuch0", CYCLONEDDS_URI="").error()


# After a Ctrl-C that comes while an import executes a string, as dataclasses do, CPython ends itself by SIGINT although
# it was handled; a shell says 130 to both.
@pytest.mark.parametrize("number, statuses", [(signal.SIGINT, {130, -signal.SIGINT}), (signal.SIGTERM, {143})])
def test_a_signal_stops_everything(start, number, statuses):
    run = start()
    run.wait_for_node("model")
    wait_for(lambda: any("WALL-OSS" in line for line in run.lines), 60)
    run.process.send_signal(number)
    assert run.process.wait(120) in statuses
    assert run.processes() == []
    assert not any("Traceback" in line for line in run.lines)


def test_it_stays_up_when_asked_until_ctrl_c(start):
    run = start("--stay", "--timeout", "1")
    wait_for(lambda: any("stays up" in line for line in run.lines) or run.process.poll() is not None, 300)
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(120) in (0, 1), "the verdict's"
    assert not any("Traceback" in line for line in run.lines), run.lines
    assert run.processes() == []


def test_even_killed_it_leaves_nobody_behind(start):
    run = start()
    run.wait_for_node("model")
    run.process.kill()
    run.process.wait()
    wait_for(lambda: run.processes() == [], 20)
