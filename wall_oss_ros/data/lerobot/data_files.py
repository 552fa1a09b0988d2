# SPDX-License-Identifier: Apache-2.0
"""The Parquet files of a dataset that is being written: its frames' columns and images."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from wall_oss_ros.data.lerobot.files import UNFINISHED, into_place
from wall_oss_ros.data.lerobot.language import UNSAID
from wall_oss_ros.data.lerobot.layout import Info, path_of
from wall_oss_ros.data.lerobot.numbering import FileNumber, worth_joining
from wall_oss_ros.data.lerobot.schema import column_array, data_schema, language_array, unsaid

PICTURES_A_GROUP = 32
"""Rows of a row group that holds images: whoever wants one of them reads no more."""


@dataclass
class Prepared:
    """An episode's rows in a file that is not in its place yet."""

    temporary: Path
    path: Path
    number: FileNumber
    groups: int
    place: dict[str, Any]

    def put(self) -> None:
        into_place(self.temporary, self.path)


class DataFiles:
    """Writes rows; in v3.0 to the file begun before, as long as copying it costs little beside the episode."""

    def __init__(self, folder: Path, info: Info) -> None:
        self._folder, self._info = folder, info
        self._schema = data_schema(info.features, info.version)
        self._number = FileNumber.after(folder, info.data_path, {}) if info.generation == "v3" else FileNumber(0, 0)
        self._groups = 0  # of the file with this number that count; 0 before it is there

    @contextmanager
    def prepared(
        self, index: int, columns: Mapping[str, Any], pictures: Callable[[str], Iterable[np.ndarray]]
    ) -> Iterator[Prepared]:
        """Writes an episode's rows beside their place."""
        number, old, kept = self._number, self._path(index, self._number), self._groups
        if kept and not worth_joining(old, _size(columns)):
            number, kept = number.next(self._info.chunks_size), 0
        path = self._path(index, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + UNFINISHED)
        place = {"data/chunk_index": number.chunk, "data/file_index": number.file}
        try:
            with pq.ParquetWriter(temporary, self._schema, compression="snappy") as writer:
                if kept:
                    with pq.ParquetFile(old) as file:
                        for group in range(kept):
                            table = file.read_row_group(group, use_threads=False)
                            writer.write_table(self._conformed(table, old))
                groups = kept
                for table in self._tables(columns, pictures):
                    writer.write_table(table)
                    groups += 1
            yield Prepared(temporary, path, number, groups, place if self._info.generation == "v3" else {})
        finally:
            temporary.unlink(missing_ok=True)

    def _conformed(self, table: pa.Table, path: Path) -> pa.Table:
        """Rows of another file, in the types of this dataset's."""
        columns = []
        for name in self._schema.names:
            if name in UNSAID and name not in table.column_names:
                columns.append(unsaid(name, len(table)))
            elif self._info.features[name].dtype == "language":
                columns.append(language_array(table.column(name), name, f"{path}, column {name}"))
            else:
                columns.append(table.column(name))
        return pa.table(columns, self._schema.names).cast(self._schema)

    def settle(self, prepared: Prepared) -> None:
        """What was prepared counts from now on."""
        if self._info.generation == "v3":
            self._number, self._groups = prepared.number, prepared.groups

    def _path(self, index: int, number: FileNumber) -> Path:
        values: dict[str, object] = {"chunk_index": number.chunk, "file_index": number.file}
        if self._info.generation == "v2":
            values = {"episode_chunk": index // self._info.chunks_size, "episode_index": index}
        return path_of(self._folder, self._info.data_path, values, "data_path of info.json")

    def _tables(
        self, columns: Mapping[str, Any], pictures: Callable[[str], Iterable[np.ndarray]]
    ) -> Iterator[pa.Table]:
        """The row groups; a few rows each if there are images, which come one by one."""
        features = self._info.features
        views = {key: iter(pictures(key)) for key, feature in features.items() if feature.dtype == "image"}
        length = len(columns["frame_index"])
        step = PICTURES_A_GROUP if views else length
        for start in range(0, length, step):
            rows = slice(start, min(start + step, length))
            arrays = []
            for name in self._schema.names:
                if name in views:
                    values: Any = [_png(next(views[name]), row) for row in range(rows.start, rows.stop)]
                else:
                    values = columns[name][rows]
                arrays.append(column_array(values, name, features[name]))
            yield pa.Table.from_arrays(arrays, schema=self._schema)
        for view in views.values():  # frames beyond the last row are an error
            next(view, None)


def _png(pixels: np.ndarray, row: int) -> dict[str, Any]:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "png", compress_level=1)
    return {"bytes": data.getvalue(), "path": f"frame-{row:06d}.png"}


def _size(columns: Mapping[str, Any]) -> int:
    return sum(getattr(values, "nbytes", 0) for values in columns.values())
