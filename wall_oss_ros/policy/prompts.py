# SPDX-License-Identifier: Apache-2.0
"""The exact texts that the model is trained on and asked with.

A prompt is a shared prefix (system, user, the views) and a suffix that says what is wanted. Every suffix on one
observation continues the same prefix, so its keys and values are computed once. The acting and the reasoning suffix,
the system line and the names of the views are those of the released WALL-OSS weights; planning and asking are plain
chat turns about the same views.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wall_oss_ros.errors import WallOSSError

SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
USER = "<|im_start|>user\nObservation:"
IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
ASSISTANT = "<|im_end|>\n<|im_start|>assistant\n"
END = "<|im_end|>"
ACTION = "<|action|>"
PROPRIOCEPTION = "<|propri|>"

VIEW_NAMES = {
    "face_view": "front view",
    "left_wrist_view": "left wrist view",
    "right_wrist_view": "right wrist view",
    "move1_view": "move view",
    "move2_view": "move view",
    "wall_view": "wall view",
    "top_view": "top view",
}

INSTRUCTION = "\nInstruction: "
ACT = f"\nPredict the next action in robot action.\nProprioception: {PROPRIOCEPTION}\n"
REASON = "\nPredict the next action in language.\n"
PLAN = "\nList the subtasks in language.\n"
THINK_REASON = "\nDescribe the scene, then predict the next action in language.\n"
THINK_PLAN = "\nDescribe the scene, then list the subtasks in language.\n"
QUESTION = "\nQuestion: "
GAP = "\n\n"
"""Parts a thought from the answer behind it."""

DONE = "done"
NOT_UNDERSTOOD = "I do not understand"
ABSENT = "there is no"
"""What the shipped model was trained to say when nothing is left to do, or the instruction cannot be carried out."""
THEN = "then "
"""Begins a line of a plan that undoes what is before it: a model that judges plans is then asked about the lines from
this one on, and nothing leads back."""


def embodied_system(embodiment: str, cameras: Sequence[str], rate_hz: float, relative: bool) -> str:
    """The system turn of WALL-OSS-0.5, which tells the robot (wall-x 1.1.0's public inference script).

    Args:
        embodiment: the robot's name, which is the last part of its dataset's.
        cameras: words of the views.
        rate_hz: steps of a chunk a second.
        relative: whether actions are displacements.
    """
    setup = "".join(f" {words}," for words in cameras)
    return (
        "<|im_start|>system\nYou are an embodied vision-language-action (VLA) model controlling the robot with "
        f"language instructions.\n Embodiment: {embodiment}\n Camera Setup:{setup}\n"
        f" Frequency: {rate_hz:g}HZ\n Action Space: {'Rel' if relative else 'Abs'} EEF\n<|im_end|>\n"
    )


def state_words(state: np.ndarray, mask: np.ndarray, bins: int = 256) -> str:
    """A normalised state (A,) as the text that 0.5 reads: of each entry that there is (A,) bool, its bin from 0 on."""
    edges = np.linspace(-1, 1, bins + 1)[:-1]
    return " ".join(map(str, np.digitize(np.clip(state[np.asarray(mask, bool)], -1, 1), edges) - 1))


def observation_prompt(views: Sequence[str], words: Mapping[str, str] = VIEW_NAMES, system: str = SYSTEM) -> str:
    """The prefix that all prompts on one observation share.

    Args:
        views: the robot's view names, such as ``face_view``, in the order of its profile.
        words: what the prompt calls them.
        system: the system turn.

    Raises:
        WallOSSError: the released weights know no such view.
    """
    if unknown := [view for view in views if view not in words]:
        raise WallOSSError(
            f"There are no words for the view {unknown[0]!r}.", f"Name the views so: {', '.join(words)}."
        )
    return system + USER + "".join(f" {words[view]}: {IMAGE}" for view in views)


def finished(suffix: str, end: str) -> str:
    """A suffix whose first line, which says what is to be done or asked, ends in ``end``: LeRobot's ends in a point."""
    begin, line, rest = suffix.split("\n", 2)
    return suffix if line.endswith(end) else f"{begin}\n{line}{end}\n{rest}"


def act_suffix(instruction: str) -> str:
    """Asks for motion; the action tokens follow it. ``instruction`` is the active subtask where there is one."""
    return f"{INSTRUCTION}{instruction}{ACT}{ASSISTANT}"


def reason_suffix(instruction: str, thought: bool = False) -> str:
    """Asks for the subtask that the observation calls for now, in words; with ``thought``, first for what is seen."""
    return f"{INSTRUCTION}{instruction}{THINK_REASON if thought else REASON}{ASSISTANT}"


def plan_suffix(instruction: str, thought: bool = False) -> str:
    """Asks for all subtasks of the instruction, one a line; with ``thought``, first for what is seen."""
    return f"{INSTRUCTION}{instruction}{THINK_PLAN if thought else PLAN}{ASSISTANT}"


def thoughtful(thought: str, answer: str) -> str:
    """An answer that begins with a thought: the thought in one line, an empty line, the answer."""
    return f"{thought}{GAP}{answer}"


def without_thought(text: str) -> tuple[str, str]:
    """The thought that an answer begins with, empty where it has none; and the rest."""
    thought, gap, answer = text.partition(GAP)
    return (thought.strip(), answer.strip()) if gap else ("", text.strip())


def steps(subtasks: Sequence[str]) -> str:
    """A plan as the instruction that a judgement of progress is asked by."""
    return ", ".join(subtasks)


def ask_suffix(question: str) -> str:
    """Asks a question about what the views show."""
    return f"{QUESTION}{question}\n{ASSISTANT}"
