# SPDX-License-Identifier: Apache-2.0
"""What is said of frames of the two-handed task: instructions, plans, judgements and thoughts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.known_sentences import normalise
from wall_oss_ros.sim.goals import ANY_COLOUR, COLOURS, Language, absent, index_of, point
from wall_oss_ros.sim.lifting import instructions, questions
from wall_oss_ros.sim.lifting.frame import (
    CALLED,
    LEFT,
    LEVEL,
    ON_TABLE,
    RAISED,
    RIGHT,
    SIDES,
    VIEW_WORDS,
    at_middle,
    bar_holds,
    stands,
    walls,
)
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
from wall_oss_ros.sim.lifting.scene import BAR_SIZE, TABLE, clear_of
from wall_oss_ros.sim.lifting.seen import Seen


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
            "point_front": (0.18, questions.point_front),
            "point_wrist": (0.09, questions.point_wrist),
            "plan": (0.06, self.plan),
            "plan_thought": (0.03, self.plan_thought),
            "in_hands": (0.05, questions.in_hands),
            "locate": (0.03, questions.locate),
            "which_trays": (0.01, self.which),
            "which_hand": (0.01, questions.which_hand),
            "how_many": (0.01, questions.how_many),
            "held": (0.01, questions.held),
            "side": (0.01, questions.side),
            "box": (0.01, questions.box),
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
            return questions.NO_BAR
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
        return super().missing(frame, goals) or (questions.NO_BAR if wanted else "")

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

    def place_of(self, frame: np.void, index: int) -> str:
        """Near or far says which of two trays is meant, and so where the hands have to go."""
        held, place = questions.held_by(frame, index), self._nearness(frame, index)
        return f"{place}, in {held}" if held else place


def _aim(goal: LiftGoal, now: str) -> str:
    """What is not yet so, where the goal calls for ``now``."""
    if goal.kind == "give":
        return f"in the {HANDS[goal.to]} hand alone"
    if now == take_text(goal.colour):
        return "in both hands"
    return "lifted" if goal.kind == "lift" else "let go on the table"


LANGUAGE = LiftLanguage()
