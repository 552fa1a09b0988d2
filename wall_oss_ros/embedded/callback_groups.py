# SPDX-License-Identifier: Apache-2.0
"""Which callbacks may run at the same time in a multi-threaded executor."""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakSet


class CallbackGroup:
    """Base of the callback groups."""

    def __init__(self) -> None:
        self.entities: WeakSet = WeakSet()

    def add_entity(self, entity: Any) -> None:
        self.entities.add(entity)

    def has_entity(self, entity: Any) -> bool:
        return entity in self.entities

    def can_execute(self, entity: Any) -> bool:
        """Whether a callback of this entity may begin now."""
        raise NotImplementedError

    def beginning_execution(self, entity: Any) -> bool:
        """Claims the right to run it; False when it may not begin."""
        raise NotImplementedError

    def ending_execution(self, entity: Any) -> None:
        """Gives the right back."""
        raise NotImplementedError


class ReentrantCallbackGroup(CallbackGroup):
    """Callbacks may run in parallel, even the same one."""

    def can_execute(self, entity: Any) -> bool:
        return True

    def beginning_execution(self, entity: Any) -> bool:
        return True

    def ending_execution(self, entity: Any) -> None:
        pass


class MutuallyExclusiveCallbackGroup(CallbackGroup):
    """One callback of the group at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._active: Any = None
        self._lock = threading.Lock()

    def can_execute(self, entity: Any) -> bool:
        with self._lock:
            return self._active is None

    def beginning_execution(self, entity: Any) -> bool:
        with self._lock:
            if self._active is None:
                self._active = entity
                return True
            return False

    def ending_execution(self, entity: Any) -> None:
        with self._lock:
            self._active = None
