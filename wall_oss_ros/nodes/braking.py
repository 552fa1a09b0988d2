# SPDX-License-Identifier: Apache-2.0
"""How a node that ceases to work brings to rest what would not come to rest by itself."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wall_oss_ros.control.guard import HOLD

_PATIENCE = 2 * HOLD  # s, after which it is given up


@dataclass(frozen=True)
class Cycle:
    """Something that moves, and is told its next position alone.

    Attributes:
        period: s between its commands.
        last: when it had the last one, s of steady time.
        step: tells it the next one; whether it needs a further one.
    """

    period: float
    last: float
    step: Callable[[], bool]


def come_to_rest(cycles: Sequence[Cycle], steady: Callable[[], float]) -> None:
    """Goes on with cycles, each at its own pace, until all rest. Nothing else of the node runs meanwhile, for ``HOLD`` s.

    Args:
        steady: gives the present time.
    """
    end = steady() + _PATIENCE
    due = [(cycle.last + cycle.period, number) for number, cycle in enumerate(cycles)]
    heapq.heapify(due)
    while due and due[0][0] < end:
        when, number = heapq.heappop(due)
        when = max(when, steady())  # late ones are not made up for
        time.sleep(max(0.0, when - steady()))
        if cycles[number].step():
            heapq.heappush(due, (when + cycles[number].period, number))
