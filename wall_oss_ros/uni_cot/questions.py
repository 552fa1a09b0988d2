# SPDX-License-Identifier: Apache-2.0
"""Questions to the model from anybody, a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_QUESTIONS = 3  # that wait or are being answered; more would wait longer than anybody has patience


@dataclass(eq=False)
class Question:
    """Attributes:
    answer: gives the model's answer; may raise.
    outcome: the answer and "", or None and why there is none; None until then.
    """

    answer: Callable[[], str]
    outcome: tuple[str | None, str] | None = field(default=None)


class Questions:
    """Those that are not answered yet, oldest first. Not thread-safe."""

    def __init__(self):
        self._waiting: deque[Question] = deque()
        self._asked: Question | None = None

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        return len(self._waiting) + (self._asked is not None) >= MOST_QUESTIONS

    def add(self, question: Question) -> None:
        self._waiting.append(question)

    def forget(self, question: Question) -> None:
        """Nobody waits for its answer any more."""
        if question in self._waiting:
            self._waiting.remove(question)

    def next(self) -> Question:
        """The one to ask now; call ``done`` after it."""
        self._asked = self._waiting.popleft()
        return self._asked

    def done(self) -> None:
        self._asked = None
