# SPDX-License-Identifier: Apache-2.0
"""What was asked for by the page, and what came of it: each request with its answer, or that there was none."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from wall_oss_ros.page.requests import WHAT, Request
from wall_oss_ros.page.status_text import printable

KEPT = 12  # requests that are shown
MOST_WAITING = 8  # requests under way, apart from stop


class Answers:
    """The last requests. Its methods may be called from any thread.

    Args:
        steady: a clock, s.
        wall: the time of day in words.
    """

    def __init__(self, steady: Callable[[], float], wall: Callable[[], str]):
        self._steady, self._wall = steady, wall
        self._lock = threading.Lock()
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._begun: dict[int, tuple[float, float]] = {}  # when, and how long is waited
        self._count = 0

    def ask(self, request: Request, who: str) -> int | None:
        """Notes a request. Its number; None if too many are under way, of which stop is never one."""
        with self._lock:
            if request.what != "stop" and len(self._begun) >= MOST_WAITING:
                return None
            self._count += 1
            self._begun[self._count] = self._steady(), WHAT[request.what][1]
            self._entries.append(
                {
                    "number": self._count, "at": self._wall(), "who": who, "do": request.what, "what": request.words,
                    "tone": "busy", "words": "asked", "took": None,
                }
            )  # fmt: skip
            return self._count

    def answer(self, number: int, tone: str, words: str) -> None:
        """Somebody has answered request ``number``, also where nobody was expected to any more."""
        with self._lock:
            self._set(number, tone, printable(words, 1000))

    def look(self) -> None:
        """Says of each request that has waited for too long that nobody answers; for several times a second."""
        with self._lock:
            now = self._steady()
            for number, (since, limit) in list(self._begun.items()):
                if now - since >= limit:
                    self._set(number, "bad", f"nobody has answered for {limit:g} s")

    def shown(self) -> list[dict[str, Any]]:
        """The requests, newest first."""
        with self._lock:
            return [dict(entry) for entry in reversed(self._entries)]

    def _set(self, number: int, tone: str, words: str) -> None:
        since, _ = self._begun.pop(number, (None, None))
        for entry in self._entries:
            if entry["number"] == number:
                entry["tone"], entry["words"] = tone, words
                if since is not None:
                    entry["took"] = round(self._steady() - since, 2)
