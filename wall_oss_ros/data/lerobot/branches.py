# SPDX-License-Identifier: Apache-2.0
"""What frames would call for under other instructions: columns of one's own in LeRobot's format.

``branches.task_index`` and ``branches.subtask_index`` (B,) are numbers of the tables of tasks and subtasks, -1 for
none; ``branches.action`` (B, H, A) is the motion of each branch, H rows of ``action`` from the frame on, as far as
``branches.known`` (B, H) goes; ``branches.weight`` (B,) is how often each is to be shown. Branch 0 is what was done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from wall_oss_ros.data.lerobot.layout import BRANCHES, Feature
from wall_oss_ros.errors import WallOSSError

TASK, SUBTASK = f"{BRANCHES}task_index", f"{BRANCHES}subtask_index"
ACTION, KNOWN, WEIGHT = f"{BRANCHES}action", f"{BRANCHES}known", f"{BRANCHES}weight"
Texts = Sequence[Sequence[str | None]]


class Branches(NamedTuple):
    """Of n frames, B branches each, of H steps of the A entries of ``action``.

    Attributes:
        tasks: n times B instructions; None where a branch has none, or is none.
        subtasks: what each calls for, likewise.
        action: (n, B, H, A).
        known: (n, B, H) bool.
        weight: (n, B), 0 or more.
    """

    tasks: Texts
    subtasks: Texts
    action: np.ndarray
    known: np.ndarray
    weight: np.ndarray


def branch_features(count: int, horizon: int, action: Feature) -> dict[str, Feature]:
    """The columns of B branches of H steps of ``action``."""
    return {
        TASK: Feature("int64", (count,), None),
        SUBTASK: Feature("int64", (count,), None),
        ACTION: Feature("float32", (count, horizon, *action.shape), None),
        KNOWN: Feature("bool", (count, horizon), None),
        WEIGHT: Feature("float32", (count,), None),
    }


def check_branches(branches: Branches | None, features: Mapping[str, Feature], length: int, what: str) -> None:
    """
    Raises:
        WallOSSError: ``what``, and what the dataset promises and the branches are not.
    """
    if branches is None:
        if any(key.startswith(BRANCHES) for key in features):
            raise WallOSSError(f"{what} has no branches.", "All episodes of a dataset have the same features.")
        return
    columns = {TASK, SUBTASK, ACTION, KNOWN, WEIGHT, "subtask_index"}
    if missing := sorted(columns - features.keys()):
        raise WallOSSError(
            f"{what} has branches, and the dataset no place for them: it has no {', '.join(missing)}.",
            'Open the writer with branch_features() among its features, and language=("subtask_index",).',
        )
    count = features[TASK].shape[0]
    for name, texts in (("tasks", branches.tasks), ("subtasks", branches.subtasks)):
        if len(texts) != length or any(len(row) != count for row in texts):
            raise WallOSSError(f"{what}: {name} of its branches are not {length} rows of {count}.")
        if not all(text is None or (isinstance(text, str) and text.strip()) for row in texts for text in row):
            raise WallOSSError(f"{what}: {name} of its branches are texts that say something, or None.")
    for key, values in ((ACTION, branches.action), (KNOWN, branches.known), (WEIGHT, branches.weight)):
        shape = (length, *features[key].shape)
        if np.shape(values) != shape:
            raise WallOSSError(f"{what}: {key} has the shape {np.shape(values)}; {shape} is expected.")
        if not np.isfinite(values).all():
            raise WallOSSError(f"{what}: {key} holds what is no finite number.")
    if (np.asarray(branches.weight) < 0).any():
        raise WallOSSError(f"{what}: {WEIGHT} is below 0.")


def spoken(texts: Texts) -> list[str]:
    """Those that are there, in order."""
    return [text for row in texts for text in row if text is not None]


def branch_columns(branches: Branches, tasks: Sequence[int], subtasks: Sequence[int]) -> dict[str, np.ndarray]:
    """As they are written; ``tasks`` and ``subtasks`` number what :func:`spoken` gives of each."""
    return {
        TASK: _numbered(branches.tasks, tasks),
        SUBTASK: _numbered(branches.subtasks, subtasks),
        ACTION: np.asarray(branches.action, np.float32),
        KNOWN: np.asarray(branches.known, bool),
        WEIGHT: np.asarray(branches.weight, np.float32),
    }


def _numbered(texts: Texts, numbers: Sequence[int]) -> np.ndarray:
    """(n, B) int64."""
    found = np.full((len(texts), len(texts[0])), -1, np.int64)
    found[np.array([[text is not None for text in row] for row in texts])] = numbers
    return found
