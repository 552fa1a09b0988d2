# SPDX-License-Identifier: Apache-2.0
"""Where a motion starts, and whether what is moved follows: the one place where readings meet commands."""

from __future__ import annotations

from collections import deque

import numpy as np

from wall_oss_ros.control.trust import RESUME, Frozen, Possible, Trust

_TRAVEL = 0.03  # rad or, in the share of what a second's motion is, m: told to go farther, readings have to change
_REMEMBERED = 64  # commands


class Anchor:
    """Ties the commands of an arm, a head or a lift to what is read of it, so that no reading becomes a command.

    A motion starts from the last command, however far servos have given way to a load. Only what is believed to have
    left the place where it came to rest, and to be at rest again, starts from its readings: somebody has moved it while
    no commands were sent. What does not follow its commands has lost track; it comes to rest by them, and a person
    looks.

    Args:
        what: the name of what is moved.
        possible: what its readings may do.
        lost: (n,) readings this far from what was commanded then have lost track.

    Attributes:
        trust: in its readings.
        command: (n,) sent last; None before the first.
        told: what a person should know, in words; whoever tells it empties the list.
    """

    def __init__(self, what: str, possible: Possible, lost: np.ndarray):
        self._what, self._possible, self._far = what, possible, lost
        self.trust = Trust(what, possible)
        self._frozen = Frozen(what, np.minimum(_TRAVEL, possible.near))
        self.command: np.ndarray | None = None
        self.told: list[str] = []
        self._lost = ""
        self._rested: np.ndarray | None = None  # where it was when the last command had been sent, by its readings
        self._words = ""  # to be told once it starts
        self._anew = False  # whether it must start from its readings, wherever it was told to be
        self._listens = False  # whether readings come in messages
        self._sent: deque[tuple[float, np.ndarray]] = deque(maxlen=_REMEMBERED)  # s, and where it is told to be

    def hear(self, stamp: float, values: np.ndarray) -> None:
        """Takes in a reading (n,) of finite numbers, from a message of that ``stamp`` (s)."""
        self._listens = True
        self._take(stamp, values)

    def know(self, now: float, values: np.ndarray) -> str:
        """Takes in a reading (n,) from one who knows, as a simulation does; the first is believed at once.

        It counts for nothing once messages are heard. Returns why it is none; empty when it is.
        """
        if self._listens:
            return ""
        if not np.isfinite(values).all():
            return f"a reading of the {self._what} is not a finite number"
        if not self.trust.heard:
            self.trust.start(values)
        self._take(now, values)
        return ""

    def _take(self, stamp: float, values: np.ndarray) -> None:
        self._frozen.hear(values)
        self.trust.hear(stamp, values)

    def forget(self) -> None:
        """The clock has leapt: readings start over."""
        self.trust.forget()
        self._frozen.forget()
        self._sent.clear()
        self._rested, self._anew = None, True

    @property
    def waits(self) -> bool:
        """Whether a person has to look before anything moves."""
        return bool(self.trust.latched or self._lost or self._frozen.reason)

    def accept(self) -> bool:
        """A person has looked: it goes on from where its readings come to rest. Whether anything waited for that."""
        waited, self._lost = self.waits, ""
        self._frozen.forget()
        self.trust.accept()
        if waited:
            self._rested, self._anew = None, True
        return waited

    @property
    def reason(self) -> str:
        """Why it must not move, by its readings; empty when it may."""
        return self._lost or self.trust.reason or self._frozen.reason

    def begin(self) -> tuple[np.ndarray | None, str]:
        """Where motion starts, at rest, (n,); None when it must not, and why."""
        if self.reason:
            return None, self.reason
        believed, last, self._words = self.trust.believed, self.command, ""
        if last is None:
            if not (self.trust.certain or self.trust.steady.ready):
                return None, f"the {self._what} is not at rest"
            return np.clip(believed, self._possible.low, self._possible.high), ""
        if not (self._anew or self._left(believed)):
            return last, ""
        away = np.abs(believed - last)
        which = int(np.argmax(away / self._possible.near))
        far = f"{away[which]:.2f} {self._possible.unit}"
        if not self.trust.steady.ready:
            return None, f"the {self._what} is {far} away from its last command and not at rest there"
        if away[which] <= self._possible.near[which]:
            return last, ""
        where = f"{far} ({self._possible.names[which]}) away from its last command"
        self._words = f"The {self._what} starts from where it is, {where}."
        return np.clip(believed, self._possible.low, self._possible.high), ""

    def _left(self, believed: np.ndarray) -> bool:
        """Whether it has left the place where it came to rest, and the way from there to where it was told to be."""
        if self._rested is None:
            return False
        low, high = np.minimum(self._rested, self.command), np.maximum(self._rested, self.command)
        return bool((np.maximum(low - believed, believed - high) > self._possible.near).any())

    def rests(self) -> None:
        """It is sent nothing in this cycle, and is at rest by the last command."""
        self.trust.rest()
        if self._rested is None and self.command is not None and not self.reason:
            self._rested = self.trust.believed

    def sent(self, now: float, q: np.ndarray) -> None:
        """It is told to be at ``q`` (n,), by a command at ``now`` (s)."""
        if self.command is not None:
            self.trust.carry(q - self.command)
        if self.trust.idle or self._anew:
            self._sent.clear()
        if self._words:
            self.told.append(self._words)
        self._words, self._rested, self._anew = "", None, False
        self.command, self.trust.commanded, self.trust.idle = q, True, False
        self._sent.append((now, q))
        self._frozen.told(now, q)

    def check(self) -> str:
        """Why it must come to rest while it moves, by what is read of it; empty when it need not."""
        if not self.reason and self._sent and self.trust.stamp is not None:
            then = self._told_at(self.trust.stamp)
            away = np.abs(self.trust.believed - then)
            if (away > self._far).any():
                which = int(np.argmax(away / self._far))
                self._lost = (
                    f"the {self._what} is {away[which]:.2f} {self._possible.unit} away from its command "
                    f"({self._possible.names[which]}): it does not follow, or its readings are wrong; {RESUME}"
                )
                self.told.append(f"{self._lost[0].upper()}{self._lost[1:]}.")
        return self.reason

    def _told_at(self, stamp: float) -> np.ndarray:
        """What was commanded last at a time (s), or first where that was later."""
        for time, q in reversed(self._sent):
            if time <= stamp + 1e-9:
                return q
        return self._sent[0][1]
