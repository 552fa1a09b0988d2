# SPDX-License-Identifier: Apache-2.0
"""Where ROS 2 bags lie: which folders and files are bags, and which files, in which order, a bag is made of."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path, PurePath

from wall_oss_ros import strict_yaml
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import natural

_KINDS = (".mcap", ".db3")
_NUMBER = re.compile(r"_\d+$")  # of a file of a split bag


def find_bags(paths: Collection[str | Path]) -> list[Path]:
    """The bags that are meant: files and folders of bags, and those in folders that hold nothing but bags.

    Files in a folder without metadata are one bag where their names differ by a number at the end alone, as those of a
    split bag do; others are recordings of their own.

    Raises:
        WallOSSError: a path is no bag, or is there twice.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir() and not _is_bag(path):
            inner = sorted((each for each in path.iterdir() if _is_bag(each) or _is_storage(each)), key=natural)
            if not inner:
                raise WallOSSError(
                    f"{path} is no bag and holds none: there is neither metadata.yaml nor a file .mcap or .db3.",
                    "Name the folder that ros2 bag or wall-oss record made.",
                )
            found += inner
        else:
            found.append(path)
    whole = [path.resolve() for path in found]
    if twice := [path for path, real in zip(found, whole) if whole.count(real) > 1]:
        raise WallOSSError(f"The bag {twice[0]} is named twice.", "Name each once.")
    return found


def storage_files(path: Path) -> tuple[list[Path], list[str]]:
    """The files of a bag in their order, and notes on what is unusual about it.

    Raises:
        WallOSSError: there is no such bag, or files that its metadata name are missing.
    """
    if not path.exists():
        raise WallOSSError(f"There is no bag {path}.", "Check the path.")
    if path.is_file():
        if kind_of(path) is None:
            hint = "Name a folder of a ROS 2 bag, or a file .mcap or .db3."
            if path.suffix == ".bag":
                hint = "It is of ROS 1: convert it with rosbags-convert --src FILE.bag --dst FOLDER first."
            raise WallOSSError(f"{path} is no ROS 2 bag.", hint)
        return [path], []
    there = sorted((file for file in path.iterdir() if _is_storage(file)), key=natural)
    metadata = path / "metadata.yaml"
    if not metadata.exists():
        if not there:
            raise WallOSSError(f"{path} is no bag: it has neither metadata.yaml nor a file .mcap or .db3.", "Check it.")
        return there, [f"metadata.yaml is missing: its {len(there)} files are read in the order of their names"]
    try:
        content = strict_yaml.read(metadata, "The metadata")
        names = [PurePath(name).name for name in content["rosbag2_bagfile_information"]["relative_file_paths"]]
    except (WallOSSError, TypeError, KeyError) as error:
        if not there:
            raise WallOSSError(f"{metadata} cannot be used ({error}), and there are no files beside it.", "") from None
        return there, ["metadata.yaml cannot be used: files are read in the order of their names"]
    if missing := [name for name in names if not (path / name).is_file()]:
        raise WallOSSError(
            f"{path} is incomplete: {', '.join(missing)} of its metadata.yaml is missing.",
            "Copy the whole folder; or remove metadata.yaml to read the files that are there.",
        )
    return [path / name for name in names], []


def _is_bag(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    recordings = {
        _NUMBER.sub("", Path(file.name.removesuffix(".zstd")).stem) for file in folder.iterdir() if _is_storage(file)
    }
    return (folder / "metadata.yaml").exists() or len(recordings) == 1


def _is_storage(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".") and kind_of(file) is not None


def kind_of(file: Path) -> str | None:
    """.mcap or .db3, packed or not; None for anything else."""
    suffix = Path(file.stem).suffix if file.suffix == ".zstd" else file.suffix
    return suffix if suffix in _KINDS else None
