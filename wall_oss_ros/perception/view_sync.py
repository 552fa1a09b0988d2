# SPDX-License-Identifier: Apache-2.0
"""Images of several cameras that belong to one moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class _Item:
    stamp: float
    message: Any


class ViewSync:
    """Keeps the last images of each view and finds the newest set within a slop.

    Args:
        views: names of the views, all of which a set has.
        slop: largest difference between the stamps of a set, s.
        depth: images kept for each view; enough to bridge the difference of the cameras' latencies.
    """

    def __init__(self, views: Sequence[str], slop: float, depth: int = 6):
        self._slop = slop
        self._items: dict[str, deque[_Item]] = {view: deque(maxlen=depth) for view in views}
        self._last = float("-inf")

    def add(self, view: str, stamp: float, message: Any) -> None:
        """Takes in one image. A stamp far in the past of the view's last one (a restarted clock) starts anew."""
        items = self._items[view]
        if items and stamp < items[-1].stamp - 1.0:
            for other in self._items.values():
                other.clear()
            self._last = float("-inf")
        items.append(_Item(stamp, message))

    def take(self) -> tuple[float, dict[str, Any]] | None:
        """The newest complete set, with its oldest stamp, unless it was taken before or there is none."""
        if not all(self._items.values()):
            return None
        pivot = min(items[-1].stamp for items in self._items.values())
        chosen = {view: min(items, key=lambda item: abs(item.stamp - pivot)) for view, items in self._items.items()}
        stamps = [item.stamp for item in chosen.values()]
        if max(stamps) - min(stamps) > self._slop or min(stamps) <= self._last:
            return None
        self._last = min(stamps)
        return self._last, {view: item.message for view, item in chosen.items()}

    def newest(self, view: str) -> float | None:
        """Stamp of the view's newest image, s; None before the first."""
        items = self._items[view]
        return items[-1].stamp if items else None

    def complaints(self, now: float, limit: float) -> list[str]:
        """One phrase for each view that is missing or older than ``limit`` seconds, for a person to read."""
        found = []
        for view in self._items:
            newest = self.newest(view)
            if newest is None:
                found.append(f"no image of {view} yet")
            elif now - newest > limit:
                found.append(f"last image of {view} is {now - newest:.1f} s old")
        return found


class RateLimit:
    """Lets through at most ``rate`` events a second, on average, whatever the events' own rhythm.

    Counting on from the time an event was due, rather than from when it came, keeps a 15 Hz camera at 10 Hz
    where waiting a tenth of a second after each would give 7.5 Hz.
    """

    def __init__(self, rate: float):
        self._period = 1.0 / rate
        self._due: float | None = None

    def permits(self, stamp: float) -> bool:
        """Whether an event at ``stamp`` (s) may pass; counts it if so."""
        if self._due is None or abs(stamp - self._due) > 1.0:  # the first, after a pause, or a restarted clock
            self._due = stamp
        if stamp < self._due - 0.2 * self._period:  # stamps waver a little
            return False
        self._due = max(self._due + self._period, stamp)
        return True
