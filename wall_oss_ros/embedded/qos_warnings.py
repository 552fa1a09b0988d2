# SPDX-License-Identifier: Apache-2.0
"""Warns where two ends of a topic do not fit together, as rclpy does for who gives no event callbacks.

One thread for each participant waits for that alone: executors, which every end would cost time in every wait, need not
know of it, and programs hear of it that do not spin, too.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections.abc import Callable
from typing import Any

from cyclonedds.core import DDSException, GuardCondition, WaitSet

from wall_oss_ros.embedded import wait_set

_READY = 16


class QoSWarnings:
    """Calls a function whenever a DDS reader or writer tells of what it was attached for."""

    def __init__(self, participant: Any):
        self._set, self._guard = WaitSet(participant), GuardCondition(participant)
        self._lock, self._numbers = threading.RLock(), itertools.count(1)
        self._told: dict[int, Callable[[], Any]] = {}
        self._closed = False
        wait_set.attach(self._set._ref, self._guard._ref, wait_set.WAKE)
        self._thread = threading.Thread(target=self._watch, name="QoS warnings", daemon=True)
        self._thread.start()

    def attach(self, entity: Any, status: int, tell: Callable[[], Any]) -> Callable[[], None]:
        """Has ``tell`` called when the entity's status has changed, which it must read.

        Returns:
            What is to be called before the entity is deleted.
        """
        number = next(self._numbers)
        self._told[number] = tell
        entity.set_status_mask(status)  # the only one that makes a wait return
        wait_set.attach(self._set._ref, entity._ref, number)

        def leave() -> None:
            with self._lock:  # not while it is being told of
                self._told.pop(number, None)
                if not self._closed:
                    wait_set.detach(self._set._ref, entity._ref)

        return leave

    def close(self) -> None:
        """Ends the thread; to be called before the participant is deleted."""
        with self._lock:
            self._closed = True
        try:
            self._guard.set(True)
        except DDSException:  # the participant is gone already
            return
        if threading.current_thread() is not self._thread:
            self._thread.join(1.0)

    def _watch(self) -> None:
        ready = (ctypes.c_ssize_t * _READY)()
        while not self._closed:
            count = wait_set.wait(self._set._ref, ready, _READY, wait_set.FOREVER)
            if count < 0:  # the participant has been deleted
                return
            for number in ready[: min(count, _READY)]:
                with self._lock:
                    tell = None if self._closed else self._told.get(number)
                    if tell is not None:
                        tell()
