# SPDX-License-Identifier: Apache-2.0
"""Finds a checkpoint: a folder, a name in models/ or on the hub, or the one that ships for a robot. Imports no torch.

Which one is for a robot is read from the heads of the files themselves.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import read_json
from wall_oss_ros.paths import data_path, is_there
from wall_oss_ros.robots.profile import RobotProfile

DEFAULT_MODEL = "wall-oss-tiny"
_SAMPLES, _SAMPLE = 64, 1 << 16  # how many of a file are looked at, and their bytes
_STATISTICS = "action_preprocessor.normalizer_action."


def model_directory(model: str | Path | None, profile: RobotProfile | None = None) -> Path:
    """Where a checkpoint is; what is in it is checked by the nodes that load it.

    Args:
        model: a directory, the name of one in models/, or owner/name on the Hugging Face hub, which is then fetched;
            None is the one that ships for the robot.
        profile: the robot's; without one, None is DEFAULT_MODEL.

    Raises:
        WallOSSError: there is no such directory, it is no checkpoint, or the hub does not answer.
    """
    if model is not None and is_there(model):
        directory = Path(model)
    else:
        shipped = DEFAULT_MODEL if profile is None else shipped_model(profile)
        directory = _named_model(shipped if model is None else str(model))
    if missing := [kind for kind in ("config.json", "*.safetensors") if not any(directory.glob(kind))]:
        raise WallOSSError(
            f"{directory} is no checkpoint: it has no {' and no '.join(missing)}.",
            "Name the directory that was written by wall-oss train, or that holds released WALL-OSS weights.",
        )
    return directory.resolve()


def _named_model(name: str) -> Path:
    try:
        return data_path(f"models/{name}")
    except WallOSSError:
        if name.count("/") == 1 and not name.startswith((".", "/", "~")):
            from wall_oss_ros.model.checkpoint import locate  # torch, which takes seconds to import

            return locate(name)
        raise WallOSSError(
            f"There is no checkpoint {name}.",
            "Name a directory with config.json and *.safetensors, or owner/name on the Hugging Face hub, or train one: "
            "wall-oss train --help.",
        ) from None


def shipped_model(profile: RobotProfile) -> str:
    """The name in models/ of the checkpoint for a robot.

    One that has statistics of that robot comes first, then, unless the profile names its statistics, one that wants
    just the robot's views, then the default: whether it may move the robot at all is asked by who loads it.

    Raises:
        WallOSSError: none has the statistics that the profile names.
    """
    try:
        folders = sorted(path.parent for path in data_path("models").glob("*/config.json"))
    except WallOSSError:
        folders = []
    views = {view.name for view in profile.views}

    def rank(folder: Path) -> tuple[bool, bool, bool]:
        return profile.trained_as in robots_of(folder), views_of(folder) == views, folder.name == DEFAULT_MODEL

    best = max(folders, key=rank, default=None)
    if profile.statistics is not None and (best is None or profile.statistics not in robots_of(best)):
        raise WallOSSError(
            f"No checkpoint ships for {profile.statistics}: its profile names these statistics, which none has.",
            "Train one (docs/how-to/fine_tune.md), and name it as the model.",
        )
    return DEFAULT_MODEL if best is None else best.name


def checkpoint_identity(folder: Path) -> str:
    """A checkpoint's name, and a digest of its files, which further training changes.

    Of each file its size and samples of its contents count: to read gigabytes would take long.
    """
    digest = hashlib.sha256()
    for path in filter(Path.is_file, sorted(folder.glob("*.safetensors")) + sorted(folder.glob("*.json"))):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode())
        with open(path, "rb") as file:
            for place in sorted({0, *(size * k // _SAMPLES for k in range(_SAMPLES)), max(0, size - _SAMPLE)}):
                file.seek(place)
                digest.update(file.read(_SAMPLE))
    return f"{folder.name}@{digest.hexdigest()[:8]}"


def robots_of(folder: Path) -> set[str]:
    """The robots that a checkpoint's weights have statistics of; none where the file cannot be read."""
    names: set[str] = set()
    for path in folder.glob("*.safetensors"):
        try:
            with open(path, "rb") as file:  # its length, then JSON by the tensors' names
                header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        except (OSError, ValueError, struct.error, MemoryError, OverflowError, RecursionError):
            continue
        names |= {name.split(".")[-1] for name in header if name.startswith(_STATISTICS)}
    return names


def views_of(folder: Path) -> set[str]:
    """The views that a checkpoint wants; none where its config cannot be read."""
    try:
        views = read_json(folder / "config.json", "").get("views")
        return set(views) if isinstance(views, list) else set()
    except (WallOSSError, AttributeError, TypeError):
        return set()
