# SPDX-License-Identifier: Apache-2.0
"""A fault as people meet it, planted in a sound dataset: in its content, or in its files once written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_check.sets import Content, write

STATE, ACTION = "observation.state", "action"


class Fault(NamedTuple):
    """A fault.

    Attributes:
        check: what ``wall-oss data check`` calls it; several names where it may be told in several ways.
        words: what another tool's words must hold, any of them, to count as having found it.
        content: plants it before the set is written.
        files: plants it in the files.
    """

    name: str
    check: tuple[str, ...]
    words: tuple[str, ...]
    content: Callable[[Content], None] | None = None
    files: Callable[[Path], None] | None = None
    version: str = "v3.0"
    episode: int | None = None

    def plant(self, content: Content, folder: Path) -> Path:
        """Writes a sound set with the fault into a folder; ``content`` is changed."""
        if self.content:
            self.content(content)
        write(content, folder, self.version)
        if self.files:
            self.files(folder)
        return folder


def column(name: str, change: Callable[[np.ndarray], np.ndarray], only: int | None = None):
    def plant(content: Content) -> None:
        for index, episode in enumerate(content.episodes):
            if only is None or index == only:
                episode.columns[name] = change(episode.columns[name].copy()).astype(episode.columns[name].dtype)

    return plant


def json_file(name: str, change: Callable[[dict], None]):
    """Changes a file of JSON."""

    def plant(folder: Path) -> None:
        path = folder / name
        values = json.loads(path.read_text())
        change(values)
        path.write_text(json.dumps(values))

    return plant


def info(change: Callable[[dict], None]):
    """Changes info.json."""
    return json_file("meta/info.json", change)


def table(change: Callable[[list[dict]], object]):
    """Changes the rows of v3.0's table of episodes."""

    def plant(folder: Path) -> None:
        path = folder / "meta/episodes/chunk-000/file-000.parquet"
        before = pq.read_table(path)
        rows = before.to_pylist()
        change(rows)
        pq.write_table(pa.Table.from_pylist(rows, before.schema), path)

    return plant


def data(change: Callable[[pa.Table], pa.Table]):
    """Changes the first file of data."""

    def plant(folder: Path) -> None:
        path = sorted((folder / "data").rglob("*.parquet"))[0]
        pq.write_table(change(pq.read_table(path)), path)

    return plant
