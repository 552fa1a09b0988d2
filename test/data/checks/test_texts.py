# SPDX-License-Identifier: Apache-2.0
"""Tasks under two spellings are told from tasks that differ in a word."""

import pytest

from wall_oss_ros.data.checks.survey import Survey
from wall_oss_ros.data.checks.texts import of_dataset


def levels(*tasks: str, uses=None) -> set[str]:
    survey = Survey(None, None, tasks=dict(enumerate(tasks)))
    found = of_dataset(survey, uses if uses is not None else dict.fromkeys(range(len(tasks)), 5))
    return {f.level for f in found if f.check == "spelling"}


@pytest.mark.parametrize(
    "a, b",
    [
        ("close the drawer", "Close the drawer."),
        ("close the drawer", "close  the drawer"),
        ("close the drawer", "close_the_drawer"),
        ("put the caf\u00e9 cup away", "put the cafe\u0301 cup away"),
        ("close the drawer", "close the drwaer"),
        ("close the drawer", "close the drawr"),
        ("wipe the table", "wipe teh table"),
    ],
)
def test_one_task_under_two_spellings_is_a_warning(a, b):
    assert "warning" in levels(a, b)


@pytest.mark.parametrize(
    "tasks",
    [
        ("pick up the red cube", "pick up the blue cube"),
        ("go to shelf 1", "go to shelf 2"),
        ("pick up the can", "pick up the pan"),
        ("put it left of the black block", "put it right of the black block", "black", "block"),
    ],
)
def test_tasks_that_differ_are_none(tasks):
    assert "warning" not in levels(*tasks)


def test_blanks_and_garbled_words_are_named():
    survey = Survey(None, None, tasks={0: " wipe", 1: "h\u00c3\u00a4nge es auf", 2: "", 3: "TODO"})
    found = {(f.check, f.level) for f in of_dataset(survey, {})}
    assert found >= {
        ("spelling", "warning"),
        ("encoding", "warning"),
        ("empty task", "error"),
        ("empty task", "warning"),
    }
