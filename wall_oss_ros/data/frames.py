# SPDX-License-Identifier: Apache-2.0
"""Frames as memory-mapped arrays: what cameras see, and a record of what belongs to it.

A set of frames is a folder with ``images.npy`` (N, V, H, W, 3) uint8, ``frames.npy`` (N,) of records, whose type is its
maker's, and ``meta.json``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wall_oss_ros.errors import WallOSSError


@dataclass(frozen=True)
class FrameSet:
    """A set of frames opened for reading: ``images`` (N, V, H, W, 3) uint8 and their records ``frames`` (N,)."""

    images: np.ndarray | JoinedImages
    frames: np.ndarray
    meta: dict

    @classmethod
    def open(cls, folder: str | Path, record: np.dtype) -> FrameSet:
        """Opens a set whose records are of the type ``record``.

        Raises:
            WallOSSError: the folder is no dataset, one of another task, or its files do not belong together.
        """
        folder = Path(folder)
        try:
            meta = json.loads((folder / "meta.json").read_text())
            images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
            frames = np.load(folder / "frames.npy", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise WallOSSError(
                f"{folder} is no readable dataset of frames ({error}).",
                "Name another folder, or let `wall-oss train` make it.",
            ) from error
        if frames.dtype != record or len(images) != len(frames):
            raise WallOSSError(
                f"{folder} was written for another task, by another version, or not completely: {len(images)} images, "
                f"{len(frames)} frames.",
                "Delete it and let `wall-oss train` make it again, or name another folder.",
            )
        return cls(images, frames, meta)

    def after(self, others: Sequence[FrameSet]) -> FrameSet:
        """The frames of ``others`` and then these, as one set."""
        parts = [*others, self]
        return FrameSet(
            JoinedImages([part.images for part in parts]), np.concatenate([part.frames for part in parts]), self.meta
        )

    def __len__(self) -> int:
        return len(self.frames)


class JoinedImages:
    """Image arrays (n, V, H, W, 3) one after the other, read by an array of indices as one array would be."""

    def __init__(self, parts: Sequence[np.ndarray | JoinedImages]):
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])
        self.shape: tuple[int, ...] = (int(self._ends[-1]), *parts[0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        owners = np.searchsorted(self._ends, indices, side="right")
        starts = np.concatenate([[0], self._ends[:-1]])
        return np.stack([self._parts[part][index - starts[part]] for part, index in zip(owners, indices)])


def write_frames(folder: Path, images: list[np.ndarray], frames: list[np.ndarray], settings: dict) -> None:
    """Writes a dataset from arrays (n, V, H, W, 3) and (n,); ``images`` is emptied on the way, to spare memory."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "frames.npy", np.concatenate(frames))
    shape = (sum(map(len, images)), *images[0].shape[1:])
    file = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, shape)
    images.reverse()
    end = 0
    while images:
        part = images.pop()
        file[end : end + len(part)] = part
        end += len(part)
    file.flush()
    (folder / "meta.json").write_text(json.dumps({"settings": settings, "frames": sum(map(len, frames))}, indent=1))


def is_made(folder: Path, settings: dict) -> bool:
    """Whether the folder holds a whole dataset of these settings."""
    meta = folder / "meta.json"  # written last
    return meta.exists() and json.loads(meta.read_text()).get("settings") == settings
