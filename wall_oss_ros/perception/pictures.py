# SPDX-License-Identifier: Apache-2.0
"""A camera's messages as pixels: raw in any encoding that says what colours it has, or compressed."""

from __future__ import annotations

import io
import re
from typing import Any, Protocol

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

_COLOURLESS = re.compile(r"(8|16|32|64)[USF]C?\d*")  # OpenCV's types: so many numbers for a pixel, no word of colours
_LARGEST = 64_000_000  # pixels: 8000 x 8000


class PictureError(ValueError):
    """A picture that cannot be used: what is wrong with it, and what to do."""


class Bridge(Protocol):
    """cv_bridge's, or the embedded library's."""

    def imgmsg_to_cv2(self, img_msg: Any, desired_encoding: str) -> np.ndarray: ...


def colourless(encoding: str) -> str:
    """Why an image of that encoding does not say which colours it has, and what to do; empty if it does."""
    if encoding in ("8UC3", "8UC4"):
        choice = "bgr8 (OpenCV's order) or rgb8" if encoding == "8UC3" else "bgra8 or rgba8"
        return f"encoding {encoding} does not say in which order the colours are; set the view's encoding to {choice}"
    if encoding == "8UC1":
        return "encoding 8UC1 does not say what it shows; if it is grey, set the view's encoding to mono8"
    if _COLOURLESS.fullmatch(encoding):
        return f"encoding {encoding} has no colours (a depth picture?); name the topic of a colour picture"
    return ""


def raw_pixels(message: Any, bridge: Bridge, encoding: str | None = None) -> np.ndarray:
    """The pixels of a sensor_msgs/Image, (H, W, 3) uint8 RGB.

    Args:
        bridge: converts the encodings.
        encoding: what the pixels are, whatever the message says.

    Raises:
        PictureError: there are no colours in it, or too few bytes.
    """
    said = message.encoding
    if encoding is not None:
        message.encoding = encoding
    elif why := colourless(said):
        raise PictureError(why)
    try:
        pixels = bridge.imgmsg_to_cv2(message, "rgb8")
    except Exception as error:  # cv_bridge's own, and whatever OpenCV and Python raise below it
        as_said = "" if encoding is None else f", taken as {encoding} by the view's encoding"
        raise PictureError(f"encoding {said}{as_said}: {' '.join(str(error).split())}") from error
    return _checked(pixels)


def compressed_pixels(data: Any, encoding: str | None = None) -> np.ndarray:
    """The pixels of a sensor_msgs/CompressedImage's ``data``, (H, W, 3) uint8 RGB, turned as its EXIF says.

    Args:
        encoding: bgr8 where red and blue were swapped before it was compressed.

    Raises:
        PictureError: it is neither a JPEG nor a PNG of 8 bits, or not whole.
    """
    try:
        picture = Image.open(io.BytesIO(bytes(data)), formats=("JPEG", "PNG"))
        if picture.width * picture.height > _LARGEST:
            raise PictureError(f"a compressed picture of {picture.width} x {picture.height} is too large")
        if picture.mode.startswith(("I", "F")):
            raise PictureError(
                f"a compressed picture of mode {picture.mode} has no colours of 8 bits (a depth picture?)"
            )
        pixels = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except UnidentifiedImageError as error:
        raise PictureError("compressed data is neither JPEG nor PNG") from error
    except PictureError:
        raise
    except Exception as error:  # Pillow raises many kinds for data that is broken
        raise PictureError(f"compressed data cannot be read: {' '.join(str(error).split())}") from error
    if encoding in ("bgr8", "bgra8"):
        pixels = pixels[..., ::-1]
    return _checked(pixels)


def _checked(pixels: np.ndarray) -> np.ndarray:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise PictureError(
            f"a picture of shape {pixels.shape} and type {pixels.dtype} came where (height, width, 3) of uint8 was "
            "expected"
        )
    return pixels
