# SPDX-License-Identifier: Apache-2.0
"""Pictures as clients send them: arrays, or JPEG and PNG as bytes or base64."""

from __future__ import annotations

import base64
import binascii
import io
import re
import warnings
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.observation import LEAST

MOST = 8192  # pixels on a side, and _AREA in all
_AREA = 32_000_000
_PREFIX = re.compile(r"data:image/(jpeg|png);base64,")
_SEND = "Send uint8 RGB of shape (height, width, 3), or a JPEG or PNG as bytes or base64."


def picture(name: str, value: Any) -> np.ndarray:
    """(H, W, 3) uint8 RGB.

    Args:
        name: what messages call it.
        value: (H, W, 3) or (3, H, W), with or without a first axis of 1: uint8, or floats from 0 to 1; or a JPEG or
            PNG as bytes, or as base64 text, with or without ``data:image/jpeg;base64,`` before it.

    Raises:
        WallOSSError: it is none of these, smaller than the model sees or larger than is taken.
    """
    image = _decoded(name, value) if isinstance(value, (bytes, str)) else _pixels(name, value)
    height, width = image.shape[:2]
    if min(height, width) < LEAST or max(height, width) > MOST or height * width > _AREA:
        raise WallOSSError(
            f"The picture {name} has {width} x {height} pixels; {LEAST} to {MOST} on each side were expected, "
            f"{_AREA // 1_000_000} million at most.",
            "Send the camera's whole picture, scaled down if it is larger.",
        )
    return image


def _pixels(name: str, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise WallOSSError(f"The picture {name} is {type(value).__name__}.", _SEND)
    image = value[0] if value.ndim == 4 and len(value) == 1 else value
    if image.ndim == 3 and image.shape[0] == 3 and image.shape[2] != 3:
        image = image.transpose(1, 2, 0)
    if (
        image.ndim != 3
        or image.shape[2] != 3
        or image.dtype.kind not in "uf"
        or image.dtype.itemsize not in (1, 2, 4, 8)
    ):
        raise WallOSSError(f"The picture {name} is {value.dtype} of shape {value.shape}.", _SEND)
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    if image.dtype.kind != "f":
        raise WallOSSError(f"The picture {name} is {value.dtype} of shape {value.shape}.", _SEND)
    if not (image.size and np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
        span = f"{image.min():.4g} to {image.max():.4g}" if image.size else "nothing"
        raise WallOSSError(f"The picture {name} is of floats, {span}; 0 to 1 were expected.", _SEND)
    return np.ascontiguousarray(np.round(image.astype(np.float32) * 255), np.uint8)


def _decoded(name: str, value: bytes | str) -> np.ndarray:
    if isinstance(value, str):
        try:
            text = value.encode("ascii")
            begin = _PREFIX.match(value)
            value = base64.b64decode(text[begin.end() if begin else 0 :].translate(None, b" \r\n"), validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            reason = "it has other letters" if isinstance(error, UnicodeEncodeError) else " ".join(str(error).split())
            raise WallOSSError(f"The picture {name} is a text, but no base64: {reason}.", _SEND) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's on large pictures: their size is looked at here
            image = Image.open(io.BytesIO(value), formats=("JPEG", "PNG"))
            if max(image.size) > MOST or image.width * image.height > _AREA:
                return np.empty((image.height, image.width, 0), np.uint8)  # refused by its size, undecoded
            if image.mode.startswith(("I", "F")):
                raise ValueError("it has more than 8 bits a pixel (a depth picture?)")
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except Exception as error:  # Pillow raises many kinds for data that is broken
        unknown = isinstance(error, UnidentifiedImageError)
        words = "it is neither" if unknown else " ".join(str(error).split())[:120]
        raise WallOSSError(
            f"The picture {name}, {len(value)} bytes, cannot be read as JPEG or PNG: {words}.", _SEND
        ) from None
