# SPDX-License-Identifier: Apache-2.0
"""What a writer does before it goes on with a dataset that another one, or none, finished."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wall_oss_ros.data.lerobot.episodes import SUBTASKS
from wall_oss_ros.data.lerobot.feature_statistics import PictureStatistics
from wall_oss_ros.data.lerobot.files import UNFINISHED, whole_file, write_json
from wall_oss_ros.data.lerobot.language import LOST_TABLE, PERSISTENT, SUBTASK_INDEX, may_lack
from wall_oss_ros.data.lerobot.layout import INFO, PICTURES, Info, path_of, read_info
from wall_oss_ros.data.lerobot.reader import LeRobotDataset
from wall_oss_ros.data.lerobot.table_files import TableFiles
from wall_oss_ros.data.lerobot.tables import open_parquet
from wall_oss_ros.errors import WallOSSError

_log = logging.getLogger(__name__)


def leftovers_removed(folder: Path, info: Info, tables: TableFiles) -> None:
    """Takes away what an episode left that was not finished: files half written, and rows that no table knows of."""
    for part in ("data", "videos", "meta"):
        for path in (folder / part).rglob(f"*{UNFINISHED}"):
            path.unlink()
    if info.generation == "v2":
        values = {"episode_index": tables.next_index, "episode_chunk": tables.next_index // info.chunks_size}
        path_of(folder, info.data_path, values, "data_path").unlink(missing_ok=True)
        for key, feature in info.features.items():
            if feature.dtype == "video":
                path_of(folder, info.video_path, {**values, "video_key": key}, "video_path").unlink(missing_ok=True)
        return
    for path in sorted((folder / "data").rglob("*.parquet")):
        with open_parquet(path) as file:
            column = file.read(columns=["episode_index"], use_threads=False).column("episode_index")
            surplus = pc.greater_equal(column, tables.next_index)
            if not pc.any(surplus).as_py():
                continue
            _log.warning("%s: rows of episode %d, which was not finished, are removed.", path, tables.next_index)
            if pc.all(surplus).as_py():
                path.unlink()
                continue
            with whole_file(path) as temporary, pq.ParquetWriter(temporary, file.schema_arrow) as writer:
                for group in range(file.num_row_groups):
                    rows = file.read_row_group(group, use_threads=False)
                    kept = rows.filter(pc.less(rows.column("episode_index"), pa.scalar(tables.next_index)))
                    if len(kept):
                        writer.write_table(kept)


def without_lost_subtasks(folder: Path, info: Info) -> Info:
    """info.json without subtask_index where no file has it any more, as lerobot 0.6 leaves it after annotating."""
    paths = list((folder / "data").rglob("*.parquet"))
    if not paths or SUBTASK_INDEX not in info.features or not may_lack(SUBTASK_INDEX, info.features):
        return info
    for path in paths:
        with open_parquet(path) as file:
            if SUBTASK_INDEX in file.schema_arrow.names:
                return info
    del info.values["features"][SUBTASK_INDEX]
    write_json(folder / INFO, info.values)
    return read_info(folder)


def check_can_go_on(folder: Path, info: Info) -> None:
    """Pictures of distances are not written here; and new subtasks would get numbers that rows have already, if the
    table of subtasks is lost.

    Raises:
        WallOSSError: there are such pictures, or it is.
    """
    if depths := [key for key, feature in info.features.items() if feature.depth]:
        raise WallOSSError(
            f"{folder} has pictures of distances ({', '.join(depths)}), which are not written here.",
            "Go on with it in lerobot, or make a dataset without them.",
        )
    if SUBTASK_INDEX not in info.features or (folder / SUBTASKS).exists():
        return
    for path in sorted((folder / "data").rglob("*.parquet")):
        with open_parquet(path) as file:
            if SUBTASK_INDEX not in file.schema_arrow.names:
                continue
            numbers = file.read(columns=[SUBTASK_INDEX], use_threads=False).column(SUBTASK_INDEX)
            if pc.any(pc.greater_equal(numbers, 0)).as_py():
                copy = " Or make a copy without: wall-oss data filter." if PERSISTENT in info.features else ""
                raise WallOSSError(f"{path} has numbers of subtasks, and there is no {SUBTASKS}.", LOST_TABLE + copy)


def gathered_anew(folder: Path, statistics: Mapping[str, Any]) -> None:
    """Takes the episodes that are there into the statistics of the whole: columns read anew, pictures by what is
    stored about them."""
    dataset = LeRobotDataset(folder)
    views = {key for key in statistics if dataset.features[key].dtype in PICTURES}
    names = [key for key in statistics if key not in views]
    for episode in dataset.episodes:
        for key, values in dataset.columns(episode.index, names).items():
            statistics[key].add(values)
        stored = dataset.episode_statistics.get(episode.index, {}) if views else {}
        for key in views & stored.keys():
            if (known := PictureStatistics.from_statistics(stored[key])) is not None:
                statistics[key].merge(known)
