# SPDX-License-Identifier: Apache-2.0
"""Which of several ways to compute is the fastest, by a measurement that is short and may be disturbed.

The ways run in turns, and the shortest time of each part counts: other work on the machine only ever adds to a time.
The first one is the usual; another must be faster by a clear margin. What is far behind is not run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from wall_oss_ros.policy.sample_layers import PARTS
from wall_oss_ros.policy.ways import Way

MARGIN, ROUNDING_MARGIN = 0.9, 0.8
"""Of the usual one's time: what another may take at most to replace it, and what one may that rounds more."""
HOPELESS = 2.0
"""Times the best one's time: what takes longer is not run again, and fewer threads are not tried."""
MOST_ROUNDS, TWICE = 40, 2
"""No way is judged by one run, unless the time has been exceeded twice."""


@dataclass(frozen=True)
class Runner:
    """A way on a number of threads."""

    way: Way
    threads: int

    def __str__(self) -> str:
        return f"{self.way}, {self.threads} thread{'s' * (self.threads > 1)}"


@dataclass
class Race:
    """
    Args:
        seconds: of a runner's part, by one run.
        spent: so far, s.
        budget: s, after which no third run of a way is begun, and after twice that none at all but the usual one's.
    """

    seconds: Callable[[Way, int, str], float]
    spent: Callable[[], float]
    budget: float
    best: dict[Runner, dict[str, float]] = field(default_factory=dict)

    def total(self, runner: Runner) -> float:
        """Of a whole chunk's layers, s; of what was measured only in part, too much."""
        found = self.best.get(runner, {})
        return sum(found.values()) if len(found) == len(PARTS) else float("inf")

    def run(self, runners: Sequence[Runner], falling: bool = False) -> Runner:
        """The winner: the first one, unless another is faster by the margin.

        Args:
            falling: whether each has fewer threads than the one before, so that behind a hopeless one is none to try.
        """
        for count in range(MOST_ROUNDS):
            for runner in runners:
                over = self.spent() / self.budget
                if (count >= TWICE and over > 1) or (runner != runners[0] and over > TWICE):
                    return self._winner(runners)
                if count == 0 or not self._behind(runner, runners):
                    self._measure(runner, runners)
                if falling and self._behind(runner, runners):
                    break
        return self._winner(runners)

    def _measure(self, runner: Runner, runners: Sequence[Runner]) -> None:
        limit = HOPELESS * min(map(self.total, runners))
        found = self.best.setdefault(runner, {})
        for part in PARTS:
            found[part] = min(found.get(part, float("inf")), self.seconds(runner.way, runner.threads, part))
            if len(found) < len(PARTS) and sum(found.values()) > limit:
                return  # its other parts need not be known

    def _behind(self, runner: Runner, runners: Sequence[Runner]) -> bool:
        return self.total(runner) > HOPELESS * min(map(self.total, runners))

    def _winner(self, runners: Sequence[Runner]) -> Runner:
        first = runners[0]
        clear = [other for other in runners[1:] if self.total(other) < margin(first, other) * self.total(first)]
        return min(clear, key=self.total, default=first)


def margin(usual: Runner, other: Runner) -> float:
    """The share of the usual one's time within which another replaces it."""
    rounds = torch.finfo(other.way.weights).eps > torch.finfo(usual.way.weights).eps
    return ROUNDING_MARGIN if rounds else MARGIN


def fewer(threads: int) -> list[int]:
    """The number, and each time half of it, down to 1."""
    found = [threads]
    while found[-1] > 1:
        found.append(found[-1] // 2)
    return found


def decide(race: Race, usual: Way, ways: Sequence[Way], threads: int, free: bool) -> Runner:
    """The way and the number of threads.

    Args:
        usual: what to keep in doubt, the first of ``ways``.
        threads: how many there are; free: whether fewer may be taken.
    """
    chosen = race.run([Runner(way, threads) for way in ways])
    if not free or threads == 1:
        return chosen
    fastest = race.run([Runner(chosen.way, count) for count in fewer(threads)], falling=True)
    if fastest == chosen:
        return chosen
    again = race.run([Runner(way, fastest.threads) for way in ways])  # what packs well on one need not on many
    return again if race.total(again) <= race.total(fastest) else fastest
