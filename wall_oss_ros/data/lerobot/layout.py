# SPDX-License-Identifier: Apache-2.0
"""meta/info.json of a LeRobot dataset: which version it is, what is in it, and where its files lie.

The layouts are those of lerobot's releases: v2.0 and v2.1 keep a file for each episode, v3.0 puts many episodes into
one. The path templates in info.json override the usual ones. Nothing that a file says is taken for a path, a size or
a format before it has been looked at.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief, read_json
from wall_oss_ros.paths import natural

VERSIONS = ("v2.0", "v2.1", "v3.0")
PICTURES = ("video", "image")
INFO = "meta/info.json"
LARGEST = 2**53
"""No index, length or count is larger; beyond it JSON's numbers are no longer exact either."""

DATA_PATHS = {
    "v2": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
    "v3": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
}
VIDEO_PATHS = {
    "v2": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    "v3": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
}
STANDARD = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
"""Columns that every dataset has, each a scalar, with the types that lerobot gives them."""

BRANCHES = "branches."
"""Columns that begin so hold several alternatives a row (``branches.py``). Statistics of them would mean nothing."""

_FIELDS = {
    "v2": {"episode_chunk": 0, "episode_index": 0, "video_key": "k"},
    "v3": {"chunk_index": 0, "file_index": 0, "video_key": "k"},
}
_HINT = "Name the folder of a LeRobot dataset, the one that holds meta/info.json."


class Feature(NamedTuple):
    """One entry of info.json's features.

    Attributes:
        dtype: a NumPy type's name, or "video", "image", "string", "language".
        shape: of one row; (1,) is a scalar. Pictures: height, width, channels, or channels first, as the names say.
        names: of the entries of the last axis, or of the axes of a picture; None where there are none.
        depth: a picture of distances, as lerobot 0.6 keeps them: nothing that is read as colours.
    """

    dtype: str
    shape: tuple[int, ...]
    names: tuple[str, ...] | None
    depth: bool = False

    @property
    def entries(self) -> int:
        """How many numbers a row has."""
        return math.prod(self.shape)

    @property
    def size(self) -> tuple[int, int, int]:
        """Height, width and channels of a picture, whichever order the shape has."""
        if self.names and self.names[0] in ("channel", "channels", "c", "C"):
            return self.shape[1], self.shape[2], self.shape[0]
        if not self.names and self.shape[0] in (1, 3, 4) and self.shape[2] not in (1, 3, 4):
            return self.shape[1], self.shape[2], self.shape[0]
        return self.shape[0], self.shape[1], self.shape[2]


def has_statistics(key: str, feature: Feature) -> bool:
    """Whether a feature is a column of numbers that statistics are made of."""
    return feature.dtype not in (*PICTURES, "string", "language") and not key.startswith(BRANCHES)


class Info(NamedTuple):
    """What info.json says, looked over. ``values`` is the whole file."""

    version: str
    fps: float
    robot_type: str | None
    features: dict[str, Feature]
    data_path: str
    video_path: str
    chunks_size: int
    values: dict[str, Any]

    @property
    def generation(self) -> str:
        """ "v2", a file for each episode, or "v3", many episodes in one."""
        return self.version[:2]


def read_info(folder: Path) -> Info:
    """info.json of the dataset in ``folder``.

    Raises:
        WallOSSError: there is none, or it is not that of a version that is read here.
    """
    path = folder / INFO
    if not folder.is_dir():
        raise WallOSSError(f"There is no folder {folder}.", _HINT)
    if not path.is_file():
        raise WallOSSError(f"{folder} is no LeRobot dataset: it has no {INFO}.", _HINT)
    values = read_json(path, "It is what a LeRobot dataset begins with; restore it, or download the dataset again.")
    if not isinstance(values, dict):
        raise WallOSSError(f"{path} holds {brief(values)} instead of an object.", _HINT)
    version = values.get("codebase_version")
    if version not in VERSIONS:
        raise WallOSSError(
            f"{path}: codebase_version is {brief(version)}; {', '.join(VERSIONS)} are read here.",
            "lerobot's own scripts convert older datasets; of newer ones, the layout is not known here.",
        )
    generation = version[:2]
    features = values.get("features")
    if not isinstance(features, dict):
        raise WallOSSError(f"{path}: features is {brief(features)} instead of an object.", _HINT)
    robot = values.get("robot_type")
    if robot is not None and not isinstance(robot, str):
        raise WallOSSError(f"{path}: robot_type is {brief(robot)} instead of a text.", "")
    chunks = values.get("chunks_size", 1000)
    return Info(
        version=version,
        fps=_fps(path, values.get("fps")),
        robot_type=robot,
        features={key: read_feature(path, key, given) for key, given in features.items()},
        data_path=_template(path, "data_path", values.get("data_path") or DATA_PATHS[generation], generation),
        video_path=_template(path, "video_path", values.get("video_path") or VIDEO_PATHS[generation], generation),
        chunks_size=integer(chunks, f"{path}: chunks_size", least=1),
        values=values,
    )


def integer(value: object, what: str, least: int = 0) -> int:
    """``value`` as an int.

    Raises:
        WallOSSError: it is not a whole number of at least ``least``, or absurdly large.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if isinstance(value, float) and math.isfinite(value) and value == int(value):  # what some tools write
        whole = True
    if not whole or not least <= int(value) <= LARGEST:  # type: ignore[call-overload]
        raise WallOSSError(f"{what} is {brief(value)}; a whole number of at least {least} is expected.")
    return int(value)  # type: ignore[call-overload]


def inside(folder: Path, relative: str, what: str) -> Path:
    """The path ``relative`` in ``folder``, by its text alone: links in a hub's cache lead elsewhere, and may.

    What was written on Windows may have backslashes between its parts.

    Raises:
        WallOSSError: it would lead out of the folder, or cannot be a path.
    """
    path = PurePosixPath(relative.replace("\\", "/"))
    drive = relative[1:2] == ":"
    if not relative or "\0" in relative or drive or path.is_absolute() or ".." in path.parts:
        raise WallOSSError(
            f"{what} is {brief(relative)}, which leads out of the dataset's folder {folder}.",
            "Paths in a dataset are relative to its folder.",
        )
    return folder / path


def data_files(folder: Path, info: Info) -> list[Path]:
    """All Parquet files below the folder that data_path begins with, in the order of their numbers; no tables, and
    nothing hidden."""
    top = folder / PurePosixPath(info.data_path.split("{")[0] + "x").parent
    paths = (path.relative_to(folder) for path in top.rglob("*.parquet"))
    wanted = (p for p in paths if p.parts[0] != "meta" and not any(part.startswith(".") for part in p.parts))
    return sorted((folder / path for path in wanted), key=natural)


def path_of(folder: Path, template: str, values: Mapping[str, object], what: str) -> Path:
    """A path template of info.json, filled in; see ``inside``."""
    return inside(folder, template.format(**values), what)


def _fps(path: Path, value: object) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value <= 1e6:  # type: ignore[operator]
        raise WallOSSError(
            f"{path}: fps is {brief(value)}; a rate in frames a second is expected, such as 30 or 29.97."
        )
    return float(value)  # type: ignore[arg-type]


def read_feature(path: Path, key: str, given: object) -> Feature:
    """One entry of info.json's features.

    Raises:
        WallOSSError: its name leads out of the folder, or dtype or shape are none.
    """
    what = f"{path}: feature {brief(key)}"
    if not key or "\0" in key or ".." in PurePosixPath(key.replace("\\", "/")).parts or key.startswith("/"):
        raise WallOSSError(f"{what} has a name that leads out of the dataset's folder.", "Rename it.")
    if not isinstance(given, dict):
        raise WallOSSError(f"{what} is {brief(given)} instead of an object with dtype and shape.")
    dtype, shape, names = given.get("dtype"), given.get("shape"), given.get("names")
    if not isinstance(dtype, str) or dtype not in (*PICTURES, "string", "language"):
        try:
            if np.dtype(dtype).kind not in "biuf" or not isinstance(dtype, str):
                raise TypeError
        except (TypeError, ValueError):
            raise WallOSSError(
                f"{what} has the dtype {brief(dtype)}; expected is a number type of NumPy's, bool, "
                "video, image, string or language."
            ) from None
    if not isinstance(shape, (list, tuple)):
        raise WallOSSError(f"{what} has the shape {brief(shape)} instead of a list of whole numbers.")
    sizes = tuple(integer(size, f"{what}: a size of its shape", least=1) for size in shape)
    if math.prod(sizes) > 2**31:
        raise WallOSSError(f"{what} has the shape {brief(shape)}, more entries than any row can have.")
    if dtype in PICTURES and len(sizes) == 2:
        sizes = (*sizes, 1)
    if dtype in PICTURES and len(sizes) != 3:
        raise WallOSSError(f"{what} has the shape {brief(shape)}; a picture has height, width and channels.")
    return Feature(dtype, sizes, _names(names), dtype in PICTURES and _is_depth(given))


def _is_depth(given: Mapping[str, Any]) -> bool:
    """Whether a picture is marked as one of distances (lerobot 0.6.1, ``depth_keys`` of dataset_metadata.py)."""
    told = [given.get("info"), given.get("video_info")]
    marks = ("is_depth_map", "video.is_depth_map")
    return any(about.get(mark) is True for about in told if isinstance(about, dict) for mark in marks)


def _names(names: object) -> tuple[str, ...] | None:
    """Names as a list, or in dicts and lists of them as robots of several parts have them."""
    return tuple(_leaves(names)) if isinstance(names, (dict, list)) else None


def _leaves(names: object) -> list[str]:
    if not isinstance(names, (dict, list)):
        return [str(names)]
    parts = names.values() if isinstance(names, dict) else names
    return [name for part in parts for name in _leaves(part)]


def _template(path: Path, key: str, template: object, generation: str) -> str:
    """A path template; only the known fields, and of formats only digits: a template is no program."""
    fields = _FIELDS[generation]
    try:
        if not isinstance(template, str):
            raise ValueError("it is no text")
        for _, field, spec, conversion in string.Formatter().parse(template):
            if field is not None and (field not in fields or conversion or not _plain(spec)):
                raise ValueError(f"{{{field}}} is not known")
        filled = template.format(**fields)
    except (ValueError, KeyError, IndexError) as error:
        raise WallOSSError(
            f"{path}: {key} is {brief(template)}: {error}; the fields are {', '.join(fields)}."
        ) from None
    inside(path.parent.parent, filled, f"{path}: {key}")
    return template.replace("\\", "/")


def _plain(spec: str | None) -> bool:
    return not spec or (len(spec) <= 4 and spec.removesuffix("d").isdigit())
