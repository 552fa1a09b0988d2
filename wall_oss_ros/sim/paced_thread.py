# SPDX-License-Identifier: Apache-2.0
"""A thread that repeats something at a steady rhythm, and knows when it cannot keep up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

GIVE_UP = 0.25  # s


class PacedThread:
    """Calls ``step`` every ``period`` seconds of wall time.

    A late step is followed by the next at once, until the rhythm is caught up; a delay beyond ``GIVE_UP`` seconds is
    written off, so that a stalled machine does not race afterwards.

    Args:
        name: of the thread.
        period: s.
        step: what to do.
        failed: called with the exception when ``step`` raises; the thread ends.
        finish: called in the thread when it ends, in whatever way.

    Attributes:
        steps: done so far.
        lost: seconds by which it has fallen behind for good.
    """

    def __init__(
        self,
        name: str,
        period: float,
        step: Callable[[], None],
        failed: Callable[[Exception], None],
        finish: Callable[[], None] = lambda: None,
    ):
        self._period, self._step, self._failed, self._finish = period, step, failed, finish
        self._stop = threading.Event()
        self.steps, self.lost = 0, 0.0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and waits for it. Not to be called from ``step``."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        due = time.monotonic()
        try:
            while not self._stop.is_set():
                self._step()
                self.steps += 1
                due += self._period
                behind = time.monotonic() - due
                if behind < 0:
                    self._stop.wait(-behind)
                elif behind > GIVE_UP:
                    self.lost += behind
                    due += behind
        except Exception as error:
            self._failed(error)
        finally:
            self._finish()
