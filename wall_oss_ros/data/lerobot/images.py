# SPDX-License-Identifier: Apache-2.0
"""Pictures that lie in a Parquet file, encoded, or beside it as a file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wall_oss_ros.data.lerobot.layout import Feature, inside
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


def _file(folder: Path, path: str, what: str) -> Path:
    if path.startswith(f"{folder}/"):
        path = path[len(str(folder)) + 1 :]
    file = inside(folder, path, what)
    if not file.is_file():
        raise WallOSSError(f"{what}: the picture {brief(path)} is missing.", "The dataset is incomplete.")
    return file
