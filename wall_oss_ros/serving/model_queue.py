# SPDX-License-Identifier: Apache-2.0
"""One model for several clients: whoever came first is served first, and nobody waits in the queue twice."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import Any


class ModelQueue:
    """A thread that does work in the order in which it came. A connection hands in its next request once the last one
    is answered, so a client that hurries cannot keep the others waiting for more than one chunk."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    async def do(self, work: Callable[[], Any]) -> tuple[Any, float]:
        """What the work returns, and the s that it took. Work whose caller is cancelled before its turn is not done."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future = loop.create_future()
        self._waiting.put((work, done, loop))
        return await done

    def close(self, patience: float) -> bool:
        """Ends the thread after the work it is doing; False if that takes more than ``patience`` s."""
        self._waiting.put(None)
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            work, done, loop = item
            if done.cancelled():
                continue
            begun, result, failure = time.perf_counter(), None, None
            try:
                result = work(), time.perf_counter() - begun
            except Exception as error:  # whatever a model may raise: its caller must learn of it
                failure = error
            try:
                loop.call_soon_threadsafe(_tell, done, result, failure)
            except RuntimeError:  # the loop has ended meanwhile
                return


def _tell(done: asyncio.Future, result: Any, failure: Exception | None) -> None:
    if done.done():
        return
    if failure is not None:
        done.set_exception(failure)
    else:
        done.set_result(result)
