# SPDX-License-Identifier: Apache-2.0
"""Tests that run against the clock are run again, others are not, and the report counts it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pytest_rerunfailures")
CONFTEST = Path(__file__).with_name("conftest.py")
TESTS = """
import pytest
tries = {}

def attempt(name):
    tries[name] = tries.get(name, 0) + 1
    return tries[name]

@pytest.mark.real_time
def test_stalled_once():
    assert attempt("once") == 2

@pytest.mark.real_time
def test_broken():
    assert attempt("broken") == 4

def test_unmarked():
    assert attempt("unmarked") == 2
"""


def test_only_what_runs_against_the_clock_is_run_again_and_not_for_ever(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "test_some.py").write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-raR",
        "-p",
        "no:cacheprovider",
        "-o",
        "markers=real_time",
        "test_some.py",
    ]
    paths = [str(CONFTEST.parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTEST_ADDOPTS": ""}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert re.search(r"2 failed, 1 passed.*, 3 rerun", run.stdout), run.stdout
    assert "FAILED test_some.py::test_broken" in run.stdout and "FAILED test_some.py::test_unmarked" in run.stdout
    assert run.stdout.count("RERUN test_some.py::test_stalled_once") == 1
