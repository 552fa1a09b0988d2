# SPDX-License-Identifier: Apache-2.0
"""Pictures as the model takes them, kept on disk: a video is decoded once, not at every step that shows it."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wall_oss_ros.errors import WallOSSError

_log = logging.getLogger(__name__)
_SPARE = 1 << 30  # bytes that stay free on the disk


class KeptPictures:
    """Pictures of all samples, (N, V, side, side, 3) uint8, filled episode by episode as they are asked for.

    A folder that was begun for other pictures is begun anew; one that was left in the middle goes on.

    Args:
        folder: where they are kept.
        identity: what they are of, JSON; other content, other pictures.
        shape: (N, V, side, side, 3).
        ends: (E,) number of the first sample behind each episode.
        read: the pictures (n, V, side, side, 3) of the e-th episode.
    """

    def __init__(
        self, folder: Path, identity: Any, shape: Sequence[int], ends: np.ndarray, read: Callable[[int], np.ndarray]
    ):
        self._ends, self._read = ends, read
        about, self._done_file = folder / "about.json", folder / "done.npy"
        try:
            known = about.is_file() and json.loads(about.read_text()) == {"identity": identity, "shape": [*shape]}
            if not known:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                np.lib.format.open_memmap(folder / "pictures.npy", "w+", np.uint8, tuple(shape)).flush()
                np.save(self._done_file, np.zeros(len(ends), bool))
                about.write_text(json.dumps({"identity": identity, "shape": [*shape]}))
            self._pictures = np.load(folder / "pictures.npy", mmap_mode="r+")
            self._done = np.load(self._done_file, mmap_mode="r+")
        except (OSError, ValueError) as error:
            raise WallOSSError(
                f"Pictures cannot be kept in {folder}: {error}.", "Make room, remove that folder, or set cache_gb: 0."
            ) from error

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """Those of samples (B,)."""
        for number in np.unique(np.searchsorted(self._ends, indices, side="right")):
            if not self._done[number]:
                start = self._ends[number - 1] if number else 0
                self._pictures[start : self._ends[number]] = self._read(int(number))
                self._pictures.flush()
                self._done[number] = True
                self._done.flush()
        return self._pictures[indices]


def fits(folder: Path, size: int, most: float, name: str) -> bool:
    """Whether so many bytes may be kept in a folder: no more than ``most``, and there is room on the disk."""
    if size > most:
        if most:
            _log.warning(
                "%s: its pictures would take %.1f GB, more than cache_gb; they are decoded each time.", name, size / 1e9
            )
        return False
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    used = sum(file.stat().st_size for file in folder.glob("*")) if folder.is_dir() else 0
    if shutil.disk_usage(there).free + used < size + _SPARE:
        _log.warning(
            "%s: no room in %s to keep its pictures (%.1f GB); they are decoded each time.", name, folder, size / 1e9
        )
        return False
    return True
