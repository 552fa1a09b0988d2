# SPDX-License-Identifier: Apache-2.0
"""Statistics as physical ranges of each degree of freedom, and what looks wrong in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wall_oss_ros.policy.fit import TURN
from wall_oss_ros.policy.normalizer import Normalizer

UNITS = {  # the first whose key is in the degree of freedom's name; by the layout of the released models
    "rotation": "rad",
    "_rot": "rad",
    "head": "rad",
    "gripper": "m",
    "pos": "m",
    "height": "m",
}
MOST = {"rad": TURN, "m": 10.0, "gripper": 0.5}
"""Beyond these, a number is hardly in rad or m; a gripper that opens half a metre has not been seen."""
FINE = 1e-3
"""Below a range of 1 mm or 1 mrad, a model is mostly shown noise."""


@dataclass(frozen=True)
class Entry:
    """One number of a state or an action."""

    name: str
    unit: str
    low: float
    high: float
    note: str = ""  # why there is no range to speak of

    @property
    def used(self) -> bool:
        return not self.note


def unit_of(name: str) -> str:
    """rad, m, or nothing where the name does not tell."""
    return next((unit for key, unit in UNITS.items() if key in name), "")


def entries(layout: Mapping[str, int], normalizer: Normalizer) -> list[Entry]:
    """One for each number, in the order of the layout."""
    low, high = normalizer.bounds()
    found = []
    for name, size in layout.items():
        for index in range(size):
            at = len(found)
            note = "" if normalizer.varies[at] else "no range"
            if normalizer.kind == "min_max" and (low[at], high[at]) == (0, 1):
                note = "0 to 1: never set"  # what the public code writes where its data had no such entry
            label = name if size == 1 else f"{name}[{index}]"
            found.append(Entry(label, unit_of(name), float(low[at]), float(high[at]), note))
    return found


def suspicions(what: str, layout: Mapping[str, int], normalizer: Normalizer) -> Iterator[str]:
    """Args: what: ``state`` or ``action``, to begin the sentences with."""
    found, start = entries(layout, normalizer), 0
    if not any(entry.used for entry in found):
        yield f"{what}: nothing has a range"
    for name, size in layout.items():
        group, start = found[start : start + size], start + size
        used = [entry for entry in group if entry.used]
        if used and len(used) < size:
            yield f"{what} {name}: {size - len(used)} of {size} entries have no range"
        most = MOST.get("gripper" if "gripper" in name else unit_of(name), float("inf"))
        for entry in used:
            span = f"{entry.low:.4g} to {entry.high:.4g} {entry.unit}"
            if max(abs(entry.low), abs(entry.high)) > most:
                units = "degrees?" if entry.unit == "rad" else "millimetres, or a unit of its own?"
                yield f"{what} {entry.name}: {span}; {units}"
            elif entry.high - entry.low < FINE:
                yield f"{what} {entry.name}: {span} is so narrow that noise is blown up"
