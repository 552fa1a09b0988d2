# SPDX-License-Identifier: Apache-2.0
"""What may be asked for at the table with wide trays and a bar, in many words: each form, its phrasings, what it means.

Forms are those of :mod:`wall_oss_ros.sim.phrasing`. Two hands lift one tray at a time; a bar is handed from one to the
other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wall_oss_ros.sim.goals import COLOURS
from wall_oss_ros.sim.lifting.goals import HANDS, LiftGoal, down, give, lay, lift
from wall_oss_ros.sim.lifting.scene import SIGNS, LiftingSpec
from wall_oss_ros.sim.lifting.seen import Seen
from wall_oss_ros.sim.phrasing import Form, Phrasing, Words

NEARNESS = {"near": 0, "far": -1}
ORDINALS = {
    "nearest tray": 0,
    "farthest tray": -1,
    "first tray from the robot": 0,
    "second tray from the robot": 1,
}
"""How a tray is named by its place in the row, with its number from the robot."""
SLOTS: Mapping[str, Sequence[str]] = {
    "c": COLOURS, "d": COLOURS, "n": tuple(NEARNESS), "o": tuple(ORDINALS), "h": HANDS,
}  # fmt: skip
"""What may stand in a phrase's slots; c and d are different colours."""


def _it(_: Words, seen: Seen) -> list[LiftGoal] | None:
    return [down(colour) for colour in seen.held] if len(seen.held) == 1 else None


def _up_and_down(colour: str) -> list[LiftGoal]:
    return [lift(colour), down(colour)]


def _exchange(words: Words, seen: Seen) -> list[LiftGoal]:
    return [*_up_and_down(words["c"]), lift(seen.other(words["c"]))]


def _each(_: Words, seen: Seen) -> list[LiftGoal]:
    return [*_up_and_down(seen.nth(0)), *_up_and_down(seen.nth(1))]


def _if_bar(seen: Seen, *goals: LiftGoal) -> list[LiftGoal] | None:
    return [*goals] if seen.bar else None


FORMS: Mapping[str, Form] = {
    "lift": Form(
        0.32,
        (
            "lift the {c} tray",
            "lift the {c} tray with both hands",
            "pick up the {c} tray",
            "raise the {c} tray",
            "take the {c} tray and lift it",
        ),
        ("raise the {c} tray with both hands", "pick up the {c} tray with both hands", "lift up the {c} tray"),
        lambda words, _: [lift(words["c"])],
    ),
    "near": Form(
        0.10,
        ("lift the {n} tray", "pick up the {n} tray", "take the {n} tray and lift it"),
        ("raise the {n} tray", "lift the {n} tray with both hands"),
        lambda words, seen: [lift(seen.nth(NEARNESS[words["n"]]))],
    ),
    "other": Form(
        0.08,
        ("lift the tray that is not {c}", "lift the other tray, not the {c} one"),
        ("raise the tray that is not {c}", "pick up the other tray, not the {c} one"),
        lambda words, seen: [lift(seen.other(words["c"]))],
    ),
    "ordinal": Form(
        0.08,
        ("lift the {o}", "pick up the {o}"),
        ("raise the {o}", "take the {o} and lift it"),
        lambda words, seen: [lift(seen.nth(ORDINALS[words["o"]]))],
    ),
    "down": Form(
        0.10,
        ("put the {c} tray down", "put down the {c} tray", "lower the {c} tray onto the table"),
        ("set the {c} tray down", "put the {c} tray on the table"),
        lambda words, _: [down(words["c"])],
    ),
    "down it": Form(0.06, ("put it down", "put the tray down on the table"), ("lower it onto the table",), _it),
    "up and down": Form(
        0.10,
        (
            "lift the {c} tray, then put it down",
            "lift the {c} tray and put it down again",
            "raise the {c} tray, then lower it onto the table",
        ),
        ("pick up the {c} tray, then put it down again",),
        lambda words, _: _up_and_down(words["c"]),
    ),
    "one by one": Form(
        0.08,
        (
            "lift the {c} tray, put it down, then lift the {d} tray",
            "lift the {c} tray and put it down, then lift the {d} tray",
        ),
        ("raise the {c} tray, put it down, then raise the {d} tray",),
        lambda words, _: [*_up_and_down(words["c"]), lift(words["d"])],
    ),
    "exchange": Form(
        0.04,
        ("lift the {c} tray, put it down, then lift the other tray",),
        ("raise the {c} tray, put it down, then raise the other tray",),
        _exchange,
    ),
    "each": Form(
        0.04,
        ("lift each tray and put it down again", "lift both trays one by one, the near tray first"),
        ("raise each tray and put it down again",),
        _each,
    ),
    "hand": Form(
        0.12,
        ("hand the bar to the {h} hand", "pass the bar to the {h} hand"),
        ("give the bar to the {h} hand",),
        lambda words, seen: _if_bar(seen, give(words["h"])),
    ),
    "lay": Form(
        0.03,
        ("lay the bar down", "put the bar down"),
        ("put the bar on the table",),
        lambda _, seen: _if_bar(seen, lay()),
    ),
    "hand and lay": Form(
        0.06,
        ("hand the bar to the {h} hand, then lay it down", "pass the bar to the {h} hand and lay it on the table"),
        ("give the bar to the {h} hand, then lay it on the table",),
        lambda words, seen: _if_bar(seen, give(words["h"]), lay()),
    ),
    "hand and lift": Form(
        0.04,
        ("hand the bar to the {h} hand, lay it down, then lift the {c} tray",),
        ("give the bar to the {h} hand, lay it down, then raise the {c} tray",),
        lambda words, seen: _if_bar(seen, give(words["h"]), lay(), lift(words["c"])),
    ),
}  # fmt: skip
HELD = ("down", "down it", "lay")
"""Forms that ask for something only while something is in a hand; a scene begins with empty hands."""
WITH_BAR = ("hand", "lay", "hand and lay", "hand and lift")
"""Forms that need a bar."""
_BARS = 0.35
"""Share of scenes with one, where no form asks for it."""
STARTING = tuple(name for name in FORMS if name not in HELD)

UNCLEAR: Mapping[str, str] = {
    "lift the tray": "which tray?",
    "pick up a tray": "which tray?",
    "raise a tray with both hands": "which tray?",
    "lift one of the trays": "which tray?",
    "lift the {c} or the {d} tray": "which tray?",
    "take the {h} tray and lift it": "which tray?",
}
"""Instructions that leave open what is meant, and what is asked back: trays stand one behind the other."""

SENSELESS = (
    "lift the table", "lift the {c} hand", "put the table down", "put the {c} tray in the {h} hand in the {c} tray",
    "raise the table with both hands", "lift the {c} tray with the {c} hand", "put the {h} hand down on the {c} one",
    "lift the {c} tray and the {d} tray", "lift both trays", "lift the {c} tray under the table",
)  # fmt: skip
"""Instructions in known words that cannot be followed; nor can one that wants two trays lifted at once."""

NAMES = {"c": "colour", "d": "colour 2", "n": "nearness", "o": "ordinal", "h": "hand"}
"""The slots as ``known_sentences`` of a config.json calls them."""
PHRASING = Phrasing(FORMS, SLOTS, UNCLEAR, SENSELESS, unknown=Seen(()))
draw, meaning, unclear, senseless = PHRASING.draw, PHRASING.meaning, PHRASING.unclear, PHRASING.senseless


UNFOLLOWABLE = ("absent", "unclear", "senseless")
"""Names a tray that is not there; leaves open what is meant; makes no sense."""


def begun(scene: LiftingSpec) -> Seen:
    """A scene as it begins."""
    return Seen((scene.colours[scene.near], scene.colours[1 - scene.near]), bar=scene.bar is not None)


def scene_with_instruction(
    rng: np.random.Generator, forms: Sequence[str] = (), unseen: bool = False
) -> tuple[LiftingSpec, str, str, list[LiftGoal]]:
    """A random scene and an instruction for which there is something to do: its form, its words, its goals.

    Args:
        forms: of ``STARTING``, alike often; of all of them, by their shares, where there are none.
        unseen: in words that training does not show.
    """
    while True:
        scene = LiftingSpec.random_with_bar(rng, 1.0 if {*forms} & {*WITH_BAR} else _BARS)
        form, text, goals = draw(rng, begun(scene), forms=forms, unseen=unseen)
        if goals[0].kind == "give" and scene.bar.y * SIGNS[goals[0].to] > 0:
            continue  # it is on the side of the hand that is to get it
        if form in STARTING:
            return scene, form, text, goals


def scene_without_instruction(rng: np.random.Generator, form: str) -> tuple[LiftingSpec, str, str]:
    """A random scene, an instruction of one of the forms ``UNFOLLOWABLE``, and what is right to do about it: it is
    ``refused`` or ``asked back``."""
    scene = LiftingSpec.random(rng)
    if form == "unclear":
        return scene, unclear(rng)[0], "asked back"
    if form == "senseless":
        return scene, senseless(rng), "refused"
    missing = str(rng.choice(begun(scene).missing))
    return scene, str(rng.choice(FORMS["lift"].phrases)).format(c=missing), "refused"
