# SPDX-License-Identifier: Apache-2.0
"""Takes a few pictures of each episode and view, file by file and in order, so that nothing is decoded twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from wall_oss_ros.data.checks.survey import Rows, Survey
from wall_oss_ros.data.checks.values import motion
from wall_oss_ros.data.checks.videos import Probe, late_start, parts
from wall_oss_ros.data.checks.views import Seen, thumb
from wall_oss_ros.data.lerobot.images import decode
from wall_oss_ros.data.lerobot.tables import ARROW_ERRORS, first_line, open_parquet
from wall_oss_ros.data.lerobot.video import Decoder
from wall_oss_ros.errors import WallOSSError

_BATCH = 32


def chosen(length: int, samples: int) -> np.ndarray:
    """Frames of an episode that are looked at: evenly spaced, the first and the last among them."""
    return (
        np.unique(np.linspace(0, length - 1, min(samples, length)).round().astype(int))
        if length and samples
        else np.empty(0, int)
    )


def moved(survey: Survey, rows: Rows, samples: int) -> np.ndarray:
    """(S,) the share of the episode's way that is made between each chosen frame and the one before; the first is 0."""
    at = chosen(len(rows), samples)
    names = [n for n in motion(survey) if n in rows.columns]
    names = [n for n in names if n.startswith("observation")] or names
    if not names or len(rows) < 2:
        return np.zeros(len(at))
    values = np.nan_to_num(np.concatenate([rows.columns[name] for name in names], axis=1))
    span = np.ptp(values, axis=0)
    steps = np.abs(np.diff(values, axis=0))[:, span > 0] / span[span > 0]
    way = np.concatenate([[0.0], np.cumsum(steps.sum(1))])
    return np.diff(way[at] / way[-1], prepend=0.0) if way[-1] > 0 else np.zeros(len(at))


def look(
    survey: Survey,
    samples: int,
    stamps: Mapping[int, np.ndarray],
    ways: Mapping[int, np.ndarray],
    probes: Mapping[Path, Probe | None],
) -> Iterator[Seen]:
    """All views of all episodes. What cannot be decoded becomes a finding of the survey's."""
    for key, feature in survey.colours().items():
        if feature.dtype == "video":
            yield from _videos(survey, key, samples, stamps, ways, probes)
        else:
            yield from _images(survey, key, samples, stamps, ways)


def _videos(survey, key, samples, stamps, ways, probes) -> Iterator[Seen]:
    for path, ones in parts(survey, key, stamps).items():
        found = probes.get(path)
        if found is None:
            continue
        try:
            decoder = Decoder(path)
        except WallOSSError as error:
            for one in ones:
                survey.found("error", "missing view", error.message, error.hint, episode=one.episode, column=key)
            continue
        try:
            shift = late_start(found.times[0], (one.start for one in ones), survey.fps)
            for one in sorted(ones, key=lambda one: one.start):
                at = chosen(len(one.stamps), samples)
                thumbs, rows = [], []
                for row in at:
                    try:
                        picture = decoder.frames([one.start + shift + float(one.stamps[row])], 0.75 / survey.fps)[0]
                    except WallOSSError as error:
                        if "decoded" in error.message or "sought" in error.message:
                            survey.found(
                                "error",
                                "broken view",
                                error.message.replace(f"{survey.folder}/", ""),
                                error.hint,
                                episode=one.episode,
                                frame=int(row),
                                column=key,
                            )
                            break
                        continue  # no frame at that time: said by the lengths
                    thumbs.append(thumb(picture))
                    rows.append(int(row))
                yield _seen(one.episode, key, len(one.stamps), at, rows, thumbs, ways, None)
        finally:
            decoder.close()


def _images(survey, key, samples, stamps, ways) -> Iterator[Seen]:
    feature = survey.info.features[key]
    for path in survey.data_files():
        thumbs: list[Any] = []
        rows: list[int] = []
        episode, row, run = None, 0, _Run()
        try:
            with open_parquet(path) as file:
                if key not in file.schema_arrow.names or "episode_index" not in file.schema_arrow.names:
                    continue
                for batch in file.iter_batches(_BATCH, columns=["episode_index", key], use_threads=False):
                    owners = batch.column(batch.schema.get_field_index("episode_index")).to_pylist()
                    column = batch.column(batch.schema.get_field_index(key))
                    for owner, entry in zip(owners, column):
                        if owner != episode:
                            if episode is not None:
                                yield _seen(episode, key, row, chosen(row, samples), rows, thumbs, ways, run.longest)
                            episode, row, thumbs, rows, run = owner, 0, [], [], _Run()
                            wanted = set(chosen(len(stamps.get(owner, ())), samples).tolist())
                        value = _plain(entry)
                        run.add(value, row)
                        if row in wanted:
                            try:
                                thumbs.append(thumb(decode(value, survey.folder, feature, f"frame {row}")))
                                rows.append(row)
                            except WallOSSError as error:
                                survey.found(
                                    "error",
                                    "broken view",
                                    error.message,
                                    error.hint,
                                    episode=owner,
                                    frame=row,
                                    column=key,
                                )
                        row += 1
        except WallOSSError:
            continue  # said by the rows
        except ARROW_ERRORS as error:
            survey.found(
                "error",
                "layout",
                f"{survey.of(path)}, column {key} cannot be read: {first_line(error)}.",
                "Write the dataset again.",
                column=key,
            )
        if episode is not None:
            yield _seen(episode, key, row, chosen(row, samples), rows, thumbs, ways, run.longest)


class _Run:
    """The longest run of frames whose pictures are byte for byte the same."""

    def __init__(self) -> None:
        self.longest: tuple[int, int] = (0, 0)
        self._hash, self._first = b"", 0

    def add(self, entry: object, row: int) -> None:
        value = entry.get("bytes") or entry.get("path") if isinstance(entry, dict) else entry
        raw = value if isinstance(value, bytes) else str(value).encode()
        hashed = hashlib.blake2b(raw, digest_size=16).digest()
        if hashed != self._hash:
            self._hash, self._first = hashed, row
        if row - self._first > self.longest[1] - self.longest[0]:
            self.longest = (self._first, row)


def _plain(entry: pa.Scalar) -> object:
    try:
        return entry.as_py()
    except (UnicodeDecodeError, ValueError):
        return None


def _seen(episode, key, length, at, rows, thumbs, ways, frozen) -> Seen:
    way = ways.get(episode, np.zeros(len(at)))
    share = np.array([way[i] if i < len(way) else 0.0 for i, row in enumerate(at) if row in set(rows)])
    pictures = np.stack(thumbs) if thumbs else np.empty((0, 24, 32, 3), np.float32)
    return Seen(episode, key, length, np.array(rows, int), pictures, share[: len(rows)], frozen)
