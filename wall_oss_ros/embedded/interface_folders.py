# SPDX-License-Identifier: Apache-2.0
"""Packages of interfaces in folders that WALL_OSS_INTERFACES names: sources, or a ``share`` folder of an installation.

Each file's package is that of the nearest ``package.xml`` above it; without one it is the name of the folder, or of the
folder above it where that is called ``msg``, ``srv`` or ``action``.
"""

from __future__ import annotations

import os
import re
import sys
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

from wall_oss_ros.errors import WallOSSError

VARIABLE = "WALL_OSS_INTERFACES"
_KINDS = ("msg", "srv", "action")
_PACKAGE = re.compile(r"[A-Za-z_]\w*")
_NAME = re.compile(r"[A-Za-z]\w*")


def in_folders() -> dict[str, dict[tuple[str, str], Path]]:
    """By package: the file of each (kind, name).

    Raises:
        WallOSSError: the environment names what is no folder.
    """
    return _scan(os.environ.get(VARIABLE, ""))


@lru_cache(maxsize=4)
def _scan(variable: str) -> dict[str, dict[tuple[str, str], Path]]:
    found: dict[str, dict[tuple[str, str], Path]] = {}
    for text in filter(None, variable.split(os.pathsep)):
        folder = Path(text).expanduser()
        if not folder.is_dir():
            raise WallOSSError(
                f"{VARIABLE} names {text}, which is no folder.",
                f"Name folders of .msg, .srv and .action files, with {os.pathsep!r} between them.",
            )
        for path, kind in _files(folder.resolve()):
            package = _package_of(path)
            if package is not None:  # the first folder wins, as on PATH
                found.setdefault(package, {}).setdefault((kind, path.stem), path)
    return found


def _files(folder: Path) -> list[tuple[Path, str]]:
    found = []
    for base, folders, names in os.walk(folder):
        # what colcon builds repeats the sources, and what it says to ignore is to be ignored
        folders[:] = [] if "COLCON_IGNORE" in names and Path(base) != folder else sorted(folders)
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in sorted(names):
            stem, _, kind = name.rpartition(".")
            # an installation has the parts of services and actions beside them, as messages
            misplaced = os.path.basename(base) in _KINDS and os.path.basename(base) != kind
            if kind in _KINDS and _NAME.fullmatch(stem) and not misplaced:
                found.append((Path(base, name), kind))
    return found


def _package_of(path: Path) -> str | None:
    """The package that a file belongs to; None where that could not be the name of one."""
    name = path.parent.parent.name if path.parent.name in _KINDS else path.parent.name
    for folder in list(path.parents)[:3]:
        if (manifest := folder / "package.xml").is_file():
            try:
                name = (ElementTree.parse(manifest).findtext("name") or "").strip() or name
            except ElementTree.ParseError as error:
                raise WallOSSError(f"{manifest} is not XML: {error}.", "Correct or remove it.") from error
            break
    usable = _PACKAGE.fullmatch(name) and name not in sys.stdlib_module_names
    return name if usable else None


def read(path: Path) -> str:
    """The text of a definition.

    Raises:
        WallOSSError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors on Windows begin files with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise WallOSSError(f"{path} cannot be read: {error}.", "Its text is UTF-8.") from error
