# SPDX-License-Identifier: Apache-2.0
"""A thread that repeats something at a steady rhythm, and knows when it cannot keep up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class PacedThread:
    """Calls ``step`` every ``period`` seconds of wall time.

    A late step is followed by the next at once, until the rhythm is caught up; a delay beyond ``give_up`` seconds is
    written off, so that a stalled machine does not race afterwards.

    Args:
        name: of the thread.
        period: s.
        step: what to do.
        failed: called with the exception when ``step`` raises; the thread ends.
        finish: called in the thread when it ends, in whatever way.
        give_up: s.
    """

    def __init__(
        self,
        name: str,
        period: float,
        step: Callable[[], None],
        failed: Callable[[Exception], None],
        finish: Callable[[], None] = lambda: None,
        give_up: float = 0.25,
    ):
        self._period, self._step, self._failed, self._finish, self._give_up = period, step, failed, finish, give_up
        self._stop = threading.Event()
        self._steps = 0
        self._lost = 0.0  # s written off
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and waits for it. Not to be called from ``step``."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)

    @property
    def steps(self) -> int:
        """Steps done."""
        return self._steps

    @property
    def lost(self) -> float:
        """Seconds by which it has fallen behind for good."""
        return self._lost

    def _run(self) -> None:
        try:
            self._repeat()
        finally:
            self._finish()

    def _repeat(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            try:
                self._step()
            except Exception as error:
                self._failed(error)
                return
            self._steps += 1
            due += self._period
            behind = time.monotonic() - due
            if behind < 0:
                self._stop.wait(-behind)
            elif behind > self._give_up:
                self._lost += behind
                due += behind
