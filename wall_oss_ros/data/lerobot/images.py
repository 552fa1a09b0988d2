# SPDX-License-Identifier: Apache-2.0
"""Pictures that lie in a Parquet file, encoded, or beside it as a file."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from wall_oss_ros.data.lerobot.layout import Feature, inside
from wall_oss_ros.data.lerobot.schema import IMAGE
from wall_oss_ros.data.lerobot.tables import first_line
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief

_OF_COLOURS = ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "YCbCr", "PA", "RGBX")
"""Modes of Pillow with 8 bits a channel; the others are depths and other measurements."""


def decode(entry: Any, folder: Path, feature: Feature, what: str) -> np.ndarray:
    """(height, width, 3) uint8 RGB of an image column's entry: a struct of bytes and path, or one of the two alone.

    Raises:
        WallOSSError: it is empty, no picture, of another size than info.json says, or no picture of colours.
    """
    data, path = (entry.get("bytes"), entry.get("path")) if isinstance(entry, dict) else (entry, None)
    if isinstance(data, str):
        data, path = None, data
    if not data and not path:
        raise WallOSSError(f"{what} is empty.", "Write the dataset again, with the picture in it.")
    try:
        with Image.open(io.BytesIO(data) if data else _file(folder, str(path), what)) as image:
            height, width, _ = feature.size
            if image.size != (width, height):  # looked at before it is decoded: a small file can hold a huge picture
                raise WallOSSError(
                    f"{what} is {image.size[1]} high and {image.size[0]} wide, not {height} and {width}."
                )
            if image.mode not in _OF_COLOURS:
                raise WallOSSError(f"{what} has the mode {image.mode} of Pillow's, which is no picture of colours.")
            return np.asarray(image.convert("RGB"))
    except WallOSSError:
        raise
    except Exception as error:  # Pillow's many: of bytes that are no picture, or are cut off
        raise WallOSSError(f"{what} is no picture: {first_line(error)}.", "It is damaged; restore the file.") from None


def embedded(column: pa.Array, folder: Path, what: str) -> pa.Array:
    """An image column that needs no other file: pictures that entries only name are taken into it.

    Raises:
        WallOSSError: a picture is missing, or its name leads out of the dataset's folder.
    """
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return column
    found: list[Any] = []
    changed = False
    for row, entry in enumerate(column.to_pylist()):
        given = {"bytes": None, "path": entry} if isinstance(entry, str) else entry
        if isinstance(given, dict) and not given.get("bytes") and given.get("path"):
            path = str(given["path"])
            given = {"bytes": _file(folder, path, f"{what}, row {row}").read_bytes(), "path": PurePosixPath(path).name}
            changed = True
        found.append(given)
    return pa.array(found, IMAGE) if changed else column


def _file(folder: Path, path: str, what: str) -> Path:
    if path.startswith(f"{folder}/"):
        path = path[len(str(folder)) + 1 :]
    file = inside(folder, path, what)
    if not file.is_file():
        raise WallOSSError(f"{what}: the picture {brief(path)} is missing.", "The dataset is incomplete.")
    return file
