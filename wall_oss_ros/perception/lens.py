# SPDX-License-Identifier: Apache-2.0
"""What a camera's driver says of its lens, for raw pictures and for rectified ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from wall_oss_ros.robots.components import View
from wall_oss_ros.robots.lenses import Distortion, distortion_of

_LONGEST = 14  # numbers of distortion that any model has
_PROPORTION = 0.01  # by which the proportions of two pictures of one camera may differ


class Lens(NamedTuple):
    """How the pictures of one camera come about.

    Attributes:
        matrix: (3, 3) the camera matrix.
        height, width: of the pictures that it is for, pixels; 0 where that was not said.
        distortion: None of pictures without.
        fault: why it cannot be used though there is a matrix, in words; empty where it can.
        whole: height and width of what the pictures are a part of; zeros where they are all of it.
    """

    matrix: np.ndarray
    height: int
    width: int
    distortion: Distortion | None = None
    fault: str = ""
    whole: tuple[int, int] = (0, 0)

    @property
    def calibrated(self) -> bool:
        """Whether there is a matrix. One of zeros says that there is none."""
        return _usable(self.matrix)

    @property
    def part(self) -> bool:
        """Whether the pictures are a region of what the camera was calibrated for."""
        return any(self.whole)

    @property
    def words(self) -> str:
        """The pictures that it is for."""
        size = f"{self.width} x {self.height}"
        return f"a region of {size} of {self.whole[1]} x {self.whole[0]}" if self.part else size

    def fits(self, height: int, width: int) -> bool:
        """Whether it can be for pictures of that size, larger or smaller ones included; a whole one is no region."""
        if not (self.height and self.width):
            return True
        return (height, width) != self.whole and alike(height, width, self.height, self.width)

    def resized(self, height: int, width: int) -> Lens:
        """The same for pictures of another size; distortion is in focal lengths, and stays."""
        if not (self.height and self.width) or (self.height, self.width) == (height, width):
            return self
        scale = np.diag([width / self.width, height / self.height, 1.0])
        return self._replace(matrix=scale @ self.matrix, height=height, width=width)

    @property
    def key(self) -> tuple:
        """What a picture's geometry depends on, as something to look up by."""
        return tuple(np.ravel(self.matrix).tolist()), self.distortion


def lens_of(info: Any, rectified: bool) -> Lens:
    """The lens of the pictures that a sensor_msgs/CameraInfo belongs to. Raises nothing, whatever it says.

    Raw pictures are as ``k`` and ``d`` have it. Rectified ones, which a driver or image_proc has freed of distortion,
    are as ``p`` has it: the same CameraInfo is published beside both. The last column of ``p``, which is for the second
    of two cameras, says where that is against the first, and is left out: tf says where a camera is.

    Both are for the whole picture that was calibrated, and the message has the size of that. A driver that sends a
    region of it, or puts pixels together (``roi``, ``binning_x``, ``binning_y``), says so beside it; the lens is for
    the pictures as they come then. (Source: the definition of CameraInfo, and REP 104.)
    """
    region = _region(info)
    if region.fault:
        return Lens(np.reshape(np.asarray(info.k, float), (3, 3)), 0, 0, fault=region.fault)
    if rectified and region.part and info.roi.do_rectify:
        fault = (
            "its region of interest is for raw pictures, and where it lies in rectified ones is not said (do_rectify)"
        )
        return Lens(np.reshape(np.asarray(info.k, float), (3, 3)), 0, 0, fault=fault)
    lens = _whole(info, rectified)
    whole = (int(info.height), int(info.width)) if region.part else (0, 0)
    return lens._replace(matrix=region.pixels @ lens.matrix, height=region.height, width=region.width, whole=whole)


def _whole(info: Any, rectified: bool) -> Lens:
    """The lens of the whole pictures."""
    matrix = np.reshape(np.asarray(info.k, float), (3, 3))
    height, width = int(info.height), int(info.width)
    projection = np.reshape(np.asarray(info.p, float), (3, 4))[:, :3]
    if rectified and _usable(projection):
        return Lens(projection, height, width)
    numbers = tuple(float(number) for number in info.d[: _LONGEST + 1])
    if len(numbers) > _LONGEST:
        return Lens(matrix, height, width, fault=f"it has more than {_LONGEST} numbers of distortion")
    distortion, fault = distortion_of(info.distortion_model, numbers)
    if rectified and (distortion is not None or fault):
        return Lens(matrix, height, width, fault="the pictures are rectified, and it has no projection matrix p")
    return Lens(matrix, height, width, distortion, fault)


class _Region(NamedTuple):
    """What pictures show of the whole one.

    Attributes:
        pixels: (3, 3) from the whole picture's to theirs, homogeneous.
        height, width: of them, pixels.
        part: whether they show less than all of it.
        fault: what contradicts itself, in words; empty where nothing does.
    """

    pixels: np.ndarray = np.eye(3)
    height: int = 0
    width: int = 0
    part: bool = False
    fault: str = ""


def _region(info: Any) -> _Region:
    roi, height, width = info.roi, int(info.height), int(info.width)
    left, top, wide, high = (int(n) for n in (roi.x_offset, roi.y_offset, roi.width, roi.height))
    across, down = max(int(info.binning_x), 1), max(int(info.binning_y), 1)  # 0 stands for 1
    said = f"its region of interest, {wide} x {high} at ({left}, {top}) of {width} x {height},"
    if not any((left, top, wide, high)):  # stands for all
        wide, high = width, height
    elif not (wide and high):
        return _Region(fault=f"{said} is empty")
    elif height and width and (left + wide > width or top + high > height):
        return _Region(fault=f"{said} reaches beyond that")
    if (wide or high) and not (wide // across and high // down):
        return _Region(fault=f"nothing is left of {wide} x {high} pixels, binned by {across} x {down}")
    moved = np.array([[1.0, 0, -left], [0, 1, -top], [0, 0, 1]])
    pixels = np.diag([1 / across, 1 / down, 1.0]) @ moved
    return _Region(pixels, high // down, wide // across, (left, top, wide, high) != (0, 0, width, height))


def is_rectified(view: View, topic: str) -> bool:
    """Whether the pictures on a view's topic are rectified: as the view has it, or else by the topic's name.

    Args:
        topic: of pictures or depth images, as ROS has resolved it.
    """
    if view.rectified is not None:
        return view.rectified
    return any(part in ("rect", "rectified") or part.startswith("image_rect") for part in topic.split("/"))


def alike(rows: int, columns: int, height: int, width: int) -> bool:
    """Whether two sizes have the same proportions."""
    return abs(rows * width / (columns * height) - 1) <= _PROPORTION


def _usable(matrix: np.ndarray) -> bool:
    return bool(np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0)
