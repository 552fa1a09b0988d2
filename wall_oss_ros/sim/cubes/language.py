# SPDX-License-Identifier: Apache-2.0
"""Frames of the table with cubes: where everything is, what the expert would do, and what is said of it.

Positions in m in the arm's base frame.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.known_sentences import normalise
from wall_oss_ros.sim.cubes import instructions
from wall_oss_ros.sim.cubes.goals import CubeGoal, pick_text, place_text
from wall_oss_ros.sim.cubes.progress import goals_in_progress
from wall_oss_ros.sim.cubes.scene import TABLE, TRAYS
from wall_oss_ros.sim.cubes.seen import Seen
from wall_oss_ros.sim.goals import ANY_COLOUR, COLOURS, NOT_IN_VIEW, Language, absent, box, index_of, lines_of, point
from wall_oss_ros.sim.steps import HORIZON

PLACES = (TABLE, *(f"{side} tray" for side in TRAYS), "gripper", *(f"{colour} cube" for colour in COLOURS))
"""Where a cube can be; ``FRAME["where"]`` holds the index."""
ARM = slice(7, 14)
"""The entries of the 20-D layout that the task moves."""

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
        ("cube_boxes", "f4", (3, 4)),  # left, top, right, bottom in the front view; NaN where any of it is outside
        ("tray_pixels", "f4", (2, 2)),
        ("hand_pixel", "f4", 2),
        # The expert's: pick up cube 0, 1, 2, place left, right, on the table, on cube 0, 1, 2; the arm's entries.
        ("chunks", "f4", (9, HORIZON, 7)),
    ]
)

LIFTED = 0.08
"""A held cube's centre above this height (m) counts as picked up."""
CLEAR = 0.06
"""The hand is clear of a placed cube when its tool centre is this far (m) above it, or farther aside."""
_SIDES = tuple(TRAYS)
_SAID = 0.2
"""Share of goals in progress that are asked about in an instruction's words, where one says them."""
_OVER = 0.04
"""A held cube within this (m) of another one is over it."""

_COLOUR = f"(?:the )?{ANY_COLOUR} cube"
_TRAY = f"(?:in|into|to) the ({'|'.join(TRAYS)}) tray"
_PLACE = re.compile(rf"(?:(?:put|place|move|pick up) )?{_COLOUR}(?: and (?:place|put) it)? {_TRAY}")
_PICK = re.compile(rf"(?:pick up|grasp|lift) {_COLOUR}")
_TABLE = re.compile(rf"(?:put|place|move) {_COLOUR} (?:back )?(?:on|to) the table")
_STACK = re.compile(rf"(?:put|place|stack) {_COLOUR} on (?:top of )?{_COLOUR}")


def subtask_texts(frame: np.void) -> list[str]:
    """What may be done on a frame, in the order of its chunks."""
    colours = [COLOURS[index] for index in frame["colours"]]
    return [*map(pick_text, colours), *map(place_text, (*TRAYS, TABLE, *colours))]


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
        *instructions.PHRASING.texts, *nonsense_words, *COLOURS, *TRAYS, "then",
        "point to the gripper in wrist view", "where is the cube", "what is in the gripper", "which cubes are there",
        "locate the cubes", "how many cubes are on", "is the cube left of the right of the on the in the",
        "draw a box around the cube", "what comes next to",
    )  # fmt: skip

    phrasing, slot_names = instructions.PHRASING, instructions.NAMES
    slots = MappingProxyType({"tray": _SIDES})
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

    question_templates = MappingProxyType(
        {
            "where": ("Where is the {colour} cube?",),
            "in_gripper": ("What is in the gripper?",),
            "point_front": ("Point to the {colour} cube.", "Point to the {tray} tray.", "Point to the gripper."),
            "point_wrist": ("Point to the {colour} cube in the wrist view.",),
            "box": ("Draw a box around the {colour} cube.",),
            "locate": ("Locate the cubes.",),
            "which_cubes": ("Which cubes are there?",),
            "how_many": ("How many cubes are {place}?",),
            "side": ("Is the {colour} cube {side} of the {colour 2} cube?",),
            "inside": (
                "Is the {colour} cube {place}?",
                "Is the {colour} cube in the gripper?",
            ),
        }
    )

    question_slots = MappingProxyType(
        {
            "place": ("on the table", "in the left tray", "in the right tray"),
            "side": _SIDES,
        }
    )

    def __init__(self):
        self.material = {
            "point_front": (0.19, self.point_front),
            "reason": (0.22, self.reason),
            "reason_thought": (0.06, self.reason_thought),
            "where": (0.18, self.where),
            "point_wrist": (0.12, self.point_wrist),
            "plan": (0.08, self.plan),
            "plan_thought": (0.04, self.plan_thought),
            "in_gripper": (0.03, self.in_gripper),
            "locate": (0.03, self.locate),
            "which_cubes": (0.01, self.which),
            "how_many": (0.01, self.how_many),
            "side": (0.01, self.side),
            "inside": (0.01, self.inside),
            "box": (0.01, self.box),
            "progress": (0.0, self.progress),  # these only where a recipe asks for them
            "progress_thought": (0.0, self.progress_thought),
            "plan_by_sight": (0.0, self.plan_by_sight),
        }

    def goals(self, colours: Sequence[str]) -> list[CubeGoal]:
        return [CubeGoal("place", colour, tray) for colour in colours for tray in TRAYS]

    def random_goal(self, rng: np.random.Generator, colours: Sequence[str]) -> CubeGoal:
        return CubeGoal("place", str(rng.choice(colours)), str(rng.choice(_SIDES)))

    def look(self, frame: np.void) -> Seen:
        colours = [COLOURS[index] for index in frame["colours"]]
        where = {colour: PLACES[place] for colour, place in zip(colours, frame["where"])}
        return Seen(where, dict(zip(colours, frame["cubes"])))

    def parse(self, text: str, seen: Seen | None = None) -> list[CubeGoal]:
        return instructions.meaning(normalise(text), seen) or super().parse(text, seen)

    def parse_clause(self, clause: str) -> CubeGoal | None:
        if match := _PLACE.fullmatch(clause):
            return CubeGoal("place", match[1], match[2])
        if match := _TABLE.fullmatch(clause):
            return CubeGoal("table", match[1])
        if match := _STACK.fullmatch(clause):
            return CubeGoal("stack", match[1], on=match[2]) if match[1] != match[2] else None
        match = _PICK.fullmatch(clause)
        return CubeGoal("pick", match[1]) if match else None

    def instruction(
        self, rng: np.random.Generator, frame: np.void, absent_share: float = 0.06
    ) -> tuple[str, list[CubeGoal]]:
        _, text, goals = instructions.draw(rng, self.look(frame), absent_share)
        return text, goals

    def plan_by_sight(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        """Plans of instructions that mean something only by what is where; of all, where the frame allows none."""
        try:
            _, text, goals = instructions.draw(rng, self.look(frame), forms=instructions.BY_SIGHT)
        except ValueError:
            return self.plan(rng, frame)
        return prompts.plan_suffix(text), self.plan_text(frame, goals)

    def not_followed(self, rng: np.random.Generator) -> tuple[str, str]:
        drawn = rng.random()
        if drawn < 0.4:
            return instructions.unclear(rng)
        if drawn < 0.7:
            return instructions.senseless(rng), prompts.NOT_UNDERSTOOD
        return super().not_followed(rng)

    def in_progress(self, rng: np.random.Generator, frame: np.void) -> tuple[str, list[CubeGoal]]:
        goals = goals_in_progress(rng, self.look(frame))
        said = instructions.say(rng, goals) if rng.random() < _SAID else None
        return said or prompts.steps(lines_of(goals)), goals

    def goal_state(self, frame: np.void, goal: CubeGoal) -> str:
        """The subtask that ``goal`` calls for now, ``done``, or what is wrong with it.

        Everything follows from what the views show, so the model can learn to say it: a cube that was dropped has to be
        picked up again, one that is being let go at its place is not yet placed.
        """
        for colour in goal.named:
            if index_of(frame, colour) is None:
                return absent(colour, self.thing)
        cube = index_of(frame, goal.colour)
        position, where = frame["cubes"][cube], PLACES[frame["where"][cube]]
        pick, *rest = goal.subtasks()
        held = where == "gripper"
        if goal.place is None:
            return prompts.DONE if held and position[2] > LIFTED else pick
        if held:
            return rest[0] if position[2] > LIFTED or self._over(frame, cube, goal.place) else pick
        if where == there(goal.place):
            away = frame["tcp"] - position
            clear = away[2] > CLEAR or np.hypot(away[0], away[1]) > CLEAR
            return prompts.DONE if clear else rest[0]
        return pick

    def _over(self, frame: np.void, cube: int, place: str) -> bool:
        """Whether a held cube is where it only has to sink to its place."""
        at = frame["cubes"][cube][:2]
        if place in TRAYS:
            return bool(np.abs(at - frame["trays"][_SIDES.index(place)]).max() < 0.075)
        others = np.delete(frame["cubes"][:, :2], cube, axis=0)
        if place == TABLE:
            trays = np.abs(frame["trays"] - at).max(axis=1) < 0.075
            return not trays.any() and not (np.abs(others - at).max(axis=1) < 0.03).any()
        return bool(np.hypot(*(frame["cubes"][index_of(frame, place)][:2] - at)) < _OVER)

    def active_subtask(self, frame: np.void, goals: Sequence[CubeGoal]) -> str:
        """As for any task; but a cube that is put somewhere for a while only, as when two are swapped, need not be
        there any more once a later goal is reached."""
        states = [self.goal_state(frame, goal) for goal in goals]
        for number, goal in enumerate(goals):
            later = [k for k in range(number + 1, len(goals)) if goals[k].colour == goal.colour]
            if later and any(states[k] == prompts.DONE for k in range(number + 1, later[0] + 1)):
                states[number] = prompts.DONE
        missing = next((state for state in states if state.startswith(prompts.ABSENT)), None)
        return missing or next((state for state in states if state != prompts.DONE), prompts.DONE)

    def thought(self, frame: np.void, goals: Sequence[CubeGoal]) -> str:
        """What matters on the frame: what is where, what is held, what is reached, and why the next step comes next."""
        told = []
        for index in np.argsort(frame["colours"]):
            pixel = point(frame["cube_pixels"][index]).removeprefix("<point>").removesuffix("</point>")
            told.append(f"{COLOURS[frame['colours'][index]]} {self.place_of(frame, index)} {pixel}")
        reached = [self.goal_state(frame, goal) == prompts.DONE for goal in goals]
        now = self.active_subtask(frame, goals)
        if now == prompts.DONE:
            why = "all is done"
        elif now.startswith(prompts.ABSENT):
            why = now
        else:
            goal = next(goal for goal, done in zip(goals, reached) if not done and now in goal.subtasks())
            why = f"{sum(reached)} of {len(goals)} done, the {goal.colour} cube is not yet {_aim(goal)}"
        return f"{', '.join(told)}; {why}."

    def point_front(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        drawn = rng.random()
        if drawn < 0.7:
            i = int(rng.integers(3))
            name, pixel = f"{COLOURS[frame['colours'][i]]} cube", frame["cube_pixels"][i]
        elif drawn < 0.9:
            i = int(rng.integers(2))
            name, pixel = f"{_SIDES[i]} tray", frame["tray_pixels"][i]
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
        return f"in the {place}" if place == "gripper" or place.endswith("tray") else f"on the {place}"

    def in_gripper(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        held = np.flatnonzero(frame["where"] == PLACES.index("gripper"))
        answer = f"the {COLOURS[frame['colours'][held[0]]]} cube" if len(held) else "nothing"
        return prompts.ask_suffix("What is in the gripper?"), answer

    def how_many(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        place = str(rng.choice(PLACES[:3]))
        count = int((frame["where"] == PLACES.index(place)).sum())
        preposition = "on" if place == TABLE else "in"
        return prompts.ask_suffix(f"How many cubes are {preposition} the {place}?"), str(count)

    def side(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        """Left is the robot's: +y. Cubes that hardly differ are not asked about."""
        first, second = map(int, rng.permutation(3)[:2])
        if abs(frame["cubes"][first][1] - frame["cubes"][second][1]) < 0.02:
            return self.where(rng, frame)
        word, sign = (("left", 1.0), ("right", -1.0))[int(rng.integers(2))]
        names = [COLOURS[frame["colours"][index]] for index in (first, second)]
        question = f"Is the {names[0]} cube {word} of the {names[1]} cube?"
        yes = sign * (frame["cubes"][first][1] - frame["cubes"][second][1]) > 0
        return prompts.ask_suffix(question), "yes" if yes else "no"

    def inside(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        """Half of the time, about where it is."""
        index = int(rng.integers(3))
        place = PLACES[frame["where"][index]] if rng.random() < 0.5 else str(rng.choice(PLACES[:4]))
        there = "in" if place == "gripper" or place.endswith("tray") else "on"
        if place == f"{COLOURS[frame['colours'][index]]} cube":
            return self.where(rng, frame)
        question = f"Is the {COLOURS[frame['colours'][index]]} cube {there} the {place}?"
        return prompts.ask_suffix(question), "yes" if PLACES[frame["where"][index]] == place else "no"

    def box(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        index = int(rng.integers(3))
        question = f"Draw a box around the {COLOURS[frame['colours'][index]]} cube."
        return prompts.ask_suffix(question), box(frame["cube_boxes"][index])


def there(place: str) -> str:
    """A goal's place as ``PLACES`` has it."""
    if place == TABLE:
        return place
    return f"{place} tray" if place in TRAYS else f"{place} cube"


def _aim(goal: CubeGoal) -> str:
    return "lifted" if goal.place is None else place_text(goal.place).removeprefix("place it ")


LANGUAGE = CubeLanguage()
