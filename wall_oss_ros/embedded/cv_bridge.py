# SPDX-License-Identifier: Apache-2.0
"""Images between ROS messages and arrays, as cv_bridge does it for the encodings that cameras use."""

from __future__ import annotations

import re
import sys
from array import array
from typing import Any

import numpy as np

from wall_oss_ros.embedded.interfaces import get_interface

_DEPTHS = {"8U": np.uint8, "8S": np.int8, "16U": np.uint16, "16S": np.int16, "32S": np.int32, "32F": np.float32,
           "64F": np.float64}  # fmt: skip
_BAYER = ("rggb", "bggr", "gbrg", "grbg")
# encoding -> element type, channels; besides, OpenCV's own names such as 8UC3
_ENCODINGS = {
    "rgb8": (np.uint8, 3), "bgr8": (np.uint8, 3), "rgba8": (np.uint8, 4), "bgra8": (np.uint8, 4),
    "rgb16": (np.uint16, 3), "bgr16": (np.uint16, 3), "rgba16": (np.uint16, 4), "bgra16": (np.uint16, 4),
    "mono8": (np.uint8, 1), "mono16": (np.uint16, 1), "yuv422": (np.uint8, 2), "yuv422_yuy2": (np.uint8, 2),
    "uyvy": (np.uint8, 2), "yuyv": (np.uint8, 2),  # newer names of these two
    **{f"bayer_{order}{bits}": (kind, 1) for order in _BAYER for bits, kind in ((8, np.uint8), (16, np.uint16))},
}  # fmt: skip
_GENERIC = re.compile(r"(8U|8S|16U|16S|32S|32F|64F)(?:C(\d+))?")
_ORDERS = {"rgb": (0, 1, 2), "bgr": (2, 1, 0), "rgba": (0, 1, 2), "bgra": (2, 1, 0)}  # where R, G and B are
_LUMA = {"yuv422": 1, "uyvy": 1, "yuv422_yuy2": 0, "yuyv": 0}  # where brightness is, in each pair of bytes


class CvBridgeError(TypeError):
    """An image that cannot be converted."""


class CvBridge:
    """Converts sensor_msgs/Image to arrays and back, without OpenCV."""

    def imgmsg_to_cv2(self, img_msg: Any, desired_encoding: str = "passthrough") -> np.ndarray:
        """The pixels of an image message.

        Args:
            img_msg: sensor_msgs/Image in rgb, bgr, rgba, bgra or mono of 8 or 16 bits, bayer, yuv422, yuv422_yuy2, or
                one of OpenCV's types, such as 16UC1, which say nothing of colours.
            desired_encoding: ``passthrough``, or one to convert to: between all that have colours, and to OpenCV's
                types with as many channels.

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
            kind = {dtype: name for name, dtype in _DEPTHS.items()}.get(cvim.dtype.type)
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
    if encoding in _ENCODINGS:
        return _ENCODINGS[encoding]
    if match := _GENERIC.fullmatch(encoding):
        return _DEPTHS[match[1]], int(match[2] or 1)
    raise CvBridgeError(
        f"The embedded cv_bridge does not know the encoding {encoding!r}, it knows {', '.join(_ENCODINGS)} and OpenCV's"
        " types such as 8UC3."
    )


def _convert(image: np.ndarray, source: str, target: str) -> np.ndarray:
    """As cv_bridge's getConversionCode (ros-perception/vision_opencv, cv_bridge.cpp) permits it."""
    if target in ("passthrough", "", source):
        return image
    (_, channels), (dtype, wanted) = _layout(source), _layout(target)
    if source not in _ENCODINGS and target in _ENCODINGS:
        raise CvBridgeError(f"[{source}] is not a color format. but [{target}] is. The conversion does not make sense")
    if source not in _ENCODINGS or target not in _ENCODINGS:
        if channels != wanted:
            raise CvBridgeError(f"[{source}] and [{target}] do not have the same number of channel")
        return _scaled(image, dtype)
    end = target.rstrip("0123456789")
    if end not in _ORDERS and end != "mono":
        raise CvBridgeError(f"Unsupported conversion from [{source}] to [{target}]")
    begin = source.rstrip("0123456789")
    if source in _LUMA:
        if end == "mono":
            return _scaled(np.ascontiguousarray(image[..., _LUMA[source]]), dtype)
        image, begin = _yuv_to_rgb(image, source), "rgb"
    elif begin.startswith("bayer_"):
        image, begin = _demosaiced(image, begin.removeprefix("bayer_")), "rgb"
        if end in ("rgba", "bgra"):
            raise CvBridgeError(f"Unsupported conversion from [{source}] to [{target}]")
    if begin == end:
        return _scaled(image, dtype)
    if begin == "mono":
        image, begin = np.repeat(image[..., None], 3, axis=2), "rgb"
    if end == "mono":
        return _scaled(_grey(image, _ORDERS[begin]), dtype)
    return _scaled(_shuffled(image, _ORDERS[begin], end), dtype)


def _scaled(image: np.ndarray, dtype: Any) -> np.ndarray:
    """The image as another type: between 8 and 16 bits in proportion, else rounded and cut off."""
    if image.dtype == dtype:
        return image
    factor = {(1, 2): 65535 / 255, (2, 1): 255 / 65535}.get((image.dtype.itemsize, np.dtype(dtype).itemsize), 1.0)
    values = image.astype(np.float64) * factor
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype)


def _grey(image: np.ndarray, where: tuple[int, int, int]) -> np.ndarray:
    red, green, blue = (image[..., index].astype(np.float64) for index in where)
    most = np.iinfo(image.dtype).max
    return np.clip(0.299 * red + 0.587 * green + 0.114 * blue + 0.5, 0, most).astype(image.dtype)


def _shuffled(image: np.ndarray, where: tuple[int, int, int], end: str) -> np.ndarray:
    """Colours in another order; alpha is kept, or opaque where there was none."""
    result = np.empty((*image.shape[:2], len(end)), image.dtype)
    for source_index, target_index in zip(where, _ORDERS[end]):
        result[..., target_index] = image[..., source_index]
    if len(end) == 4:
        result[..., 3] = image[..., 3] if image.shape[2] == 4 else np.iinfo(image.dtype).max
    return result


def _yuv_to_rgb(image: np.ndarray, source: str) -> np.ndarray:
    """Packed YUV 4:2:2, (H, W, 2), by the integers of OpenCV (modules/imgproc/src/color_yuv.simd.hpp, ITU-R BT.601)."""
    if image.shape[1] % 2:
        raise CvBridgeError(f"An image in {source} has an even width, not {image.shape[1]}.")
    luma = _LUMA[source]
    chroma = image[..., 1 - luma].astype(np.int64) - 128
    u, v = (np.repeat(chroma[:, first::2], 2, axis=1) for first in (0, 1))
    y = np.maximum(image[..., luma].astype(np.int64) - 16, 0) * 1220542 + (1 << 19)
    colours = (y + 1673527 * v, y - 852492 * v - 409993 * u, y + 2116026 * u)
    return np.clip(np.stack(colours, axis=-1) >> 20, 0, 255).astype(np.uint8)


def _demosaiced(image: np.ndarray, order: str) -> np.ndarray:
    """A bayer pattern, (H, W), as RGB: means of the neighbours, as OpenCV's bilinear demosaicing takes them."""
    height, width = image.shape
    if height < 4 or width < 4:
        raise CvBridgeError(f"A bayer image of {width}x{height} is too small.")
    values = image.astype(np.int64)
    around = np.pad(values, 1)
    side = around[1:-1, :-2], around[1:-1, 2:]
    above = around[:-2, 1:-1], around[2:, 1:-1]
    corners = around[:-2, :-2] + around[:-2, 2:] + around[2:, :-2] + around[2:, 2:]
    horizontal, vertical = (side[0] + side[1] + 1) >> 1, (above[0] + above[1] + 1) >> 1
    cross, diagonal = (sum(side) + sum(above) + 2) >> 2, (corners + 2) >> 2
    colour = np.array(list(order)).reshape(2, 2)  # of each pixel of a cell
    result = np.empty((height, width, 3), image.dtype)
    for row in range(2):
        for column in range(2):
            cell = (slice(row, None, 2), slice(column, None, 2))
            for channel, name in enumerate("rgb"):
                if colour[row, column] == name:
                    source = values
                elif name == "g":
                    source = cross
                elif colour[row, 1 - column] == name:
                    source = horizontal
                elif colour[1 - row, column] == name:
                    source = vertical
                else:
                    source = diagonal
                result[cell][..., channel] = source[cell]
    # At its edges OpenCV repeats what is next to them.
    result[:, 0], result[:, -1] = result[:, 1], result[:, -2]
    result[0], result[-1] = result[1], result[-2]
    return result
