# SPDX-License-Identifier: Apache-2.0
"""Passes topics on, and does to their messages what a fault says."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

Fault = Callable[[Any], Iterable[tuple[float, Any]]]
"""Takes a message and gives what goes on instead: delays (s) and messages."""


class Later:
    """Calls functions later, in a thread of its own. Use as a context manager.

    Args:
        speed: of the simulation against real time.
    """

    def __init__(self, speed: float = 1.0):
        self._speed = speed
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count, self._changed, self._ends = itertools.count(), threading.Condition(), False
        self._thread = threading.Thread(target=self._run, name="later", daemon=True)

    def __enter__(self) -> Later:
        self._thread.start()
        return self

    def __exit__(self, *_exception) -> None:
        with self._changed:
            self._ends = True
            self._changed.notify()
        self._thread.join()

    def call(self, delay: float, function: Callable[[], None]) -> None:
        """Calls it after ``delay`` s of simulated time."""
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + delay / self._speed, next(self._count), function))
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._ends and (not self._due or self._due[0][0] > time.monotonic()):
                    self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if self._ends:
                    return
                function = heapq.heappop(self._due)[2]
            function()


class Relay:
    """One topic, passed on to others.

    Args:
        node: whose subscription and publishers these are.
        kind: of message.
        source, targets: names of topics.
        qos: of all of them.
        later: for what is delayed.

    Attributes:
        fault: what happens to messages; None passes them on as they are.
        newest: the newest message, as it came.
        passed: how many have come.
    """

    def __init__(self, node, kind: type, source: str, targets: Iterable[str], qos, later: Later):
        self._outs = [node.create_publisher(kind, target, qos) for target in targets]
        self._later, self.kind = later, kind
        self.fault: Fault | None = None
        self.newest: Any = None
        self.passed = 0
        node.create_subscription(kind, source, self._on_message, qos)

    def publish(self, message) -> None:
        """Sends a message to the targets, as if it had come."""
        for out in self._outs:
            out.publish(message)

    def _on_message(self, message) -> None:
        self.newest, self.passed = message, self.passed + 1
        if self.fault is None:
            self.publish(message)
            return
        for delay, changed in self.fault(message):
            if delay <= 0:
                self.publish(changed)
            else:
                self._later.call(delay, lambda changed=changed: self.publish(changed))
