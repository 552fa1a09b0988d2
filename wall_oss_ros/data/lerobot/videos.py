# SPDX-License-Identifier: Apache-2.0
"""The frames of episodes in a dataset's videos, never a frame of another episode that shares the file."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wall_oss_ros.data.lerobot.episodes import Episode, Place
from wall_oss_ros.data.lerobot.layout import Info, path_of
from wall_oss_ros.data.lerobot.video import Decoder, decoders
from wall_oss_ros.errors import WallOSSError

_log = logging.getLogger(__name__)


class Span(NamedTuple):
    """Where an episode's frames are in a file, in seconds of the tables: from ``start`` to before ``end``."""

    start: float
    end: float


class Videos:
    """Frames by view, episode and row. Few decoders are kept open."""

    def __init__(
        self,
        folder: Path,
        info: Info,
        episodes: Mapping[int, Episode],
        places: Mapping[int, Place],
        tolerance: float,
    ) -> None:
        self._folder, self._info, self._episodes, self._places = folder, info, episodes, places
        self._tolerance = tolerance
        self._decoders = decoders()
        self._spans: dict[str, dict[int, Span]] = {}

    def frames(self, key: str, episode: int, stamps: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(n, height, width, 3) uint8 RGB of some rows of an episode, whose rows have the timestamps ``stamps``."""
        path = self.path(key, episode)
        span = self._spans_of(key)[episode]
        half = 0.5 / self._info.fps
        times = span.start + stamps[rows].astype(np.float64)
        outside = np.flatnonzero((times < span.start - half) | (times >= span.end - min(half, self._tolerance)))
        what = f"{path}, episode {episode}, view {key}"
        if len(outside):
            row = int(rows[outside[0]])
            raise WallOSSError(
                f"{what}, row {row}: its timestamp {stamps[row]:.6g} s lies outside of the episode, which has "
                f"{span.end - span.start:.6g} s of the video.",
                "The table of episodes and the data disagree; write the dataset again.",
            )
        try:
            with self._decoders.borrow(path) as decoder:
                shift = self._shift(decoder, key, episode, stamps)
                pictures = decoder.frames((times + shift).tolist(), self._tolerance)
        except WallOSSError as error:
            raise WallOSSError(f"Episode {episode}, view {key}: {error.message}", error.hint) from None
        size = self._info.features[key].size[:2]
        for row, picture in zip(rows, pictures):
            if picture.shape[:2] != size:
                high, wide = picture.shape[:2]
                raise WallOSSError(f"{what}, row {row} is {high} high and {wide} wide, not {size[0]} and {size[1]}.")
        return np.stack(pictures)

    def where(self, key: str, episode: int) -> tuple[Path, float, float]:
        """The file that a view of an episode is in, and from which second of it to before which."""
        start = self._spans_of(key)[episode].start
        return self.path(key, episode), start, start + self._episodes[episode].length / self._info.fps

    def path(self, key: str, episode: int) -> Path:
        """The file that a view of an episode is in."""
        what = "video_path of info.json"
        if self._info.generation == "v2":
            values: dict[str, object] = {"episode_chunk": episode // self._info.chunks_size, "episode_index": episode}
        else:
            place = self._places[episode].videos.get(key)
            if place is None:
                raise WallOSSError(
                    f"{self._folder}, episode {episode}: the table of episodes does not say where its {key} is."
                )
            values = {"chunk_index": place.chunk, "file_index": place.file}
        return path_of(self._folder, self._info.video_path, {**values, "video_key": key}, what)

    def _spans_of(self, key: str) -> dict[int, Span]:
        if key not in self._spans:
            self._spans[key] = self._work_out(key)
        return self._spans[key]

    def _work_out(self, key: str) -> dict[int, Span]:
        """Where each episode lies in its file.

        An episode ends where the next one in the file begins: to_timestamp comes from the container and is often off.
        Where the beginnings leave an episode less room than it has frames, they are stale, and the lengths of the
        episodes say more: files are written in order of the episodes.
        """
        if self._info.generation == "v2":
            return {index: Span(0.0, np.inf) for index in self._episodes}
        files: dict[tuple[int, int], list[int]] = {}
        for index, place in self._places.items():
            if key in place.videos:
                files.setdefault((place.videos[key].chunk, place.videos[key].file), []).append(index)
        spans: dict[int, Span] = {}
        for members in files.values():
            starts = {index: self._places[index].videos[key].start for index in members}
            order = sorted(members, key=lambda index: (starts[index], index))
            room = {a: starts[b] - starts[a] for a, b in zip(order, order[1:])}
            # Some tools write 29 for a rate of 29.97, so that lengths count but roughly here.
            short = [
                index
                for index, given in room.items()
                if given < (0.95 * self._episodes[index].length - 0.5) / self._info.fps
            ]
            if not short:
                spans |= {i: Span(starts[i], starts[i] + room[i] if i in room else np.inf) for i in order}
            else:
                spans |= self._by_lengths(key, sorted(members), short[0])
        return spans

    def _by_lengths(self, key: str, members: list[int], short: int) -> dict[int, Span]:
        path = self.path(key, short)
        with self._decoders.borrow(path) as decoder:
            times = decoder.times()
        lengths = [self._episodes[index].length for index in members]
        if len(times) != sum(lengths):
            raise WallOSSError(
                f"{path}, episode {short}: from_timestamp leaves no room for its {self._episodes[short].length} "
                f"frames, and the video has {len(times)} frames, its episodes {sum(lengths)}.",
                "The offsets in meta/episodes are stale, and nothing tells the right ones; write the dataset again.",
            )
        _log.warning(
            "%s: from_timestamp in meta/episodes is stale, as of episode %d; the episodes' lengths count.", path, short
        )
        borders = np.cumsum([0, *lengths])
        starts = np.append(times - times[0], np.inf)[borders]
        return {index: Span(*pair) for index, pair in zip(members, zip(starts.tolist(), starts[1:].tolist()))}

    def _shift(self, decoder: Decoder, key: str, episode: int, stamps: np.ndarray) -> float:
        """What to add to the tables' seconds: some videos do not begin at 0, and tables count that or do not."""
        if abs(decoder.start) <= self._tolerance:
            return 0.0
        spans = self._spans_of(key)
        if self._info.generation == "v2":
            earliest = float(stamps[0]) if len(stamps) else 0.0
        else:
            place = self._places[episode].videos[key]
            earliest = min(
                span.start
                for index, span in spans.items()
                if self._places[index].videos[key][:2] == (place.chunk, place.file)
            )
        return decoder.start if earliest < decoder.start - self._tolerance else 0.0
