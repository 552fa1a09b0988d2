# SPDX-License-Identifier: Apache-2.0
"""A frame as instructions see it: which tray is near, which is far, which is in a hand."""

from __future__ import annotations

from dataclasses import dataclass

from wall_oss_ros.sim.goals import COLOURS


@dataclass(frozen=True)
class Seen:
    """A frame as instructions see it.

    Attributes:
        row: the trays' colours, the one first that was nearest to the robot when the scene began.
        held: colours of those that a hand holds.
        bar: whether there is a bar, or nobody knows.
    """

    row: tuple[str, ...]
    held: frozenset[str] = frozenset()
    bar: bool = True

    @property
    def colours(self) -> list[str]:
        return [colour for colour in COLOURS if colour in self.row]

    @property
    def missing(self) -> list[str]:
        """Colours that no tray has."""
        return [colour for colour in COLOURS if colour not in self.row]

    def nth(self, place: int) -> str:
        """The tray at that place of the row; -1 for the farthest.

        Raises:
            KeyError: nothing is known of the frame.
        """
        if not self.row:
            raise KeyError(place)
        return self.row[place]

    def other(self, colour: str) -> str:
        """The tray that does not have that colour.

        Raises:
            KeyError: there is none of that colour, so it may be either.
        """
        if colour not in self.row:
            raise KeyError(colour)
        return next(one for one in self.row if one != colour)
