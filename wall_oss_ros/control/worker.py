# SPDX-License-Identifier: Apache-2.0
"""Work that takes long, in a thread beside what must not wait."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its value, or the exception it raised. ``tag`` is what it was submitted with."""

    tag: Any
    value: Any = None
    error: Exception | None = None


class Worker:
    """One thread that does one job at a time; nobody ever waits for it.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str):
        self._jobs: queue.SimpleQueue = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue = queue.SimpleQueue()
        self._busy = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a job has been submitted that has no outcome yet."""
        return self._busy.is_set()

    def submit(self, tag: Any, job: Callable[[], Any]) -> bool:
        """Has ``job`` done, unless the worker is busy; whether it will be."""
        if self._busy.is_set():
            return False
        self._busy.set()
        self._jobs.put((tag, job))
        return True

    def poll(self) -> Outcome | None:
        """The outcome of a job that has ended, once; None when there is none."""
        try:
            return self._outcomes.get_nowait()
        except queue.Empty:
            return None

    def close(self, timeout: float = 5.0) -> None:
        """Ends the thread after the job it is doing, and waits for that up to ``timeout`` seconds."""
        self._jobs.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (entry := self._jobs.get()) is not None:
            tag, job = entry
            try:
                outcome = Outcome(tag, value=job())
            except Exception as error:
                outcome = Outcome(tag, error=error)
            self._outcomes.put(outcome)
            self._busy.clear()
