# SPDX-License-Identifier: Apache-2.0
"""Language about a frame of the table with cubes: instructions, the subtask called for, plans, questions with answers.

Each maker takes one record of :data:`wall_oss_ros.sim.cubes.frames.FRAME` and gives (prompt suffix, answer). This is
the model's Inspiration material: pointing, naming and judging are what tie words to pixels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from wall_oss_ros.policy import prompts
from wall_oss_ros.sim import goals as shared
from wall_oss_ros.sim.cubes.frames import PLACES
from wall_oss_ros.sim.goals import COLOURS, Goal, index_of, plan_text, point

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
NONSENSE_WORDS = (
    "put place move pick up grasp lift the the cube cubes tray trays left right red green blue yellow in into to and "
    "table gripper it all none point where is what"
).split()

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

    thing: ClassVar[str] = "cube"

    def text(self) -> str:
        return pick_text(self.colour) if self.kind == "pick" else f"put the {self.colour} cube in the {self.tray} tray"

    def subtasks(self) -> list[str]:
        lines = [pick_text(self.colour)]
        return lines if self.kind == "pick" else [*lines, place_text(self.tray)]


def goals(colours: Sequence[str]) -> list[CubeGoal]:
    """All that may be asked for where there are cubes of these colours."""
    return [CubeGoal("place", colour, tray) for colour in colours for tray in TRAYS]


def random_goal(rng: np.random.Generator, colours: Sequence[str]) -> CubeGoal:
    """One of them."""
    return CubeGoal("place", str(rng.choice(colours)), str(rng.choice(TRAYS)))


_COLOUR = f"(?:the )?{shared.ANY_COLOUR} cube"
_TRAY = f"(?:in|into|to) the ({'|'.join(TRAYS)}) tray"
_PLACE = re.compile(rf"(?:(?:put|place|move|pick up) )?{_COLOUR}(?: and (?:place|put) it)? {_TRAY}")
_PICK = re.compile(rf"(?:pick up|grasp|lift) {_COLOUR}")


def _parse_clause(clause: str) -> CubeGoal | None:
    if match := _PLACE.fullmatch(clause):
        return CubeGoal("place", match[1], match[2])
    match = _PICK.fullmatch(clause)
    return CubeGoal("pick", match[1]) if match else None


parse = partial(
    shared.parse_clauses,
    parse=_parse_clause,
    example="put the red cube in the left tray",
    usage='Use "put the COLOUR cube in the left|right tray" or "pick up the COLOUR cube"',
)
"""The goals that an instruction names, see :func:`wall_oss_ros.sim.goals.parse_clauses`."""


def goal_state(frame: np.void, goal: CubeGoal) -> str:
    """The subtask that ``goal`` calls for now, ``done``, or what is wrong with it.

    Everything follows from what the views show, so the model can learn to say it: a cube that was dropped has to be
    picked up again, one that is being let go in its tray is not yet placed.
    """
    cube = index_of(frame, goal.colour)
    if cube is None:
        return shared.absent(goal.colour, goal.thing)
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


def active_subtask(frame: np.void, goals: Sequence[CubeGoal]) -> str:
    """The subtask called for by several goals in order: that of the first which is not done."""
    return shared.first_undone([goal_state(frame, goal) for goal in goals])


def instruction(rng: np.random.Generator, frame: np.void, absent_share: float = 0.06) -> tuple[str, list[CubeGoal]]:
    """A random instruction about the frame; now and then about a cube that is not there."""
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


def reason(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    text, goals = instruction(rng, frame)
    return prompts.reason_suffix(text), active_subtask(frame, goals)


def plan(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    if rng.random() < 0.15:
        return prompts.plan_suffix(shared.nonsense(rng, NONSENSE_WORDS)), prompts.NOT_UNDERSTOOD
    text, goals = instruction(rng, frame, absent_share=0.15)
    return prompts.plan_suffix(text), plan_text(frame, goals)


def point_front(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
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


def point_wrist(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    i = int(rng.integers(3))
    question = f"Point to the {COLOURS[frame['colours'][i]]} cube in the wrist view."
    return prompts.ask_suffix(question), point(frame["cube_wrist_pixels"][i])


def locate(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    """All cubes with their places: the densest lesson in what is where."""
    visible = [i for i in np.argsort(frame["colours"]) if np.isfinite(frame["cube_pixels"][i]).all()]
    answer = ", ".join(f"{COLOURS[frame['colours'][i]]} {point(frame['cube_pixels'][i])}" for i in visible)
    return prompts.ask_suffix("Locate the cubes."), answer or shared.NOT_IN_VIEW


def where(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    colour = COLOURS[int(rng.integers(len(COLOURS)))]
    cube = index_of(frame, colour)
    if cube is None:
        answer = shared.absent(colour, "cube")
    else:
        place = PLACES[frame["where"][cube]]
        answer = f"on the {place}" if place == "table" else f"in the {place}"
    return prompts.ask_suffix(f"Where is the {colour} cube?"), answer


def in_gripper(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    held = np.flatnonzero(frame["where"] == PLACES.index("gripper"))
    answer = f"the {COLOURS[frame['colours'][held[0]]]} cube" if len(held) else "nothing"
    return prompts.ask_suffix("What is in the gripper?"), answer


def which_cubes(rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
    names = [COLOURS[i] for i in sorted(frame["colours"])]
    return prompts.ask_suffix("Which cubes are there?"), ", ".join(names)


MATERIAL: shared.Material = {
    "point_front": (0.24, point_front),
    "reason": (0.24, reason),
    "where": (0.22, where),
    "point_wrist": (0.14, point_wrist),
    "plan": (0.06, plan),
    "in_gripper": (0.04, in_gripper),
    "locate": (0.04, locate),
    "which_cubes": (0.02, which_cubes),
}
sample = partial(shared.draw, MATERIAL)
"""One random language sample about a frame, see :func:`wall_oss_ros.sim.goals.draw`."""


def vocabulary() -> list[str]:
    """Every word that instructions and questions are made of; a user's other words are unknown to the model."""
    texts = [*PLACE_TEMPLATES, *PICK_TEMPLATES, *NONSENSE_WORDS, *COLOURS, *TRAYS, "then"]
    texts += ["point to the gripper in wrist view", "where is the cube", "what is in the gripper"]
    texts += ["which cubes are there", "locate the cubes"]
    words = " ".join(texts).replace("{c}", "").replace("{t}", "").split()
    return sorted(set(words))
