# SPDX-License-Identifier: Apache-2.0
"""What may be asked for at the table with cubes, in many words: each form of instruction, its phrasings, what it means.

Forms are those of :mod:`wall_oss_ros.sim.phrasing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wall_oss_ros.sim.cubes.goals import CubeGoal
from wall_oss_ros.sim.cubes.scene import TABLE, TRAYS
from wall_oss_ros.sim.cubes.seen import Seen
from wall_oss_ros.sim.goals import COLOURS
from wall_oss_ros.sim.phrasing import Form, Phrasing, Words

_SIDE = 0.02  # m from the middle of the table: nearer to it, no tray is the nearer one

ORDINALS = {
    "leftmost cube": 0,
    "rightmost cube": -1,
    "middle cube": 1,
    "first cube from the left": 0,
    "second cube from the left": 1,
    "third cube from the left": 2,
}
"""How a cube is named by its place in the row, with its number from the robot's left."""
WARM = ("red", "yellow")
"""What "sort by colour" puts in the left tray; the other colours go to the right."""
SLOTS: Mapping[str, Sequence[str]] = {
    "c": COLOURS, "d": COLOURS, "t": tuple(TRAYS), "u": tuple(TRAYS), "o": tuple(ORDINALS),
}  # fmt: skip
"""What may stand in a phrase's slots; c and d are different colours, t and u mean the same or different trays."""


def into(colour: str, tray: str) -> CubeGoal:
    return CubeGoal("place", colour, tray)


def _two(words: Words, _: Seen) -> list[CubeGoal]:
    return [into(words["c"], words["t"]), into(words["d"], words["u"])]


def _out(words: Words, seen: Seen) -> list[CubeGoal] | None:
    lying = seen.lying(f"{words['t']} tray")
    return [CubeGoal("table", lying[0])] if len(lying) == 1 else None


def _stack(words: Words, seen: Seen) -> list[CubeGoal] | None:
    carrying = {place.removesuffix(" cube") for place in seen.where.values() if place.endswith(" cube")}
    if carrying & {words["c"], words["d"]}:
        return None  # what carries a cube is not moved, and carries no other
    return [CubeGoal("stack", words["c"], on=words["d"])]


def _all(words: Words, seen: Seen) -> list[CubeGoal]:
    return [into(colour, words["t"]) for colour in seen.colours]


def _except(words: Words, seen: Seen) -> list[CubeGoal]:
    return [into(colour, words["t"]) for colour in seen.colours if colour != words["c"]]


def _rest(words: Words, seen: Seen) -> list[CubeGoal] | None:
    if words["t"] == words["u"]:
        return None
    return [into(words["c"], words["t"]), *_except({"c": words["c"], "t": words["u"]}, seen)]


def _clear(_: Words, seen: Seen) -> list[CubeGoal] | None:
    lying = seen.lying(TABLE)
    if not lying or any(abs(seen.at[colour][1]) < _SIDE for colour in lying):
        return None
    return [into(colour, "left" if seen.at[colour][1] > 0 else "right") for colour in lying]


def _sort(_: Words, seen: Seen) -> list[CubeGoal]:
    return [into(colour, "left" if colour in WARM else "right") for colour in seen.colours]


def _swap(words: Words, seen: Seen) -> list[CubeGoal] | None:
    """By way of the table: one hand holds one cube."""
    first, second = words["c"], words["d"]
    places = [seen.where.get(colour, "").removesuffix(" tray") for colour in (first, second)]
    if {*places} != {*TRAYS}:
        return None
    return [CubeGoal("table", first), into(second, places[0]), into(first, places[1])]


def _ordinal(words: Words, seen: Seen) -> list[CubeGoal] | None:
    row, word = seen.from_left(), words["o"]
    if len(row) < 2 or (len(row) < 3 and word.startswith(("middle", "third"))):
        return None
    return [into(row[ORDINALS[word]], words["t"])]


def _beside(words: Words, seen: Seen) -> list[CubeGoal] | None:
    found = seen.next_to(words["c"])
    return None if found is None else [into(found, words["t"])]


FORMS: Mapping[str, Form] = {
    "pick": Form(
        0.08,
        ("pick up the {c} cube", "grasp the {c} cube", "lift the {c} cube"),
        ("take the {c} cube", "lift up the {c} cube"),
        lambda words, _: [CubeGoal("pick", words["c"])],
    ),
    "place": Form(
        0.30,
        (
            "put the {c} cube in the {t} tray",
            "place the {c} cube in the {t} tray",
            "put the {c} cube into the {t} tray",
            "move the {c} cube to the {t} tray",
            "pick up the {c} cube and place it in the {t} tray",
        ),
        ("place the {c} cube into the {t} tray", "take the {c} cube and put it in the {t} tray"),
        lambda words, _: [into(words["c"], words["t"])],
    ),
    "two": Form(
        0.10,
        (
            "put the {c} cube in the {t} tray and the {d} cube in the {u} tray",
            "put the {c} cube in the {t} tray, then put the {d} cube in the {u} tray",
            "move the {c} cube to the {t} tray and the {d} cube to the {u} tray",
        ),
        ("place the {c} cube in the {t} tray, then place the {d} cube in the {u} tray",),
        _two,
    ),
    "table": Form(
        0.07,
        (
            "put the {c} cube on the table",
            "put the {c} cube back on the table",
            "place the {c} cube on the table",
        ),
        ("move the {c} cube to the table",),
        lambda words, _: [CubeGoal("table", words["c"])],
    ),
    "out": Form(
        0.03,
        ("take the cube out of the {t} tray", "put the cube in the {t} tray back on the table"),
        ("move the cube in the {t} tray to the table",),
        _out,
    ),
    "stack": Form(
        0.08,
        (
            "put the {c} cube on the {d} cube",
            "stack the {c} cube on the {d} cube",
            "place the {c} cube on top of the {d} cube",
        ),
        ("put the {c} cube on top of the {d} cube",),
        _stack,
    ),
    "all": Form(
        0.06,
        (
            "put all cubes in the {t} tray",
            "put all the cubes in the {t} tray",
            "move every cube to the {t} tray",
            "put everything in the {t} tray",
        ),
        ("place all the cubes in the {t} tray", "move everything to the {t} tray"),
        _all,
    ),
    "except": Form(
        0.06,
        (
            "put all cubes except the {c} one in the {t} tray",
            "put everything but the {c} cube in the {t} tray",
            "put the cubes that are not {c} in the {t} tray",
        ),
        ("move all cubes except the {c} one to the {t} tray",),
        _except,
    ),
    "rest": Form(
        0.05,
        (
            "put the {c} cube in the {t} tray and the others in the {u} tray",
            "put the {c} cube in the {t} tray and the rest in the {u} tray",
        ),
        ("move the {c} cube to the {t} tray and all the others to the {u} tray",),
        _rest,
    ),
    "clear": Form(0.04, ("clear the table", "tidy up the table"), ("clear up the table",), _clear),
    "sort": Form(
        0.03, ("sort the cubes by colour", "sort all cubes by colour"), ("sort all the cubes by colour",), _sort
    ),
    "swap": Form(
        0.03,
        ("swap the {c} cube and the {d} cube", "swap the {c} and the {d} cube"),
        ("swap the {c} cube with the {d} cube",),
        _swap,
    ),
    "ordinal": Form(
        0.05,
        ("put the {o} in the {t} tray", "move the {o} to the {t} tray"),
        ("place the {o} in the {t} tray",),
        _ordinal,
    ),
    "beside": Form(
        0.02,
        ("put the cube next to the {c} one in the {t} tray", "move the cube next to the {c} cube to the {t} tray"),
        ("place the cube next to the {c} one in the {t} tray",),
        _beside,
    ),
}  # fmt: skip


BY_SIGHT = ("out", "clear", "swap", "ordinal", "beside")
"""Forms whose plan depends on what is where."""
_SAYING = {("pick",): "pick", ("place",): "place", ("table",): "table", ("stack",): "stack", ("place", "place"): "two"}
"""Which form names goals of these kinds, one by one."""


def say(rng: np.random.Generator, goals: Sequence[CubeGoal]) -> str | None:
    """An instruction that names the goals; None where no form does."""
    form = _SAYING.get(tuple(goal.kind for goal in goals))
    if form is None:
        return None
    first, last = goals[0], goals[-1]
    words = {"c": first.colour, "d": last.on or last.colour, "t": first.tray, "u": last.tray}
    return str(rng.choice(FORMS[form].phrases)).format(**words)


UNCLEAR: Mapping[str, str] = {
    "pick up the cube": "which cube?",
    "grasp a cube": "which cube?",
    "put the cube in the {t} tray": "which cube?",
    "put a cube in the {t} tray": "which cube?",
    "put the {c} cube in the tray": "which tray?",
    "move the {c} cube to a tray": "which tray?",
    "put the {c} cube in the left tray and the right tray": "which tray?",
    "put the {c} cube in the left or the right tray": "which tray?",
}
"""Instructions that leave open what is meant, and what is asked back."""

SENSELESS = (
    "put the {t} tray in the {c} cube", "put the {c} cube in the {c} tray", "put the {c} cube on the {c} cube",
    "pick up the {t} tray", "put the table in the {t} tray", "stack the {t} tray on the {c} cube",
    "put the gripper in the {t} tray", "pick up the {c} tray", "put the {c} cube under the table",
    "put all trays in the {c} cube",
)  # fmt: skip
"""Instructions in known words that cannot be followed."""


NAMES = {"c": "colour", "d": "colour 2", "t": "tray", "u": "tray", "o": "ordinal"}
"""The slots as ``known_sentences`` of a config.json calls them."""
PHRASING = Phrasing(FORMS, SLOTS, UNCLEAR, SENSELESS, unknown=Seen({}, {}))
draw, meaning, unclear, senseless = PHRASING.draw, PHRASING.meaning, PHRASING.unclear, PHRASING.senseless
