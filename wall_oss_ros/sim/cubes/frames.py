# SPDX-License-Identifier: Apache-2.0
"""Frames of a simulated table: what the cameras see and the truth behind it, as memory-mapped arrays.

A dataset is a folder with ``images.npy`` (N, V, H, W, 3) uint8, ``frames.npy`` (N,) of its task's records, such as
:data:`FRAME` for the table with cubes, and ``meta.json``.
Labels for every subtask that could be asked for are stored with each frame, because the same picture is shown to the
model with different instructions: only then do the words, not the picture alone, decide what the arm does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.sim.environment import HORIZON

PLACES = ("table", "left tray", "right tray", "gripper")
"""Where a cube can be; ``FRAME["where"]`` holds the index."""

FRAME = np.dtype(
    [
        ("tcp", "f4", 3),  # tool centre point, m, base frame
        ("rotation", "f4", 3),  # Euler xyz from the tool's home orientation, rad
        ("opening", "f4"),  # between the fingers, m
        ("colours", "i1", 3),  # index into sim.goals.COLOURS of each cube
        ("cubes", "f4", (3, 3)),  # cube centres, m, base frame
        ("where", "i1", 3),  # index into PLACES
        ("trays", "f4", (2, 2)),  # centres of the left and the right tray, m, base frame
        ("cube_pixels", "f4", (3, 2)),  # x, y in the front view; NaN outside it
        ("cube_wrist_pixels", "f4", (3, 2)),  # x, y in the wrist view; NaN outside it
        ("tray_pixels", "f4", (2, 2)),
        ("hand_pixel", "f4", 2),
        (
            "chunks",
            "f4",
            (5, HORIZON, 7),
        ),  # expert: pick cube 0, 1, 2, place left, place right; arm slots of the layout
    ]
)


@dataclass(frozen=True)
class FrameSet:
    """A dataset opened for reading."""

    images: np.ndarray | JoinedImages
    frames: np.ndarray
    meta: dict

    @classmethod
    def open(cls, folder: str | Path, frame: np.dtype = FRAME) -> FrameSet:
        """Opens a dataset of records of the type ``frame``.

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
        if frames.dtype != frame or len(images) != len(frames):
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

    def __init__(self, parts: Sequence[np.ndarray]):
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])
        self.shape = (int(self._ends[-1]), *parts[0].shape[1:])

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
