# SPDX-License-Identifier: Apache-2.0
"""What recorded frames would call for under other instructions: see :mod:`wall_oss_ros.data.lerobot.branches`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping as Table
from typing import TYPE_CHECKING

import numpy as np

from wall_oss_ros.data.dataset import ActingSample
from wall_oss_ros.data.lerobot.branches import ACTION, KNOWN, SUBTASK, TASK, WEIGHT
from wall_oss_ros.data.lerobot.language import LOST_TABLE
from wall_oss_ros.data.mapping.columns import Columns
from wall_oss_ros.data.mapping.language import EpisodeWords, cleaned
from wall_oss_ros.data.mapping.motion import Motion
from wall_oss_ros.data.mapping.spec import Actions, Mapping
from wall_oss_ros.errors import WallOSSError

if TYPE_CHECKING:
    from wall_oss_ros.data.lerobot import LeRobotDataset

_FROM = "action"
_KEPT = 20_000  # rows of episodes that are kept in memory, at some kB a row


class BranchReader:
    """Reads branches of one dataset.

    Args:
        mapping: which column is what.
        columns: the dataset's.

    Raises:
        WallOSSError: the dataset has none, or the mapping's actions are not those that branches are of.
    """

    def __init__(self, mapping: Mapping, columns: Columns, dataset: LeRobotDataset):
        self._dataset = dataset
        self._tables: OrderedDict[int, Table[str, np.ndarray]] = OrderedDict()
        if missing := [name for name in (TASK, SUBTASK, ACTION, KNOWN) if name not in dataset.features]:
            raise columns.error(
                "branches", f"{dataset.folder} has no column {missing[0]}", "Leave branches out: there are none."
            )
        if not dataset.subtasks:
            raise columns.error("branches", f"{dataset.folder} has no table of what branches call for", LOST_TABLE)
        if not isinstance(mapping.action, Actions):
            raise columns.error("branches", "action is next_state, which branches do not have", "Map actions.")
        if mapping.action.base is not None:
            raise columns.error("branches", "a base's commands are not read from branches", "Leave branches out.")
        for name, arm in mapping.action.arms.items():
            if arm.relative != "no":
                raise columns.error(
                    "branches",
                    f"action.arms.{name} are displacements, and steps of a branch have no states to put them onto",
                    "Write targets, or leave branches out.",
                )
        used = [
            one for arm in mapping.action.arms.values() for one in (arm.position, arm.rotation, arm.joints, arm.gripper)
        ]
        for one in (*used, *mapping.action.parts.values()):
            if one is not None and one.column != _FROM:
                raise columns.error(
                    "branches", f"branches are of the column {_FROM}, and not of {one.column}", "Map that column."
                )
        shapes = [dataset.features[name].shape for name in (ACTION, KNOWN)]
        if len(shapes[0]) != 3 or shapes[0][2:] != dataset.features[_FROM].shape or shapes[1] != shapes[0][:2]:
            raise columns.error(
                "branches", f"{ACTION} and {KNOWN} have the shapes {shapes[0]} and {shapes[1]}, which do not belong "
                f"to {_FROM} {dataset.features[_FROM].shape}", "Write the dataset again: docs/how-to/datasets.md.",
            )  # fmt: skip
        self._names = [name for name in (TASK, SUBTASK, ACTION, KNOWN, WEIGHT) if name in dataset.features]

    def called(self, episode: int, row: int) -> list[tuple[str, str]]:
        """The instructions of a row beside its own, each with the subtask that it calls for."""
        table = self._table(episode)
        pairs = [self._texts(table, row, branch) for branch in range(1, len(table[TASK][row]))]
        return [(instruction, subtask) for instruction, subtask in pairs if instruction and subtask]

    def acting(
        self,
        rng: np.random.Generator,
        episode: int,
        row: int,
        count: int,
        words: EpisodeWords,
        motion: Motion,
        paths: Table[str, float] | None = None,
    ) -> list[ActingSample]:
        """Draws up to ``count`` different texts to act on in a row, by their weights, each with its motion.

        Args:
            paths: see :meth:`~wall_oss_ros.data.dataset.Dataset.acting`.
        """
        table, found = self._table(episode), dict[tuple[str, str], int]()
        weights = table[WEIGHT][row] if WEIGHT in table else np.ones(len(table[TASK][row]))
        for branch in np.flatnonzero(table[KNOWN][row].any(-1) & (weights > 0)):
            for way in words.followed(*self._texts(table, row, int(branch)), rng=rng, paths=paths):
                found.setdefault(way, int(branch))
        if not found:
            return []
        ways, branches = list(found), np.array(list(found.values()))
        shares = weights[branches].astype(float)
        chosen = rng.choice(len(ways), size=min(count, len(ways)), replace=False, p=shares / shares.sum())
        chunks, known = self._chunks(table, motion, np.full(len(chosen), row), branches[chosen])
        return [
            ActingSample(ways[one][0], chunk, told, ways[one][1]) for one, chunk, told in zip(chosen, chunks, known)
        ]

    def all_chunks(self, episode: int, motion: Motion) -> tuple[np.ndarray, np.ndarray]:
        """The chunks (N, H, A) of all branches of an episode, and which entries are known."""
        table = self._table(episode)
        return self._chunks(table, motion, *np.nonzero(table[KNOWN].any(-1)))

    def _chunks(self, table: Table[str, np.ndarray], motion: Motion, rows: np.ndarray, branches: np.ndarray):
        return motion.following(rows, {_FROM: table[ACTION][rows, branches]}, table[KNOWN][rows, branches])

    def _texts(self, table: Table[str, np.ndarray], row: int, branch: int) -> tuple[str | None, str | None]:
        """Instruction and subtask."""
        numbers = int(table[TASK][row, branch]), int(table[SUBTASK][row, branch])
        return cleaned(self._dataset.tasks.get(numbers[0])), cleaned(self._dataset.subtasks.get(numbers[1]))

    def _table(self, episode: int) -> Table[str, np.ndarray]:
        """The columns of an episode.

        Raises:
            WallOSSError: a number stands in no table.
        """
        if episode not in self._tables:
            table = self._tables[episode] = self._dataset.columns(episode, self._names)
            for name, texts in ((TASK, self._dataset.tasks), (SUBTASK, self._dataset.subtasks)):
                if strange := sorted({*np.unique(table[name]).tolist()} - {-1, *texts}):
                    raise WallOSSError(
                        f"{self._dataset.folder}, episode {episode}: {name} {strange[0]} stands in no table.",
                        "Mend the dataset, or leave branches out of the mapping.",
                    )
            while len(self._tables) > 1 and sum(len(one[TASK]) for one in self._tables.values()) > _KEPT:
                self._tables.popitem(last=False)
        self._tables.move_to_end(episode)
        return self._tables[episode]
