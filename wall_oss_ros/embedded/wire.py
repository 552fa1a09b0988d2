# SPDX-License-Identifier: Apache-2.0
"""Messages as DDS sees them: XTypes descriptions, and bytes.

Cyclone's own codec is Python and takes 50 ms for a camera image, so the topic is declared with the true structure (it
is part of discovery) but samples are written and taken as ready-made CDR, by rosbags' codec.
"""

from __future__ import annotations

import struct
import threading
from functools import cache
from typing import Any

from cyclonedds.idl import make_idl_struct
from cyclonedds.idl import types as idl
from rosbags.interfaces import Nodetype

from wall_oss_ros.embedded.interfaces import store
from wall_oss_ros.embedded.naming import type_to_dds

# What precedes a request or response: the client's guid and its sequence number. 16 bytes keep the body's alignment.
SERVICE_HEADER = struct.Struct("<Qq")

_PRIMITIVES = {"bool": bool, "octet": idl.byte, "byte": idl.byte, "char": idl.uint8, "string": str}
_PRIMITIVES |= {f"{sign}int{bits}": getattr(idl, f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)}
_PRIMITIVES |= {"float32": idl.float32, "float64": idl.float64}
_structs: dict[str, type] = {}
_structs_lock = threading.RLock()  # a topic's type must be one object, also when two threads ask for it at once


def _field_type(description: Any) -> Any:
    kind, detail = description
    if kind == Nodetype.BASE:
        name, bound = detail
        if name not in _PRIMITIVES:
            raise TypeError(f"the embedded library does not carry fields of type {name}")
        return idl.bounded_str[bound] if name == "string" and bound else _PRIMITIVES[name]
    if kind == Nodetype.NAME:
        return struct_type(detail)
    item, size = detail
    if kind == Nodetype.ARRAY:
        return idl.array[_field_type(item), size]
    return idl.sequence[_field_type(item), size] if size else idl.sequence[_field_type(item)]


def struct_type(key: str, service: bool = False) -> type:
    """The DDS type of a message by its key; for a request or response of a service with the header in front."""
    cache_key = f"{key} (service)" if service else key
    with _structs_lock:
        if cache_key not in _structs:
            # Names of its own: a response may itself have a sequence_number, as that of visualization_msgs does.
            header = {"_header_client_guid": idl.uint64, "_header_sequence_number": idl.int64} if service else {}
            fields = {name: _field_type(kind) for name, kind in store().fielddefs[key][1]}
            _structs[cache_key] = make_idl_struct(f"{key.split('/')[2]}_", type_to_dds(key), header | fields)
        return _structs[cache_key]


def serialize(message: Any, header: bytes = b"") -> bytes:
    """CDR (XCDR1, little-endian, with its 4-byte encapsulation) of a message, after `header`."""
    msgdef = store().get_msgdef(message._key)
    start = 4 + len(header)
    size = start + msgdef.getsize_cdr(0, message, store())
    data = bytearray((size + 3) & ~3)
    data[1] = 1
    data[4:start] = header
    msgdef.serialize_cdr_le(memoryview(data)[start:], 0, message, store())
    return bytes(data)


def deserialize(data: bytes, cls: type, skip: int = 0, exactly: bool = False) -> Any:
    """A message from its CDR.

    Args:
        data: with encapsulation.
        cls: message class.
        skip: bytes between the encapsulation and the message.
        exactly: nothing but padding may follow, as after a message of another version.

    Raises:
        ValueError: not little-endian XCDR1, or not a message of that class.
    """
    if len(data) < 4 or bytes(data[:2]) != b"\0\1":
        raise ValueError(f"{cls.__name__}: the sender's encoding {bytes(data[:2]).hex()} is not little-endian XCDR1")
    msgdef = store().get_msgdef(cls._key)
    try:
        message, end = msgdef.deserialize_cdr_le(memoryview(data)[4 + skip :], 0, msgdef.cls, store())
    except Exception as error:
        raise ValueError(f"A sample is not a {cls.__name__}: {error}") from error
    if exactly and len(data) - 4 - skip - end > 3:
        raise ValueError(f"A sample is longer than a {cls.__name__}")
    return message


serialize_message = serialize  # as rclpy.serialization calls it


def deserialize_message(serialized_message: bytes, message_type: type) -> Any:
    """The message; raises ValueError when the bytes are not one."""
    return deserialize(bytes(serialized_message), message_type)


@cache
def type_hash(cls: type) -> str:
    """The hash of a message type that ROS 2 puts into discovery, ``RIHS01_...``; empty when it has none."""
    try:
        return store().hash_rihs01(cls._key)
    except Exception:  # the hash only informs tools
        return ""


def user_data(cls: type) -> str:
    """What ROS 2 puts into discovery beside an endpoint: the hash of its type."""
    digest = type_hash(cls)
    return f"typehash={digest};" if digest else ""
