# SPDX-License-Identifier: Apache-2.0
"""Guard conditions: a callback that any thread can have run in the executor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class GuardCondition:
    """Runs its callback in the executor after `trigger`, once for any number of calls before it runs."""

    condition = None
    is_timer = False

    def __init__(self, callback: Callable | None, callback_group: Any, context: Any = None):
        self.callback, self.callback_group = callback, callback_group
        self._triggered = threading.Event()
        self._wake: Callable[[], None] = lambda: None
        callback_group.add_entity(self)

    def trigger(self) -> None:
        self._triggered.set()
        self._wake()

    def take(self) -> Callable | None:
        """For the executor."""
        if not self._triggered.is_set():
            return None
        self._triggered.clear()
        return self.callback or (lambda: None)

    def destroy(self) -> None:
        self._triggered.clear()
