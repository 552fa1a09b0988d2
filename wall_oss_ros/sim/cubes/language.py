# SPDX-License-Identifier: Apache-2.0
"""Frames of the table with cubes: where everything is, what the expert would do, and what is said of it.

Positions in m in the arm's base frame.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from wall_oss_ros.policy import prompts
from wall_oss_ros.sim.environment import HORIZON
from wall_oss_ros.sim.goals import ANY_COLOUR, COLOURS, NOT_IN_VIEW, Goal, Language, absent, index_of, point

PLACES = ("table", "left tray", "right tray", "gripper")
"""Where a cube can be; ``FRAME["where"]`` holds the index."""

FRAME = np.dtype(
    [
        ("tcp", "f4", 3),  # tool centre point, m, base frame
        ("rotation", "f4", 3),  # Euler xyz from the tool's home orientation, rad
        ("opening", "f4"),  # between the fingers, m
        ("colours", "i1", 3),  # index into sim.goals.COLOURS of each cube
        ("cubes", "f4", (3, 3)),  # cube centres, m, base frame
        ("where", "i1", 3),  # index into PLACES
        ("trays", "f4", (2, 2)),  # centres of the left and the right tray, m, base frame
        ("cube_pixels", "f4", (3, 2)),  # x, y in the front view; NaN outside it
        ("cube_wrist_pixels", "f4", (3, 2)),  # x, y in the wrist view; NaN outside it
        ("tray_pixels", "f4", (2, 2)),
        ("hand_pixel", "f4", 2),
        # The expert's: pick up cube 0, 1, 2, place left, place right; the arm's entries of the layout.
        ("chunks", "f4", (5, HORIZON, 7)),
    ]
)

TRAYS = ("left", "right")
PLACE_TEMPLATES = (
    "put the {c} cube in the {t} tray",
    "put the {c} cube in the {t} tray",
    "place the {c} cube in the {t} tray",
    "put the {c} cube into the {t} tray",
    "move the {c} cube to the {t} tray",
    "pick up the {c} cube and place it in the {t} tray",
)
PICK_TEMPLATES = ("pick up the {c} cube", "grasp the {c} cube", "lift the {c} cube")

LIFTED = 0.08
"""A held cube's centre above this height (m) counts as picked up."""
CLEAR = 0.06
"""The hand is clear of a placed cube when its tool centre is this far (m) above it, or farther aside."""


def pick_text(colour: str) -> str:
    return f"pick up the {colour} cube"


def place_text(tray: str) -> str:
    return f"place it in the {tray} tray"


@dataclass(frozen=True)
class CubeGoal(Goal):
    """``kind`` is ``pick`` (the cube is held above the table) or ``place`` (it rests in ``tray``)."""

    def text(self) -> str:
        return pick_text(self.colour) if self.kind == "pick" else f"put the {self.colour} cube in the {self.tray} tray"

    def subtasks(self) -> list[str]:
        lines = [pick_text(self.colour)]
        return lines if self.kind == "pick" else [*lines, place_text(self.tray)]


_COLOUR = f"(?:the )?{ANY_COLOUR} cube"
_TRAY = f"(?:in|into|to) the ({'|'.join(TRAYS)}) tray"
_PLACE = re.compile(rf"(?:(?:put|place|move|pick up) )?{_COLOUR}(?: and (?:place|put) it)? {_TRAY}")
_PICK = re.compile(rf"(?:pick up|grasp|lift) {_COLOUR}")


class CubeLanguage(Language):
    """Of cubes, trays and a gripper."""

    thing = "cube"
    example = "put the red cube in the left tray"
    usage = 'Use "put the COLOUR cube in the left|right tray" or "pick up the COLOUR cube"'
    nonsense_words = (
        "put place move pick up grasp lift the the cube cubes tray trays left right red green blue yellow in into to "
        "and table gripper it all none point where is what"
    ).split()
    absent_in_plans = 0.15
    texts = (
        *PLACE_TEMPLATES, *PICK_TEMPLATES, *nonsense_words, *COLOURS, *TRAYS, "then",
        "point to the gripper in wrist view", "where is the cube", "what is in the gripper", "which cubes are there",
        "locate the cubes",
    )  # fmt: skip

    slots = MappingProxyType({"tray": TRAYS})
    instructions = (
        "{put|place|move} the {colour} cube {in|into|to} the {tray} tray",
        "pick up the {colour} cube and {place|put} it {in|into} the {tray} tray",
        "{pick up|grasp|lift} the {colour} cube",
        "{put|place} the {colour} cube in the {tray} tray{ and| and then| and put|, then put| then put} "
        "the {colour 2} cube in the {tray} tray",
    )
    questions = (
        "Where is the {colour} cube?",
        "What is in the gripper?",
        "Point to the {colour} cube.",
        "Point to the {tray} tray.",
    )

    def __init__(self):
        self.material = {
            "point_front": (0.24, self.point_front),
            "reason": (0.24, self.reason),
            "where": (0.22, self.where),
            "point_wrist": (0.14, self.point_wrist),
            "plan": (0.06, self.plan),
            "in_gripper": (0.04, self.in_gripper),
            "locate": (0.04, self.locate),
            "which_cubes": (0.02, self.which),
        }

    def goals(self, colours: Sequence[str]) -> list[CubeGoal]:
        return [CubeGoal("place", colour, tray) for colour in colours for tray in TRAYS]

    def random_goal(self, rng: np.random.Generator, colours: Sequence[str]) -> CubeGoal:
        return CubeGoal("place", str(rng.choice(colours)), str(rng.choice(TRAYS)))

    def parse_clause(self, clause: str) -> CubeGoal | None:
        if match := _PLACE.fullmatch(clause):
            return CubeGoal("place", match[1], match[2])
        match = _PICK.fullmatch(clause)
        return CubeGoal("pick", match[1]) if match else None

    def instruction(
        self, rng: np.random.Generator, frame: np.void, absent_share: float = 0.06
    ) -> tuple[str, list[CubeGoal]]:
        present = [COLOURS[i] for i in frame["colours"]]
        others = [c for c in COLOURS if c not in present]

        def colour() -> str:
            return str(rng.choice(others if others and rng.random() < absent_share else present))

        kind = rng.random()
        if kind < 0.15:
            goal = CubeGoal("pick", colour())
            return str(rng.choice(PICK_TEMPLATES)).format(c=goal.colour), [goal]
        if kind < 0.85:
            goal = CubeGoal("place", colour(), str(rng.choice(TRAYS)))
            return str(rng.choice(PLACE_TEMPLATES)).format(c=goal.colour, t=goal.tray), [goal]
        first, second = rng.permutation(present)[:2]
        goals = [
            CubeGoal("place", str(first), str(rng.choice(TRAYS))),
            CubeGoal("place", str(second), str(rng.choice(TRAYS))),
        ]
        join = str(rng.choice([" and the {} cube in the {} tray", ", then put the {} cube in the {} tray"]))
        text = f"put the {first} cube in the {goals[0].tray} tray" + join.format(second, goals[1].tray)
        return text, goals

    def goal_state(self, frame: np.void, goal: CubeGoal) -> str:
        """The subtask that ``goal`` calls for now, ``done``, or what is wrong with it.

        Everything follows from what the views show, so the model can learn to say it: a cube that was dropped has to be
        picked up again, one that is being let go in its tray is not yet placed.
        """
        cube = index_of(frame, goal.colour)
        if cube is None:
            return absent(goal.colour, self.thing)
        position, where = frame["cubes"][cube], PLACES[frame["where"][cube]]
        pick = goal.subtasks()[0]
        held = where == "gripper"
        if goal.kind == "pick":
            return prompts.DONE if held and position[2] > LIFTED else pick
        tray = frame["trays"][TRAYS.index(goal.tray)]
        over_tray = bool(np.abs(position[:2] - tray).max() < 0.075)
        if held:
            return goal.subtasks()[1] if over_tray or position[2] > LIFTED else pick
        if where == f"{goal.tray} tray":
            away = frame["tcp"] - position
            clear = away[2] > CLEAR or np.hypot(away[0], away[1]) > CLEAR
            return prompts.DONE if clear else goal.subtasks()[1]
        return pick

    def point_front(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        drawn = rng.random()
        if drawn < 0.7:
            i = int(rng.integers(3))
            name, pixel = f"{COLOURS[frame['colours'][i]]} cube", frame["cube_pixels"][i]
        elif drawn < 0.9:
            i = int(rng.integers(2))
            name, pixel = f"{TRAYS[i]} tray", frame["tray_pixels"][i]
        else:
            name, pixel = "gripper", frame["hand_pixel"]
        return prompts.ask_suffix(f"Point to the {name}."), point(pixel)

    def point_wrist(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        i = int(rng.integers(3))
        question = f"Point to the {COLOURS[frame['colours'][i]]} cube in the wrist view."
        return prompts.ask_suffix(question), point(frame["cube_wrist_pixels"][i])

    def locate(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        """All cubes with their places: the densest lesson in what is where."""
        visible = [i for i in np.argsort(frame["colours"]) if np.isfinite(frame["cube_pixels"][i]).all()]
        answer = ", ".join(f"{COLOURS[frame['colours'][i]]} {point(frame['cube_pixels'][i])}" for i in visible)
        return prompts.ask_suffix("Locate the cubes."), answer or NOT_IN_VIEW

    def place_of(self, frame: np.void, index: int) -> str:
        place = PLACES[frame["where"][index]]
        return f"on the {place}" if place == "table" else f"in the {place}"

    def in_gripper(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        held = np.flatnonzero(frame["where"] == PLACES.index("gripper"))
        answer = f"the {COLOURS[frame['colours'][held[0]]]} cube" if len(held) else "nothing"
        return prompts.ask_suffix("What is in the gripper?"), answer


LANGUAGE = CubeLanguage()
