# SPDX-License-Identifier: Apache-2.0
"""Frames of the two-handed task: where hands and trays are, what the expert would do, and what is said of it.

Arms are in the profile's order (first right, then left), trays in the scene's, views in the profile's. Positions in m
in the arms' common base frame.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.sim.goals import ANY_COLOUR, COLOURS, Goal, Language, absent, index_of, point
from wall_oss_ros.sim.steps import HORIZON

ARMS, TRAYS, VIEWS = 2, 2, 3
RIGHT, LEFT = 0, 1
"""Indices of the arms."""
ACTING = slice(0, 14)
"""The entries of the 20-D layout that the task moves: left arm and gripper, right arm and gripper."""

LIFT_FRAME = np.dtype(
    [
        ("tcps", "f4", (ARMS, 3)),  # tool centre points
        ("rotations", "f4", (ARMS, 3)),  # Euler xyz from the tool's home orientation, rad
        ("openings", "f4", ARMS),  # between the fingers, m
        ("colours", "i1", TRAYS),  # index into sim.goals.COLOURS of each tray
        ("trays", "f4", (TRAYS, 4)),  # x, y, z and yaw (rad) of the middle of each tray's floor
        ("raised", "f4", TRAYS),  # how far each floor is above where it rests on the table, m
        ("near", "i1"),  # index of the tray that stood nearer to the robot when the scene began
        ("gripped", "?", (TRAYS, ARMS)),  # whether this arm's fingers hold this tray
        ("tilt", "f4", TRAYS),  # of each tray, from level, rad
        ("tray_pixels", "f4", (VIEWS, TRAYS, 2)),  # x, y of each tray's middle in each view; NaN outside it
        ("hand_pixels", "f4", (VIEWS, ARMS, 2)),  # x, y of each tool centre point; NaN outside
        # The expert's: take tray 0, take tray 1, lift tray 0, lift tray 1; the ACTING entries of the layout.
        ("chunks", "f4", (4, HORIZON, 14)),
    ]
)

TEMPLATES = (
    "lift the {c} tray",
    "lift the {c} tray",
    "lift the {c} tray with both hands",
    "pick up the {c} tray",
    "raise the {c} tray",
    "take the {c} tray and lift it",
)
SIDES = ("right", "left")
"""The arms' names, in the frame's order."""
VIEW_WORDS = ("", " in the left wrist view", " in the right wrist view")
"""How questions name the views, in the frame's order; nothing is said of the front view."""

RAISED = 0.10
"""A tray this high (m) above where it rested counts as lifted, if it is level and in both hands."""
LEVEL = math.radians(10)
CALLED = 0.12
"""From this height on (m), the lifting is called done; above ``RAISED``, so that a little early is still right."""


def take_text(colour: str) -> str:
    return f"take the {colour} tray with both hands"


def lift_text(colour: str) -> str:
    return f"lift the {colour} tray"


@dataclass(frozen=True)
class LiftGoal(Goal):
    """``kind`` is ``lift``: the wide tray of that colour is held level above the table by two hands."""

    def text(self) -> str:
        return lift_text(self.colour)

    def subtasks(self) -> list[str]:
        return [take_text(self.colour), lift_text(self.colour)]


_HANDS = "(?: with both hands)?"
_LIFT = re.compile(
    rf"(?:take|grasp) (?:the )?{ANY_COLOUR} tray{_HANDS} and lift it"
    rf"|(?:lift|raise|pick up) (?:the )?{ANY_COLOUR} tray{_HANDS}"
)


class LiftLanguage(Language):
    """Of wide trays and two hands."""

    thing = "tray"
    example = "lift the red tray"
    usage = 'Use "lift the COLOUR tray"'
    nonsense_words = (
        "lift raise pick up take the the tray trays red green blue yellow with both hands and it left right hand near "
        "far table all none point where is what"
    ).split()
    absent_in_plans = 0.25
    texts = (
        *TEMPLATES, *nonsense_words, *COLOURS, *SIDES, *VIEW_WORDS, "point to", "where is", "what do the hands hold",
        "which trays are there", "locate the trays",
    )  # fmt: skip

    instructions = tuple(dict.fromkeys(template.replace("{c}", "{colour}") for template in TEMPLATES))
    questions = (
        "Where is the {colour} tray?",
        "What do the hands hold?",
        "Point to the {colour} tray.",
    )

    def __init__(self):
        self.material = {
            "reason": (0.28, self.reason),
            "where": (0.24, self.where),
            "point_front": (0.20, self.point_front),
            "point_wrist": (0.10, self.point_wrist),
            "plan": (0.06, self.plan),
            "in_hands": (0.06, self.in_hands),
            "locate": (0.04, self.locate),
            "which_trays": (0.02, self.which),
        }

    def goals(self, colours: Sequence[str]) -> list[LiftGoal]:
        return [LiftGoal("lift", colour) for colour in colours]

    def random_goal(self, rng: np.random.Generator, colours: Sequence[str]) -> LiftGoal:
        return LiftGoal("lift", str(rng.choice(colours)))

    def parse_clause(self, clause: str) -> LiftGoal | None:
        match = _LIFT.fullmatch(clause)
        return LiftGoal("lift", match[1] or match[2]) if match else None

    def parse(self, text: str, seen: Any = None) -> list[LiftGoal]:
        named = super().parse(text, seen)
        if len(named) > 1:
            raise WallOSSError(f'"{text}" names {len(named)} trays, but two hands lift one.', f"{self.usage}.")
        return named

    def instruction(
        self, rng: np.random.Generator, frame: np.void, absent_share: float = 0.08
    ) -> tuple[str, list[LiftGoal]]:
        present = [COLOURS[i] for i in frame["colours"]]
        others = [c for c in COLOURS if c not in present]
        goal = LiftGoal("lift", str(rng.choice(others if rng.random() < absent_share else present)))
        return str(rng.choice(TEMPLATES)).format(c=goal.colour), [goal]

    def goal_state(self, frame: np.void, goal: LiftGoal, raised: float = CALLED) -> str:
        """The subtask that ``goal`` calls for now, ``done``, or what is wrong with it.

        A tray that slipped out of a hand has to be taken again. ``raised``: from what height on it is done, m.
        """
        tray = index_of(frame, goal.colour)
        if tray is None:
            return absent(goal.colour, self.thing)
        if not frame["gripped"][tray].all():
            return take_text(goal.colour)
        lifted = frame["raised"][tray] >= raised and frame["tilt"][tray] <= LEVEL
        return prompts.DONE if lifted else lift_text(goal.colour)

    def reached(self, frame: np.void, goals: Sequence[LiftGoal]) -> bool:
        """Whether all goals are reached now."""
        return all(self.goal_state(frame, goal, RAISED) == prompts.DONE for goal in goals)

    def point_front(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        asks_for_tray = rng.random() < 0.75
        return _point(frame, 0, int(rng.integers(TRAYS)) if asks_for_tray else None, int(rng.integers(ARMS)))

    def point_wrist(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        return _point(frame, int(rng.integers(1, VIEWS)), int(rng.integers(TRAYS)))

    def locate(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        """Both trays with their places."""
        order = np.argsort(frame["colours"])
        return prompts.ask_suffix("Locate the trays."), ", ".join(
            f"{COLOURS[frame['colours'][i]]} {point(frame['tray_pixels'][0, i])}" for i in order
        )

    def place_of(self, frame: np.void, index: int) -> str:
        """Near or far says which of two trays is meant, and so where the hands have to go."""
        hands = _held_by(frame, index)
        place = "near" if frame["near"] == index else "far"
        return f"{place}, in {hands}" if hands else place

    def in_hands(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        held = [(i, _held_by(frame, i)) for i in np.argsort(frame["colours"]) if frame["gripped"][i].any()]
        answer = ", ".join(f"the {COLOURS[frame['colours'][i]]} tray in {hands}" for i, hands in held)
        return prompts.ask_suffix("What do the hands hold?"), answer or "nothing"


def _point(frame: np.void, view: int, tray: int | None, arm: int = 0) -> tuple[str, str]:
    """Asks for a tray, or for a hand where ``tray`` is None."""
    if tray is None:
        name, pixel = f"{SIDES[arm]} hand", frame["hand_pixels"][view, arm]
    else:
        name, pixel = f"{COLOURS[frame['colours'][tray]]} tray", frame["tray_pixels"][view, tray]
    return prompts.ask_suffix(f"Point to the {name}{VIEW_WORDS[view]}."), point(pixel)


def _held_by(frame: np.void, tray: int) -> str | None:
    """The hands that hold a tray, in words; None when none does."""
    held = frame["gripped"][tray]
    if held.all():
        return "both hands"
    return f"the {SIDES[int(held.argmax())]} hand" if held.any() else None


LANGUAGE = LiftLanguage()
