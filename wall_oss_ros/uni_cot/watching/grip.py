# SPDX-License-Identifier: Apache-2.0
"""Whether fingers have closed on nothing, or have lost what they held, by how far they go when told to close."""

from __future__ import annotations

from dataclasses import dataclass

_MOVES = 0.15  # share of the opening by which fingers have to be seen to change, until their readings are believed
_HELD = 0.4  # s that fingers stay where they were stopped, until they are taken to hold something
_STAYS = 0.02  # share of the opening that held things give way; what stops fingers does so farther off their target


@dataclass(frozen=True)
class GripLimits:
    """Attributes:
    least: share of the opening below which there is nothing between the fingers; for thinner things, less.
    told: share of the opening; told to go nearer to closed than this, fingers are told to close.
    seconds: an alarm when fingers that were told to close have been at their end for so long.
    """

    least: float = 0.035
    told: float = 0.15
    seconds: float = 0.5


class GripWatch:
    """Watches the fingers of one gripper.

    An alarm comes once for each closing, and only if the fingers were seen open, or holding something, while the robot
    was working: fingers that begin closed, stay closed, or of which no opening is known, say nothing. Nor do fingers
    that cannot close because what they hold is thick.
    """

    def __init__(self, limits: GripLimits):
        self._limits = limits
        self.forget()

    def forget(self) -> None:
        """Nothing of what was seen counts any more, as after a leap of the clock."""
        self._low: float | None = None  # the least opening seen, and the widest
        self._high: float | None = None
        self._armed = False  # whether they have been open, or held something, since the last alarm
        self._held: float | None = None  # where something stopped them, a share of the opening
        self._since: float | None = None  # when they came to their end, s
        self._still: float | None = None  # when they came to where they are, s
        self._place = 0.0

    def pause(self) -> None:
        """The robot has stood still: times start over."""
        self._since = self._still = None

    def take(self, stamp: float, wanted: float | None, opening: float) -> tuple[str, float] | None:
        """A reading at ``stamp``, s.

        Args:
            wanted: what they are told, as a share of the opening; None when that is not known.
            opening: where they are, as a share of the opening.

        Returns:
            What is alarming: "lost" with the share at which they held something, or "nothing" with where they are now.
        """
        limits = self._limits
        self._low = opening if self._low is None else min(self._low, opening)
        self._high = opening if self._high is None else max(self._high, opening)
        if wanted is None or wanted > limits.told:
            # As long as nobody tells them to open, as between two subtasks, they may hold what they held.
            if wanted is not None or (self._held is not None and opening > self._held + _STAYS):
                self._held = None
            self.pause()
            self._armed = self._armed or opening > max(limits.least, limits.told)
            return None
        if opening > limits.least:
            self._since, self._armed = None, True
            if self._still is None or abs(opening - self._place) > _STAYS:
                self._still, self._place = stamp, opening
            elif stamp - self._still >= _HELD and opening - wanted > _STAYS:
                self._held = opening
            return None
        self._still = None
        if not self._armed or self._high - self._low < _MOVES:
            return None
        if self._since is None:
            self._since = stamp
        if stamp - self._since < limits.seconds:
            return None
        held, self._armed, self._held, self._since = self._held, False, None, None
        return ("nothing", opening) if held is None else ("lost", held)
