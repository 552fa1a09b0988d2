# SPDX-License-Identifier: Apache-2.0
"""Every command of docs/how-to/your_robot_in_a_day.md, in order, in one shell, on little data."""

import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from domains import own_domain

from wall_oss_ros.data.lerobot import open_dataset
from wall_oss_ros.training.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/how-to/your_robot_in_a_day.md"
SIZES = {
    "x-square-robot/wall-oss-flow": "wall-oss-tiny",
    "batch: 16, accumulate: 4": "batch: 4, accumulate: 2",
    "steps: 500": "steps: 2",
    "steps: 4000": "steps: 3",
    "precision: bfloat16": "precision: float32",
    "rank: 16": "rank: 4",
    "--device cuda": "--device cpu",
    "--headless --seed": "--headless --speed 0.5 --seed",
    "--headless --approve": "--headless --speed 0.5 --timeout 12 --approve",
    "--episodes 20": "--episodes 1",
}
"""What is smaller here than on the page: the checkpoint, the training, the evaluation, and how fast the simulation runs
on a machine that others use."""
READ_FIRST = {"wall-oss record": "episodes go to bags", "--approve": "awaiting approval"}
"""What a person waits to read before the next command, by a part of the command that says it."""
FINDINGS = {"wall-oss data check": (0, 1), "wait %1": (0, 1), "wall-oss eval": (0, 1)}
"""Exit statuses where 0 is not the only one: the check may find something, and little training teaches little."""
PATIENCE = 400.0  # s of wall time for a command, on a machine that others use


def blocks() -> list[tuple[str, str]]:
    """The page's code blocks: language and content."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


class Shell:
    """A shell that a page is typed into."""

    def __init__(self, folder: Path, environment: dict[str, str]):
        self._process = subprocess.Popen(
            ["bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=folder, env=environment, start_new_session=True,
        )  # fmt: skip
        self.said: list[str] = []
        self._more = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self._process.stdout:
            with self._more:
                self.said.append(line)
                self._more.notify()

    def type(self, line: str) -> int:
        """Its exit status, once it has ended, or is in the background and has said what a person waits for."""
        begun = len(self.said)
        self._process.stdin.write(f'{line}\necho "@@ $?"\n')
        self._process.stdin.flush()
        status = int(self._until(r"@@ (\d+)", begun)[1])
        for part, words in READ_FIRST.items():
            if part in line and line.endswith("&"):
                self._until(words, begun)
        return status

    def _until(self, words: str, begun: int) -> re.Match:
        until = time.monotonic() + PATIENCE
        with self._more:
            while not (found := re.search(words, "".join(self.said[begun:]))):
                left = until - time.monotonic()
                assert left > 0 and self._process.poll() is None, f"no {words!r} in:\n{''.join(self.said[begun:])}"
                self._more.wait(min(left, 1.0))
        return found

    def close(self) -> None:
        """Ends it, and what still runs in it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait()


@pytest.fixture
def shell(tmp_path):
    command = tmp_path / "bin" / "wall-oss"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m wall_oss_ros.commands.main "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "work").mkdir()
    path = os.pathsep.join((str(command.parent), os.environ["PATH"]))
    python = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    own = {"PATH": path, "PYTHONPATH": python, "ROS_DOMAIN_ID": str(own_domain()), "OMP_NUM_THREADS": "1"}
    shell = Shell(tmp_path / "work", {**os.environ, **own})
    yield shell
    shell.close()


def smaller(text: str, seen: set[str]) -> str:
    for page, here in SIZES.items():
        if page in text:
            seen.add(page)
            text = text.replace(page, here)
    return text


def test_the_recipe_of_the_page_is_one(tmp_path):
    (content,) = [content for language, content in blocks() if language == "yaml"]
    (tmp_path / "day.yaml").write_text(content)
    recipe = load_recipe(tmp_path / "day.yaml")
    shipped = load_recipe(ROOT / "config/training/own_robot.yaml")
    assert (recipe.lora, recipe.precision, recipe.start) == (shipped.lora, shipped.precision, shipped.start)


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(1800)
def test_the_page_works_as_it_stands(shell, tmp_path):
    folder, seen, done = tmp_path / "work", set(), []
    for language, content in blocks():
        content = smaller(content, seen)
        if language == "yaml":
            (folder / "day.yaml").write_text(content)
            continue
        assert not language, f"a block of {language} that nothing runs"
        for line in content.splitlines():
            status = shell.type(line)
            allowed = next((some for part, some in FINDINGS.items() if line.startswith(part)), (0,))
            assert status in allowed, f"{line} ended with {status}:\n{''.join(shell.said)}"
            done.append(line.split()[1] if line.startswith("wall-oss") else "")
    assert seen == set(SIZES), "sizes of the page that are no longer there"
    assert {"check", "record", "run", "data", "train", "inspect", "service", "eval"} <= set(done)
    said = "".join(shell.said)
    assert "episode_0000" in said and "episode_0001" in said and "plan 1 was approved" in said
    good = open_dataset(folder / "datasets/good")
    assert good.tasks and all(one.extra["success"] for one in good.episodes)
    for made in (
        "runs/check/report.html", "runs/day/dry_run/good.png", "runs/day/open_loop/good.png",
        "runs/day/adapter/adapter_model.safetensors", "runs/day/model.safetensors",
    ):  # fmt: skip
        assert (folder / made).is_file(), f"{made} was not made:\n{said}"
    assert re.search(r"(success|not reached): .* simulated", said.split("plan 1 was approved")[1]), said
