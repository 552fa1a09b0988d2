# SPDX-License-Identifier: Apache-2.0
"""Draws what the model pointed at into the picture that it was given for, with words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_LARGE = 448  # pixels: smaller pictures are enlarged to at least this width, or words would cover them
_TALL = 2000  # pixels: but to no more than this height, as a narrow one would be
_LETTERS, _LINE = 14, 18  # pixels
_LONGEST = 60  # characters of a label
_BACK, _FRONT = (20, 20, 20), (245, 245, 245)


class Mark(NamedTuple):
    """A point or a box in a picture.

    Attributes:
        label: its words.
        pixels: (1, 2) the point, or (2, 2) the box's upper left and lower right corner.
        colour: red, green and blue, 0 to 255.
    """

    label: str
    pixels: np.ndarray
    colour: tuple[int, int, int]


def annotated(picture: np.ndarray, marks: Sequence[Mark], caption: Sequence[str] = ()) -> np.ndarray:
    """The picture, enlarged by a whole number if it is small, with its marks, and lines of text below it.

    Args:
        picture: (H, W, 3) uint8 RGB.
        marks: in its pixels; what lies outside is not seen.
        caption: lines of text.

    Returns:
        (H', W', 3) uint8 RGB.
    """
    height, width = picture.shape[:2]
    scale = max(1, min(-(-_LARGE // width), _TALL // height))
    large = Image.new("RGB", (width * scale, height * scale + _LINE * len(caption)), _BACK)
    pixels = Image.fromarray(np.ascontiguousarray(picture))
    large.paste(pixels.resize((width * scale, height * scale), Image.Resampling.NEAREST))
    draw, font = ImageDraw.Draw(large), _font()
    for mark in marks:
        # Far outside of the picture, numbers would be too large for the drawing.
        spots = np.clip(mark.pixels * scale, -large.width, 2 * large.width + 2 * large.height)
        if not np.isfinite(spots).all():
            continue
        if len(spots) == 1:
            (x, y), reach = spots[0], 9
            for colour, breadth in ((_BACK, 5), (mark.colour, 3)):  # seen on any ground
                draw.line([x - reach, y, x + reach, y], colour, breadth)
                draw.line([x, y - reach, x, y + reach], colour, breadth)
        else:
            (left, top), (right, bottom) = spots
            draw.rectangle([left, top, max(left, right), max(top, bottom)], outline=mark.colour, width=3)
        _write(draw, font, mark, spots, large.width)
    for number, line in enumerate(caption):
        draw.text((4, height * scale + _LINE * number + 2), readable(line, 2 * _LONGEST), _FRONT, font)
    return np.asarray(large)


def _write(draw: ImageDraw.ImageDraw, font, mark: Mark, spots: np.ndarray, width: int) -> None:
    """The mark's words beside it, inside of the picture."""
    text = readable(mark.label, _LONGEST)
    if not text:
        return
    wide = draw.textlength(text, font) + 6
    x = min(max(spots[-1, 0] + 6 - (wide + 12 if spots[-1, 0] + wide > width else 0), 0), max(width - wide, 0))
    y = max(spots[0, 1] - _LINE - 2, 0)
    draw.rectangle([x, y, x + wide, y + _LINE], _BACK)
    draw.text((x + 3, y + 1), text, mark.colour, font)


def readable(text: str, longest: int) -> str:
    """Text on one line, of characters that the built-in font has, and not longer than this."""
    plain = " ".join(text.encode("latin-1", "replace").decode("latin-1").split())
    return plain if len(plain) <= longest else plain[: longest - 3] + "..."


def _font():
    try:
        return ImageFont.load_default(_LETTERS)
    except TypeError:  # Pillow before 10.1 has one of one size
        return ImageFont.load_default()
