# SPDX-License-Identifier: Apache-2.0
"""docs/safety.md says only what is tested: each line names tests that are there, and figures are those of the code."""

import importlib
import re
from pathlib import Path

import pytest
import yaml

from wall_oss_ros.control.stopping_check import HOLD
from wall_oss_ros.robots.profile import available_profiles, load_profile

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs/safety.md").read_text()
_REFERENCE = re.compile(r"`(test/[\w/]+\.py)(?:::(\w+))?`")
_FIGURE = re.compile(r"(\d+(?:\.\d+)?) (?:s|m|N|Hz|rad|m/s) \(`([\w./]+)`\)")  # 0.3 s (`watchdog.joint_state_age`)


def tables() -> list[tuple[list[str], list[list[str]]]]:
    """Headings and rows of each table of the page."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n)+", TEXT, re.MULTILINE):
        lines = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.splitlines()]
        found.append((lines[0], lines[2:]))
    return found


WITH_TESTS = [(headings, row) for headings, rows in tables() if headings[-1] == "test" for row in rows]
FAULTS = [row for headings, row in WITH_TESTS if headings[0] == "cause"]


def figure(name: str) -> set[float]:
    """What the code, or the configuration, has by that name: of all shipped profiles, if it is a profile's."""
    if name.startswith("profile."):
        values = set()
        for robot in available_profiles():
            for one in load_profile(robot).arms:
                value = one
                for part in name.split(".")[1:]:
                    value = getattr(value, part, None)
                values |= {float(value)} if value is not None else set()
        return values
    if "/" in name:  # node/parameter
        node, parameter = name.split("/")
        shipped = yaml.safe_load((ROOT / "config/nodes.yaml").read_text())[f"/**/{node}"]["ros__parameters"]
        return {float(shipped[parameter])}
    module, _, constant = name.rpartition(".")
    return {float(getattr(importlib.import_module(f"wall_oss_ros.{module}"), constant))}


def test_there_is_something_to_hold():
    assert len(WITH_TESTS) > 45 and len(FAULTS) > 25


@pytest.mark.parametrize("headings, row", WITH_TESTS, ids=lambda cells: cells[0])
def test_each_row_is_complete_and_names_tests_that_are_there(headings, row):
    assert len(row) == len(headings) and all(row), row
    named = _REFERENCE.findall(row[-1])
    assert named, f"no test shows: {row[0]}"
    for path, name in named:
        assert (ROOT / path).exists(), f"{path} is not there"
        assert not name or re.search(rf"^\s*def {name}\(", (ROOT / path).read_text(), re.MULTILINE), (
            f"{path} lacks {name}"
        )


@pytest.mark.parametrize("value, name", sorted(set(_FIGURE.findall(TEXT))))
def test_figures_are_those_of_the_code(value, name):
    assert figure(name) == {float(value)}


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: row[0])
def test_the_longest_time_to_rest_is_that_to_notice_and_that_to_brake(row):
    noticed, rest = row[1], row[3]
    if (total := re.fullmatch(r"(\d+(?:\.\d+)?) s", rest)) is None:
        return  # in words: it does not move, or another brakes
    within = re.search(r"(\d+(?:\.\d+)?) s", noticed)
    assert within, f"noticed when? {row[0]}"
    assert float(total[1]) == pytest.approx(float(within[1]) + HOLD)
