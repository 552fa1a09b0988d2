# SPDX-License-Identifier: Apache-2.0
"""Goals of which some are reached already on a frame.

Of goals drawn at random hardly any is: a model that is asked by them alone never learns to say of several that they are
done. So goals are chosen after the fact, by where the cubes are (hindsight, arXiv 1707.01495).
"""

from __future__ import annotations

import numpy as np

from wall_oss_ros.sim.cubes.goals import CubeGoal
from wall_oss_ros.sim.cubes.scene import TABLE, TRAYS
from wall_oss_ros.sim.cubes.seen import Seen

_COUNTS, _SHARES = (1, 2, 3), (0.25, 0.35, 0.4)
_SWAPPED = 0.12
_IN_ORDER = 0.65
"""Share in which goals are reached one after the other, as in a run to which nothing happened."""
_GRIPPER = "gripper"


def goals_in_progress(rng: np.random.Generator, seen: Seen) -> list[CubeGoal]:
    """One goal a cube, or two cubes swapped by way of the table; any number of them reached."""
    if rng.random() < _SWAPPED:
        return _swapped(rng, seen)
    colours = list(map(str, rng.permutation(seen.colours)))
    colours.sort(key=lambda colour: seen.where[colour].endswith(" cube") and rng.random() < 0.7, reverse=True)
    colours = colours[: rng.choice(_COUNTS, p=_SHARES)]
    reached = int(rng.integers(len(colours) + 1))
    in_order = rng.random() < _IN_ORDER
    if in_order:  # what is held is what is worked at
        held = next((colour for colour in colours if seen.where[colour] == _GRIPPER), None)
        if held is not None:
            colours.remove(held)
            reached = min(reached, len(colours))
            colours.insert(reached, held)
    else:
        rng.shuffle(colours)
    done = [number < reached if in_order else rng.random() < 0.5 for number in range(len(colours))]
    return [_reached(seen, colour) if so else _other(rng, seen, colour) for colour, so in zip(colours, done)]


def _reached(seen: Seen, colour: str) -> CubeGoal:
    """What was wanted of a cube that should be where it is."""
    place = seen.where[colour]
    if place == _GRIPPER:
        return CubeGoal("pick", colour)
    if place == TABLE:
        return CubeGoal("table", colour)
    if place.endswith(" cube"):
        return CubeGoal("stack", colour, on=place.removesuffix(" cube"))
    return CubeGoal("place", colour, place.removesuffix(" tray"))


def _other(rng: np.random.Generator, seen: Seen, colour: str) -> CubeGoal:
    """What may be wanted of a cube that is somewhere else."""
    places = [f"{side} tray" for side in TRAYS for _ in range(4)] + [TABLE]
    if f"{colour} cube" not in seen.where.values():  # what carries a cube is not put on one
        places += [f"{other} cube" for other in seen.colours if other != colour]
    place = str(rng.choice([one for one in places if one != seen.where[colour]]))
    return _reached(Seen({**seen.where, colour: place}, seen.at), colour)


def _swapped(rng: np.random.Generator, seen: Seen) -> list[CubeGoal]:
    first, second = map(str, rng.permutation(seen.colours)[:2])
    trays = list(map(str, rng.permutation(tuple(TRAYS))))
    if (lies := seen.where[second].removesuffix(" tray")) in TRAYS and rng.random() < 0.7:
        trays.sort(key=lambda side: side != lies)
    return [CubeGoal("table", first), CubeGoal("place", second, trays[0]), CubeGoal("place", first, trays[1])]
