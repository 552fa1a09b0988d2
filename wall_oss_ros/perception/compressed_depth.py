# SPDX-License-Identifier: Apache-2.0
"""Depth images as image_transport's plugin compressedDepth sends them, with the distances that raw ones would have.

Its ``format`` is a raw image's encoding, ``;`` and ``compressedDepth png`` or ``compressedDepth rvl``, where older
publishers leave out the last word, or all behind the encoding, for PNG. ``data`` begins with twelve bytes: a number of
no use here, and two of 32 bits, A and B, by which distances of 32FC1 were made to 16 bits: ``A / distance + B``, 0 for
nothing. Then comes a PNG of 16 bits and one channel, or columns and rows, 32 bits each, and RVL. (Source:
compressed_depth_image_transport of image_transport_plugins.) A PNG without the twelve bytes is what the plugin
``compressed`` makes of 16UC1.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from wall_oss_ros.perception import rvl
from wall_oss_ros.perception.depth import DepthError

SUFFIXES = ("/compressedDepth", "/compressed")  # what image_transport appends to topics
_HEADER, _SIZE = struct.Struct("<iff"), struct.Struct("<II")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHUNK, _CHECK = struct.Struct(">I4s"), struct.Struct(">I")  # of a PNG: before and behind what is in it
_START = struct.Struct(">IIBBBBB")  # what is in the first: width, height, bits, colours, packing, filters, interlaced
_LARGEST = 10_000_000  # pixels, more than depth cameras have: a few bytes may claim any number
_FORMAT = re.compile(r"\s*(16UC1|32FC1)\s*(?:;\s*(?:(?:compressedDepth)?\s*(png|rvl)?|png compressed)\s*)?")


class Format(NamedTuple):
    """encoding: 16UC1 or 32FC1, of the image before it was compressed. packing: png or rvl."""

    encoding: str
    packing: str


def parsed_format(text: str) -> Format:
    """What the ``format`` of a sensor_msgs/CompressedImage says.

    Raises:
        DepthError: it is no depth image that can be read.
    """
    match = _FORMAT.fullmatch(text)
    if match is None:
        raise DepthError(
            f"format {text[:60]!r} has no distances: such as '16UC1; compressedDepth png' was expected; name a topic"
            " that ends in /compressedDepth, or that of the raw depth image"
        )
    return Format(match[1], match[2] or "png")


def is_compressed(topic: str) -> bool:
    """Whether a topic's name says that sensor_msgs/CompressedImage comes on it."""
    return topic.endswith(SUFFIXES)


def compressed_counts(message: Any) -> tuple[np.ndarray, float]:
    """The numbers of a sensor_msgs/CompressedImage, and how many mm each counts for; as ``depth_counts`` of raw ones.

    Returns:
        (H, W) uint16 or float32; of float32, what is no distance is not finite or negative.

    Raises:
        DepthError: it is no such image, or damaged.
    """
    form, data = parsed_format(message.format), bytes(message.data)
    scale = (0.0, 0.0)
    if not data.startswith(_SIGNATURE):
        if len(data) < _HEADER.size:
            raise DepthError(f"a compressed depth image has {len(data)} bytes, its header alone has {_HEADER.size}")
        scale, data = _HEADER.unpack_from(data)[1:], data[_HEADER.size :]
    counts = _from_png(data) if form.packing == "png" else _from_rvl(data)
    if form.encoding == "16UC1":
        return counts, 1.0
    return _distances(counts, *scale), 1000.0


def _distances(counts: np.ndarray, a: float, b: float) -> np.ndarray:
    """Inverse depths of 16 bits as m, float32; NaN for 0, and whatever the formula gives for what it never made."""
    if not (np.isfinite([a, b]).all() and a > 0):
        raise DepthError(f"a compressed depth image of 32FC1 has no use of A {a:g} and B {b:g}, by which it was made")
    with np.errstate(divide="ignore", over="ignore"):
        metres = np.float32(a) / (counts.astype(np.float32) - np.float32(b))
    return np.where(counts == 0, np.float32(np.nan), metres)


def _from_rvl(data: bytes) -> np.ndarray:
    if len(data) < _SIZE.size:
        raise DepthError("a compressed depth image ends before its size")
    columns, rows = _SIZE.unpack_from(data)
    _check_size(columns, rows)
    try:
        return rvl.decoded(data[_SIZE.size :], rows * columns).reshape(rows, columns)
    except rvl.RvlError as error:
        raise DepthError(f"a compressed depth image of {columns} x {rows} is damaged: {error}") from error


def _from_png(data: bytes) -> np.ndarray:
    """What it claims to be is looked at before anything is decoded, and whether all is there: Pillow lets rows that are
    missing be zeros, without a word."""
    start = len(_SIGNATURE) + _CHUNK.size
    if not data.startswith(_SIGNATURE) or len(data) < start + _START.size:
        raise DepthError("a compressed depth image is no PNG where one was expected")
    columns, rows, *kind = _START.unpack_from(data, start)
    if kind != [16, 0, 0, 0, 0]:
        lines = ", interlaced" if kind[4] else ""
        raise DepthError(
            f"a compressed depth image is a PNG of {kind[0]} bits and colour type {kind[1]}{lines}: 16 bits of grey,"
            " line by line, were expected"
        )
    _check_size(columns, rows)
    try:
        expected, inflater = rows * (2 * columns + 1), zlib.decompressobj()
        if len(inflater.decompress(_pixels(data), expected + 1)) != expected or not inflater.eof:
            raise ValueError("it does not have as many pixels as it says")
        counts = np.asarray(Image.open(io.BytesIO(data), formats=("PNG",)))
        if counts.shape != (rows, columns):
            raise ValueError(f"it is of shape {counts.shape}")
    except Exception as error:  # Pillow raises many kinds for data that is broken
        said = " ".join(str(error).split())[:200]
        raise DepthError(f"a compressed depth image of {columns} x {rows} is damaged: {said}") from error
    return counts.astype(np.uint16)


def _pixels(data: bytes) -> bytes:
    """What a PNG's chunks of pixels have in them.

    Raises:
        ValueError: a chunk is not whole, or is not what its checksum says.
    """
    parts, at, name = [], len(_SIGNATURE), b""
    while name != b"IEND":
        if at + _CHUNK.size + _CHECK.size > len(data):
            raise ValueError("it ends early")
        length, name = _CHUNK.unpack_from(data, at)
        begin, end = at + _CHUNK.size, at + _CHUNK.size + length
        if end + _CHECK.size > len(data):
            raise ValueError("it ends early")
        content = data[begin:end]
        if zlib.crc32(content, zlib.crc32(name)) != _CHECK.unpack_from(data, end)[0]:
            raise ValueError("a checksum in it is wrong")
        if name == b"IDAT":
            parts.append(content)
        at = end + _CHECK.size
    return b"".join(parts)


def _check_size(columns: int, rows: int) -> None:
    if not 0 < rows * columns <= _LARGEST:
        raise DepthError(f"a compressed depth image of {columns} x {rows} pixels came")
