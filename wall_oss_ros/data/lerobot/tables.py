# SPDX-License-Identifier: Apache-2.0
"""Small tables of people's Parquet and JSON lines files, or one sentence about what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief

_BROKEN = "Its writer may have been stopped before it finished the file; restore it, or download the dataset again."
ARROW_ERRORS = (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError)
"""What pyarrow raises at a file that is not what it says."""


def open_parquet(path: Path) -> pq.ParquetFile:
    """The file, its footer read and nothing else.

    Raises:
        WallOSSError: there is no such file, or it is not a whole Parquet file.
    """
    if not path.is_file():
        gone = "a link to nothing" if path.is_symlink() else "missing"
        raise WallOSSError(f"{path} is {gone}.", "The dataset is incomplete; download or write it again.")
    try:
        return pq.ParquetFile(path, memory_map=False, pre_buffer=False, buffer_size=1 << 20)
    except ARROW_ERRORS as error:
        raise WallOSSError(f"{path} is not a whole Parquet file: {first_line(error)}.", _BROKEN) from None


def read_table(path: Path, wanted: Callable[[str], bool] = lambda name: True) -> pa.Table:
    """The columns with the names that are wanted."""
    with open_parquet(path) as file:
        try:
            names = [name for name in file.schema_arrow.names if wanted(name)]
            return file.read(columns=names, use_threads=False)
        except ARROW_ERRORS as error:
            raise WallOSSError(f"{path} cannot be read: {first_line(error)}.", _BROKEN) from None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON lines file.

    Raises:
        WallOSSError: with the line that is none.
    """
    rows = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise WallOSSError(f"{path}, line {number} is not JSON: {first_line(error)}.", _BROKEN) from None
                if not isinstance(row, dict):
                    raise WallOSSError(f"{path}, line {number} is {brief(row)} instead of an object.")
                rows.append(row)
    except (OSError, UnicodeDecodeError) as error:
        raise WallOSSError(f"{path} cannot be read: {first_line(error)}.", _BROKEN) from None
    return rows


def first_line(error: BaseException) -> str:
    """An error of somebody else's, as a part of one sentence."""
    text = (str(error) or type(error).__name__).strip().splitlines()[0]
    return text[:300].rstrip(".")
