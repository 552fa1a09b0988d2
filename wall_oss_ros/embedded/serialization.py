# SPDX-License-Identifier: Apache-2.0
"""Messages to CDR bytes and back."""

from __future__ import annotations

from typing import Any

from wall_oss_ros.embedded import wire


def serialize_message(message: Any) -> bytes:
    """CDR with its encapsulation."""
    return wire.serialize(message)


def deserialize_message(serialized_message: bytes, message_type: type) -> Any:
    """A message; raises ValueError when the bytes are not one."""
    return wire.deserialize(bytes(serialized_message), message_type)
