# SPDX-License-Identifier: Apache-2.0
"""The one thread that calls the model, which may think for seconds, or never answer; nothing else waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

Job = Callable[[], None]


class ModelThread:
    """Does one job after the other.

    Args:
        condition: guards what the jobs share with others; held when ``next_job`` and ``failed`` are called.
        next_job: gives what to do now; None for nothing.
        until_due: time until there may be something, s; whatever else makes a job notifies the condition.
        failed: told what a job has raised.
        steady: a time in s that never stops or jumps.
        thread: False leaves it to the caller to call ``work``.
    """

    def __init__(
        self,
        condition: threading.Condition,
        next_job: Callable[[], Job | None],
        until_due: Callable[[], float],
        failed: Callable[[BaseException], None],
        steady: Callable[[], float],
        thread: bool,
    ):
        self._condition, self._next, self._until_due, self._failed = condition, next_job, until_due, failed
        self._steady = steady
        self._asked_at: float | None = None  # when the model was asked what it has not answered yet
        self.closing = False
        self._thread = threading.Thread(target=self._run, name="planner", daemon=True) if thread else None

    def start(self) -> None:
        if self._thread is not None:
            self._thread.start()

    def join(self, timeout: float) -> None:
        """Waits for the thread's end; one that the model does not return to is left to itself."""
        if self._thread is not None:
            self._thread.join(timeout)

    @property
    def silence(self) -> float:
        """For how long the model has owed an answer, s; 0 while it owes none."""
        asked = self._asked_at
        return 0.0 if asked is None else max(self._steady() - asked, 0.0)

    def work(self) -> bool:
        """Does one job. Returns whether there was any."""
        with self._condition:
            job = None if self.closing else self._next()
            if job is None:
                return False
            self._asked_at = self._steady()
        try:
            job()
        except BaseException as error:  # whatever it is, nothing must be lost with the thread
            with self._condition:
                self._failed(error)
        finally:
            with self._condition:
                self._asked_at = None
                self._condition.notify_all()
        return True

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self.closing and self._next() is None:
                    self._condition.wait(min(self._until_due(), 1.0))
                if self.closing:
                    return
            self.work()
