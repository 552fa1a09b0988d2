# SPDX-License-Identifier: Apache-2.0
"""What is kept open and in memory between two reads: bounded, and for several threads."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class PerProcess:
    """Forgets everything when it is pickled, and in a process that was forked from the one that filled it.

    Locks may be held by threads that the child does not have, and open files share their position with the parent. That
    does not make reading safe after a fork: Arrow and FFmpeg have locks of their own.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._items: OrderedDict[Hashable, Any] = OrderedDict()
        self._size = 0

    def _of_this_process(self) -> None:
        if self._process != os.getpid():
            self._begin()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("_process", "_lock", "_items", "_size")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    def __len__(self) -> int:
        return len(self._items)


class ByteCache(PerProcess):
    """The values that were used last, up to ``limit`` bytes in all."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__()

    def get(self, key: Hashable) -> Any:
        """The value, or None."""
        self._of_this_process()
        with self._lock:
            if key not in self._items:
                return None
            self._items.move_to_end(key)
            return self._items[key][0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keeps ``value`` of ``size`` bytes, and drops what was not used for longest."""
        self._of_this_process()
        if size > self.limit:
            return
        with self._lock:
            self._size -= self._items.pop(key, (None, 0))[1]
            self._items[key] = (value, size)
            self._size += size
            while self._size > self.limit:
                self._size -= self._items.popitem(last=False)[1][1]


class Pool(PerProcess, Generic[T]):
    """Open files that are no thread's at the moment, at most ``limit`` of them.

    Who uses one has it alone; a second thread that wants the same file meanwhile opens it once more.

    Args:
        open_one: opens what a key names.
        close_one: closes it.
    """

    def __init__(self, limit: int, open_one: Callable[[Any], T], close_one: Callable[[T], None]) -> None:
        self.limit = limit
        self._open, self._close = open_one, close_one
        super().__init__()

    @contextmanager
    def borrow(self, key: Hashable) -> Iterator[T]:
        """An open one, this caller's alone; after an error it is not used again."""
        self._of_this_process()
        with self._lock:
            waiting = self._items.get(key)
            one = waiting.pop() if waiting else None
            if waiting is not None and not waiting:
                del self._items[key]
            self._size -= one is not None
        if one is None:
            one = self._open(key)
        try:
            yield one
        except BaseException:
            self._close(one)
            raise
        with self._lock:
            self._items.setdefault(key, []).append(one)
            self._items.move_to_end(key)
            self._size += 1
            surplus = []
            while self._size > self.limit:
                oldest = next(iter(self._items))
                surplus.append(self._items[oldest].pop(0))
                if not self._items[oldest]:
                    del self._items[oldest]
                self._size -= 1
        for other in surplus:
            self._close(other)

    def clear(self) -> None:
        """Closes all that nobody uses."""
        self._of_this_process()
        with self._lock:
            waiting = [one for ones in self._items.values() for one in ones]
            self._items.clear()
            self._size = 0
        for one in waiting:
            self._close(one)
