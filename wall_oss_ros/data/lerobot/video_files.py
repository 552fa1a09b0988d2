# SPDX-License-Identifier: Apache-2.0
"""The videos of a dataset that is being written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wall_oss_ros.data.lerobot.encode import VideoEncoder, alike, describe, join
from wall_oss_ros.data.lerobot.files import UNFINISHED, into_place
from wall_oss_ros.data.lerobot.layout import Info, path_of
from wall_oss_ros.data.lerobot.numbering import FileNumber, worth_joining


class _Open(NamedTuple):
    """The file of a view that the next episode may join."""

    number: FileNumber
    frames: int  # that count; there may be more, of an episode that failed
    end: Fraction  # seconds, where the next episode begins
    joinable: bool


@dataclass
class Prepared:
    """An episode's videos, not in their places yet."""

    moves: list[tuple[Path, Path]] = field(default_factory=list)
    place: dict[str, Any] = field(default_factory=dict)
    after: dict[str, _Open] = field(default_factory=dict)
    described: dict[str, dict[str, Any]] = field(default_factory=dict)

    def put(self) -> None:
        for temporary, path in self.moves:
            into_place(temporary, path)


class VideoFiles:
    """Encodes episodes; in v3.0 they join the file begun before, as long as copying it costs little."""

    def __init__(self, folder: Path, info: Info, codec: str) -> None:
        self._folder, self._info, self._codec = folder, info, codec
        self._rate = Fraction(info.fps).limit_denominator(100_000)
        self._keys = [key for key, feature in info.features.items() if feature.dtype == "video"]
        self._open: dict[str, _Open] = {}
        self._described: dict[str, dict[str, Any]] = {}
        for key in self._keys if info.generation == "v3" else ():
            number = FileNumber.after(folder, info.video_path, {"video_key": key}, info.chunks_size)
            self._open[key] = _Open(number, 0, Fraction(0), False)

    def descriptions(self) -> dict[str, dict[str, Any]]:
        """How each view is encoded, as info.json says it."""
        return self._described

    @contextmanager
    def prepared(
        self,
        index: int,
        pictures: Callable[[str], Iterable[np.ndarray]],
        times: Sequence[Fraction],
        regular: bool,
    ) -> Iterator[Prepared]:
        """Encodes an episode's views beside their places. ``regular``: the frames come at the dataset's rate."""
        prepared = Prepared()
        with ExitStack() as stack:
            for key in self._keys:
                begun = self._open.get(key, _Open(FileNumber(0, 0), 0, Fraction(0), False))
                path = self._path(key, index, begun.number)
                path.parent.mkdir(parents=True, exist_ok=True)
                encoded = path.with_name(f"{path.name}.episode{UNFINISHED}")
                stack.callback(encoded.unlink, missing_ok=True)
                size = self._info.features[key].size[:2]
                with VideoEncoder(encoded, self._codec, size, self._rate, regular) as video:
                    for pixels, time in zip(_all(pictures(key), len(times)), times):
                        video.add(pixels, time)
                if key not in self._described:
                    prepared.described[key] = describe(encoded, self._info.fps)
                start, number, frames = Fraction(0), begun.number, len(times)
                if self._info.generation == "v3" and begun.frames:
                    bytes_of_episode = encoded.stat().st_size
                    if begun.joinable and regular and worth_joining(path, bytes_of_episode) and alike(path, encoded):
                        joined = path.with_name(path.name + UNFINISHED)
                        stack.callback(joined.unlink, missing_ok=True)
                        join(joined, [(path, begun.frames, Fraction(0)), (encoded, len(times), begun.end)])
                        encoded, start, frames = joined, begun.end, begun.frames + len(times)
                    else:
                        number = number.next(self._info.chunks_size)
                        path = self._path(key, index, number)
                        path.parent.mkdir(parents=True, exist_ok=True)
                end = start + times[-1] + 1 / self._rate
                prepared.moves.append((encoded, path))
                prepared.after[key] = _Open(number, frames, end, regular)
                if self._info.generation == "v3":
                    prepared.place |= {
                        f"videos/{key}/chunk_index": number.chunk,
                        f"videos/{key}/file_index": number.file,
                        f"videos/{key}/from_timestamp": float(start),
                        f"videos/{key}/to_timestamp": float(end),
                    }
            yield prepared

    def settle(self, prepared: Prepared) -> None:
        """What was prepared counts from now on."""
        if self._info.generation == "v3":
            self._open |= prepared.after
        self._described |= prepared.described

    def _path(self, key: str, index: int, number: FileNumber) -> Path:
        values: dict[str, object] = {"chunk_index": number.chunk, "file_index": number.file}
        if self._info.generation == "v2":
            values = {"episode_chunk": index // self._info.chunks_size, "episode_index": index}
        return path_of(self._folder, self._info.video_path, {**values, "video_key": key}, "video_path of info.json")


def _all(frames: Iterable[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """All frames, and one step more: the source says then if there are too many."""
    source = iter(frames)
    for _ in range(count):
        yield next(source)
    next(source, None)
