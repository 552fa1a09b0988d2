# SPDX-License-Identifier: Apache-2.0
"""The tables of a dataset that is being written: episodes, tasks, subtasks, statistics, and info.json last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wall_oss_ros.data.lerobot.episode_data import Checked
from wall_oss_ros.data.lerobot.episodes import (
    EPISODES,
    SUBTASKS,
    TASKS,
    episode_tables,
    is_extra,
    read_episodes,
    read_texts,
)
from wall_oss_ros.data.lerobot.feature_statistics import lists
from wall_oss_ros.data.lerobot.files import whole_file, write_json, write_lines
from wall_oss_ros.data.lerobot.layout import INFO, Info, read_info
from wall_oss_ros.data.lerobot.numbering import FileNumber
from wall_oss_ros.data.lerobot.schema import texts_table
from wall_oss_ros.data.lerobot.statistics import EPISODES_STATS, STATS
from wall_oss_ros.data.lerobot.tables import open_parquet, read_lines
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief

EPISODES_PATH = EPISODES + "/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
ROWS = 500
"""Episodes in a file of v3.0's table, which is written anew for each."""

_LINES = "meta/episodes.jsonl"


class TableFiles:
    """The tables as they are on the disk, and their next rows.

    Attributes:
        next_index: of the next episode.
        frames: in all episodes.
    """

    def __init__(self, folder: Path, info: Info) -> None:
        self._folder, self._info = folder, info
        episodes, _ = read_episodes(folder, info)
        self._count = len(episodes)
        self.next_index = episodes[-1].index + 1 if episodes else 0
        self.frames = sum(episode.length for episode in episodes)
        self._texts = {kind: read_texts(folder, info, kind) for kind in ("task", "subtask")}
        self._new: dict[str, dict[int, str]] = {"task": {}, "subtask": {}}
        self._rows: list[dict[str, Any]] = []
        self._extra: dict[str, pa.DataType] = {}
        self._settled = False  # whether the extra columns stand in a file that is not written again
        if info.generation == "v2":
            lines = [folder / _LINES, folder / EPISODES_STATS]
            self._rows, self._stats = ([*read_lines(path)] if path.exists() else [] for path in lines)
        else:
            self._number = FileNumber.after(folder, EPISODES_PATH, {}, info.chunks_size)
            for path in episode_tables(folder):
                with open_parquet(path) as file:
                    self._extra |= {f.name: f.type for f in file.schema_arrow if is_extra(f.name)}
                self._settled = True

    def __len__(self) -> int:
        return self._count

    def numbers(self, kind: str, texts: Sequence[str]) -> list[int]:
        """The numbers of tasks or subtasks ("task", "subtask"); new ones get the next, once ``put`` is called."""
        known = {text: number for number, text in self._texts[kind].items()}
        new = self._new[kind] = {}
        for text in texts:
            if text not in known:
                known[text] = max(known.values(), default=-1) + 1
                new[known[text]] = text
        return [known[text] for text in texts]

    def check_extra(self, extra: Mapping[str, Any], what: str) -> None:
        """Raises a WallOSSError if extra columns do not go with those of earlier episodes."""
        for key, value in extra.items():
            kind, known = _kind(value), self._extra.get(key)
            if known is None and self._settled and not pa.types.is_null(kind):
                raise WallOSSError(
                    f"{what}: the extra column {key} is not in the tables of the episodes before.",
                    f"They have: {', '.join(self._extra) or 'none'}.",
                )
            if known is not None and kind != known and not pa.types.is_null(kind) and not pa.types.is_null(known):
                if pa.types.is_floating(known) and pa.types.is_integer(kind):
                    continue
                raise WallOSSError(f"{what}: the extra column {key} is {brief(value)}, and {known} so far.")

    def put(
        self,
        index: int,
        checked: Checked,
        statistics: Mapping[str, Any],
        place: Mapping[str, Any],
        extra: Mapping[str, Any],
    ) -> None:
        """Writes the row of an episode, after which it is there."""
        for kind, new in self._new.items():
            if new:
                self._put_texts(kind, {**self._texts[kind], **new})
                self._texts[kind].update(new)
                self._new[kind] = {}
        row: dict[str, Any] = {
            "episode_index": index,
            "tasks": list(dict.fromkeys(checked.tasks)),
            "length": checked.length,
        }
        if self._info.generation == "v2":
            plain = {key: _plain(value) for key, value in extra.items()}
            stats = {"episode_index": index, "stats": lists(statistics)}
            write_lines(self._folder / EPISODES_STATS, [*self._stats, stats])
            write_lines(self._folder / _LINES, [*self._rows, {**row, **plain}])
            self._stats.append(stats)
            self._rows.append({**row, **plain})
        else:
            row |= {**place, "dataset_from_index": self.frames, "dataset_to_index": self.frames + checked.length}
            row |= {f"stats/{key}/{name}": v for key, given in lists(statistics).items() for name, v in given.items()}
            self._put_row(row, {key: _plain(value) for key, value in extra.items()})
        self._count += 1
        self.frames += checked.length
        self.next_index = index + 1

    def put_summary(self, statistics: Mapping[str, Any]) -> None:
        """stats.json, of all episodes; v2.1 has none."""
        if self._info.generation == "v3":
            write_json(self._folder / STATS, lists(statistics))

    def put_info(self, described: Mapping[str, Mapping[str, Any]]) -> None:
        """info.json with the numbers of what there is. ``described``: how views are encoded."""
        values = read_info(self._folder).values
        videos = [key for key, feature in self._info.features.items() if feature.dtype == "video"]
        values["total_episodes"], values["total_frames"] = self._count, self.frames
        values["total_tasks"] = len(self._texts["task"])
        values["splits"] = {"train": f"0:{self._count}"}
        if self._info.generation == "v2":
            values["total_videos"] = self._count * len(videos)
            values["total_chunks"] = (self.next_index - 1) // self._info.chunks_size + 1
        for key, about in described.items():
            values["features"][key].setdefault("info", dict(about))
        write_json(self._folder / INFO, values)

    def _put_texts(self, kind: str, texts: Mapping[int, str]) -> None:
        if kind == "task" and self._info.generation == "v2":
            rows = [{"task_index": number, "task": text} for number, text in texts.items()]
            write_lines(self._folder / TASKS["v2"], rows)
            return
        with whole_file(self._folder / (SUBTASKS if kind == "subtask" else TASKS["v3"])) as path:
            pq.write_table(texts_table(texts, kind), path)

    def _put_row(self, row: dict[str, Any], extra: dict[str, Any]) -> None:
        rows, number = self._rows, self._number
        if len(rows) >= ROWS:
            rows, number = [], number.next(self._info.chunks_size)
        for key, value in extra.items():
            kind = _kind(value)
            if key not in self._extra or pa.types.is_null(self._extra[key]):
                self._extra[key] = kind
        row = {**row, **extra, "meta/episodes/chunk_index": number.chunk, "meta/episodes/file_index": number.file}
        rows = [*rows, row]
        names = [name for name in row if name not in self._extra and not name.startswith("meta/")]
        arrays = {name: pa.array([one.get(name) for one in rows]) for name in names}
        arrays |= {name: pa.array([one.get(name) for one in rows], kind) for name, kind in self._extra.items()}
        arrays |= {name: pa.array([one[name] for one in rows]) for name in row if name.startswith("meta/")}
        path = self._folder / EPISODES_PATH.format(chunk_index=number.chunk, file_index=number.file)
        with whole_file(path) as temporary:
            pq.write_table(pa.table(arrays), temporary, compression="snappy")
        self._settled = self._settled or number != self._number
        self._rows, self._number = rows, number


def _kind(value: Any) -> pa.DataType:
    return pa.array([_plain(value)]).type


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value
