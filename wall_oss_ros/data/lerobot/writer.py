# SPDX-License-Identifier: Apache-2.0
"""LeRobot datasets v3.0 and v2.1, written episode by episode.

Each episode is whole on the disk before ``add`` returns. Files are only ever replaced by others that hold the same and
more, the table of episodes last, so that whenever the process is killed, the folder is a readable dataset of the whole
episodes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from wall_oss_ros.data.lerobot.branches import branch_columns, spoken
from wall_oss_ros.data.lerobot.data_files import DataFiles
from wall_oss_ros.data.lerobot.encode import encoder
from wall_oss_ros.data.lerobot.episode_data import EpisodeData, check, frames
from wall_oss_ros.data.lerobot.feature_statistics import gathering, looked_at, results
from wall_oss_ros.data.lerobot.files import hold, write_json
from wall_oss_ros.data.lerobot.language import EVENTS, FURTHER, PERSISTENT, Entry, told_apart
from wall_oss_ros.data.lerobot.layout import (
    DATA_PATHS,
    INFO,
    PICTURES,
    STANDARD,
    VIDEO_PATHS,
    Feature,
    read_feature,
    read_info,
)
from wall_oss_ros.data.lerobot.resume import check_can_go_on, gathered_anew, leftovers_removed, without_lost_subtasks
from wall_oss_ros.data.lerobot.schema import LANGUAGE_FEATURES, entry_values
from wall_oss_ros.data.lerobot.table_files import TableFiles
from wall_oss_ros.data.lerobot.video_files import VideoFiles
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief

WRITTEN = ("v3.0", "v2.1")
KEPT = 1 << 14
"""Rows that are held for quantiles of the whole: fewer than elsewhere, as these are worked out after each episode."""


class LeRobotWriter:
    """Writes a dataset; a context manager, one for a folder at a time.

    Args:
        folder: to be made; with ``append`` an existing dataset goes on, or a new one begins.
        fps: frames a second, 29.97 too.
        features: of each row, without timestamp and the indices, which are added. Pictures: dtype "video" or "image".
        version: "v3.0", or "v2.1" with a file for each episode.
        codec: of videos: "h264", or "av1", which is smaller and slower.
        language: which columns for words there are: "subtask_index" (lerobot 0.4.4 to 0.5.1),
            "language_persistent" and "language_events" (lerobot 0.6 on), and "language_events.further", for events that
            lerobot could not tell apart. Subtasks go into all that can hold them.
        nan_allowed: columns in which a number may be missing.

    Raises:
        WallOSSError: the folder is no place for it, or something about the features is wrong.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        fps: float | None = None,
        features: Mapping[str, Feature] | None = None,
        robot_type: str | None = None,
        version: str = "v3.0",
        *,
        append: bool = False,
        codec: str = "h264",
        language: Sequence[str] = (),
        nan_allowed: Sequence[str] = (),
    ) -> None:
        self.folder = Path(folder).expanduser()
        self._nan_allowed = tuple(nan_allowed)
        self._lock: int | None = None
        if version not in WRITTEN:
            raise WallOSSError(f"Datasets are written as {' or '.join(WRITTEN)}, not {brief(version)}.")
        if features is not None:
            features = _all_features(self.folder, features, language)
        try:
            if (self.folder / INFO).exists():
                if not append:
                    raise WallOSSError(
                        f"{self.folder} holds a dataset already.", "Append to it, or name another folder."
                    )
                self._lock = hold(self.folder)
                self._go_on(fps, features, robot_type)
            else:
                self._begin(fps, features, robot_type, version)
            if any(feature.dtype == "video" for feature in self.features.values()):
                encoder(codec)
            self._videos = VideoFiles(self.folder, self.info, codec)
            self._data = DataFiles(self.folder, self.info)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> LeRobotWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the folder; everything is on the disk already."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def features(self) -> Mapping[str, Feature]:
        """All features, those that the writer adds included."""
        return self.info.features

    def __len__(self) -> int:
        """Episodes that are there."""
        return len(self._tables)

    def add(self, episode: EpisodeData) -> int:
        """Writes an episode; after that it is safe, whatever happens.

        Returns:
            Its index.

        Raises:
            WallOSSError: it does not fit the features, or cannot be written. The dataset stays as it was.
        """
        if self._lock is None:
            raise WallOSSError(f"The writer of {self.folder} is closed.", "Open another one with append=True.")
        index = self._tables.next_index
        what = f"Episode {index} of {self.folder}"
        checked = check(episode, self.features, self.info.fps, self._nan_allowed, what)
        self._tables.check_extra(episode.extra, what)
        branches = episode.branches
        tasks = self._tables.numbers("task", [*checked.tasks, *(spoken(branches.tasks) if branches else ())])
        columns: dict[str, Any] = {
            **checked.columns,
            "timestamp": checked.timestamps.astype(np.float32),
            "frame_index": np.arange(checked.length),
            "episode_index": np.full(checked.length, index),
            "index": np.arange(checked.length) + self._tables.frames,
            "task_index": np.array(tasks[: checked.length]),
        }
        if "subtask_index" in self.features:
            # lerobot takes any number as one of the table, so that nothing said is a subtask, too: one without words.
            texts = [text or "" for text in checked.subtasks]
            subtasks = self._tables.numbers("subtask", [*texts, *(spoken(branches.subtasks) if branches else ())])
            columns["subtask_index"] = np.array(subtasks[: checked.length])
            if branches is not None:
                columns |= branch_columns(branches, tasks[checked.length :], subtasks[checked.length :])
        columns |= self._words(episode, checked.subtasks, columns["timestamp"])
        times = [Fraction(row) / self._rate for row in range(checked.length)]
        if not checked.regular:
            times = [Fraction(float(stamp)) for stamp in columns["timestamp"]]
        own = gathering(self.features, None)
        for key, one in own.items():
            if key in columns:
                one.add(columns[key])
        seen = looked_at(checked.length)

        def pictures(key: str):
            for row, pixels in enumerate(
                frames(episode.pictures[key], self.features[key], checked.length, f"{what}, view {key}")
            ):
                if row in seen:
                    own[key].add(pixels)
                yield pixels

        try:
            with (
                self._videos.prepared(index, pictures, times, checked.regular) as videos,
                self._data.prepared(index, columns, pictures) as data,
            ):
                statistics = results(own, self.features)
                videos.put()
                data.put()
            self._tables.put(index, checked, statistics, {**data.place, **videos.place}, episode.extra)
            self._videos.settle(videos)
            self._data.settle(data)
        except OSError as error:
            raise WallOSSError(f"{what} cannot be written: {error}.", "Make room, and add it again.") from error
        for key, one in own.items():
            self._whole[key].merge(one)
        self._tables.put_summary(results(self._whole, self.features))
        self._tables.put_info(self._videos.descriptions())
        return index

    def _begin(self, fps: Any, features: Mapping[str, Feature] | None, robot: str | None, version: str) -> None:
        if fps is None or features is None:
            raise WallOSSError(f"{self.folder} holds no dataset yet: fps and features are needed.")
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise WallOSSError(f"{self.folder} is in the way: it is not empty.", "Name a folder that does not exist.")
        generation = version[:2]
        values: dict[str, Any] = {
            "codebase_version": version,
            "robot_type": robot,
            "total_episodes": 0,
            "total_frames": 0,
            "total_tasks": 0,
            **({"total_videos": 0, "total_chunks": 0} if generation == "v2" else {}),
            "chunks_size": 1000,
            **({"data_files_size_in_mb": 100, "video_files_size_in_mb": 200} if generation == "v3" else {}),
            "fps": int(fps) if fps == int(fps) else fps,
            "splits": {},
            "data_path": DATA_PATHS[generation],
            "video_path": VIDEO_PATHS[generation] if any(f.dtype == "video" for f in features.values()) else None,
            "features": {
                key: {"dtype": f.dtype, "shape": list(f.shape), "names": list(f.names) if f.names else None}
                for key, f in features.items()
            },
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = hold(self.folder)
        write_json(self.folder / INFO, values)
        self.info = read_info(self.folder)
        self._rate = Fraction(self.info.fps).limit_denominator(100_000)
        self._tables = TableFiles(self.folder, self.info)
        self._whole = gathering(self.features, KEPT)

    def _go_on(self, fps: Any, features: Mapping[str, Feature] | None, robot: str | None) -> None:
        self.info = read_info(self.folder)
        if self.info.version not in WRITTEN:
            raise WallOSSError(f"{self.folder} is {self.info.version}; {' or '.join(WRITTEN)} can be appended to.")
        if fps is not None and abs(fps - self.info.fps) > 1e-9:
            raise WallOSSError(f"{self.folder} has {self.info.fps:g} frames a second, not {fps:g}.")
        if robot is not None and self.info.robot_type not in (None, robot):
            raise WallOSSError(f"{self.folder} is of the robot {self.info.robot_type}, not {robot}.")
        for key in sorted({*self.features, *(features or {})}) if features is not None else ():
            here, there = self.features.get(key), features.get(key)
            if here is None or there is None or here[:2] != there[:2]:
                raise WallOSSError(
                    f"{self.folder} has {key} as {brief(tuple(here[:2]) if here else None)}, not "
                    f"{brief(tuple(there[:2]) if there else None)}.",
                    "All episodes of a dataset have the same features.",
                )
        self.info = without_lost_subtasks(self.folder, self.info)
        self._rate = Fraction(self.info.fps).limit_denominator(100_000)
        self._tables = TableFiles(self.folder, self.info)
        leftovers_removed(self.folder, self.info, self._tables)
        check_can_go_on(self.folder, self.info)
        self._whole = gathering(self.features, KEPT)
        gathered_anew(self.folder, self._whole)

    def _words(self, episode: EpisodeData, subtasks: list[str | None], stamps: np.ndarray) -> dict[str, Any]:
        """The columns for words."""
        found: dict[str, Any] = {}
        if PERSISTENT in self.features:
            # Where one ends and none follows, an entry without words says so.
            before = [None, *subtasks]
            begun = [row for row, text in enumerate(subtasks) if text != before[row]]
            told = [Entry("assistant", subtasks[row] or "", "subtask", float(stamps[row])) for row in begun]
            entries = sorted([*told, *episode.persistent], key=lambda entry: entry.timestamp or 0.0)
            found[PERSISTENT] = [[entry_values(entry, True) for entry in entries]] * len(subtasks)
        if EVENTS in self.features:
            events: list[list[Entry]] = [[] for _ in subtasks]
            for row, entry in episode.events:
                events[row].append(entry)
            parts = [told_apart(said) if FURTHER in self.features else (said, []) for said in events]
            first, further = ([[entry_values(entry, False) for entry in said] for said in part] for part in zip(*parts))
            found[EVENTS] = first
            if FURTHER in self.features:
                found[FURTHER] = [json.dumps(said, ensure_ascii=False) if said else "" for said in further]
        return found


def _all_features(folder: Path, features: Mapping[str, Feature], language: Sequence[str]) -> dict[str, Feature]:
    found: dict[str, Feature] = {}
    for key, feature in features.items():
        if not isinstance(key, str) or not key or "/" in key or "\\" in key or key in (".", ".."):
            raise WallOSSError(f"A feature cannot be named {brief(key)}.", "Names become folders: without / and not ..")
        if not isinstance(feature, Feature):
            raise WallOSSError(f"Feature {key} is {brief(feature)}; a Feature is expected.")
        if key in STANDARD:
            continue
        read_feature(folder / INFO, key, {"dtype": feature.dtype, "shape": list(feature.shape)})
        if feature.dtype == "video" and (feature.size[0] % 2 or feature.size[1] % 2):
            raise WallOSSError(
                f"View {key} is {feature.size[0]} high and {feature.size[1]} wide; videos need even numbers.",
                "Crop or pad it by a pixel, or keep it as images.",
            )
        if feature.dtype in PICTURES and feature.size[2] != 3:
            raise WallOSSError(f"View {key} has {feature.size[2]} channels; pictures are RGB, of three.")
        found[key] = feature
    for key in language:
        if key not in LANGUAGE_FEATURES:
            raise WallOSSError(
                f"There is no column for words {brief(key)}.", f"There are: {', '.join(LANGUAGE_FEATURES)}."
            )
        found[key] = LANGUAGE_FEATURES[key]
    return found | {key: Feature(dtype, (1,), None) for key, dtype in STANDARD.items()}
