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
    """

    matrix: np.ndarray
    height: int
    width: int
    distortion: Distortion | None = None
    fault: str = ""

    @property
    def calibrated(self) -> bool:
        """Whether there is a matrix. One of zeros says that there is none."""
        return _usable(self.matrix)

    def fits(self, height: int, width: int) -> bool:
        """Whether it can be for pictures of that size, larger or smaller ones included."""
        return not (self.height and self.width) or alike(height, width, self.height, self.width)

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
    """
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
