# SPDX-License-Identifier: Apache-2.0
"""What is plotted: numbers over the last minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

WINDOW = 60.0  # s
_STEP = 0.2  # s: as fine as a plot of a minute shows


class Trace:
    """Rows of numbers over time, the newest minute of them, about five a second.

    Args:
        largest: whether the largest of the numbers between two rows is kept, as of forces, instead of the newest.
    """

    def __init__(self, largest: bool = False):
        self._largest = largest
        self._rows: deque[tuple[float, list[float]]] = deque()

    def add(self, time: float, values: Sequence[float]) -> None:
        """Takes in a row; ``time`` in s. A time that lies before the last row's begins anew."""
        row = [float(value) for value in values]
        if self._rows and time < self._rows[-1][0]:
            self._rows.clear()
        if len(self._rows) > 1 and time - self._rows[-2][0] < _STEP:
            _, last = self._rows.pop()
            row = np.fmax(last, row).tolist() if self._largest else row
        self._rows.append((time, row))
        while time - self._rows[0][0] > WINDOW:
            self._rows.popleft()

    def shown(self, now: float) -> list[list[float | None]]:
        """Rows of the last minute: the time relative to ``now``, s, and the numbers, None where not finite."""
        return [
            [round(time - now, 2), *(round(x, 5) if np.isfinite(x) else None for x in row)]
            for time, row in self._rows
            if now - time <= WINDOW
        ]


class Traces:
    """All that is plotted of a robot.

    Args:
        arms: their names, in the profile's order.
        forces: what each arm may meet at most, N; None where nothing measures it.
    """

    def __init__(self, arms: Sequence[str], forces: Sequence[float | None]):
        self._arms, self._limits = arms, forces
        self.latency = Trace()
        self.force = [Trace(largest=True) for _ in arms]
        self.tool = [Trace() for _ in arms]
        self._chunks: list[deque[list[list[float]]]] = [deque() for _ in arms]

    def add_chunk(self, arm: int, begins: float, period: float, points: Sequence[Sequence[float]]) -> None:
        """What a chunk has the tool of an arm do: points (n, 3), m, each ``period`` s after the one before."""
        chunks = self._chunks[arm]
        chunks.append([[begins + (k + 1) * period, *map(float, point)] for k, point in enumerate(points)])
        while chunks and (begins - chunks[0][-1][0] > WINDOW or begins < chunks[0][0][0] - WINDOW):
            chunks.popleft()

    def shown(self, now: float) -> dict:
        """The plots; times are relative to ``now``, in the robot's clock, s."""
        arms = []
        for number, name in enumerate(self._arms):
            chunks = [
                [[round(row[0] - now, 2), *(round(x, 4) if np.isfinite(x) else None for x in row[1:])] for row in rows]
                for rows in self._chunks[number]
                if rows and now - rows[-1][0] <= WINDOW
            ]
            arms.append(
                {
                    "name": name, "tool": self.tool[number].shown(now), "chunks": chunks[-120:],
                    "force": self.force[number].shown(now), "limit": self._limits[number],
                }
            )  # fmt: skip
        return {"latency": self.latency.shown(now), "arms": arms, "window": WINDOW}
