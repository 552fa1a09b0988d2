# SPDX-License-Identifier: Apache-2.0
"""The depth image that belongs to a view's picture: of the same moment and the same camera, brought into its frame."""

from __future__ import annotations

from bisect import insort
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from wall_oss_ros.perception.compressed_depth import compressed_counts
from wall_oss_ros.perception.depth import DepthError, depth_counts, millimetres
from wall_oss_ros.perception.framing import Framing
from wall_oss_ros.perception.lens import Lens, alike
from wall_oss_ros.robots.lenses import pixels_of, rays

MOST = 320  # pixels of the longer side: more would make observations large, and places no better
_KEPT = 8  # images that wait for their picture, undecoded: a quarter of a second at 30 Hz
_RESTART = 1.0  # s: a stamp that lies this far behind the newest one is of a clock that was restarted


class _Image(NamedTuple):
    stamp: float
    message: Any


class RegisteredDepth:
    """Keeps the newest depth images of one view as they came, and converts what is asked for.

    Args:
        framing: what becomes of the view's pictures.
        tolerance: how far apart in time picture and depth image may be, s.
        topic: where they come from.

    Attributes:
        absent: why there was no depth for the last picture, in words; empty if there was.
    """

    def __init__(self, framing: Framing, tolerance: float, topic: str):
        self._framing, self._tolerance = framing, tolerance
        self._images: list[_Image] = []
        self._lens: Lens | None = None
        self._grid = lru_cache(maxsize=2)(self._make_grid)
        self.absent = self._nothing = f"nothing on {topic}"

    def add(self, stamp: float, message: Any) -> None:
        """A sensor_msgs/Image or CompressedImage has come, taken at ``stamp`` s."""
        if self._images and stamp < self._images[-1].stamp - _RESTART:
            self._images.clear()
        insort(self._images, _Image(stamp, message), key=lambda one: one.stamp)
        del self._images[:-_KEPT]

    def hear(self, lens: Lens) -> None:
        """The CameraInfo of the depth images has come."""
        self._lens = lens

    def view(
        self, stamp: float, frame: str, lens: Lens | None, height: int, width: int, size: int
    ) -> np.ndarray | None:
        """The depth of the model's picture, (h, w) uint16 mm; None where there is none, and ``absent`` says why.

        Args:
            stamp: when the picture was taken, s.
            frame: what the picture says that it was taken in; may be empty.
            lens: the picture's; None where it is not known.
            height, width: of the picture as it came, pixels.
            size: side of the model's square, pixels; 0 leaves the picture's size.
        """
        try:
            found = self._of_moment(stamp)
            own = found.header.frame_id
            if frame and own and own != frame:
                raise DepthError(
                    f"it is of frame {own}, the pictures are of {frame}: register it to the colour camera (align_depth)"
                )
            counts, scale = depth_counts(found) if hasattr(found, "encoding") else compressed_counts(found)
            own_lens = self._own_lens(counts)
            if own_lens is None and lens is not None and lens.part and counts.shape != (height, width):
                raise DepthError(
                    f"the pictures are {lens.words}, and without its CameraInfo it is not known what part of that it"
                    " shows: set depth_info_topic"
                )
            rows, columns, inside = self._grid(height, width, size, counts.shape, _key(lens), _key(own_lens))
        except DepthError as error:
            self.absent = str(error)
            return None
        self.absent = ""
        return np.where(inside, millimetres(counts[rows, columns], scale), 0).astype(np.uint16)

    def _of_moment(self, stamp: float) -> Any:
        if not self._images:
            raise DepthError(self._nothing)
        nearest = min(self._images, key=lambda one: abs(one.stamp - stamp))
        if not abs(apart := nearest.stamp - stamp) <= self._tolerance:
            side = "before" if apart < 0 else "after"
            raise DepthError(
                f"the nearest depth image was taken {abs(apart):.2f} s {side} the picture, {self._tolerance:g} s are "
                "allowed"
            )
        return nearest.message

    def _own_lens(self, counts: np.ndarray) -> Lens | None:
        """The depth image's lens for the size that it has."""
        lens, (rows, columns) = self._lens, counts.shape
        if lens is None or not lens.calibrated:
            return None
        if lens.fault:
            raise DepthError(f"its CameraInfo is of no use: {lens.fault}")
        if not lens.fits(rows, columns):
            raise DepthError(f"its CameraInfo is for {lens.words}, the depth images are {columns} x {rows}")
        return lens.resized(rows, columns)

    def _make_grid(
        self, height: int, width: int, size: int, shape: tuple[int, int], lens: tuple | None, own: tuple | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each pixel of the result, the row and column of the depth image, and whether that is inside of it."""
        same = lens is None or own is None  # as far as is known
        if same and not alike(*shape, height, width):
            raise DepthError(
                f"depth images are {shape[1]} x {shape[0]}, pictures {width} x {height}, and without the CameraInfo of "
                "both it is not known how they lie on each other: set depth_info_topic"
            )
        full = self._framed_size(height, width, size)
        shrink = min(1.0, MOST / max(full))
        rows, columns = (max(1, round(shrink * side)) for side in full)
        y, x = np.mgrid[:rows, :columns] + 0.5
        seen = np.stack([x * full[1] / columns, y * full[0] / rows, np.ones_like(x)], axis=-1)
        picture = seen @ self._framing.to_camera(height, width, size).T
        left, top, right, bottom = self._framing.region(height, width)
        pixels = picture[..., :2] / picture[..., 2:]
        there = pixels * (shape[1] / width, shape[0] / height) if same else _over(pixels, lens, own)
        there = np.floor(np.nan_to_num(there, nan=-1.0)).clip(-1, shape[::-1]).astype(int)
        column, row = there[..., 0], there[..., 1]
        inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
        # What lies beyond the crop is black in the model's picture.
        inside &= (pixels[..., 0] >= left) & (pixels[..., 0] < right)
        inside &= (pixels[..., 1] >= top) & (pixels[..., 1] < bottom)
        return np.where(inside, row, 0), np.where(inside, column, 0), inside

    def _framed_size(self, height: int, width: int, size: int) -> tuple[int, int]:
        return (size, size) if size else self._framing.size(height, width)


def _key(lens: Lens | None) -> tuple | None:
    return None if lens is None else lens.key


def _over(pixels: np.ndarray, lens: tuple, own: tuple) -> np.ndarray:
    """Where pixels (..., 2) lie for another lens at the same place; NaN where one of them shows nothing.

    Args:
        lens, own: keys of the pixels' lens, and of the other.
    """
    (given, bends), (wanted, bends_too) = lens, own
    if bends == bends_too:  # then it makes no difference, and what lies beyond its formula need not be left out
        bends = bends_too = None
    return pixels_of(rays(pixels, np.reshape(given, (3, 3)), bends), np.reshape(wanted, (3, 3)), bends_too)
