# SPDX-License-Identifier: Apache-2.0
"""The rows of a LeRobot dataset's Parquet files: where each episode's are, and columns of them.

The column episode_index of the data says whose a row is. The tables' offsets and files only say where to look first:
after edits and merges they are often stale, and then all files are looked through once, and a warning says so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wall_oss_ros.data.lerobot.arrays import to_numpy
from wall_oss_ros.data.lerobot.cache import ByteCache, Pool
from wall_oss_ros.data.lerobot.episodes import Episode, Place
from wall_oss_ros.data.lerobot.language import UNSAID, may_lack
from wall_oss_ros.data.lerobot.layout import STANDARD, Feature, Info, data_files, path_of
from wall_oss_ros.data.lerobot.tables import ARROW_ERRORS, first_line, open_parquet
from wall_oss_ros.errors import WallOSSError

OPEN_FILES = 16
CACHE_BYTES = 128 << 20
_BATCH = 256
_log = logging.getLogger(__name__)


class Piece(NamedTuple):
    """Rows start to stop of one row group of a file."""

    path: Path
    group: int
    start: int
    stop: int


class Location(NamedTuple):
    """An episode's pieces, and the order that its rows have by frame_index; None where they lie in order."""

    pieces: tuple[Piece, ...]
    order: np.ndarray | None


class Rows:
    """Columns of episodes. Bounded memory: at most OPEN_FILES files are kept open, CACHE_BYTES bytes of columns."""

    def __init__(self, folder: Path, info: Info, episodes: Mapping[int, Episode], places: Mapping[int, Place]) -> None:
        self._folder, self._info, self._episodes, self._places = folder, info, episodes, places
        self._files: Pool[pq.ParquetFile] = Pool(OPEN_FILES, open_parquet, pq.ParquetFile.close)
        self._cache = ByteCache(CACHE_BYTES)
        self._runs: dict[Path, dict[int, list[Piece]]] = {}
        self._everywhere: dict[int, list[Piece]] | None = None
        self._locations: dict[int, Location] = {}

    def path(self, episode: int) -> Path:
        """The file in which the tables say that an episode is."""
        values: dict[str, object] = {"episode_index": episode, "episode_chunk": episode // self._info.chunks_size}
        if self._info.generation == "v3":
            values = {"chunk_index": self._places[episode].chunk, "file_index": self._places[episode].file}
        return path_of(self._folder, self._info.data_path, values, "data_path of info.json")

    def what(self, episode: int, column: str) -> str:
        """Names a column of an episode in an error."""
        location = self._locations.get(episode)
        path = location.pieces[0].path if location and location.pieces else self.path(episode)
        return f"{path}, episode {episode}, column {column}"

    def numbers(self, episode: int, name: str, feature: Feature) -> np.ndarray:
        """All of an episode's rows of a column of numbers or texts; not to be written to."""
        location = self.locate(episode)
        what = self.what(episode, name)
        parts = [self._part(piece, name, feature, what) for piece in location.pieces]
        if not parts:
            parts = [np.empty((0, *(() if feature.shape == (1,) else feature.shape)), _dtype(feature))]
        values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return values if location.order is None else values[location.order]

    def objects(self, episode: int, name: str, rows: np.ndarray) -> list[Any]:
        """The entries of a column in some rows of an episode, as Python objects."""
        location = self.locate(episode)
        rows = rows if location.order is None else location.order[rows]
        found: list[Any] = [None] * len(rows)
        first = 0
        for piece in location.pieces:
            last = first + piece.stop - piece.start
            here = [(at, int(row) - first + piece.start) for at, row in enumerate(rows) if first <= row < last]
            if here:
                entries = self._entries(piece, name, sorted({row for _, row in here}), self.what(episode, name))
                for at, row in here:
                    found[at] = entries[row]
            first = last
        return found

    def locate(self, episode: int) -> Location:
        """Where an episode's rows are.

        Raises:
            WallOSSError: its files are missing or broken, or hold another number of rows than the table says.
        """
        if episode not in self._locations:
            self._locations[episode] = self._locate(episode)
        return self._locations[episode]

    def _locate(self, episode: int) -> Location:
        path, length = self.path(episode), self._episodes[episode].length
        pieces = self._pieces_of(path).get(episode, []) if path.is_file() else []
        count = sum(piece.stop - piece.start for piece in pieces)
        if count != length:
            everywhere = self._look_everywhere().get(episode, [])
            there = sum(piece.stop - piece.start for piece in everywhere)
            if there != length:
                where = f"{path} is missing" if not path.is_file() and not there else f"{path}, episode {episode}"
                raise WallOSSError(
                    f"{where}: the table of episodes has a length of {length}, and the data hold "
                    f"{max(count, there)} rows of episode {episode}.",
                    "The dataset is incomplete or was edited; download or write it again.",
                )
            _log.warning(
                "Episode %d is not where the table of episodes says, in %s; by the column episode_index it is in %s.",
                episode, path, everywhere[0].path if everywhere else "no file",
            )  # fmt: skip
            pieces = everywhere
        if not pieces:
            return Location((), None)
        what = f"{pieces[0].path}, episode {episode}, column frame_index"
        scalar = Feature("int64", (1,), None)
        frames = np.concatenate([self._part(piece, "frame_index", scalar, what) for piece in pieces])
        steps = np.diff(frames)
        if (steps > 0).all():
            return Location(tuple(pieces), None)
        order = np.argsort(frames, kind="stable")
        twice = np.flatnonzero(np.diff(frames[order]) == 0)
        if len(twice):
            raise WallOSSError(f"{what}: frame {frames[order][twice[0]]} is there twice.", "Write the dataset again.")
        _log.warning("%s: the rows do not lie in order; they are read in order of frame_index.", what)
        return Location(tuple(pieces), order)

    def _pieces_of(self, path: Path) -> dict[int, list[Piece]]:
        """The runs of rows of each episode in a file."""
        if path in self._runs:
            return self._runs[path]
        runs: dict[int, list[Piece]] = {}
        with self._files.borrow(path) as file:
            what = f"{path}, column episode_index"
            if "episode_index" not in file.schema_arrow.names:
                raise WallOSSError(f"{what} is missing.", "Whose the rows are, it alone says; write the dataset again.")
            for group in range(file.num_row_groups):
                numbers = _only_value(file, group)
                if numbers is None:
                    column = _read(file, group, "episode_index", what)
                    numbers = to_numpy(column, Feature("int64", (1,), None), what)
                borders = np.flatnonzero(np.diff(numbers)) + 1
                for start, stop in zip([0, *borders], [*borders, len(numbers)]):
                    if stop > start:
                        runs.setdefault(int(numbers[start]), []).append(Piece(path, group, int(start), int(stop)))
        self._runs[path] = runs
        return runs

    def _look_everywhere(self) -> dict[int, list[Piece]]:
        if self._everywhere is None:
            everywhere: dict[int, list[Piece]] = {}
            for path in data_files(self._folder, self._info):
                for episode, pieces in self._pieces_of(path).items():
                    everywhere.setdefault(episode, []).extend(pieces)
            self._everywhere = everywhere
        return self._everywhere

    def _part(self, piece: Piece, name: str, feature: Feature, what: str) -> np.ndarray:
        """A piece's rows of a column, from the cache if they are there. Of small row groups the whole is kept."""
        whole = (piece.path, piece.group, name, feature)
        if (values := self._cache.get(whole)) is not None:
            return values[piece.start : piece.stop]
        if (values := self._cache.get((piece, name, feature))) is not None:
            return values
        with self._files.borrow(piece.path) as file:
            if self._unsaid(name, file):
                return np.full(piece.stop - piece.start, UNSAID[name], _dtype(feature))
            _need(file, name, what)
            rows = file.metadata.row_group(piece.group).num_rows
            per_row = max(1, np.dtype(_dtype(feature)).itemsize * feature.entries)
            if rows * per_row <= self._cache.limit // 8:
                values = to_numpy(_read(file, piece.group, name, what), feature, what)
                values.setflags(write=False)
                self._cache.put(whole, values, values.nbytes)
                return values[piece.start : piece.stop]
            column = pa.concat_arrays([batch for _, batch in _batches(file, piece, name, what)])
        values = to_numpy(column, feature, what)
        values.setflags(write=False)
        self._cache.put((piece, name, feature), values, values.nbytes)
        return values

    def _unsaid(self, name: str, file: pq.ParquetFile) -> bool:
        return name not in file.schema_arrow.names and may_lack(name, self._info.features)

    def _entries(self, piece: Piece, name: str, rows: list[int], what: str) -> dict[int, Any]:
        """Entries by row of the row group; batch by batch, so that a group of many pictures is never held whole."""
        found = {}
        with self._files.borrow(piece.path) as file:
            if self._unsaid(name, file):
                return dict.fromkeys(rows, UNSAID[name])
            _need(file, name, what)
            wanted = Piece(piece.path, piece.group, rows[0], rows[-1] + 1)
            for start, batch in _batches(file, wanted, name, what):
                for row in rows:
                    if start <= row < start + len(batch):
                        found[row] = batch[row - start].as_py()
        return found


def _dtype(feature: Feature) -> Any:
    return object if feature.dtype == "string" else np.dtype(feature.dtype)


def _only_value(file: pq.ParquetFile, group: int) -> np.ndarray | None:
    """episode_index of a row group that holds one episode only, as the file's footer tells."""
    meta = file.metadata.row_group(group)
    for index in range(meta.num_columns):
        column = meta.column(index)
        if column.path_in_schema == "episode_index":
            known = column.statistics
            if known is None or not known.has_min_max or known.null_count or known.min != known.max:
                return None
            return np.full(meta.num_rows, known.min, np.int64) if isinstance(known.min, int) else None
    return None


def _need(file: pq.ParquetFile, name: str, what: str) -> None:
    if name not in file.schema_arrow.names:
        known = "" if name not in STANDARD else " Every LeRobot dataset has it."
        raise WallOSSError(f"{what} is missing.{known}", f"The file has: {', '.join(file.schema_arrow.names)}.")


def _read(file: pq.ParquetFile, group: int, name: str, what: str) -> pa.Array:
    try:
        column = file.read_row_group(group, columns=[name], use_threads=False).column(name)
        return (
            column.chunk(0)
            if column.num_chunks == 1
            else pa.concat_arrays(column.chunks)
            if column.num_chunks
            else pa.array([], column.type)
        )
    except ARROW_ERRORS as error:
        raise WallOSSError(f"{what} cannot be read: {first_line(error)}.", "The file is damaged; restore it.") from None


def _batches(file: pq.ParquetFile, piece: Piece, name: str, what: str) -> Iterator[tuple[int, pa.Array]]:
    """The piece's rows of a column in batches, each with the row that it begins with."""
    at = 0
    try:
        for batch in file.iter_batches(_BATCH, row_groups=[piece.group], columns=[name], use_threads=False):
            column = batch.column(batch.schema.get_field_index(name))
            start, stop = max(at, piece.start), min(at + len(column), piece.stop)
            if start < stop:
                yield start, column.slice(start - at, stop - start)
            at += len(column)
            if at >= piece.stop:
                return
    except ARROW_ERRORS as error:
        raise WallOSSError(f"{what} cannot be read: {first_line(error)}.", "The file is damaged; restore it.") from None
