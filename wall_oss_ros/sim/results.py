# SPDX-License-Identifier: Apache-2.0
"""Results that are kept as lines of JSON, each at once, so that a series that was interrupted goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wall_oss_ros.errors import WallOSSError


class Results:
    """The results of one series in a file. Several processes may add to it at a time.

    Args:
        path: of JSON lines; made where it is not there. The first says what was run, the others what came of it.
        about: what all results depend on.

    Attributes:
        found: results by their key.

    Raises:
        WallOSSError: the file is of a series with another model, seed or settings, or is none.
    """

    def __init__(self, path: Path, about: dict):
        self._path, self.found = path, {}
        about = json.loads(json.dumps(about))
        path.parent.mkdir(parents=True, exist_ok=True)
        begun = path.with_name(f".{path.name}.{os.getpid()}")
        begun.write_bytes(_line({"about": about}))
        try:
            os.link(begun, path)  # whole, and only where no other process was first
            return
        except FileExistsError:
            pass
        finally:
            begun.unlink()
        if not path.is_file():
            raise WallOSSError(f"{path} is no file.", "Give another --output.")
        known, self.found = _content(path)
        if known != about:
            raise WallOSSError(
                f"{path} has results of another model, seed or settings: {known or 'none'}.",
                f"Give another --output, or the same as then. Now it is {about}.",
            )
        if not path.read_bytes().endswith(b"\n"):  # it was interrupted while it wrote
            self._append(b"\n")

    def add(self, result: dict) -> None:
        """Keeps a result, which has a ``key``, on disk as well."""
        self.found[result["key"]] = result
        self._append(_line(result))

    def _append(self, line: bytes) -> None:
        """In one call, so that lines of several processes do not mix."""
        file = os.open(self._path, os.O_APPEND | os.O_WRONLY)
        try:
            os.write(file, line)
        finally:
            os.close(file)


def read_together(paths: Sequence[Path]) -> tuple[dict, dict[str, dict]]:
    """The results of several files of one series: what they depend on, and results by key; of one that is in several
    files, the last.

    Raises:
        WallOSSError: a file is not there or has no results, or they do not belong together.
    """
    about: dict = {}
    found: dict[str, dict] = {}
    for path in paths:
        if not path.is_file():
            raise WallOSSError(f"There is no file {path}.", "Name files of results, as --output has made them.")
        known, more = _content(path)
        if known is None:
            raise WallOSSError(f"{path} has no results.", "Name files of results, as --output has made them.")
        if about and known != about:
            raise WallOSSError(
                f"{path} does not belong to {paths[0]}: {known}, and {about}.", "Name files of one series."
            )
        about, found = known, found | more
    return about, found


def _line(content: dict) -> bytes:
    return (json.dumps(content, allow_nan=False) + "\n").encode()


def _content(path: Path) -> tuple[dict | None, dict[str, dict]]:
    """What a file's results depend on, and results by key; lines that were cut off are left out."""
    lines = [line for text in path.read_text(errors="replace").splitlines() if (line := _parsed(text)) is not None]
    if not lines or not isinstance(lines[0].get("about"), dict):
        return None, {}
    return lines[0]["about"], {line["key"]: line for line in lines[1:] if "key" in line}


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:  # cut off
        return None
    return line if isinstance(line, dict) and ("about" in line or "key" in line) else None
