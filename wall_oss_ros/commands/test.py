# SPDX-License-Identifier: Apache-2.0
"""Runs the test suite of this checkout; whatever follows is passed on to pytest.

examples:
  wall-oss test
  wall-oss test -k embedded -x
  wall-oss test test/commands/test_arguments.py
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from wall_oss_ros.errors import WallOSSError

NEEDED = ("pytest", "pytest_timeout", "hypothesis")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(passed_on=[])


def main(args: argparse.Namespace) -> int:
    """pytest's own exit status.

    Raises:
        WallOSSError: there are no tests here, or pytest is not installed.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "test").is_dir():
        raise WallOSSError(
            "The tests are not part of an installation.", "Run ./wall-oss test in a clone of the project."
        )
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise WallOSSError(
            f"The tests need {', '.join(missing)}.",
            f"Run ./wall-oss test, or: {sys.executable} -m pip install '{root}[test]'",
        )
    environment = dict(os.environ)
    environment.setdefault(
        "OMP_NUM_THREADS", "1"
    )  # the nodes under test are processes of their own and share the cores
    command = [sys.executable, "-m", "pytest", *args.passed_on]
    return subprocess.run(command, cwd=root, env=environment, check=False).returncode
