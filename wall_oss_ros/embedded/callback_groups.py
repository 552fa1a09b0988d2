# SPDX-License-Identifier: Apache-2.0
"""Which callbacks may run at the same time in a multi-threaded executor."""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakSet


class CallbackGroup:
    """Base of the callback groups; it restricts nothing."""

    def __init__(self) -> None:
        self.entities: WeakSet = WeakSet()

    def add_entity(self, entity: Any) -> None:
        self.entities.add(entity)

    def has_entity(self, entity: Any) -> bool:
        return entity in self.entities

    def can_execute(self, entity: Any) -> bool:
        """Whether a callback of this entity may begin now."""
        return True

    def beginning_execution(self, entity: Any) -> bool:
        """Claims the right to run it; False when it may not begin."""
        return True

    def ending_execution(self, entity: Any) -> None:
        """Gives the right back."""


class ReentrantCallbackGroup(CallbackGroup):
    """Callbacks may run in parallel, even the same one."""


class MutuallyExclusiveCallbackGroup(CallbackGroup):
    """One callback of the group at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._running = threading.Lock()

    def can_execute(self, entity: Any) -> bool:
        return not self._running.locked()

    def beginning_execution(self, entity: Any) -> bool:
        return self._running.acquire(blocking=False)

    def ending_execution(self, entity: Any) -> None:
        self._running.release()
