# SPDX-License-Identifier: Apache-2.0
"""How an executor waits: one call into DDS for everything at once, which also says what became ready."""

from __future__ import annotations

import ctypes
import time
from typing import Any

from cyclonedds.core import DDSException, GuardCondition, WaitSet

from wall_oss_ros.embedded import wait_set


class Waiter:
    """Waits for DDS conditions, timers and a wake-up call, whichever comes first; one thread waits at a time."""

    def __init__(self, participant: Any):
        self._guard = GuardCondition(participant.dds)
        self._set = WaitSet(participant.dds)
        self._check(wait_set.attach(self._set._ref, self._guard._ref, wait_set.WAKE))
        self._attached: dict[int, Any] = {}  # conditions by their id, which stays theirs while they are in here
        self._woken, self._waits = True, False  # nobody has looked at anything yet
        self._ready = (ctypes.c_ssize_t * 1)()

    def wake(self) -> None:
        """Makes `wait` return, or the next one if nobody waits; from any thread. Look at things after the wait."""
        self._woken = True
        if self._waits:  # said after that a wait has begun: it looks at `_woken` after it has said so
            try:
                self._guard.set(True)
            except DDSException:  # the participant has been closed
                pass

    def wait(self, entities: list[Any], deadline: float | None) -> list[Any] | None:
        """Waits until one of the entities may have something to do, or `wake`.

        Args:
            entities: those whose callback group is busy are left out.
            deadline: monotonic s; None waits forever.

        Returns:
            The entities that may have something to do, which those without a DDS condition always may; None when the
            deadline passed without anything.
        """
        ready, busy, waiting, next_timer = [], [], {}, wait_set.FOREVER
        for entity in entities:
            if not entity.callback_group.can_execute(entity):
                busy.append(entity)
            elif entity.condition is not None:
                waiting.setdefault(id(entity.condition), []).append(entity)
            else:
                ready.append(entity)
                next_timer = min(next_timer, entity.wait_ns())
        self._watch(waiting)
        limit = wait_set.FOREVER if deadline is None else max(0, int((deadline - time.monotonic()) * 1e9))
        self._waits = True
        try:
            pause = 0 if self._woken else min(limit, max(0, next_timer))
            count = self._check(wait_set.wait(self._set._ref, self._ready, len(self._ready), pause))
        finally:
            self._waits = False
        woken, self._woken = self._woken, False
        if woken and any(entity.callback_group.can_execute(entity) for entity in busy):
            self._woken = True  # a callback has ended: the next wait is for its group, too, and does not last
        for key in self._ready[: min(count, len(self._ready))]:
            if key == wait_set.WAKE:
                self._guard.set(False)
            else:
                ready += waiting.get(key, ())
        return ready if count or woken or next_timer <= limit else None

    def _watch(self, waiting: dict[int, list[Any]]) -> None:
        """Attaches the conditions of entities by their ids, and detaches all others."""
        for key in self._attached.keys() - waiting.keys():
            gone = self._attached.pop(key)
            wait_set.detach(self._set._ref, gone._ref)  # closed meanwhile: it has left the set by itself
        for key in waiting.keys() - self._attached.keys():
            condition = waiting[key][0].condition
            if (result := wait_set.attach(self._set._ref, condition._ref, key)) >= 0:
                self._attached[key] = condition
            elif condition._ref != 0:  # not closed by another thread meanwhile
                self._check(result)
        if len(self._ready) <= len(self._attached):
            self._ready = (ctypes.c_ssize_t * (2 * len(self._attached) + 1))()

    def _check(self, result: int) -> int:
        if result < 0:
            raise DDSException(result, "while waiting")
        return result
