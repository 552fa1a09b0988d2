# SPDX-License-Identifier: Apache-2.0
"""How well observations come: well only if they really do, at about the wanted rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from wall_oss_ros.perception.rates import RateMeter

_SLOW = 0.8  # of the wanted rate
_REMEMBERED = 2.0  # s: how long a reason is told


class Verdict(NamedTuple):
    """How well, in one line, and with the figures."""

    level: Literal["ok", "warn", "error"]
    message: str
    rate: float
    jitter: float


class ObservationHealth:
    """Counts observations, and remembers why there were none.

    Rates are by the node's clock, since a simulation may be slow; silence is by a steady one, since it may stand still.

    Args:
        wanted: observations a second, Hz.
        steady: s of a clock that never stops.
    """

    def __init__(self, wanted: float, steady: float):
        self._wanted, self._last = wanted, steady
        self._meter = RateMeter(window=3.0)
        self._reasons: dict[str, float] = {}
        self._any = False

    def made(self, now: float, steady: float) -> None:
        """An observation was made. now, steady: s of the node's and of the steady clock."""
        self._meter.tick(now)
        self._last, self._any = steady, True

    def failed(self, why: str, steady: float) -> None:
        """Images that belong together made no observation, or something else was wrong with what came in."""
        self._reasons[why] = steady

    def verdict(self, now: float, steady: float, faults: Sequence[str], complaints: Sequence[str]) -> Verdict:
        """The state of things.

        Args:
            faults: what forbids observations.
            complaints: what is wrong besides.
        """
        self._reasons = {why: when for why, when in self._reasons.items() if steady - when <= _REMEMBERED}
        rate, jitter = self._meter.measure(now)
        silence = steady - self._last
        said = list(dict.fromkeys((*faults, *self._reasons, *complaints)))
        if faults:
            return Verdict("error", "; ".join(said), rate, jitter)
        if silence > max(1.0, 3.0 / self._wanted):
            none = f"no observations for {silence:.1f} s" if self._any else "no observations yet"
            reasons = "; ".join(said) or "neither views nor joint states say why: does the clock stand still?"
            return Verdict("error", f"{none}: {reasons}", 0.0, 0.0)
        if rate == 0.0:  # fewer than three
            said = said or ["observations have just begun"]
        elif rate < _SLOW * self._wanted:
            said.insert(0, f"{rate:.1f} observations a second, {self._wanted:g} wanted")
        if said:
            return Verdict("warn", "; ".join(said), rate, jitter)
        return Verdict("ok", f"{rate:.1f} observations a second", rate, jitter)
