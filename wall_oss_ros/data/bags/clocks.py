# SPDX-License-Identifier: Apache-2.0
"""One clock for all messages of a bag: stamps in headers, or times of reception, and from one to the other."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping

from wall_oss_ros.data.bags.spec import Clock, Stream

_APART = 1.0  # s between stamp and reception beyond which they count by different clocks, such as a simulation's


def stamp_of(data: bytes) -> float:
    """The stamp (s) of a message that begins with a header, from its bytes; 0 where there is none."""
    if len(data) < 12:
        return 0.0
    sec, nanosec = struct.unpack_from("<iI" if data[1] else ">iI", data, 4)
    return sec + nanosec * 1e-9


class Clocks:
    """Brings messages onto one clock, in the order in which they come.

    Where stamps and times of reception are of two clocks, as a simulation's and the computer's, the last message of a
    reference stream says how far apart they are now. Messages without a stamp that come before any of these wait.

    Args:
        time: the common clock.
        streams: what is said of single topics.
        references: topics whose messages have stamps.
    """

    def __init__(self, time: Clock, streams: Mapping[str, Stream], references: Collection[str]):
        self._time, self._streams, self._references = time, streams, references
        self._shift: float | None = None  # from reception to stamps
        self._waiting: list[Callable[[], None]] = []

    def look(self, topic: str, received: float, stamp: float) -> None:
        """A message has come; ``stamp`` is 0 where it has none."""
        if stamp and topic in self._references:
            shift = stamp - received
            self._shift = shift if abs(shift) > _APART else 0.0
            self._release()

    def when_known(self, act: Callable[[], None]) -> None:
        """Calls ``act`` as soon as it is known how far clocks are apart."""
        if self._shift is not None or not self._references:
            act()
        else:
            self._waiting.append(act)

    def finish(self) -> None:
        """There are no more messages."""
        self._shift = self._shift or 0.0
        self._release()

    def of_stamp(self, topic: str) -> bool:
        """Whether messages of a topic count from their stamps."""
        stream = self._streams.get(topic)
        return ((stream and stream.time) or self._time) == "header"

    def received(self, received: float) -> float:
        """A time of reception by the common clock."""
        return received + (self._shift or 0.0) if self._time == "header" else received

    def stamped(self, stamp: float) -> float:
        """A stamp by the common clock."""
        return stamp if self._time == "header" else stamp - (self._shift or 0.0)

    def _release(self) -> None:
        waiting, self._waiting = self._waiting, []
        for act in waiting:
            act()
