# SPDX-License-Identifier: Apache-2.0
"""Looks the code of this checkout over, then runs its test suite.

First come linter, formatter, import contracts, types and dependencies, then pytest. Arguments for pytest, such as a
file or -k, make it run what they select, and nothing else.

examples:
  wall-oss test
  wall-oss test --lint
  wall-oss test --quick
  wall-oss test -k embedded -x
  wall-oss test test/commands/test_arguments.py
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from wall_oss_ros.commands.arguments import whole
from wall_oss_ros.errors import WallOSSError

# What is looked over: a name, the package that must be there, and the command.
LINT = (
    ("lint", "ruff", ["ruff", "check", "--quiet"]),
    ("format", "ruff", ["ruff", "format", "--check", "--quiet"]),
    ("import contracts", "importlinter", ["lint-imports"]),
    ("types", "mypy", ["mypy"]),
    ("dependencies", "deptry", ["deptry", ".", "test", "benchmarks"]),
)
TESTS = ("pytest", "pytest_rerunfailures", "pytest_timeout", "hypothesis", "xdist", "psutil")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lint", action="store_true", help="only look the code over")
    parser.add_argument("--quick", action="store_true", help="only the tests that need no more than a minute together")
    parser.add_argument(
        "-n", "--workers", type=whole(1, 1024), metavar="N", help="processes that run tests (default: 2)"
    )
    parser.set_defaults(passed_on=[])


def main(args: argparse.Namespace) -> int:
    """1 when something in the code is not in order, else pytest's own exit status.

    Raises:
        WallOSSError: there are no tests here, or a tool is not installed.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "test").is_dir():
        raise WallOSSError(
            "The tests are not part of an installation.", "Run ./wall-oss test in a clone of the project."
        )
    needed = () if args.quick or args.passed_on else [package for _, package, _ in LINT]
    needed = [*needed, *(() if args.lint else TESTS)]
    if missing := [name for name in dict.fromkeys(needed) if find_spec(name) is None]:
        raise WallOSSError(
            f"The tests need {', '.join(missing)}.",
            f"Run ./wall-oss test, or: {sys.executable} -m pip install '{root}[dev]'",
        )
    if not args.quick and not args.passed_on and not _lint(root):
        return 1
    if args.lint:
        return 0
    environment = dict(os.environ)
    # The nodes under test are processes of their own and share the cores.
    environment.setdefault("OMP_NUM_THREADS", "1")
    command = [sys.executable, "-m", "pytest", *args.passed_on]
    if args.workers or not args.passed_on:
        # Which file comes first is for test/conftest.py to say.
        command += f"-n {args.workers or 2} --dist loadfile --no-loadscope-reorder".split()
    if args.quick:
        command += ["-m", "not slow and not ros"]
    return subprocess.run(command, cwd=root, env=environment, check=False).returncode


def _lint(root: Path) -> bool:
    """Looks the code over, one line for each kind of look; whether all is in order."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    clean = True
    for name, _, command in LINT:
        start = time.monotonic()
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        verdict = "ok" if done.returncode == 0 else "NOT OK"
        print(f"{name:<18} {verdict:<7} {time.monotonic() - start:5.1f} s  ({' '.join(command)})", flush=True)
        if done.returncode:
            print((done.stdout + done.stderr).rstrip(), flush=True)
            clean = False
    return clean
