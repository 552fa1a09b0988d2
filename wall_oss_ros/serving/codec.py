# SPDX-License-Identifier: Apache-2.0
"""Messages of policy servers: msgpack, with arrays in openpi's form or in that of the package msgpack-numpy.

openpi (``openpi_client/msgpack_numpy.py``) writes an array as a map of ``__ndarray__``, data, dtype and shape, a scalar
as one of ``__npgeneric__``, data and dtype; msgpack-numpy writes nd, type, kind, shape and data. All keys are bytes.
msgpack-numpy pickles arrays of objects: those are refused, and nothing that could run code is ever read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np

from wall_oss_ros.errors import WallOSSError

_MAPS, _LISTS, _LONGEST = 2_000, 20_000, 100_000  # in one message; entries of a list
_NUMBERS = "biuf"  # kinds of dtypes: bool, int, unsigned, float
_TEXT = 1 << 16  # bytes of an array that is a text
_SEND = "Send one dictionary, packed by openpi_client.msgpack_numpy."


def pack(message: Mapping[str, Any], openpi: bool = True) -> bytes:
    """A message as bytes.

    Args:
        message: of texts, numbers, lists, dictionaries and arrays.
        openpi: whether arrays are in openpi's form, or in msgpack-numpy's.
    """
    return msgpack.packb(message, default=_openpi if openpi else _msgpack_numpy)


def unpack(data: bytes) -> tuple[dict[str, Any], bool]:
    """A message from bytes; arrays are read-only views of ``data``.

    Returns:
        The dictionary, and whether to answer in openpi's form: unless it had arrays in msgpack-numpy's.

    Raises:
        WallOSSError: it is no msgpack, no dictionary by texts, too deep or too much of it, or has an array that is not
            of numbers.
    """
    reader = _Reader()
    try:
        message = msgpack.unpackb(
            data,
            object_hook=reader.map,
            list_hook=reader.list,
            ext_hook=reader.extension,
            max_array_len=_LONGEST,
            max_map_len=_MAPS,
        )
    except WallOSSError:
        raise
    except UnicodeDecodeError as error:
        raise WallOSSError(f"The message holds a text that is not UTF-8: {error.reason}.", _SEND) from None
    except Exception as error:  # msgpack raises many kinds, some of them without words
        words = " ".join(str(error).split()) or type(error).__name__
        raise WallOSSError(f"The message is not msgpack that can be read: {words[:200]}.", _SEND) from None
    if not isinstance(message, dict):
        raise WallOSSError(f"The message is {type(message).__name__}; a dictionary was expected.", _SEND)
    return message, not reader.foreign


def _openpi(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    if isinstance(value, np.generic):
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _msgpack_numpy(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        array = {b"nd": True, b"type": value.dtype.str, b"kind": b"", b"shape": value.shape}
        return {**array, b"data": value.tobytes()}
    if isinstance(value, np.generic):
        return {b"nd": False, b"type": value.dtype.str, b"data": value.data}
    raise TypeError(f"{type(value).__name__} cannot be sent")


class _Reader:
    """Makes arrays of maps, and counts what a small message can make much of.

    Attributes:
        foreign: whether an array was in msgpack-numpy's form.
    """

    def __init__(self) -> None:
        self.foreign = False
        self._maps = self._lists = 0

    def map(self, found: dict) -> Any:
        self._maps += 1
        if self._maps > _MAPS:
            raise WallOSSError(f"The message has more than {_MAPS} dictionaries.", _SEND)
        if b"__ndarray__" in found:
            return _array(found, found.get(b"dtype"), found.get(b"shape"))
        if b"__npgeneric__" in found:
            return _scalar(found)
        if b"nd" in found:
            self.foreign = True
            if found.get(b"kind") in (b"O", "O"):
                raise WallOSSError(
                    "The message holds a pickled array of objects, which is never unpickled.", "Send arrays of numbers."
                )
            return _array(found, found.get(b"type"), found.get(b"shape") if found[b"nd"] else ())
        if strange := next((key for key in found if not isinstance(key, str)), None):
            raise WallOSSError(f"The message has the key {strange!r:.60}; texts were expected as keys.", _SEND)
        return found

    def list(self, found: list) -> list:
        self._lists += 1
        if self._lists > _LISTS:
            raise WallOSSError(f"The message has more than {_LISTS} lists.", "Send numbers as arrays.")
        return found

    def extension(self, code: int, data: bytes) -> Any:
        raise WallOSSError(f"The message holds an extension of msgpack, number {code}.", _SEND)


def _dtype(name: Any) -> np.dtype:
    try:
        if not isinstance(name, str) or len(name) > 16:
            raise TypeError
        dtype = np.dtype(name)
    except Exception:  # numpy parses small programs here, and raises SyntaxError, too
        raise WallOSSError(f"The message holds an array of type {name!r:.60}.", "Send arrays of numbers.") from None
    if dtype.kind not in _NUMBERS and dtype.kind != "U":
        raise WallOSSError(
            f"The message holds an array of type {dtype.name!r}; numbers were expected.",
            "Send arrays of numbers, no objects or records.",
        )
    return dtype


def _array(found: dict, name: Any, shape: Any) -> np.ndarray | str:
    """(...) numbers; the text itself where it is an array of one text."""
    dtype, data = _dtype(name), found.get(b"data")
    whole = isinstance(shape, (list, tuple)) and all(type(side) is int and side >= 0 for side in shape)
    if not whole or len(shape) > 8 or not isinstance(data, bytes):
        raise WallOSSError(f"The message holds an array of shape {shape!r:.60} that cannot be read.", _SEND)
    if len(data) != (expected := math.prod(shape) * dtype.itemsize):
        raise WallOSSError(
            f"The message holds an array of shape {tuple(shape)!s:.60} and type {dtype} with {len(data)} bytes; "
            f"{expected!s:.30} were expected.",
            "Pack it by openpi_client.msgpack_numpy.",
        )
    try:
        if dtype.kind != "U":
            return np.ndarray(tuple(shape), dtype, data)
        if math.prod(shape) != 1 or len(data) > _TEXT:
            raise ValueError
        # NumPy would let numbers pass that are no characters.
        return data.decode("utf-32-be" if dtype.str[0] == ">" else "utf-32-le").rstrip("\0")
    except ValueError:
        raise WallOSSError(
            f"The message holds an array of type {dtype} and shape {shape!r:.60}; numbers were expected, or one text.",
            _SEND,
        ) from None


def _scalar(found: dict) -> Any:
    dtype, value = _dtype(found.get(b"dtype")), found.get(b"data")
    if not isinstance(value, (bool, int, float, str)) or isinstance(value, str) != (dtype.kind == "U"):
        raise WallOSSError(f"The message holds {value!r:.60} as a number of type {dtype}.", _SEND)
    return value
