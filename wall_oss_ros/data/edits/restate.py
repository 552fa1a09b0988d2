# SPDX-License-Identifier: Apache-2.0
"""A dataset's statistics computed anew and put into its tables, each file in one step."""

from __future__ import annotations

import os
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wall_oss_ros.data.checks.survey import Survey
from wall_oss_ros.data.edits.rows import number_features
from wall_oss_ros.data.lerobot.episodes import episode_tables
from wall_oss_ros.data.lerobot.feature_statistics import PictureStatistics, lists, looked_at, results
from wall_oss_ros.data.lerobot.files import hold, whole_file, write_json, write_lines
from wall_oss_ros.data.lerobot.reader import LeRobotDataset
from wall_oss_ros.data.lerobot.statistics import numeric
from wall_oss_ros.data.statistics import KEEP, Statistics
from wall_oss_ros.errors import WallOSSError

Listed = dict[str, dict[str, list]]


def compute(survey: Survey, exact: bool = False) -> tuple[dict[str, Statistics], dict[int, Listed]]:
    """Of all rows, and of each episode's.

    Raises:
        WallOSSError: something cannot be read.
    """
    features = number_features(survey)
    whole = {key: Statistics(feature.entries, None if exact else KEEP) for key, feature in features.items()}
    episodes: dict[int, Listed] = {}
    for rows in survey.rows():
        if rows.episode in episodes:
            raise WallOSSError(
                f"{survey.folder}: rows of episode {rows.episode} lie in two places.", "Look at it: wall-oss data check"
            )
        own = {key: Statistics(feature.entries, None) for key, feature in features.items()}
        for key, one in own.items():
            values = rows.columns.get(key)
            if values is not None and values.shape[1] == one.width:
                one.add(values)
                whole[key].merge(one)
        episodes[rows.episode] = lists(results({key: one for key, one in own.items() if one.rows}, features))
    broken = [finding for finding in survey.findings if finding.level == "error"]
    if broken:
        raise WallOSSError(f"{survey.folder}: {broken[0].what}", broken[0].todo)
    if not episodes and survey.table:
        raise WallOSSError(f"{survey.folder} has no rows.", "Download or write the dataset again.")
    return whole, episodes


def compute_pictures(survey: Survey) -> tuple[Listed, dict[int, Listed]]:
    """Of the pictures, up to 100 of each episode: of the whole dataset, and of each episode.

    Raises:
        WallOSSError: one cannot be read.
    """
    dataset = LeRobotDataset(survey.folder)
    whole = {key: PictureStatistics() for key in dataset.views}
    episodes: dict[int, Listed] = {}
    for one in dataset.episodes:
        own = {key: PictureStatistics() for key in dataset.views}
        for key, gathered in own.items():
            rows = sorted(looked_at(one.length)) if one.length else []
            for start in range(0, len(rows), 16):
                for pixels in dataset.pictures(key, one.index, rows[start : start + 16]):
                    gathered.add(pixels)
            whole[key].merge(gathered)
        if one.length:
            episodes[one.index] = lists(results(own, dataset.features))
    return lists(results({key: one for key, one in whole.items() if one.pictures}, dataset.features)), episodes


def write(
    survey: Survey, whole: dict[str, Statistics], episodes: dict[int, Listed], pictures: Listed | None = None
) -> None:
    """Puts them into stats.json, and into the tables of episodes where the version keeps those of episodes.

    Raises:
        WallOSSError: another process writes there, or a file cannot be written; each file is the old or the new.
    """
    meta = survey.folder / "meta"
    lock = hold(survey.folder)
    try:
        if survey.info.generation == "v3":
            for path in episode_tables(survey.folder):
                _table(path, episodes)
        elif survey.info.version == "v2.1":
            stored = survey.stored_episodes
            rows = [
                {"episode_index": index, "stats": {**_of_views(survey, stored.get(index, {})), **own}}
                for index, own in sorted(episodes.items())
            ]
            write_lines(meta / "episodes_stats.jsonl", rows)
        if survey.info.version != "v2.1" or (meta / "stats.json").exists():
            known = {key: one for key, one in whole.items() if one.rows}
            numbers = lists(results(known, survey.info.features))
            write_json(meta / "stats.json", {**_of_views(survey, survey.stored), **(pictures or {}), **numbers})
    except OSError as error:
        raise WallOSSError(
            f"{meta} cannot be written: {error.strerror}.", "Make it writable, or copy the dataset."
        ) from None
    finally:
        os.close(lock)


def _table(path, episodes: dict[int, Listed]) -> None:
    table = pq.read_table(path)
    indices = table.column("episode_index").to_pylist()
    found = [episodes.get(index, {}) for index in indices]
    names = dict.fromkeys((key, name) for own in found for key, one in own.items() for name in one)
    for key, name in names:
        values = pa.array([own.get(key, {}).get(name) for own in found])
        column = f"stats/{key}/{name}"
        at = table.schema.get_field_index(column)
        table = table.append_column(column, values) if at < 0 else table.set_column(at, column, values)
    with whole_file(path) as temporary:
        pq.write_table(table, temporary)
        if pq.read_table(temporary).num_rows != len(indices):
            raise WallOSSError(f"{path} could not be written whole.", "Look at the disk.")


def _of_views(survey: Survey, stored) -> dict[str, Any]:
    return {key: stored[key] for key in survey.views() if key in stored and numeric(stored[key]) is not None}
