# SPDX-License-Identifier: Apache-2.0
"""Spans of time, in whole nanoseconds."""

from __future__ import annotations

from functools import total_ordering
from typing import Any

S_TO_NS = 1_000_000_000
_LIMIT = 2**63


@total_ordering
class Duration:
    """A span of time.

    Args:
        seconds: s, may be a fraction.
        nanoseconds: ns, added to it.

    Raises:
        OverflowError: it does not fit into 64 bits of nanoseconds.
    """

    def __init__(self, *, seconds: float = 0, nanoseconds: float = 0):
        total = int(seconds * S_TO_NS) + int(nanoseconds)
        if not -_LIMIT <= total < _LIMIT:
            raise OverflowError("Total nanoseconds value is too large to store in C duration.")
        self._nanoseconds = total

    @property
    def nanoseconds(self) -> int:
        return self._nanoseconds

    def _other(self, other: Any) -> int:
        if isinstance(other, Duration):
            return other._nanoseconds
        raise TypeError(f"Can't compare duration with object of type: {type(other)}")

    def __repr__(self) -> str:
        return f"Duration(nanoseconds={self._nanoseconds})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Duration) and self._nanoseconds == other._nanoseconds

    def __lt__(self, other: Any) -> bool:
        return self._nanoseconds < self._other(other)

    def __hash__(self) -> int:
        return hash(self._nanoseconds)

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Duration):
            return Duration(nanoseconds=self._nanoseconds + other._nanoseconds)
        return NotImplemented

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Duration):
            return Duration(nanoseconds=self._nanoseconds - other._nanoseconds)
        return NotImplemented

    def __mul__(self, factor: Any) -> Any:
        if isinstance(factor, (int, float)):
            return Duration(nanoseconds=round(self._nanoseconds * factor))
        return NotImplemented

    __rmul__ = __mul__

    def to_msg(self) -> Any:
        """As builtin_interfaces/Duration."""
        from wall_oss_ros.embedded.interfaces import get_interface

        seconds, nanoseconds = divmod(self._nanoseconds, S_TO_NS)
        return get_interface("builtin_interfaces", "msg", "Duration")(sec=seconds, nanosec=nanoseconds)

    @classmethod
    def from_msg(cls, msg: Any) -> Duration:
        """From builtin_interfaces/Duration."""
        return cls(seconds=msg.sec, nanoseconds=msg.nanosec)


Infinite = Duration(nanoseconds=_LIMIT - 1)
