# SPDX-License-Identifier: Apache-2.0
"""What stands on the page beside the scene: sections of plain values, and pictures. Written by one, read by many."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

LARGEST_PICTURE = 960  # pixels of a picture's longer side, on the page
_QUALITY = 80  # of JPEG


class Picture(NamedTuple):
    """A picture: its number, its size before it was made smaller, pixels, and the JPEG, empty if it cannot be made."""

    number: int
    width: int
    height: int
    jpeg: bytes


class Panel:
    """The sections by name, each as it was shown last. Its methods may be called from any thread.

    Sections hold numbers, texts, lists and dictionaries, which the page sets as text: nothing in them is markup.

    Args:
        title: of the page.
        example: what the field for an instruction contains at first.
        steered: whether there is a robot to be commanded; a record can only be looked at.
    """

    def __init__(self, title: str, example: str = "", steered: bool = True):
        self._lock = threading.Lock()
        self._sections: dict[str, str] = {}
        self._pictures: dict[int, tuple[int, Callable[[], np.ndarray]]] = {}
        self._made: dict[int, Picture] = {}
        self._count = 0
        self.show("page", {"title": title, "example": example, "steered": steered})

    def show(self, section: str, content: Any) -> None:
        """Puts a section in the place of the one of that name."""
        written = json.dumps(content, ensure_ascii=True, allow_nan=False)
        with self._lock:
            self._sections[section] = written

    def sections(self) -> dict[str, str]:
        """Every section, as JSON."""
        with self._lock:
            return dict(self._sections)

    def section(self, name: str) -> Any:
        """One of them, as it was shown; None if it was not."""
        written = self.sections().get(name)
        return None if written is None else json.loads(written)

    def show_picture(self, index: int, pixels: Callable[[], np.ndarray]) -> None:
        """A new picture in place ``index``.

        Args:
            pixels: gives (H, W, 3) uint8 RGB, in another thread, and only where somebody looks at it.
        """
        with self._lock:
            self._count += 1
            self._pictures[index] = self._count, pixels

    def newest(self) -> dict[int, int]:
        """By place, the number of the picture there: another one is another picture."""
        with self._lock:
            return {index: number for index, (number, _) in self._pictures.items()}

    def picture(self, index: int) -> Picture:
        """The picture in that place, made where it was not yet."""
        with self._lock:
            number, pixels = self._pictures[index]
            if (made := self._made.get(index)) is not None and made.number == number:
                return made
        try:
            made = Picture(number, *_written(pixels()))
        except Exception:  # a camera may send anything; whoever listens to it for the model says what is wrong with it
            made = Picture(number, 0, 0, b"")
        with self._lock:
            self._made[index] = made
        return made


def _written(pixels: np.ndarray) -> tuple[int, int, bytes]:
    picture = Image.fromarray(pixels)
    width, height = picture.size
    picture.thumbnail((LARGEST_PICTURE, LARGEST_PICTURE))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY)
    return width, height, out.getvalue()
