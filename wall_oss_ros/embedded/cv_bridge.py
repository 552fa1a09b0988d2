# SPDX-License-Identifier: Apache-2.0
"""Images between ROS messages and arrays, as cv_bridge does it for the encodings that cameras use."""

from __future__ import annotations

import sys
from array import array
from typing import Any

import numpy as np

from wall_oss_ros.embedded.interfaces import get_interface

# encoding -> element type, channels
_ENCODINGS = {
    "rgb8": (np.uint8, 3), "bgr8": (np.uint8, 3), "rgba8": (np.uint8, 4), "bgra8": (np.uint8, 4),
    "mono8": (np.uint8, 1), "mono16": (np.uint16, 1), "8UC1": (np.uint8, 1), "8UC3": (np.uint8, 3),
    "16UC1": (np.uint16, 1), "32FC1": (np.float32, 1),
}  # fmt: skip
_COLOURS = {"rgb8": (0, 1, 2), "bgr8": (2, 1, 0), "rgba8": (0, 1, 2), "bgra8": (2, 1, 0)}  # where R, G and B are


class CvBridgeError(TypeError):
    """An image that cannot be converted."""


class CvBridge:
    """Converts sensor_msgs/Image to arrays and back, without OpenCV."""

    def imgmsg_to_cv2(self, img_msg: Any, desired_encoding: str = "passthrough") -> np.ndarray:
        """The pixels of an image message.

        Args:
            img_msg: sensor_msgs/Image of one of the encodings rgb8, bgr8, rgba8, bgra8, mono8, mono16, 8UC1, 8UC3,
                16UC1, 32FC1.
            desired_encoding: ``passthrough``, or one to convert to: among the colour ones, colour to mono8 and back,
                and between names of the same layout (mono16 and 16UC1).

        Returns:
            (H, W) or (H, W, channels). Without conversion it shares the message's memory.

        Raises:
            CvBridgeError: unknown encoding, impossible conversion, or too little data.
        """
        dtype, channels = _layout(img_msg.encoding)
        if img_msg.is_bigendian != (sys.byteorder == "big"):
            dtype = np.dtype(dtype).newbyteorder(">" if img_msg.is_bigendian else "<")
        item = np.dtype(dtype).itemsize
        row = img_msg.width * channels * item
        if img_msg.step < row or len(img_msg.data) < img_msg.step * img_msg.height:
            raise CvBridgeError(
                f"The image of {img_msg.width}x{img_msg.height} {img_msg.encoding} has step {img_msg.step} and "
                f"{len(img_msg.data)} bytes, expected at least {row} and {row * img_msg.height}."
            )
        shape = (img_msg.height, img_msg.width, channels)
        strides = (img_msg.step, channels * item, item)
        if 0 in shape:
            image = np.zeros(shape, dtype)
        else:
            image = np.ndarray(shape, dtype, np.frombuffer(img_msg.data, np.uint8), strides=strides)
        if channels == 1:
            image = image[..., 0]
        return _convert(image, img_msg.encoding, desired_encoding)

    def cv2_to_imgmsg(self, cvim: np.ndarray, encoding: str = "passthrough", header: Any = None) -> Any:
        """An image message from pixels.

        Args:
            cvim: (H, W) or (H, W, channels) uint8, uint16 or float32.
            encoding: what the pixels are; ``passthrough`` names them by type and channels (8UC3, ...).
            header: std_msgs/Header of the message.

        Raises:
            CvBridgeError: the array's type or channels are not those of the encoding.
        """
        if not isinstance(cvim, np.ndarray) or cvim.ndim not in (2, 3):
            raise CvBridgeError(f"Expected an array of shape (H, W) or (H, W, channels), got {type(cvim).__name__}.")
        channels = 1 if cvim.ndim == 2 else cvim.shape[2]
        if encoding == "passthrough":
            kind = {np.uint8: "8U", np.uint16: "16U", np.float32: "32F"}.get(cvim.dtype.type)
            encoding = f"{kind}C{channels}" if kind else str(cvim.dtype)
        dtype, expected = _layout(encoding)
        if cvim.dtype.type is not dtype or channels != expected:
            raise CvBridgeError(
                f"Encoding {encoding} is {np.dtype(dtype).name} with {expected} channels, "
                f"the array is {cvim.dtype.name} with {channels}."
            )
        pixels = array("B")
        pixels.frombytes(np.ascontiguousarray(cvim).view(np.uint8).reshape(-1).data if cvim.size else b"")
        message = get_interface("sensor_msgs", "msg", "Image")(
            height=cvim.shape[0], width=cvim.shape[1], encoding=encoding, is_bigendian=int(sys.byteorder == "big"),
            step=cvim.shape[1] * channels * cvim.dtype.itemsize, data=pixels,
        )  # fmt: skip
        if header is not None:
            message.header = header
        return message


def _layout(encoding: str) -> tuple[Any, int]:
    if encoding not in _ENCODINGS:
        raise CvBridgeError(
            f"The embedded cv_bridge does not know the encoding {encoding!r}, it knows {', '.join(_ENCODINGS)}."
        )
    return _ENCODINGS[encoding]


def _convert(image: np.ndarray, source: str, target: str) -> np.ndarray:
    if target in ("passthrough", "", source):
        return image
    same_layout = _layout(source) == _layout(target)
    if source in _COLOURS and target in _COLOURS:
        return _shuffle(image, _COLOURS[source], target)
    if source in _COLOURS and target == "mono8":
        red, green, blue = (image[..., index].astype(np.float32) for index in _COLOURS[source])
        return np.clip(0.299 * red + 0.587 * green + 0.114 * blue + 0.5, 0, 255).astype(np.uint8)
    if source == "mono8" and target in _COLOURS:
        return _shuffle(np.repeat(image[..., None], 3, axis=2), (0, 1, 2), target)
    if same_layout:
        return image
    raise CvBridgeError(f"The embedded cv_bridge does not convert {source} to {target}.")


def _shuffle(image: np.ndarray, where: tuple[int, int, int], target: str) -> np.ndarray:
    """Colours in another order; alpha is kept, or opaque where there was none."""
    result = np.empty((*image.shape[:2], _ENCODINGS[target][1]), np.uint8)
    for source_index, target_index in zip(where, _COLOURS[target]):
        result[..., target_index] = image[..., source_index]
    if result.shape[2] == 4:
        result[..., 3] = image[..., 3] if image.shape[2] == 4 else 255
    return result
