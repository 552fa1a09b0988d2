# SPDX-License-Identifier: Apache-2.0
"""What a dataset was made of: which bags, by their contents, and with which settings. It decides what is made anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wall_oss_ros.data.bags.files import storage_files
from wall_oss_ros.data.lerobot.files import write_text
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import read_json

RECORD = "meta/recordings.json"


@dataclass
class Entry:
    """A bag.

    Attributes:
        bag: its path when it was converted.
        content: a digest of its files.
        files: of each file its name, size (bytes) and time of change (ns): while these stay, so does the content.
        episodes: that were made of it.
        refused: why there are none; empty where there are.
        notes: what was unusual.
    """

    bag: str
    content: str
    files: list[list[Any]]
    episodes: list[int] = field(default_factory=list)
    refused: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass
class Record:
    """What a dataset was made of.

    Attributes:
        settings: a digest of all that decides how a bag is converted.
        entries: the bags, in the order in which they were converted.
        busy: whether a bag was being added when this was written.
    """

    settings: str
    entries: list[Entry] = field(default_factory=list)
    busy: bool = False

    @classmethod
    def load(cls, folder: Path) -> Record | None:
        """That of a dataset; None where there is none.

        Raises:
            WallOSSError: it cannot be read.
        """
        path = folder / RECORD
        if not path.exists():
            return None
        content = read_json(path, "Delete the dataset and convert again.")
        try:
            entries = [Entry(**entry) for entry in content["entries"]]
            return cls(str(content["settings"]), entries, bool(content["busy"]))
        except (TypeError, KeyError) as error:
            raise WallOSSError(
                f"{path} is no record of conversions ({error}).", "Delete the dataset and convert again."
            ) from error

    def save(self, folder: Path) -> None:
        """Writes it whole or not at all."""
        write_text(folder / RECORD, json.dumps(asdict(self), indent=1, ensure_ascii=False))


def digest_of(values: Any) -> str:
    """A digest of what JSON can hold."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def entry_of(bag: Path, known: Iterable[Entry] = ()) -> Entry:
    """A bag as it is now; it is read through unless one of the known ones has the very same files.

    Raises:
        WallOSSError: there is no such bag.
    """
    files, _ = storage_files(bag)
    metadata = bag / "metadata.yaml"
    files = [*files, *([metadata] if bag.is_dir() and metadata.exists() else [])]
    stats = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    for one in known:
        if one.files == stats and one.bag == str(bag):
            return Entry(str(bag), one.content, stats)
    content = hashlib.sha256()
    for file in files:
        content.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        try:
            with file.open("rb") as source:
                while block := source.read(1 << 22):
                    content.update(block)
        except OSError as error:
            raise WallOSSError(f"{file} cannot be read: {error.strerror}.", "Check it.") from error
    return Entry(str(bag), content.hexdigest(), stats)
