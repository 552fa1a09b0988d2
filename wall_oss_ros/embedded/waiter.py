# SPDX-License-Identifier: Apache-2.0
"""What an executor waits on."""

from __future__ import annotations

import time
from typing import Any

from cyclonedds.core import DDSException, GuardCondition, WaitSet

_FOREVER = 2**63 - 1


class Waiter:
    """Waits for DDS conditions, timers and a wake-up call, whichever comes first."""

    def __init__(self, participant: Any):
        self._guard = GuardCondition(participant.dds)
        self._set = WaitSet(participant.dds)
        self._set.attach(self._guard)
        self._attached: dict[int, Any] = {}

    def wake(self) -> None:
        """Makes `wait` return, or the next one if nobody waits; from any thread."""
        try:
            self._guard.set(True)
        except DDSException:  # the participant has gone
            pass

    def clear(self) -> None:
        """Forgets earlier calls to `wake`; what comes after it counts."""
        self._guard.set(False)

    def wait(self, entities: list[Any], deadline: float | None) -> bool:
        """Waits until one of the entities may have something to do, or `wake`.

        Args:
            entities: those whose callback group is busy are left out.
            deadline: monotonic s; None waits forever.

        Returns:
            False when the deadline passed without anything.
        """
        conditions: dict[int, Any] = {}
        next_timer = _FOREVER
        for entity in entities:
            if not entity.callback_group.can_execute(entity):
                continue
            condition = entity.condition
            if condition is not None:
                conditions[id(condition)] = condition
            elif entity.is_timer:
                next_timer = min(next_timer, entity.wait_ns())
        for key in self._attached.keys() - conditions.keys():
            self._detach(self._attached[key])
        for key in conditions.keys() - self._attached.keys():
            if not self._attach(conditions[key]):
                del conditions[key]
        self._attached = conditions
        limit = _FOREVER if deadline is None else max(0, int((deadline - time.monotonic()) * 1e9))
        triggered = self._set.wait(min(limit, max(0, next_timer)))
        return triggered > 0 or next_timer <= limit

    def _attach(self, condition: Any) -> bool:
        try:
            self._set.attach(condition)
            return True
        except DDSException:
            if condition._ref != 0:
                raise
            return False  # closed by another thread meanwhile

    def _detach(self, condition: Any) -> None:
        try:
            self._set.detach(condition)
        except DDSException:  # closed meanwhile, which has taken it out of the set; the list in Python remains
            self._set.attached[:] = [entry for entry in self._set.attached if entry[0] is not condition]
