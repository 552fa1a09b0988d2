# SPDX-License-Identifier: Apache-2.0
"""Training pictures that differ each time they are shown: their colours, their noise, and where things lie in them.

Colours and noise are drawn for each picture, since cameras set exposure and white balance each for itself; shift and
scale are drawn for a row, since words seldom say which view a point is in. Nothing else of a row depends on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from wall_oss_ros.training.placement import STILL, Placement, place, spots_of
from wall_oss_ros.training.steps import is_held_out

_LUMA = np.array([0.299, 0.587, 0.114])
"""Shares of red, green and blue in brightness (ITU-R BT.601)."""
_YIQ = np.array([_LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
"""RGB to NTSC's brightness and two colour differences, both 0 for grey."""
_STREAM = 2
"""What sets this chance apart from that of what is said (``Batches.draw``)."""


def _within(least: float, most: float) -> AfterValidator:
    def check(given: tuple[float, float]) -> tuple[float, float]:
        if not least <= given[0] <= given[1] <= most:
            raise ValueError(f"a range has its least number first, both from {least:g} to {most:g}, not {list(given)}")
        return given

    return AfterValidator(check)


Factors = Annotated[tuple[float, float], _within(0, 4)]


class Augment(BaseModel):
    """How pictures are changed in training, each time in another way: ranges that are drawn from evenly.

    Factors mean what they mean in torchvision and in LeRobot's ``image_transforms``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    brightness: Factors = Field(default=(1.0, 1.0), description="factor, such as [0.8, 1.2]; 0 is black")
    contrast: Factors = Field(
        default=(1.0, 1.0), description="factor of what differs from the picture's mean brightness"
    )
    saturation: Factors = Field(default=(1.0, 1.0), description="factor of colour; 0 is grey")
    hue: Annotated[tuple[float, float], _within(-0.5, 0.5)] = Field(
        default=(0.0, 0.0), description="turn of the colours, in circles, such as [-0.05, 0.05]; grey stays grey"
    )
    sharpness: Factors = Field(default=(1.0, 1.0), description="factor; 0 is smoothed, above 1 sharpened")
    noise: Annotated[tuple[float, float], _within(0, 64)] = Field(
        default=(0.0, 0.0), description="standard deviation of what is added to each number of 0 to 255"
    )
    shift: float = Field(
        default=0.0,
        ge=0,
        le=0.25,
        allow_inf_nan=False,
        description="the most that things are moved across and down, in shares of the picture's sides; its edge fills "
        "what gets free",
    )
    scale: Annotated[tuple[float, float], _within(0.5, 2)] = Field(
        default=(1.0, 1.0), description="zoom about the picture's middle, such as [0.95, 1.1]"
    )

    @property
    def moves(self) -> bool:
        """Whether anything is moved."""
        return self.shift > 0 or self.scale != (1, 1)


class Change:
    """What becomes of a row: its pictures, in order, and its texts.

    Args:
        settings: None for no change.
        rng: what is drawn by.
        sizes: width and height of each of its pictures.
        texts: all that is said in it. What they point to stays in sight. Nothing is moved at all where they speak of
            places in another way than by points and boxes, or point and the pictures differ in size.

    Attributes:
        kept: whether what is said kept its pictures from being moved.
    """

    def __init__(
        self,
        settings: Augment | None,
        rng: np.random.Generator | None = None,
        sizes: Sequence[tuple[int, int]] = (),
        texts: Sequence[str] = (),
    ):
        self._settings, self._rng, self._size = settings, rng, (sizes or [(1, 1)])[0]
        self._places = dict.fromkeys(sizes, STILL)
        self.kept = False
        if settings is None or not settings.moves:
            return
        zoom, *at = rng.random(3)
        spots = spots_of(texts)
        low, high = settings.scale
        scale, points = low + zoom * (high - low), spots or []
        found = {size: place(size, points, settings.shift, scale, (at[0], at[1])) for size in self._places}
        self.kept = spots is None or None in found.values() or (bool(points) and len(found) > 1)
        if not self.kept:
            self._places = found

    def __bool__(self) -> bool:
        return self._settings is not None

    @property
    def placement(self) -> Placement:
        """Of the first picture, and of all of its size."""
        return self._places.get(self._size, STILL)

    def text(self, text: str) -> str:
        """A text that points to the same things."""
        return self.placement.text(text, self._size)

    def picture(self, image: np.ndarray) -> np.ndarray:
        """The next picture: (H, W, 3) uint8 -> the same shape and type."""
        if self._settings is None:
            return image
        placed = self._places[image.shape[1], image.shape[0]].picture(image)
        return _recoloured(placed, self._settings, self._rng)


def change_of_row(
    settings: Augment | None,
    seed: Sequence[int],
    step: int,
    place_in_step: int,
    sizes: Sequence[tuple[int, int]],
    texts: Sequence[str],
) -> Change:
    """The change of one row, a function of all these alone; none for what is held out."""
    if settings is None or is_held_out(step):
        return Change(None)
    return Change(settings, np.random.default_rng([*seed, step, _STREAM, place_in_step]), sizes, texts)


def _recoloured(image: np.ndarray, settings: Augment, rng: np.random.Generator) -> np.ndarray:
    ranges = (settings.brightness, settings.contrast, settings.saturation, settings.hue, settings.sharpness)
    drawn = [low + u * (high - low) for (low, high), u in zip((*ranges, settings.noise), rng.random(6))]
    *colours, sharpness, noise = drawn
    if sharpness != 1:
        from PIL import Image, ImageEnhance

        image = np.asarray(ImageEnhance.Sharpness(Image.fromarray(image)).enhance(sharpness))
    if colours != [1, 1, 1, 0]:
        from PIL import Image

        picture = Image.fromarray(image)
        matrix = colour_matrix(*colours, mean=float(np.asarray(picture.convert("L")).mean()))
        image = np.asarray(picture.convert("RGB", tuple(matrix.flatten().tolist())))
    if noise:
        added = rng.standard_normal(image.shape, np.float32)
        added *= noise
        added += image
        image = np.rint(added, out=added).clip(0, 255, out=added).astype(np.uint8)
    return image


def colour_matrix(brightness: float, contrast: float, saturation: float, hue: float, mean: float) -> np.ndarray:
    """Brightness, then contrast, then saturation, then hue as one map of colours, (3, 4), the last column added.

    Hue is turned about the axis of greys in YIQ, and so keeps brightness, which a turn of HSV's does not.

    Args:
        mean: brightness of the whole picture, 0 to 255.
    """
    angle = -2 * math.pi * hue  # from red to yellow, as in HSV
    turn = np.array([[1, 0, 0], [0, math.cos(angle), -math.sin(angle)], [0, math.sin(angle), math.cos(angle)]])
    grey = np.tile(_LUMA, (3, 1))
    colour = np.linalg.solve(_YIQ, turn @ _YIQ) if hue else np.eye(3)
    colour = colour @ (saturation * np.eye(3) + (1 - saturation) * grey)
    return np.column_stack([contrast * brightness * colour, np.full(3, (1 - contrast) * brightness * mean)])
