# SPDX-License-Identifier: Apache-2.0
"""Messages brought together by equal stamps or by close ones, with message_filters' names and rules."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded.clock import ROSClock
from wall_oss_ros.embedded.logging import get_logger
from wall_oss_ros.embedded.time import Duration, Time


class SimpleFilter:
    """Hands what comes out of it to the callbacks that were registered."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable, tuple]] = {}

    def registerCallback(self, cb: Callable, *args: Any) -> int:
        """Calls ``cb(*messages, *args)`` for each output from now on."""
        self.callbacks[len(self.callbacks)] = cb, args
        return len(self.callbacks) - 1

    def signalMessage(self, *msg: Any) -> None:
        for callback, args in list(self.callbacks.values()):
            callback(*msg, *args)


class Subscriber(SimpleFilter):
    """A subscription as a source: ``Subscriber(node, msg_type, topic, qos_profile=10, ...)``."""

    def __init__(self, node: Any, msg_type: type, topic: str, **options: Any):
        super().__init__()
        self.node, self.topic = node, topic
        options.setdefault("qos_profile", 10)
        self.sub = node.create_subscription(msg_type, topic, self.callback, **options)

    def callback(self, msg: Any) -> None:
        self.signalMessage(msg)

    def getTopic(self) -> str:
        return self.topic


class Cache(SimpleFilter):
    """Keeps the last messages of a source, in the order in which they came.

    Args:
        f: the source.
        cache_size: how many it keeps.
        allow_headerless: take messages without a header, with the time of their arrival.
    """

    def __init__(self, f: SimpleFilter, cache_size: int = 1, allow_headerless: bool = False):
        super().__init__()
        self.cache_size, self.allow_headerless = cache_size, allow_headerless
        self._kept: list[tuple[Time, Any]] = []
        self.incoming_connection = f.registerCallback(self.add)

    def add(self, msg: Any) -> None:
        """Keeps a message and hands it on."""
        stamp = _stamp_of(msg, self.allow_headerless)
        if stamp is None:
            return
        self._kept = [*self._kept, (stamp, msg)][-self.cache_size :]
        self.signalMessage(msg)

    def getInterval(self, from_stamp: Time, to_stamp: Time) -> list[Any]:
        """Messages between two stamps, inclusive."""
        assert from_stamp <= to_stamp
        return [msg for stamp, msg in self._kept if from_stamp <= stamp <= to_stamp]

    def getElemAfterTime(self, stamp: Time) -> Any:
        """The first message that is not older, or None."""
        return next((msg for own, msg in self._kept if own >= stamp), None)

    def getElemBeforeTime(self, stamp: Time) -> Any:
        """The last message that is not newer, or None."""
        return next((msg for own, msg in reversed(self._kept) if own <= stamp), None)

    def getLastestTime(self) -> Time | None:
        """The stamp of the last message; spelled as in message_filters."""
        return self._kept[-1][0] if self._kept else None

    getLatestTime = getLastestTime

    def getOldestTime(self) -> Time | None:
        return self._kept[0][0] if self._kept else None

    def getLast(self) -> Any:
        return self.getElemAfterTime(self.getLastestTime()) if self._kept else None


class TimeSynchronizer(SimpleFilter):
    """Hands on one message of each source once all have the same stamp.

    Args:
        fs: the sources.
        queue_size: how many messages of each wait for their company.
    """

    def __init__(self, fs: list[SimpleFilter], queue_size: int):
        super().__init__()
        self.queue_size, self.lock = queue_size, threading.Lock()
        self.queues: list[dict[int, Any]] = [{} for _ in fs]  # stamp in ns -> message
        self.input_connections = [
            f.registerCallback(self.add, queue, index) for index, (f, queue) in enumerate(zip(fs, self.queues))
        ]

    def add(self, msg: Any, my_queue: dict[int, Any], my_queue_index: int | None = None) -> None:
        """Takes in a message of one source."""
        with self.lock:
            self._enqueue(my_queue, Time.from_msg(msg.header.stamp), msg)
            for stamp in sorted(set.intersection(*map(set, self.queues))):
                self._hand_on([stamp] * len(self.queues))

    def _enqueue(self, queue: dict[int, Any], stamp: Time, msg: Any) -> None:
        queue[stamp.nanoseconds] = msg
        while len(queue) > self.queue_size:
            del queue[min(queue)]

    def _hand_on(self, stamps: list[int]) -> None:
        self.signalMessage(*(queue[stamp] for queue, stamp in zip(self.queues, stamps)))
        for queue, stamp in zip(self.queues, stamps):
            del queue[stamp]


class ApproximateTimeSynchronizer(TimeSynchronizer):
    """Hands on one message of each source when their stamps differ by less than `slop` seconds.

    A message goes with those of the other sources that are nearest to it; each goes once.
    """

    def __init__(self, fs: list[SimpleFilter], queue_size: int, slop: float, allow_headerless: bool = False):
        super().__init__(fs, queue_size)
        self.slop, self.allow_headerless = Duration(seconds=slop), allow_headerless

    def add(self, msg: Any, my_queue: dict[int, Any], my_queue_index: int | None = None) -> None:
        stamp = _stamp_of(msg, self.allow_headerless)
        if stamp is None:
            return
        slop, new = self.slop.nanoseconds, stamp.nanoseconds
        with self.lock:
            self._enqueue(my_queue, stamp, msg)
            choices = [
                [new] if index == my_queue_index
                else sorted((own for own in queue if abs(own - new) <= slop), key=lambda own: abs(own - new))
                for index, queue in enumerate(self.queues)
            ]  # fmt: skip
            for stamps in itertools.product(*choices):
                present = all(stamp in queue for queue, stamp in zip(self.queues, stamps))
                if present and max(stamps) - min(stamps) < slop:
                    self._hand_on(list(stamps))
                    break


def _stamp_of(msg: Any, allow_headerless: bool) -> Time | None:
    """A message's own stamp, or now if it has none and that is allowed."""
    stamp = getattr(getattr(msg, "header", None), "stamp", None)
    if stamp is not None:
        return stamp if hasattr(stamp, "nanoseconds") else Time.from_msg(stamp)
    if allow_headerless:
        return ROSClock().now()
    get_logger("message_filters").warning(
        "A message without a header is ignored; allow_headerless=True would give it the time of its arrival."
    )
    return None
