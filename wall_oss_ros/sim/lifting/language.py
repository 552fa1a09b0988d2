# SPDX-License-Identifier: Apache-2.0
"""Frames of the two-handed task: where hands, trays and the bar are, what the expert would do, and what is said of it.

Arms are in the profile's order (first right, then left), trays in the scene's, views in the profile's. Positions in m
in the arms' common base frame.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.known_sentences import normalise
from wall_oss_ros.sim.goals import ANY_COLOUR, COLOURS, Language, absent, box, index_of, point
from wall_oss_ros.sim.lifting import instructions
from wall_oss_ros.sim.lifting.goals import (
    BAR,
    HANDS,
    STEPS,
    LiftGoal,
    bar_text,
    giving,
    laying,
    lift,
    lift_text,
    lower_text,
    take_text,
)
from wall_oss_ros.sim.lifting.scene import BAR_SIZE, GRIP, HOLDS, MIDDLE, SIDE, SIGNS, TABLE, clear_of
from wall_oss_ros.sim.lifting.seen import Seen
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
        ("tray_boxes", "f4", (TRAYS, 4)),  # left, top, right, bottom in the front view; NaN where any of it is outside
        ("bar_there", "?"),  # whether there is a bar; if not, what is said of it below means nothing
        ("bar", "f4", 4),  # x, y, z and yaw (rad) of its middle
        ("bar_gripped", "?", ARMS),  # whether this arm's fingers hold it
        ("bar_pixels", "f4", (VIEWS, 2)),  # x, y of its middle in each view; NaN outside it
        # The expert's: take tray 0 and 1, lift them, lower them, and ``goals.STEPS``; the ACTING entries of the layout.
        ("chunks", "f4", (3 * TRAYS + len(STEPS), HORIZON, 14)),
    ]
)

SIDES = HANDS
"""The arms' names, in the frame's order."""
VIEW_WORDS = ("", " in the left wrist view", " in the right wrist view")
"""How questions name the views, in the frame's order; nothing is said of the front view."""

RAISED = 0.10
"""A tray this high (m) above where it rested counts as lifted, if it is level and in both hands."""
LEVEL = math.radians(10)
CALLED = 0.12
"""From this height on (m), the lifting is called done; above ``RAISED``, so that a little early is still right."""


ON_TABLE, FLAT = 0.01, 0.03
"""A tray raised (m) and tilted (rad) no more than this stands on the table."""
_CENTRED, _HIGH = 0.04, 0.10
"""The bar is in the middle within this (m) along y, from this height (m) above its rest on."""


def subtask_texts(frame: np.void) -> list[str]:
    """What may be done on a frame, in the order of its chunks."""
    colours = [COLOURS[index] for index in frame["colours"]]
    texts = [text(colour) for text in (take_text, lift_text, lower_text) for colour in colours]
    return [*texts, *map(bar_text, STEPS)]


_HANDS = "(?: with both hands)?"
_LIFT = re.compile(
    rf"(?:take|grasp) (?:the )?{ANY_COLOUR} tray{_HANDS} and lift it"
    rf"|(?:lift|raise|pick up) (?:the )?{ANY_COLOUR} tray{_HANDS}"
)
_HEIGHT = 100  # cm in a m
NO_BAR = f"{prompts.ABSENT} bar"


class LiftLanguage(Language):
    """Of wide trays, a bar and two hands."""

    thing = "tray"
    example = "lift the red tray"
    usage = 'Use "lift the COLOUR tray", "put the COLOUR tray down", or one and then the other'
    nonsense_words = (
        "lift raise pick up take the the tray trays red green blue yellow with both hands and it left right hand near "
        "far table all none point where is what"
    ).split()
    absent_in_plans = 0.25
    texts = (
        *instructions.PHRASING.texts, *nonsense_words, *COLOURS, *SIDES, *VIEW_WORDS, "point to", "where is",
        "what do the hands hold", "which trays are there", "locate the trays", "which hand holds the tray",
        "how many trays are on", "does the hand hold the tray", "is the tray nearer than farther",
        "draw a box around the tray", "then onto", "bring to middle let go of lay down bar empty",
    )  # fmt: skip

    phrasing, slot_names = instructions.PHRASING, instructions.NAMES
    instructions = (
        "lift the {colour} tray",
        "lift the {colour} tray with both hands",
        "pick up the {colour} tray",
        "raise the {colour} tray",
        "take the {colour} tray and lift it",
    )
    questions = (
        "Where is the {colour} tray?",
        "What do the hands hold?",
        "Point to the {colour} tray.",
    )

    def __init__(self):
        self.material = {
            "reason": (0.24, self.reason),
            "reason_thought": (0.06, self.reason_thought),
            "where": (0.20, self.where),
            "point_front": (0.18, self.point_front),
            "point_wrist": (0.09, self.point_wrist),
            "plan": (0.06, self.plan),
            "plan_thought": (0.03, self.plan_thought),
            "in_hands": (0.05, self.in_hands),
            "locate": (0.03, self.locate),
            "which_trays": (0.01, self.which),
            "which_hand": (0.01, self.which_hand),
            "how_many": (0.01, self.how_many),
            "held": (0.01, self.held),
            "side": (0.01, self.side),
            "box": (0.01, self.box),
        }

    def goals(self, colours: Sequence[str]) -> list[LiftGoal]:
        return [lift(colour) for colour in colours]

    def random_goal(self, rng: np.random.Generator, colours: Sequence[str]) -> LiftGoal:
        return lift(str(rng.choice(colours)))

    def look(self, frame: np.void) -> Seen:
        colours = [COLOURS[index] for index in frame["colours"]]
        near = int(frame["near"])
        held = frozenset(colour for colour, hands in zip(colours, frame["gripped"]) if hands.any())
        return Seen((colours[near], colours[1 - near]), held, bool(frame["bar_there"]))

    def parse(self, text: str, seen: Seen | None = None) -> list[LiftGoal]:
        if named := instructions.meaning(normalise(text), seen):
            return named
        named = super().parse(text, seen)
        if len(named) > 1:
            raise WallOSSError(f'"{text}" names {len(named)} trays, but two hands lift one.', f"{self.usage}.")
        return named

    def parse_clause(self, clause: str) -> LiftGoal | None:
        match = _LIFT.fullmatch(clause)
        return lift(match[1] or match[2]) if match else None

    def instruction(
        self, rng: np.random.Generator, frame: np.void, absent_share: float = 0.08
    ) -> tuple[str, list[LiftGoal]]:
        seen, forms = self.look(frame), ()
        if not seen.bar and rng.random() < absent_share / 4:  # it is asked for, and not there
            seen, forms = replace(seen, bar=True), instructions.WITH_BAR
        _, text, goals = instructions.draw(rng, seen, absent_share, forms)
        return text, goals

    def not_followed(self, rng: np.random.Generator) -> tuple[str, str]:
        drawn = rng.random()
        if drawn < 0.4:
            return instructions.unclear(rng)
        if drawn < 0.7:
            return instructions.senseless(rng), prompts.NOT_UNDERSTOOD
        return super().not_followed(rng)

    def phases(self, goals: Sequence[LiftGoal]) -> list[list[LiftGoal]]:
        """What is done with a thing again begins a phase."""
        groups: list[list[LiftGoal]] = [[]]
        for goal in goals:
            if any(goal.colour == earlier.colour for earlier in groups[-1]):
                groups.append([])
            groups[-1].append(goal)
        return groups

    def goal_state(self, frame: np.void, goal: LiftGoal, raised: float = CALLED) -> str:
        """The subtask that ``goal`` calls for now, ``done``, or what is wrong with it.

        A tray that slipped out of a hand has to be taken again; one that was let go is down once the hands are clear of
        it. ``raised``: from what height on it is lifted, m.
        """
        if goal.colour == BAR:
            return self._bar_state(frame, goal)
        tray = index_of(frame, goal.colour)
        if tray is None:
            return absent(goal.colour, self.thing)
        if goal.kind == "down":
            clear = all(map(clear_of, frame["tcps"], walls(frame, tray)))
            return prompts.DONE if clear and not frame["gripped"][tray].any() else lower_text(goal.colour)
        if not frame["gripped"][tray].all():
            return take_text(goal.colour)
        lifted = frame["raised"][tray] >= raised and frame["tilt"][tray] <= LEVEL
        return prompts.DONE if lifted else lift_text(goal.colour)

    @staticmethod
    def _bar_state(frame: np.void, goal: LiftGoal) -> str:
        if not frame["bar_there"]:
            return NO_BAR
        gripped, y = frame["bar_gripped"], float(frame["bar"][1])
        clear = list(map(clear_of, frame["tcps"], bar_holds(frame)))
        if goal.kind == "lay":
            step = laying(gripped, clear)
        else:
            middle = at_middle(y, float(frame["bar"][2]) - TABLE - BAR_SIZE[2] / 2)
            step = giving(goal.to, gripped, clear, middle, LEFT if y > 0 else RIGHT)
        return prompts.DONE if step is None else bar_text(step)

    def missing(self, frame: np.void, goals: Sequence[LiftGoal]) -> str:
        wanted = not frame["bar_there"] and any(goal.colour == BAR for goal in goals)
        return super().missing(frame, goals) or (NO_BAR if wanted else "")

    def reached(self, frame: np.void, goals: Sequence[LiftGoal]) -> bool:
        """Whether all goals, of one phase, are reached now."""
        return all(
            self.goal_state(frame, goal, RAISED) == prompts.DONE
            and (goal.kind != "down" or stands(frame, index_of(frame, goal.colour)))
            and (goal.kind != "lay" or frame["bar"][2] < TABLE + BAR_SIZE[2])
            for goal in goals
        )

    def thought(self, frame: np.void, goals: Sequence[LiftGoal]) -> str:
        """What matters on the frame: what is where, what each hand holds, what is reached, and why the next step comes
        next. Goals are those of one phase."""
        told = [self._told(frame, index) for index in np.argsort(frame["colours"])]
        if frame["bar_there"]:
            told.append(self._bar_told(frame))
        hands = [f"{side} hand {self._holds(frame, arm)}" for arm, side in enumerate(SIDES)]
        states = [self.goal_state(frame, goal) for goal in goals]
        now = self.active_subtask(frame, goals)
        if now == prompts.DONE:
            why = "all is done"
        elif now.startswith(prompts.ABSENT):
            why = now
        else:
            goal = goals[states.index(now)]
            done, what = states.count(prompts.DONE), BAR if goal.colour == BAR else f"{goal.colour} tray"
            why = f"{done} of {len(goals)} done, the {what} is not yet {_aim(goal, now)}"
        return f"{', '.join(told)}; {', '.join(hands)}; {why}."

    def _told(self, frame: np.void, tray: int) -> str:
        """Colour, place, pixel and height of a tray."""
        pixel = point(frame["tray_pixels"][0, tray]).removeprefix("<point>").removesuffix("</point>")
        said = f"{COLOURS[frame['colours'][tray]]} {self._nearness(frame, tray)} {pixel}"
        if stands(frame, tray):
            return f"{said} on the table"
        tilted = " tilted" if frame["tilt"][tray] > LEVEL else ""
        return f"{said} {round(_HEIGHT * max(0.0, float(frame['raised'][tray])))} cm up{tilted}"

    @staticmethod
    def _holds(frame: np.void, arm: int) -> str:
        held = np.flatnonzero(frame["gripped"][:, arm])
        if frame["bar_there"] and frame["bar_gripped"][arm]:
            return BAR
        return COLOURS[frame["colours"][held[0]]] if len(held) else "empty"

    @staticmethod
    def _bar_told(frame: np.void) -> str:
        pixel = point(frame["bar_pixels"][0]).removeprefix("<point>").removesuffix("</point>")
        height = max(0.0, float(frame["bar"][2]) - TABLE - BAR_SIZE[2] / 2)
        return f"bar {pixel} {'on the table' if height < ON_TABLE else f'{round(_HEIGHT * height)} cm up'}"

    @staticmethod
    def _nearness(frame: np.void, tray: int) -> str:
        return "near" if frame["near"] == tray else "far"

    def point_front(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        if frame["bar_there"] and rng.random() < 0.3:
            return prompts.ask_suffix("Point to the bar."), point(frame["bar_pixels"][0])
        asks_for_tray = rng.random() < 0.75
        return _point(frame, 0, int(rng.integers(TRAYS)) if asks_for_tray else None, int(rng.integers(ARMS)))

    def point_wrist(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        view = int(rng.integers(1, VIEWS))
        if frame["bar_there"] and rng.random() < 0.3:
            return prompts.ask_suffix(f"Point to the bar{VIEW_WORDS[view]}."), point(frame["bar_pixels"][view])
        return _point(frame, view, int(rng.integers(TRAYS)))

    def locate(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        """Both trays with their places."""
        order = np.argsort(frame["colours"])
        return prompts.ask_suffix("Locate the trays."), ", ".join(
            f"{COLOURS[frame['colours'][i]]} {point(frame['tray_pixels'][0, i])}" for i in order
        )

    def place_of(self, frame: np.void, index: int) -> str:
        """Near or far says which of two trays is meant, and so where the hands have to go."""
        hands, place = _held_by(frame, index), self._nearness(frame, index)
        return f"{place}, in {hands}" if hands else place

    def in_hands(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        held = [(i, _held_by(frame, i)) for i in np.argsort(frame["colours"]) if frame["gripped"][i].any()]
        told = [f"the {COLOURS[frame['colours'][i]]} tray in {hands}" for i, hands in held]
        if frame["bar_there"] and (hands := _hands(frame["bar_gripped"])):
            told.append(f"the bar in {hands}")
        answer = ", ".join(told)
        return prompts.ask_suffix("What do the hands hold?"), answer or "nothing"

    def which_hand(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        if rng.random() < 0.3:
            held = (_hands(frame["bar_gripped"]) or "none") if frame["bar_there"] else NO_BAR
            return prompts.ask_suffix("Which hand holds the bar?"), held
        tray = int(rng.integers(TRAYS))
        question = f"Which hand holds the {COLOURS[frame['colours'][tray]]} tray?"
        return prompts.ask_suffix(question), _held_by(frame, tray) or "none"

    def how_many(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        count = sum(stands(frame, tray) for tray in range(TRAYS))
        return prompts.ask_suffix("How many trays are on the table?"), str(count)

    def held(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        tray, arm = int(rng.integers(TRAYS)), int(rng.integers(ARMS))
        question = f"Does the {SIDES[arm]} hand hold the {COLOURS[frame['colours'][tray]]} tray?"
        return prompts.ask_suffix(question), "yes" if frame["gripped"][tray, arm] else "no"

    def side(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        """Which tray is nearer to the robot, which is farther."""
        order = rng.permutation(TRAYS)
        one, other = (COLOURS[frame["colours"][tray]] for tray in order)
        word = ("nearer", "farther")[int(rng.integers(2))]
        yes = (word == "nearer") == (frame["near"] == order[0])
        return prompts.ask_suffix(f"Is the {one} tray {word} than the {other} tray?"), "yes" if yes else "no"

    def box(self, rng: np.random.Generator, frame: np.void) -> tuple[str, str]:
        tray = int(rng.integers(TRAYS))
        question = f"Draw a box around the {COLOURS[frame['colours'][tray]]} tray."
        return prompts.ask_suffix(question), box(frame["tray_boxes"][tray])


def walls(frame: np.void, tray: int) -> np.ndarray:
    """Where each arm grips a tray (arms, 3), m, were it level."""
    x, y, z, yaw = frame["trays"][tray]
    aside = SIDE * np.array(SIGNS)
    return np.stack([x - aside * math.sin(yaw), y + aside * math.cos(yaw), np.full(ARMS, z + GRIP)], axis=1)


def bar_holds(frame: np.void) -> np.ndarray:
    """Where each arm holds the bar (arms, 3), m, were it level."""
    x, y, z, yaw = frame["bar"]
    along = np.array(HOLDS)
    return np.stack([x + along * math.cos(yaw), y + along * math.sin(yaw), np.full(ARMS, z)], axis=1)


def at_middle(y: float, height: float) -> bool:
    """Whether the bar's middle, at ``y`` and at a height above where it rests (m), is where it is handed over."""
    return abs(y - MIDDLE[0]) < _CENTRED and height > _HIGH


def stands(frame: np.void, tray: int) -> bool:
    """Whether a tray stands on the table."""
    return bool(frame["raised"][tray] < ON_TABLE and frame["tilt"][tray] < FLAT)


def _point(frame: np.void, view: int, tray: int | None, arm: int = 0) -> tuple[str, str]:
    """Asks for a tray, or for a hand where ``tray`` is None."""
    if tray is None:
        name, pixel = f"{SIDES[arm]} hand", frame["hand_pixels"][view, arm]
    else:
        name, pixel = f"{COLOURS[frame['colours'][tray]]} tray", frame["tray_pixels"][view, tray]
    return prompts.ask_suffix(f"Point to the {name}{VIEW_WORDS[view]}."), point(pixel)


def _held_by(frame: np.void, tray: int) -> str | None:
    """The hands that hold a tray, in words; None when none does."""
    return _hands(frame["gripped"][tray])


def _hands(held: np.ndarray) -> str | None:
    if held.all():
        return "both hands"
    return f"the {SIDES[int(held.argmax())]} hand" if held.any() else None


def _aim(goal: LiftGoal, now: str) -> str:
    """What is not yet so, where the goal calls for ``now``."""
    if goal.kind == "give":
        return f"in the {HANDS[goal.to]} hand alone"
    if now == take_text(goal.colour):
        return "in both hands"
    return "lifted" if goal.kind == "lift" else "let go on the table"


LANGUAGE = LiftLanguage()
