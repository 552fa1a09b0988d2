# SPDX-License-Identifier: Apache-2.0
"""Runs one benchmark in processes of its own, for no longer than it may take."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pydantic import ValidationError

from wall_oss_ros.commands.benching.catalogue import Benchmark
from wall_oss_ros.commands.benching.report import Outcome
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import read_json
from wall_oss_ros.policy.machine import free_memory
from wall_oss_ros.robots.checked import checked, explain

GRACE = 10.0  # s that a benchmark and what it has started get to end in


def run(benchmark: Benchmark, folder: Path, quick: bool) -> Outcome:
    """Its figures, or why there are none.

    Args:
        folder: of the benchmarks' programs.
    """
    free = free_memory()
    if free is not None and free < benchmark.memory:
        return Outcome(why=f"left out: it wants {benchmark.memory:g} GiB of memory, {free:.1f} are free")
    limit = benchmark.quick_seconds if quick else benchmark.seconds
    with tempfile.TemporaryDirectory() as work:
        file, log = Path(work) / "figures.json", Path(work) / "output"
        words = [str(folder / benchmark.program), *(benchmark.quick if quick else benchmark.words)]
        start = time.monotonic()
        with log.open("wb") as output:
            status = _wait([sys.executable, *words, "--json", str(file)], folder.parent, output, limit)
        took = round(time.monotonic() - start, 1)
        if status is None:
            return Outcome(why=f"not done within its {limit:g} s", seconds=took)
        if status:
            return Outcome(why=f"failed: {_last_line(log)}", seconds=took)
        try:
            content = read_json(file, "")
            if not isinstance(content, dict) or not content.get("figures"):
                raise WallOSSError("it holds no figures.")
            return checked(Outcome, {"figures": content["figures"], "seconds": took})
        except WallOSSError as error:
            return Outcome(why=f"left no figures: {error.message}", seconds=took)
        except ValidationError as error:
            return Outcome(why=f"left no figures: {explain(error.errors()[0])}", seconds=took)


def _wait(command: list[str], root: Path, output, limit: float) -> int | None:
    """The exit status; None where the time was over. Nothing that it has started is left behind."""
    path = os.pathsep.join(part for part in (str(root), os.environ.get("PYTHONPATH", "")) if part)
    environment = {**os.environ, "PYTHONPATH": path}
    if environment.get("OMP_WAIT_POLICY") == "PASSIVE":  # ./wall-oss sets it, for nodes beside each other; here is one
        del environment["OMP_WAIT_POLICY"]  # program alone, which it would slow down, and time_to_motion sets it itself
    process = subprocess.Popen(
        command, cwd=root, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _end(process)


def _end(process: subprocess.Popen) -> None:
    """The process and its group: asked first, so that it ends its own."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # all have ended
        pass
    process.wait()


def _last_line(log: Path) -> str:
    """Of what it said: mostly the error."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return "".join(c for c in lines[-1] if c.isprintable())[:300] if lines else "it said nothing"
