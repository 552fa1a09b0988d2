# SPDX-License-Identifier: Apache-2.0
"""Files that are there whole or not at all, whenever the writer is stopped."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wall_oss_ros.errors import WallOSSError

UNFINISHED = ".unfinished"
"""The end of a file's name until it is whole; nobody's pattern for Parquet files or videos takes it."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives a path to write to; what is there afterwards takes the place of ``path`` in one step, and is on the disk.

    After an error nothing has changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + UNFINISHED)
    try:
        yield temporary
        into_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def into_place(temporary: Path, path: Path) -> None:
    """Puts a file that is whole into its place, on the disk."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """``text`` as a whole file.

    Raises:
        WallOSSError: it holds half of a character, as JSON's escapes can.
    """
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise WallOSSError(
            f"{path} cannot be written: {text[max(0, error.start - 20) : error.end]!r} ends in half of a character.",
            "Mend the text where it comes from.",
        ) from None
    with whole_file(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, values: Any) -> None:
    """``values`` as a whole file of JSON, which has no word for NaN: it becomes null."""
    write_text(path, json.dumps(_finite(values), indent=4, ensure_ascii=False, allow_nan=False) + "\n")


def write_lines(path: Path, rows: list[Any]) -> None:
    """One object on each line, as a whole file; NaN becomes null."""
    write_text(path, "".join(json.dumps(_finite(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def hold(folder: Path) -> int:
    """Makes this the only writer of a folder, until the descriptor that it returns is closed or the process ends.

    Raises:
        WallOSSError: another one writes there.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise WallOSSError(f"Another process writes to {folder}.", "Wait until it is done, or end it.") from None
    return descriptor


def sync(path: Path) -> None:
    """Onto the disk with a file, or with the names of a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems cannot
        pass
    finally:
        os.close(descriptor)
