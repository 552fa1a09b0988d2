# SPDX-License-Identifier: Apache-2.0
"""What a model is asked about a scene: all kinds of questions that training knows, in its words and in others.

What is right follows from the simulator's record of the frame, by the same code that makes training's answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from wall_oss_ros.policy import prompts
from wall_oss_ros.sim.cubes import instructions
from wall_oss_ros.sim.cubes.language import LANGUAGE
from wall_oss_ros.sim.cubes.scene import TRAYS

GROUPS: Mapping[str, tuple[str, ...]] = {
    "grounding": ("point_front", "point_wrist", "box", "locate"),
    "captions": ("where", "which_cubes", "how_many", "in_gripper", "side", "inside"),
    "planning": ("plan", "refusal", "progress", "next"),
    "thoughts": ("thought_facts", "thought_why", "thought_next"),
}
"""Kinds by what they are about. ``progress`` is asked by the plan's lines, ``next`` by the instruction."""
KINDS: tuple[str, ...] = tuple(kind for kinds in GROUPS.values() for kind in kinds)
_QUESTION = re.compile(re.escape(prompts.QUESTION) + "(.*)\n" + re.escape(prompts.ASSISTANT), re.DOTALL)
OTHER_WORDS: Mapping[str, tuple[str, str]] = {
    "point_front": (r"Point to the (.+)\.", "Point to where the {0} is."),
    "point_wrist": (r"Point to the (.+) in the wrist view\.", "In the wrist view, point to the {0}."),
    "box": (r"Draw a box around the (.+) cube\.", "Draw a box around the {0} one."),
    "locate": (r"Locate the cubes\.", "Locate all the cubes."),
    "where": (r"Where is the (.+) cube\?", "The {0} cube is where?"),
    "which_cubes": (r"Which cubes are there\?", "What cubes are there?"),
    "how_many": (r"How many cubes are (.+)\?", "There are how many cubes {0}?"),
    "in_gripper": (r"What is in the gripper\?", "What is there in the gripper?"),
    "side": (r"Is the (.+) cube (left|right) of the (.+) cube\?", "Is the {0} cube to the {1} of the {2} one?"),
    "inside": (r"Is the (.+) cube (.+)\?", "Is it {1}, the {0} cube?"),
}
"""Of each kind of question, the words of training, and others, of words that training has shown in other places."""


@dataclass(frozen=True)
class Asked:
    """A question.

    Attributes:
        kind: of ``KINDS``; of a thought ``thought``, since one answer is judged in several ways.
        how: ``ask``, ``reason`` or ``plan``: the method of ``Policy``.
        text: the question or instruction.
        truth: the answer that is right, in training's words.
        name: what is to be pointed to or boxed; empty of other questions.
    """

    kind: str
    how: str
    text: str
    truth: str
    name: str = ""


def questions(rng: np.random.Generator, frame: np.void, other_words: bool = False) -> Iterator[Asked]:
    """One of each kind about a frame; none of a kind that the frame does not allow.

    Args:
        other_words: in words that training does not show for it.
    """
    for kind, (pattern, template) in OTHER_WORDS.items():
        for _ in range(8):
            suffix, truth = LANGUAGE.material[kind][1](rng, frame)
            said = _QUESTION.fullmatch(suffix)
            match = re.fullmatch(pattern, said[1]) if said else None
            if said is None or match is None:  # "side" and "inside" may ask something else
                continue
            text = template.format(*match.groups()) if other_words else said[1]
            name = match[1] if kind.startswith("point") else f"{match[1]} cube" if kind == "box" else ""
            yield Asked(kind, "ask", text, truth, name)
            break
    yield from _instructed(rng, frame, other_words)


def _instructed(rng: np.random.Generator, frame: np.void, other_words: bool) -> Iterator[Asked]:
    _, text, goals = instructions.draw(rng, LANGUAGE.look(frame), unseen=other_words)
    plan, now = LANGUAGE.plan_text(frame, goals), LANGUAGE.active_subtask(frame, goals)
    yield Asked("plan", "plan", text, plan)
    yield Asked("next", "reason", text, now)
    if not other_words:  # the plan's lines have no other words
        yield Asked("progress", "reason", prompts.steps(plan.splitlines()), now)
    thought = prompts.thoughtful(LANGUAGE.thought(frame, goals), now)
    yield Asked("thought", "reason", text, thought)
    if other_words or rng.random() < 0.4:
        missing = LANGUAGE.look(frame).missing[0]
        phrases = instructions.FORMS["place"].unseen if other_words else instructions.FORMS["place"].phrases
        text = str(rng.choice(phrases)).format(c=missing, t=rng.choice(tuple(TRAYS)))
        yield Asked("refusal", "plan", text, f"{prompts.ABSENT} {missing} cube")
    else:
        yield Asked("refusal", "plan", *LANGUAGE.not_followed(rng))
