# SPDX-License-Identifier: Apache-2.0
"""Questions about a frame of the two-handed task, each with the answer that is right.

A question is a function of a random generator, which draws what it is about, and a frame; it gives the prompt and the
answer.
"""

from __future__ import annotations

import numpy as np

from wall_oss_ros.policy import prompts
from wall_oss_ros.sim.goals import COLOURS, point
from wall_oss_ros.sim.goals import box as boxed
from wall_oss_ros.sim.lifting.frame import ARMS, SIDES, TRAYS, VIEW_WORDS, VIEWS, stands

NO_BAR = f"{prompts.ABSENT} bar"


def point_front(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    if frame["bar_there"] and rng.random() < 0.3:
        return prompts.ask_suffix("Point to the bar."), point(frame["bar_pixels"][0])
    asks_for_tray = rng.random() < 0.75
    return point_to(frame, 0, int(rng.integers(TRAYS)) if asks_for_tray else None, int(rng.integers(ARMS)))


def point_wrist(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    view = int(rng.integers(1, VIEWS))
    if frame["bar_there"] and rng.random() < 0.3:
        return prompts.ask_suffix(f"Point to the bar{VIEW_WORDS[view]}."), point(frame["bar_pixels"][view])
    return point_to(frame, view, int(rng.integers(TRAYS)))


def locate(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    """Both trays with their places."""
    order = np.argsort(frame["colours"])
    return prompts.ask_suffix("Locate the trays."), ", ".join(
        f"{COLOURS[frame['colours'][i]]} {point(frame['tray_pixels'][0, i])}" for i in order
    )


def in_hands(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    held = [(i, held_by(frame, i)) for i in np.argsort(frame["colours"]) if frame["gripped"][i].any()]
    told = [f"the {COLOURS[frame['colours'][i]]} tray in {which}" for i, which in held]
    if frame["bar_there"] and (which := hands(frame["bar_gripped"])):
        told.append(f"the bar in {which}")
    answer = ", ".join(told)
    return prompts.ask_suffix("What do the hands hold?"), answer or "nothing"


def which_hand(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    if rng.random() < 0.3:
        held = (hands(frame["bar_gripped"]) or "none") if frame["bar_there"] else NO_BAR
        return prompts.ask_suffix("Which hand holds the bar?"), held
    tray = int(rng.integers(TRAYS))
    question = f"Which hand holds the {COLOURS[frame['colours'][tray]]} tray?"
    return prompts.ask_suffix(question), held_by(frame, tray) or "none"


def how_many(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    count = sum(stands(frame, tray) for tray in range(TRAYS))
    return prompts.ask_suffix("How many trays are on the table?"), str(count)


def held(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    tray, arm = int(rng.integers(TRAYS)), int(rng.integers(ARMS))
    question = f"Does the {SIDES[arm]} hand hold the {COLOURS[frame['colours'][tray]]} tray?"
    return prompts.ask_suffix(question), "yes" if frame["gripped"][tray, arm] else "no"


def side(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    """Which tray is nearer to the robot, which is farther."""
    order = rng.permutation(TRAYS)
    one, other = (COLOURS[frame["colours"][tray]] for tray in order)
    word = ("nearer", "farther")[int(rng.integers(2))]
    yes = (word == "nearer") == (frame["near"] == order[0])
    return prompts.ask_suffix(f"Is the {one} tray {word} than the {other} tray?"), "yes" if yes else "no"


def box(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    tray = int(rng.integers(TRAYS))
    question = f"Draw a box around the {COLOURS[frame['colours'][tray]]} tray."
    return prompts.ask_suffix(question), boxed(frame["tray_boxes"][tray])


def point_to(frame: np.void, view: int, tray: int | None, arm: int = 0) -> tuple[str, str]:
    """Asks for a tray, or for a hand where ``tray`` is None."""
    if tray is None:
        name, pixel = f"{SIDES[arm]} hand", frame["hand_pixels"][view, arm]
    else:
        name, pixel = f"{COLOURS[frame['colours'][tray]]} tray", frame["tray_pixels"][view, tray]
    return prompts.ask_suffix(f"Point to the {name}{VIEW_WORDS[view]}."), point(pixel)


def held_by(frame: np.void, tray: int) -> str | None:
    """The hands that hold a tray, in words; None when none does."""
    return hands(frame["gripped"][tray])


def hands(held: np.ndarray) -> str | None:
    """Arms (arms,) bool that hold something, in words; None where none does."""
    if held.all():
        return "both hands"
    return f"the {SIDES[int(held.argmax())]} hand" if held.any() else None
