# SPDX-License-Identifier: Apache-2.0
"""What lies in a dataset's folder, and the format knows nothing of: an edit cannot tell whether it still holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import PurePosixPath

from wall_oss_ros.data.checks.survey import Survey
from wall_oss_ros.data.lerobot.episodes import SUBTASKS, TASKS, text_columns
from wall_oss_ros.data.lerobot.layout import INFO
from wall_oss_ros.data.lerobot.statistics import EPISODES_STATS, STATS
from wall_oss_ros.data.lerobot.tables import read_lines, read_table
from wall_oss_ros.errors import WallOSSError

MAPPING = "mapping.yaml"
"""Beside a dataset, how training reads it: it goes along where all parts have the same."""

_KNOWN = {INFO, STATS, EPISODES_STATS, SUBTASKS, *TASKS.values(), "meta/episodes.jsonl"}
_FOLDERS = {"images", "meta/episodes"}


def beside(survey: Survey, with_mapping: bool) -> Iterator[str]:
    """Files, and columns of the tables of texts, that an edit does not take along.

    Args:
        with_mapping: whether the mapping goes along.
    """
    info = survey.info
    roots = {
        PurePosixPath(template.split("{")[0] + "x").parent.as_posix() for template in (info.data_path, info.video_path)
    }
    known = _KNOWN | ({MAPPING} if with_mapping else set())
    for folder, names, files in os.walk(survey.folder):
        here = PurePosixPath(os.path.relpath(folder, survey.folder))
        names[:] = sorted(
            name for name in names if not name.startswith(".") and (here / name).as_posix() not in roots | _FOLDERS
        )
        paths = [(here / name).as_posix() for name in sorted(files) if not name.startswith(".")]
        yield from (path for path in paths if path not in known)
    for kind, name in (("task", TASKS[info.generation]), ("subtask", SUBTASKS)):
        path = survey.folder / name
        try:
            rows = [] if not path.is_file() else read_lines(path) if path.suffix == ".jsonl" else (
                read_table(path).slice(0, 1).to_pylist()
            )  # fmt: skip
        except (WallOSSError, UnicodeDecodeError):
            rows = []
        further = sorted({column for row in rows for column in row} - text_columns(rows[0], kind)) if rows else []
        yield from (f"the column {column} of {name}" for column in further)
