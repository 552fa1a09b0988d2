# SPDX-License-Identifier: Apache-2.0
"""The time that each command counts from: regular, however early or late the cycle that sends it comes."""

from __future__ import annotations

_PULL = 0.05  # share of a cycle's offset that is taken over, so that the times follow a clock that runs differently


class CommandClock:
    """A controller follows the last command until the next one comes. One that counts from the moment of a late cycle
    would ask it to go back to where it had been; counted from a grid of times, an early or late cycle is not felt.

    Args:
        dt: s between commands.
    """

    def __init__(self, dt: float):
        self._dt = dt
        self._last: float | None = None

    def forget(self) -> None:
        """Commands have ended: the next one begins a new grid."""
        self._last = None

    def next(self, now: float) -> tuple[float, bool]:
        """The time (s) that a command sent ``now`` (s) counts from, and whether commands before it were missed.

        After a miss the controller has gone on along what was sent last; what follows has to begin there.
        """
        if self._last is None or not abs(now - self._last) < 1e3:  # the first, or after a leap of the clock
            self._last = now
            return now, False
        due = self._last + self._dt
        offset = now - due
        if offset > self._dt:
            self._last = now
            return now, True
        self._last = due + _PULL * offset
        return self._last, False
