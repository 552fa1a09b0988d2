# SPDX-License-Identifier: Apache-2.0
"""How long ago somebody spoke: by steady time, which goes on where simulated time stands still."""

from __future__ import annotations

import math

STATUS_FRESH = 2.0  # s; control speaks several times a second
PLAN_FRESH = 3.0  # s; the planner repeats itself every second
VIEWS_FRESH = 2.0  # s; observations come several times a second
CHUNK_FRESH = 3.0  # s after which the path of an action chunk is no longer ahead of the robot


class LastHeard:
    """When one source was heard last.

    Args:
        fresh: age up to which what it said may be shown as the present, s.
    """

    def __init__(self, fresh: float):
        self._fresh = fresh
        self._at = -math.inf
        self._mark: object = None

    def hear(self, steady: float, mark: object = None, sent_ago: float = 0.0) -> None:
        """It has spoken at ``steady`` s.

        Args:
            steady: the present, s.
            mark: says of which moment it spoke, such as a stamp; the same again is nothing new. None is always new.
            sent_ago: age that its stamp gives, s. It counts for the first message only, which may have been latched
                long ago; later ones come when they are sent, whatever the clocks of two machines say.
        """
        if mark is not None and mark == self._mark:
            return
        first, self._mark = not self.ever, mark
        old = sent_ago if first and math.isfinite(sent_ago) else 0.0
        self._at = steady - max(old, 0.0)

    @property
    def ever(self) -> bool:
        return self._at > -math.inf

    def age(self, steady: float) -> float:
        """Time since then, s; infinite before the first time."""
        return max(steady - self._at, 0.0)

    def stale(self, steady: float) -> bool:
        """Whether what it said last may not be shown as the present."""
        return self.age(steady) > self._fresh

    def silence(self, steady: float) -> str:
        """That it is stale and for how long, in words; empty while it is fresh."""
        if not self.stale(steady):
            return ""
        return f"silent for {span(self.age(steady))}" if self.ever else "not heard yet"


def span(seconds: float) -> str:
    """A time in words, such as "12 s" or "3 min"."""
    if seconds < 120:
        return f"{math.floor(seconds)} s"
    return f"{math.floor(seconds / 60)} min" if seconds < 7200 else f"{math.floor(seconds / 3600)} h"
