# SPDX-License-Identifier: Apache-2.0
"""What part of a camera's picture the model gets, how it is turned, and how it becomes a square."""

from __future__ import annotations

import numpy as np
from PIL import Image

from wall_oss_ros.perception.pictures import PictureError
from wall_oss_ros.robots.components import View
from wall_oss_ros.robots.lenses import Distortion

_SIZES = 16
"""Sizes of pictures that a view remembers at most."""


class Framing:
    """Cuts, turns and fits the pictures of one view, and its camera's matrix and pose with them.

    Args:
        view: its ``crop``, ``rotate`` and ``fit``.
    """

    def __init__(self, view: View):
        self._view = view
        self._back: dict[tuple[int, int, int], np.ndarray] = {}  # see to_camera; a camera has few sizes

    def picture(self, image: np.ndarray, size: int) -> np.ndarray:
        """The picture for the model.

        Args:
            image: (H, W, 3) uint8.
            size: side of the square, pixels; 0 leaves the size as it is.

        Returns:
            (size, size, 3) uint8, contiguous; it shares ``image``'s memory if nothing is to be done.

        Raises:
            PictureError: the crop reaches beyond the picture.
        """
        left, top, right, bottom = self.region(*image.shape[:2])
        image = np.rot90(image[top:bottom, left:right], -self._view.rotate // 90)
        if size:
            if self._view.fit == "crop":
                left, top, side = _central_square(*image.shape[:2])
                image = image[top : top + side, left : left + side]
            x, y, width, height = _placed(image.shape[0], image.shape[1], size, self._view.fit)
            resized = _resized(image, width, height)
            if (width, height) == (size, size):
                image = resized
            else:
                image = np.zeros((size, size, 3), np.uint8)
                image[y : y + height, x : x + width] = resized
        return np.ascontiguousarray(image)

    def camera(self, matrix: np.ndarray, height: int, width: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """The camera matrix (3, 3) of the model's picture, and how its optical axes are turned, (4, 4).

        Args:
            matrix: (3, 3) of the picture as it comes, (height, width).
            size: as for ``picture``.

        Returns:
            The matrix, and what the pose (4, 4) of the camera's own optical axes is multiplied by, from the right.
        """
        pixels, turn = self._map(height, width, size)
        back = np.eye(4)
        back[:3, :3] = turn.T
        return pixels @ matrix @ turn.T, back

    def distortion(self, distortion: Distortion | None) -> Distortion | None:
        """The distortion of the model's picture, by its own axes, of that of the picture as it comes."""
        return None if distortion is None else distortion.turned(self._turn()[:2, :2])

    def to_camera(self, height: int, width: int, size: int) -> np.ndarray:
        """From pixels of the model's picture to those of the picture as it comes: (3, 3), homogeneous, read only.

        Args:
            height, width: of the picture as it comes.
            size: as for ``picture``.
        """
        key = height, width, size
        if key not in self._back:
            if len(self._back) >= _SIZES:
                self._back.clear()
            self._back[key] = np.linalg.inv(self._map(height, width, size)[0])
            self._back[key].flags.writeable = False
        return self._back[key]

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the picture for a model that takes any size."""
        left, top, right, bottom = self.region(height, width)
        upright = bottom - top, right - left
        return upright[::-1] if self._view.rotate % 180 else upright

    def _map(self, height: int, width: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """From pixels as they come to the model's picture, (3, 3), and how the axes are turned in it, (3, 3)."""
        left, top, right, bottom = self.region(height, width)
        height, width = bottom - top, right - left
        turn = self._turn()
        corner = np.min([turn[:2, :2] @ xy for xy in ((0, 0), (width, 0), (0, height), (width, height))], axis=0)
        pixels = _moved(-corner) @ turn @ _moved((-left, -top))
        if self._view.rotate % 180:
            height, width = width, height
        if size:
            if self._view.fit == "crop":
                left, top, height = _central_square(height, width)
                width, pixels = height, _moved((-left, -top)) @ pixels
            x, y, wide, high = _placed(height, width, size, self._view.fit)
            pixels = _moved((x, y)) @ np.diag([wide / width, high / height, 1.0]) @ pixels
        return pixels, turn

    def _turn(self) -> np.ndarray:
        """How the axes of the picture as it comes are turned in the model's, (3, 3): clockwise, as y points down."""
        angle = np.radians(self._view.rotate)
        c, s = np.round([np.cos(angle), np.sin(angle)])
        return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])

    def region(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what is used of a picture as it comes.

        Raises:
            PictureError: the crop reaches beyond the picture.
        """
        if self._view.crop is None:
            return 0, 0, width, height
        try:
            return self._view.crop.pixels(height, width)
        except ValueError as error:
            raise PictureError(str(error)) from error


def _central_square(height: int, width: int) -> tuple[int, int, int]:
    """Its left, top and side, pixels."""
    side = min(height, width)
    return (width - side) // 2, (height - side) // 2, side


def _placed(height: int, width: int, size: int, fit: str) -> tuple[int, int, int, int]:
    """Where a whole picture comes to lie in the square: x and y of its corner, width and height, pixels."""
    if fit == "stretch":
        return 0, 0, size, size
    side = max(height, width)
    wide, high = (max(round(length * size / side), 1) for length in (width, height))
    return (size - wide) // 2, (size - high) // 2, wide, high


def _resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    if image.shape[:2] == (height, width):
        return image
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


def _moved(by) -> np.ndarray:
    """A shift of pixels as a matrix (3, 3)."""
    shift = np.eye(3)
    shift[:2, 2] = by
    return shift
