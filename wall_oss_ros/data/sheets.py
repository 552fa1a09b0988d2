# SPDX-License-Identifier: Apache-2.0
"""Pictures side by side with words beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TILE = 160
_GAP, _LINE = 4, 16
_PAPER, _INK, _MARK = (250, 250, 250), (20, 20, 20), (200, 30, 30)


class Strip(NamedTuple):
    """A row of a sheet: words above, and pictures (H, W, 3) uint8 with words below; None where there is none."""

    title: str
    pictures: Sequence[np.ndarray | None]
    labels: Sequence[str] = ()
    marked: Sequence[bool] = ()


def sheet(strips: Sequence[Strip], tile: int = TILE) -> Image.Image:
    """One picture of all strips; each picture as wide as ``tile``."""
    shown = [_of_strip(strip, tile) for strip in strips] or [Image.new("RGB", (tile, _LINE), _PAPER)]
    page = Image.new("RGB", (max(i.width for i in shown), sum(i.height for i in shown)), _PAPER)
    top = 0
    for image in shown:
        page.paste(image, (0, top))
        top += image.height
    return page


def _of_strip(strip: Strip, tile: int) -> Image.Image:
    small = [None if picture is None else _scaled(picture, tile) for picture in strip.pictures]
    high = max((image.height for image in small if image is not None), default=_LINE)
    font = ImageFont.load_default(12)
    wide = max(len(small) * (tile + _GAP) + _GAP, int(font.getlength(_line(strip.title))) + 2 * _GAP)
    page = Image.new("RGB", (wide, high + 2 * _LINE + 2 * _GAP), _PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((_GAP, 1), _line(strip.title), _INK, font)
    for at, image in enumerate(small):
        left = _GAP + at * (tile + _GAP)
        if image is None:
            draw.rectangle((left, _LINE + _GAP, left + tile - 1, _LINE + _GAP + high - 1), outline=_MARK)
            draw.text((left + 4, _LINE + _GAP + 2), "no picture", _MARK, font)
        else:
            page.paste(image, (left, _LINE + _GAP))
        if at < len(strip.marked) and strip.marked[at]:
            draw.rectangle((left, _LINE + _GAP, left + tile - 1, _LINE + _GAP + high - 1), outline=_MARK, width=3)
        if at < len(strip.labels):
            draw.text((left, high + _LINE + _GAP), _line(strip.labels[at]), _INK, font)
    return page


def _scaled(picture: np.ndarray, tile: int) -> Image.Image:
    high, wide = picture.shape[:2]
    size = (tile, min(4 * tile, max(1, round(high * tile / wide))))
    return Image.fromarray(picture).resize(size, Image.Resampling.BOX if wide > tile else Image.Resampling.NEAREST)


def _line(text: str) -> str:
    """What a font can show, on one line."""
    return " ".join(text.split()).encode("latin-1", "replace").decode("latin-1")[:200]
