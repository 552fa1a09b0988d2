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

_FOREVER = 2**63 - 1  # ns
_WAKE = 0  # what the call to end is attached under; everything else under a number of its own
_READY = 16

_attach, _detach, _wait = (WaitSet._dll_handle[f"dds_waitset_{name}"] for name in ("attach", "detach", "wait"))
_attach.argtypes, _attach.restype = [ctypes.c_int32, ctypes.c_int32, ctypes.c_ssize_t], ctypes.c_int32
_detach.argtypes, _detach.restype = [ctypes.c_int32, ctypes.c_int32], ctypes.c_int32
_wait.argtypes = [ctypes.c_int32, ctypes.POINTER(ctypes.c_ssize_t), ctypes.c_size_t, ctypes.c_int64]
_wait.restype = ctypes.c_int32


class QoSWarnings:
    """Calls a function whenever a DDS reader or writer tells of what it was attached for."""

    def __init__(self, participant: Any):
        self._set, self._guard = WaitSet(participant), GuardCondition(participant)
        self._lock, self._numbers = threading.RLock(), itertools.count(1)
        self._told: dict[int, Callable[[], Any]] = {}
        self._closed = False
        _attach(self._set._ref, self._guard._ref, _WAKE)
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
        _attach(self._set._ref, entity._ref, number)

        def leave() -> None:
            with self._lock:  # not while it is being told of
                self._told.pop(number, None)
                if not self._closed:
                    _detach(self._set._ref, entity._ref)

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
            count = _wait(self._set._ref, ready, _READY, _FOREVER)
            if count < 0:  # the participant has been deleted
                return
            for number in ready[: min(count, _READY)]:
                with self._lock:
                    tell = None if self._closed else self._told.get(number)
                    if tell is not None:
                        tell()
