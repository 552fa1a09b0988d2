# SPDX-License-Identifier: Apache-2.0
"""Whether messages are new, by their time stamps, and what speaks against a source that sends others."""

from __future__ import annotations

AHEAD = 0.1  # s that a stamp may be ahead of this computer's clock: a network's delay, and a clock that is set by NTP
_ENOUGH = 2.5  # three that may be chance in a short time, or one that cannot be
_MOST = 5.0
_FADES = 0.1  # a good message's share of one that may be chance
_AGAIN, _LONGEST = 5, 320  # good messages in a row that clear a source: the first time, and at most
_SOON = 20  # times so many good messages later is soon after
# Weights: what a network does to a message now and then, and what no good source ever does.
CHANCE, CERTAIN = 1.0, 3.0


class Recovery:
    """How many good messages in a row clear a source: five, and twice as many each time that it fails again soon.

    So one stray message costs little, and what comes again and again ends in a lasting hold, not in one stop after the
    other.
    """

    def __init__(self):
        self._needed, self._good, self._failing = 0, 0, False

    def failed(self) -> None:
        """There was a bad message."""
        if not self._failing:
            soon = self._needed > 0 and self._good < _SOON * self._needed
            self._needed = min(2 * self._needed, _LONGEST) if soon else _AGAIN
        self._failing, self._good = True, 0

    def good(self) -> bool:
        """There was a good message; whether the source is clear."""
        self._good += 1
        if self._failing and self._good >= self._needed:
            self._failing, self._good = False, 0
        return not self._failing


class Evidence:
    """What speaks against a source: at once where it is certain, where it may be chance after a few times.

    Attributes:
        reason: what is wrong, in words; empty while nothing is.
    """

    def __init__(self) -> None:
        self.reason, self._weight, self._recovery = "", 0.0, Recovery()

    def against(self, words: str, weight: float = CHANCE) -> None:
        """A message that cannot be used."""
        self._weight = min(self._weight + weight, _MOST)
        if self._weight >= _ENOUGH:
            self.reason = words
        if self.reason:
            self._recovery.failed()

    def fine(self) -> None:
        """A good message."""
        self._weight = max(0.0, self._weight - _FADES)
        if self._recovery.good() and self.reason:
            self._weight, self.reason = 0.0, ""

    def forget(self) -> None:
        """Starts over."""
        self._weight, self.reason, self._recovery = 0.0, "", Recovery()


class StampWatch:
    """Takes messages whose stamps increase and are not ahead of the clock; the others speak against their source.

    Args:
        what: the source's name, for the reason given, as a plural.
        evidence: what speaks against it.
        unstamped: whether it may leave its stamps at zero; they then count as sent when they come.

    Attributes:
        evidence: the same.
        newest: the last stamp that was taken, s; None before the first.
    """

    def __init__(self, what: str, evidence: Evidence, unstamped: bool = False):
        self._what, self.evidence, self._unstamped = what, evidence, unstamped
        self.newest: float | None = None

    def take(self, stamp: float, now: float | None = None) -> bool:
        """Whether a message counts, by its ``stamp`` (s).

        Args:
            now: the time that stamps are compared with; None compares them with none.
        """
        if stamp == 0.0:
            if not self._unstamped or now is None:
                self.evidence.against(f"{self._what} carry no time stamp", CERTAIN)
                return False
            stamp = now if self.newest is None else max(now, self.newest + 1e-9)
        if now is not None and not stamp <= now + AHEAD:  # not a number counts as ahead
            self.evidence.against(f"{self._what} are stamped {stamp - now:.1f} s ahead of now: two clocks disagree")
            return False
        if self.newest is not None and stamp <= self.newest:
            if stamp == self.newest:
                words = f"{self._what} come with the same time stamp again and again"
            else:
                words = f"{self._what} come with a stamp {self.newest - stamp:.2f} s before the last: out of order"
            self.evidence.against(words)
            return False
        self.newest = stamp
        return True

    def forget(self) -> None:
        """Starts over, as after a restart of the clock."""
        self.newest = None
        self.evidence.forget()
