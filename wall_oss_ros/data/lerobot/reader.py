# SPDX-License-Identifier: Apache-2.0
"""LeRobot datasets v2.0, v2.1 and v3.0, read without the package lerobot: columns, pictures and words of episodes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from wall_oss_ros.data.lerobot import images
from wall_oss_ros.data.lerobot.episodes import SUBTASKS, Episode, read_episodes, read_texts
from wall_oss_ros.data.lerobot.hub import locate_dataset
from wall_oss_ros.data.lerobot.language import (
    EVENTS,
    FURTHER,
    LOST_TABLE,
    PERSISTENT,
    SUBTASK_INDEX,
    Language,
    entries,
    further_entries,
    subtasks_of,
    tells_nothing,
)
from wall_oss_ros.data.lerobot.layout import PICTURES, STANDARD, Feature, read_info
from wall_oss_ros.data.lerobot.rows import Rows
from wall_oss_ros.data.lerobot.statistics import read_episode_statistics, read_statistics
from wall_oss_ros.data.lerobot.videos import Videos
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief


def open_dataset(
    name: str | os.PathLike, *, tolerance: float | None = None, revision: str | None = None
) -> LeRobotDataset:
    """The dataset in a folder, or ``owner/name`` on the Hugging Face hub, which is downloaded.

    Args:
        tolerance: how far a video's frame may be from the timestamp of its row, in seconds; a quarter of the time
            between two frames unless told otherwise.
        revision: branch, tag or commit on the hub.

    Raises:
        WallOSSError: it is no dataset of a version that is read here, or its tables are broken.
    """
    return LeRobotDataset(locate_dataset(name, revision), tolerance)


class LeRobotDataset:
    """A dataset of episodes. Safe to use from several threads, and pickled, in processes that are spawned;
    a fork takes over the locks of Arrow's and FFmpeg's threads.

    Tables are read when it is opened; data and videos when they are asked for, so that what is wrong with them is said
    then, or by ``verify``. Episodes are asked for by their index.

    Attributes:
        folder: where it is.
        version: "v2.0", "v2.1" or "v3.0".
        fps: frames a second, not necessarily a whole number.
        robot_type: as its makers call the robot.
        features: by their keys, as info.json has them.
        episodes: in order of their index.
        tasks: instructions by task_index.
        subtasks: by subtask_index; empty where there are none.
    """

    def __init__(self, folder: Path, tolerance: float | None = None) -> None:
        info = read_info(folder)
        self.folder, self.version, self.fps, self.robot_type = folder, info.version, info.fps, info.robot_type
        self.features: Mapping[str, Feature] = info.features
        self.episodes: tuple[Episode, ...]
        self.episodes, places = read_episodes(folder, info)
        self.tasks: Mapping[int, str] = read_texts(folder, info, "task")
        self.subtasks: Mapping[int, str] = read_texts(folder, info, "subtask")
        self._info = info
        self._by_index = {episode.index: episode for episode in self.episodes}
        self._rows = Rows(folder, info, self._by_index, places)
        self._videos = Videos(folder, info, self._by_index, places, tolerance or 0.25 / self.fps)

    def __getitem__(self, index: int) -> Episode:
        """The episode of that index.

        Raises:
            WallOSSError: there is none.
        """
        episode = self._by_index.get(index) if isinstance(index, (int, np.integer)) else None
        if episode is None:
            has = f"{self.episodes[0].index} to {self.episodes[-1].index}" if self.episodes else "none"
            raise WallOSSError(f"{self.folder} has no episode {brief(index)}; it has {len(self.episodes)}: {has}.")
        return episode

    def __len__(self) -> int:
        """Frames of all episodes."""
        return sum(episode.length for episode in self.episodes)

    @property
    def views(self) -> tuple[str, ...]:
        """Keys of the pictures, without those of distances."""
        return tuple(key for key, one in self.features.items() if one.dtype in PICTURES and not one.depth)

    @cached_property
    def statistics(self) -> Mapping[str, Mapping[str, np.ndarray]]:
        """As stored; of v2.1 put together from those of the episodes, then without quantiles."""
        return read_statistics(self.folder, self._info)

    @cached_property
    def episode_statistics(self) -> Mapping[int, Mapping[str, Mapping[str, np.ndarray]]]:
        """As stored, by the episode's index."""
        return read_episode_statistics(self.folder, self._info)

    def columns(
        self, episode: int, names: Sequence[str] | None = None, rows: slice = slice(None), *, check: bool = True
    ) -> dict[str, np.ndarray]:
        """Columns of an episode: (n, *shape) each, (n,) for the shape (1,); never a row of another episode.

        Args:
            names: which; all that are neither pictures nor language unless given.
            rows: of the episode, as Python's slices go.
            check: refuse timestamps that are no numbers or go back; without it they come as they are.

        Raises:
            WallOSSError: a column or file is missing, damaged, or does not hold what info.json says.
        """
        self[episode]
        if names is None:
            names = [key for key, feature in self.features.items() if feature.dtype not in (*PICTURES, "language")]
        return {name: self._column(episode, name, check)[rows].copy() for name in names}

    def pictures(self, key: str, episode: int, rows: Sequence[int] | np.ndarray | slice = slice(None)) -> np.ndarray:
        """A view in some rows of an episode: (n, height, width, 3) uint8 RGB, from images or video.

        Raises:
            WallOSSError: there is no such view, row or frame, or it is damaged or of another size than info.json says.
        """
        length = self[episode].length
        feature = self.features.get(key)
        if feature is not None and feature.depth:
            raise WallOSSError(
                f"{key} of {self.folder} is a picture of distances, which lerobot quantises in its own way.",
                f"Of colours there are: {', '.join(self.views) or 'none'}; lerobot itself reads the others.",
            )
        if feature is None or feature.dtype not in PICTURES:
            raise WallOSSError(
                f"{self.folder} has no view {brief(key)}.", f"It has: {', '.join(self.views) or 'none'}."
            )
        wanted = np.arange(length)[rows] if isinstance(rows, slice) else np.atleast_1d(np.asarray(rows, dtype=np.int64))
        if wanted.ndim != 1 or (len(wanted) and not (wanted.min() >= 0 and wanted.max() < length)):
            raise WallOSSError(f"Episode {episode} of {self.folder} has the rows 0 to {length - 1}, not {brief(rows)}.")
        if not len(wanted):
            return np.empty((0, *feature.size[:2], 3), np.uint8)
        if feature.dtype == "image":
            what = self._rows.what(episode, key)
            found = self._rows.objects(episode, key, wanted)
            return np.stack([
                images.decode(entry, self.folder, feature, f"{what}, row {row}") for row, entry in zip(wanted, found)
            ])  # fmt: skip
        return self._videos.frames(key, episode, self._column(episode, "timestamp"), wanted)

    def video(self, key: str, episode: int) -> tuple[Path, float, float]:
        """The file that a view of an episode is in, and from which second of it to before which.

        Raises:
            WallOSSError: the view is no video, or the tables do not say where it is.
        """
        feature = self.features.get(key)
        if feature is None or feature.dtype != "video":
            raise WallOSSError(f"{self.folder} has no video {brief(key)}.")
        self[episode]
        return self._videos.where(key, episode)

    def rows_at(
        self, episode: int, times: Sequence[float] | np.ndarray, tolerance: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The rows of an episode at given seconds of it, never another's; before and after it, its first and last.

        Returns:
            The nearest rows (n,) int64, and whether each is within the tolerance (n,) bool; half the time between two
            frames unless given.
        """
        stamps = self._column(episode, "timestamp").astype(np.float64)
        wanted = np.asarray(times, np.float64)
        if not len(stamps):
            raise WallOSSError(f"Episode {episode} of {self.folder} is empty.")
        after = np.clip(np.searchsorted(stamps, wanted), 1, max(1, len(stamps) - 1))
        before = after - 1
        after = np.minimum(after, len(stamps) - 1)
        rows = np.where(wanted - stamps[before] <= stamps[after] - wanted, before, after)
        return rows, np.abs(stamps[rows] - wanted) <= (0.5 / self.fps + 1e-6 if tolerance is None else tolerance)

    def language(self, episode: int) -> Language:
        """What is said about an episode: its subtask in each row, and the entries of lerobot's language columns.

        Where the set has subtask_index, that counts, and subtasks of language_persistent fill its gaps; unless it has
        lost its table of subtasks.

        Raises:
            WallOSSError: a number without a subtask, or an entry that is none.
        """
        length = self[episode].length
        persistent, events = self._persistent(episode), []
        if EVENTS in self.features:
            what = self._rows.what(episode, EVENTS)
            further = self._column(episode, FURTHER) if FURTHER in self.features else [""] * length
            for row, values in enumerate(self._rows.objects(episode, EVENTS, np.arange(length))):
                there = entries(values, f"{what}, row {row}")
                there += further_entries(further[row], f"{self._rows.what(episode, FURTHER)}, row {row}")
                events += [(row, entry) for entry in there]
        subtasks: list[str | None] = [None] * length
        if any(entry.style == "subtask" for entry in persistent):
            subtasks = subtasks_of(persistent, self._column(episode, "timestamp"))
        if SUBTASK_INDEX in self.features and not tells_nothing(self.subtasks, self.features):
            for row, number in enumerate(self._column(episode, SUBTASK_INDEX)):
                if number >= 0 and int(number) not in self.subtasks:
                    what = self._rows.what(episode, SUBTASK_INDEX)
                    raise WallOSSError(f"{what}, row {row}: {SUBTASKS} has no subtask {number}.", LOST_TABLE)
                said = self.subtasks[int(number)] if number >= 0 else ""
                subtasks[row] = said or subtasks[row]
        return Language(tuple(subtasks), persistent, tuple(events))

    def verify(self) -> None:
        """Looks at every episode's rows and timestamps, and at the first and last frame of each view.

        Raises:
            WallOSSError: at the first thing that is wrong.
        """
        for episode in self.episodes:
            self.columns(episode.index)
            self.language(episode.index)
            for key in self.views if episode.length else ():
                self.pictures(key, episode.index, [0, episode.length - 1])

    def _column(self, episode: int, name: str, check: bool = True) -> np.ndarray:
        feature = self.features.get(name)
        if feature is None and name in STANDARD:
            feature = Feature(STANDARD[name], (1,), None)
        if feature is None:
            raise WallOSSError(f"{self.folder} has no column {brief(name)}.", f"It has: {', '.join(self.features)}.")
        if feature.dtype in (*PICTURES, "language"):
            other = "language" if feature.dtype == "language" else "pictures"
            raise WallOSSError(f"{name} of {self.folder} is no column of numbers: ask for it by {other}().")
        values = self._rows.numbers(episode, name, feature)
        if name == "timestamp" and check:
            wrong = ~np.isfinite(values)
            wrong[1:] |= np.diff(values) <= 0
            if wrong.any():
                row = int(np.flatnonzero(wrong)[0])
                after = f" after {values[row - 1]:.6g}" if row else ""
                raise WallOSSError(
                    f"{self._rows.what(episode, name)}, row {row}: {values[row]}{after}; rising seconds are expected.",
                    "Write the episode again, or leave it out.",
                )
        return values

    def _persistent(self, episode: int) -> tuple[Any, ...]:
        """Entries of all rows, each once; the same on every row, unless somebody keeps only what holds there."""
        if PERSISTENT not in self.features:
            return ()
        what = self._rows.what(episode, PERSISTENT)
        found: dict[str, Any] = {}
        last: object = None
        for row, values in enumerate(self._rows.objects(episode, PERSISTENT, np.arange(self[episode].length))):
            if values == last:
                continue
            last = values
            for entry in entries(values, f"{what}, row {row}"):
                if entry.timestamp is None:
                    raise WallOSSError(f"{what}, row {row}: an entry has no timestamp.")
                found.setdefault(repr(entry), entry)
        return tuple(sorted(found.values(), key=lambda entry: entry.timestamp))
