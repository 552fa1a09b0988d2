# SPDX-License-Identifier: Apache-2.0
"""benchmarks/gpu.sh: on a processor it runs as a whole, without a GPU it says so, and what a part has found stays."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "gpu.sh"


def run(folder: Path, *words: str, python: Path | str = sys.executable, **more: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHON": str(python), "WALL_OSS_MEASURE": "0", "OMP_NUM_THREADS": "1", **more}
    command = ["bash", str(SCRIPT), *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


@pytest.fixture
def python(tmp_path) -> Path:
    """Stands in for python with a GPU: notes what it is told, and leaves what parts leave; joins them in earnest."""
    file = tmp_path / "python"
    file.write_text(
        f"""#!/usr/bin/env bash
        case $1 in
          -c) exit "${{NO_GPU:-0}}" ;;
          *gpu_report.py) exec {sys.executable} "$@" ;;
        esac
        echo "$*" >>{tmp_path}/told
        if [[ $1 == *gpu_chunks.py ]]; then
          echo '{{"settings": [{{"median_ms": 1.5}}]}}' >"${{@: -1}}"
          echo late >&2
          exit "${{CHUNKS:-0}}"
        fi
        echo '{{"steps_per_s": 2.5}}' >"${{@: -1}}"
        """
    )
    file.chmod(0o755)
    return file


def test_without_a_gpu_it_says_so_in_one_line(tmp_path, python):
    ended = run(tmp_path, python=python, NO_GPU="1")
    assert ended.returncode == 2 and ended.stdout == ""
    assert ended.stderr.count("\n") == 1 and "no GPU" in ended.stderr and "--device cpu --size shipped" in ended.stderr
    assert not (tmp_path / "gpu.json").exists()


@pytest.mark.parametrize(
    "words, message",
    [
        (["--device", "tpu"], "the device is tpu"),
        (["--size", "huge"], "the size is huge"),
        (["--size"], "--size wants a value"),
        (["all"], "all is unknown"),
        (["--output", "nowhere/at/all.json"], "cannot be written"),
    ],
)
def test_what_it_does_not_understand_is_refused(tmp_path, python, words, message):
    ended = run(tmp_path, *words, python=python)
    assert ended.returncode == 2 and message in ended.stderr and "Traceback" not in ended.stderr
    assert not (tmp_path / "told").exists(), "nothing ran"


def test_on_a_gpu_both_parts_run_at_the_released_size(tmp_path, python):
    ended = run(tmp_path, "--output", "found.json", python=python)
    assert ended.returncode == 0, ended.stderr
    told = (tmp_path / "told").read_text()
    assert told.count("--device cuda --size released") == 2 and "gpu_chunks.py" in told and "training_step.py" in told
    report = json.loads((tmp_path / "found.json").read_text())
    assert report["device"] == "cuda" and report["training"]["steps_per_s"] == 2.5
    assert report["chunks"]["settings"] == [{"median_ms": 1.5}] and report["chunks"]["status"] == 0


def test_what_a_part_found_before_it_ended_stays(tmp_path, python):
    ended = run(tmp_path, python=python, CHUNKS="124")
    report = json.loads((tmp_path / "gpu.json").read_text())
    assert ended.returncode == 1 and "ended with 124" in ended.stderr
    assert report["chunks"]["settings"] == [{"median_ms": 1.5}] and report["chunks"]["status"] == 124
    assert report["chunks"]["error"] == "late\n" and report["training"]["status"] == 0


def test_all_parts_together_take_less_than_eight_minutes():
    text = SCRIPT.read_text()
    (chunks, training) = re.search(r"chunks=(\d+) training=(\d+)\n", text).groups()
    (report,) = re.findall(r"timeout -k 5 (\d+) ", text)
    assert int(chunks) + int(training) + int(report) + 3 * 5 < 8 * 60


@pytest.mark.slow
def test_it_runs_on_a_processor(tmp_path):
    ended = run(tmp_path, "--device", "cpu", "--size", "shipped", GPU_SH_SECONDS="280")
    assert ended.returncode == 0, ended.stderr
    report = json.loads((tmp_path / "gpu.json").read_text())
    chunks, training = report["chunks"], report["training"]
    assert [(one["mode"], one["views"]) for one in chunks["settings"]] == [("eager", views) for views in (1, 2, 3)]
    for one in chunks["settings"]:
        assert 0 < one["median_ms"] <= one["p99_ms"] and one["memory_gib"] > 0 and one["runs"] == 3
        assert sum(stage["ms"] for stage in one["stages"].values()) < 3 * one["p99_ms"]
        assert one["over_floor"] > 0 and one["floor_ms"] > 0 and one["graphs"] == one["graphs_after"] == 0
    floors = [one["stages"]["vision"]["gigaoperations"] for one in chunks["settings"]]
    assert floors[1:] == pytest.approx([2 * floors[0], 3 * floors[0]])
    assert training["steps_per_s"] > 0 and report["torch"]
