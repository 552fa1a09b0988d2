# SPDX-License-Identifier: Apache-2.0
"""What may be asked for at the table with cubes, in many words: each form of instruction, its phrasings, what it means.

What an instruction means may depend on what stands where ("the leftmost cube", "all the others"); so a form looks at a
frame. Phrasings under ``unseen`` are never shown in training: evaluation asks with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from wall_oss_ros.sim.cubes.goals import CubeGoal
from wall_oss_ros.sim.cubes.scene import TABLE, TRAYS
from wall_oss_ros.sim.cubes.seen import Seen
from wall_oss_ros.sim.goals import COLOURS

_SIDE = 0.02  # m from the middle of the table: nearer to it, no tray is the nearer one

WARM = ("red", "yellow")
"""What "sort by colour" puts in the left tray; the other colours go to the right."""


def into(colour: str, tray: str) -> CubeGoal:
    return CubeGoal("place", colour, tray)


class Meant(NamedTuple):
    """What a drawn instruction says (the words of its slots), and what it asks for."""

    slots: Mapping[str, str]
    goals: list[CubeGoal]


class Form(NamedTuple):
    """A form of instruction.

    Attributes:
        share: of the instructions that are drawn.
        phrases: in training; ``unseen``: in evaluation alone. Slots are in braces.
        draw: what it is to mean on a frame; None where the frame does not allow it. Colours come from the second
            argument, which now and then names one that is not there.
    """

    share: float
    phrases: tuple[str, ...]
    unseen: tuple[str, ...]
    draw: Callable[[np.random.Generator, Callable[[], str], Seen], Meant | None]


def _tray(rng: np.random.Generator) -> str:
    return str(rng.choice(tuple(TRAYS)))


def _other(tray: str) -> str:
    return next(side for side in TRAYS if side != tray)


def _pick(rng, colour, seen):
    c = colour()
    return Meant({"c": c}, [CubeGoal("pick", c)])


def _place(rng, colour, seen):
    c, t = colour(), _tray(rng)
    return Meant({"c": c, "t": t}, [into(c, t)])


def _two(rng, colour, seen):
    c, d = map(str, rng.permutation(seen.colours)[:2])
    t, u = _tray(rng), _tray(rng)
    return Meant({"c": c, "t": t, "d": d, "u": u}, [into(c, t), into(d, u)])


def _table(rng, colour, seen):
    c = colour()
    return Meant({"c": c}, [CubeGoal("table", c)])


def _stack(rng, colour, seen):
    c, d = map(str, rng.permutation(seen.colours)[:2])
    if any(place == f"{colour} cube" for colour in (c, d) for place in seen.where.values()):
        return None  # what carries a cube is not moved, and carries no other
    return Meant({"c": c, "d": d}, [CubeGoal("stack", c, on=d)])


def _all(rng, colour, seen):
    t = _tray(rng)
    return Meant({"t": t}, [into(c, t) for c in seen.colours])


def _except(rng, colour, seen):
    c, t = str(rng.choice(seen.colours)), _tray(rng)
    return Meant({"c": c, "t": t}, [into(other, t) for other in seen.colours if other != c])


def _rest(rng, colour, seen):
    c, t = str(rng.choice(seen.colours)), _tray(rng)
    others = [into(other, _other(t)) for other in seen.colours if other != c]
    return Meant({"c": c, "t": t, "u": _other(t)}, [into(c, t), *others])


def _clear(rng, colour, seen):
    lying = seen.lying(TABLE)
    if not lying or any(abs(seen.at[c][1]) < _SIDE for c in lying):
        return None
    return Meant({}, [into(c, "left" if seen.at[c][1] > 0 else "right") for c in lying])


def _sort(rng, colour, seen):
    return Meant({}, [into(c, "left" if c in WARM else "right") for c in seen.colours])


def _swap(rng, colour, seen):
    left, right = seen.lying("left tray"), seen.lying("right tray")
    if not left or not right:
        return None
    pair = [(str(rng.choice(left)), "left"), (str(rng.choice(right)), "right")]
    (c, t), (d, u) = pair if rng.random() < 0.5 else pair[::-1]
    return Meant({"c": c, "d": d}, [CubeGoal("table", c), into(d, t), into(c, u)])


def _ordinal(rng, colour, seen):
    row = seen.from_left()
    if len(row) < 2:
        return None
    names = {"leftmost": row[0], "rightmost": row[-1], "first": row[0], "second": row[1]}
    if len(row) == 3:
        names |= {"middle": row[1], "third": row[2]}
    word = str(rng.choice(list(names)))
    from_left = " from the left" if word in ("first", "second", "third") else ""
    t = _tray(rng)
    return Meant({"o": word, "f": from_left, "t": t}, [into(names[word], t)])


def _beside(rng, colour, seen):
    c, t = str(rng.choice(seen.colours)), _tray(rng)
    found = seen.next_to(c)
    return None if found is None else Meant({"c": c, "t": t}, [into(found, t)])


def _out(rng, colour, seen):
    t = _tray(rng)
    lying = seen.lying(f"{t} tray")
    return Meant({"t": t}, [CubeGoal("table", lying[0])]) if len(lying) == 1 else None


FORMS: Mapping[str, Form] = {
    "pick": Form(
        0.08,
        ("pick up the {c} cube", "grasp the {c} cube", "lift the {c} cube"),
        ("take the {c} cube", "lift up the {c} cube"),
        _pick,
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
        _place,
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
        _table,
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
        ("put the {o} cube{f} in the {t} tray", "move the {o} cube{f} to the {t} tray"),
        ("place the {o} cube{f} in the {t} tray",),
        _ordinal,
    ),
    "beside": Form(
        0.02,
        ("put the cube next to the {c} one in the {t} tray", "move the cube next to the {c} cube to the {t} tray"),
        ("place the cube next to the {c} one in the {t} tray",),
        _beside,
    ),
}  # fmt: skip
_NAMES = tuple(FORMS)
_SHARES = np.array([form.share for form in FORMS.values()]) / sum(form.share for form in FORMS.values())


def draw(
    rng: np.random.Generator,
    seen: Seen,
    absent_share: float = 0.0,
    forms: Sequence[str] = (),
    unseen: bool = False,
) -> tuple[str, str, list[CubeGoal]]:
    """A random instruction about a frame: its form, its words, what it asks for.

    Args:
        absent_share: how often a form that names one colour names one that no cube has.
        forms: of these, alike often; of all, by their shares, where there are none.
        unseen: in words that training does not show.

    Raises:
        ValueError: the frame allows none of ``forms``.
    """

    def colour() -> str:
        absent = seen.missing and rng.random() < absent_share
        return str(rng.choice(seen.missing if absent else seen.colours))

    for _ in range(100):
        name = str(rng.choice(forms)) if forms else _NAMES[rng.choice(len(_NAMES), p=_SHARES)]
        form = FORMS[name]
        if (meant := form.draw(rng, colour, seen)) is not None:
            phrase = str(rng.choice(form.unseen if unseen else form.phrases))
            return name, phrase.format(**meant.slots), meant.goals
    raise ValueError(f"the scene allows no instruction of the form {', '.join(forms)}")


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


def unclear(rng: np.random.Generator) -> tuple[str, str]:
    """One of them, and what is asked back."""
    text = str(rng.choice(list(UNCLEAR)))
    return _filled(rng, text), UNCLEAR[text]


def senseless(rng: np.random.Generator) -> str:
    return _filled(rng, str(rng.choice(SENSELESS)))


def _filled(rng: np.random.Generator, text: str) -> str:
    return text.format(c=rng.choice(COLOURS), t=_tray(rng))
