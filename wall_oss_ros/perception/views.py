# SPDX-License-Identifier: Apache-2.0
"""Camera images of one moment: which of each view belong together, and why there are none when there are none."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

_RESTART = 1.0  # s: the node's clock going back by this much means that it was restarted, as a simulation's is
_FUTURE = 1.0  # s: an image stamped this far ahead is never used; a little less may be a simulation's /clock that lags
_LATE = 0.3  # s: images that come so long after they were taken are used, and worth a word
_OTHER_CLOCK = 86400.0  # s: nobody's clock is off by so much; the stamps count something else
_REPEATS = _SOME = 3


class _Image(NamedTuple):
    stamp: float
    image: Any


class _View:
    """The images of one view of about the last second, by stamp, and how they came."""

    def __init__(self, spacing: float, span: float):
        self._spacing, self._span = spacing, span
        self.images: list[_Image] = []
        self.refused = ""  # why the last one that came is not used
        self.repeats = 0  # how many in a row had the stamp of the one before
        self.leads: deque[float] = deque(maxlen=5)  # s: stamps of the last ones less the time they came at

    @property
    def newest(self) -> float:
        return self.images[-1].stamp

    def add(self, stamp: float, image: Any) -> None:
        at = bisect_right(self.images, stamp, key=lambda one: one.stamp)
        if at and self.images[at - 1].stamp == stamp:
            self.repeats += 1
            return
        self.repeats = 0
        # An image between two that lie close together adds nothing, and a second of images is much to keep.
        if at == len(self.images) >= 2 and self.newest - self.images[-2].stamp < self._spacing:
            self.images[-1] = _Image(stamp, image)
        else:
            self.images.insert(at, _Image(stamp, image))
        while self.newest - self.images[0].stamp > self._span:
            del self.images[0]

    def nearest(self, stamp: float) -> _Image:
        return min(self.images, key=lambda one: abs(one.stamp - stamp))


class ViewSync:
    """Keeps the latest images of each view and finds the newest set whose stamps lie within a slop.

    A set is never older than one that was given before, unless the clock was restarted between them.

    Args:
        views: names of the views that make up a set.
        slop: largest difference between the stamps of a set, s.
        ahead: stamps that are always farther ahead of the clock are another clock's, and not used, s.
        span: how much of each view is kept, s; it bridges the difference between the cameras' latencies.
    """

    def __init__(self, views: Sequence[str], slop: float, ahead: float = 0.2, span: float = 1.0):
        self._names, self._slop, self._ahead, self._span = tuple(views), slop, ahead, span
        self._clear()

    def _clear(self) -> None:
        self._views = {name: _View(self._slop / 3, self._span) for name in self._names}
        self._last = float("-inf")  # stamp of the last set
        self._now = float("-inf")
        self._given: float | None = None  # when the last set was given, or the first image came

    def add_image(self, view: str, stamp: float, image: Any, now: float) -> str:
        """Keeps an image, of any type, taken at ``stamp`` and come at ``now`` (s, the node's clock).

        A clock that goes back drops all that there was before. Returns why the image is not used; empty if it is.
        """
        if now < self._now - _RESTART:
            self._clear()
        self._now = max(now, self._now)
        if self._given is None:
            self._given = now
        one = self._views[view]
        one.refused = _wrong(stamp, now)
        if not one.refused:
            one.leads.append(stamp - now)
            if len(one.leads) >= _SOME and (lead := min(one.leads)) > self._ahead:
                one.refused = _future(lead)
                one.images.clear()
            else:
                one.add(stamp, image)
        return one.refused

    def pop_synchronised(self) -> tuple[float, dict[str, Any]] | None:
        """The newest set and its oldest stamp (s); None if there is none, or none since the last one."""
        if not all(view.images for view in self._views.values()):
            return None
        chosen = self._newest_set()
        stamps = [one.stamp for one in chosen.values()]
        if max(stamps) - min(stamps) > self._slop or min(stamps) <= self._last:
            return None
        self._last, self._given = min(stamps), self._now
        return self._last, {name: one.image for name, one in chosen.items()}

    def _newest_set(self) -> dict[str, _Image]:
        pivot = min(view.newest for view in self._views.values())
        return {name: view.nearest(pivot) for name, view in self._views.items()}

    def complaints(self, now: float, limit: float) -> list[str]:
        """What is wrong with the views, in words; never nothing when there was no set for ``limit`` seconds.

        Args:
            now: s, the node's clock.
            limit: age of an image that is worth a word, s.
        """
        found = [complaint for name in self._names if (complaint := self._of_one(name, now, limit))]
        if found or self._given is None or now - self._given <= limit:
            return found
        return [self._apart(now)]

    def _of_one(self, name: str, now: float, limit: float) -> str:
        view = self._views[name]
        if view.refused:
            return f"images of {name} are {view.refused}"
        if not view.images:
            return f"no image of {name} yet"
        if view.repeats >= _REPEATS:
            return f"{name} repeats an image, of one stamp, {now - view.newest:.1f} s old"
        age = now - view.newest
        if age > limit:
            return _old(f"last image of {name} is", age)
        if (late := -max(view.leads)) > _LATE:
            return f"images of {name} come {late:.2f} s after they were taken"
        return ""

    def _apart(self, now: float) -> str:
        """Why views that all come make no set."""
        newest = {name: view.newest for name, view in self._views.items()}
        behind, ahead = min(newest, key=newest.__getitem__), max(newest, key=newest.__getitem__)
        stamps = [one.stamp for one in self._newest_set().values()]
        if (spread := max(stamps) - min(stamps)) > self._slop:
            return (
                f"the views do not meet: {behind} is {newest[ahead] - newest[behind]:.2f} s behind {ahead}, "
                f"the nearest images are {spread:.2f} s apart, {self._slop:g} s are allowed"
            )
        return (
            f"the views have not met for {now - self._given:.1f} s: their newest common images are "
            f"{self._last - min(stamps):.2f} s older than the last observation"
        )


def _wrong(stamp: float, now: float) -> str:
    """Why no image with that stamp can be used, as what it is."""
    if not stamp > 0:
        return "stamped 0: the camera's driver sets no stamp"
    if stamp <= now + _FUTURE:
        return ""
    if now <= 0:
        return "there, but the clock stands at 0: nothing comes on /clock (use_sim_time is for simulations)"
    ahead = stamp - now
    if ahead > _OTHER_CLOCK:
        return "stamped by another clock, far in the future (is use_sim_time right?)"
    return _future(ahead)


def _future(ahead: float) -> str:
    return f"stamped {ahead:.2f} s in the future: is the clock of the camera's computer synchronised?"


def _old(what: str, age: float) -> str:
    if age > _OTHER_CLOCK:
        return f"{what} stamped by another clock, far in the past (is use_sim_time right?)"
    return f"{what} {age:.1f} s old"
