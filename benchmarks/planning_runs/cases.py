# SPDX-License-Identifier: Apache-2.0
"""What is to be run: unseen scenes, instructions in old and new phrasings, what goes wrong, and who directs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wall_oss_ros.sim.cubes.goals import CubeGoal
from wall_oss_ros.sim.cubes.instructions import FORMS
from wall_oss_ros.sim.cubes.language import LANGUAGE
from wall_oss_ros.sim.cubes.scene import TRAYS
from wall_oss_ros.sim.cubes.upsets import KINDS
from wall_oss_ros.sim.evaluate import SEED_SPACE

NOTHING = "nothing"
UPSETS = (NOTHING, *KINDS)
MODES = ("reasoning", "monitored", "instruction", "clock", "truth")
"""The model's reasoning with a monitor that is not heeded, and with one that is; the instruction alone; the first plan
by the clock, and by the simulator's truth."""
_TRAINED_PAIRS = (
    "put the {c} cube in the {t} tray and the {c 2} cube in the {t} tray",
    "put the {c} cube in the {t} tray, then put the {c 2} cube in the {t} tray",
)
_PAIRS = 4  # of so many scenes the second half have instructions that name two cubes


@dataclass(frozen=True)
class Job:
    """One run. ``number`` is the scene's, and decides the instruction, too: all upsets and modes have the same."""

    mode: str
    upset: str
    number: int

    @property
    def key(self) -> str:
        return f"{self.mode}/{self.upset}/{self.number}"


@dataclass(frozen=True)
class Said:
    """An instruction, what it asks for, and whether training has shown sentences like it."""

    text: str
    goals: tuple[CubeGoal, ...]
    trained: bool


def jobs(modes: Sequence[str], upsets: Sequence[str], scenes: range) -> Iterator[Job]:
    """All of them, scene by scene, so that an unfinished series has as many of each."""
    for number in scenes:
        yield from (Job(mode, upset, number) for upset in upsets for mode in modes)


def scene_seed(seed: int, number: int) -> list[int]:
    """Of a scene that training never saw."""
    return [SEED_SPACE + seed, number]


def instruction(seed: int, number: int, colours: Sequence[str]) -> Said:
    """The instruction of a scene: every second one in a phrasing that training has shown."""
    rng = np.random.default_rng([*scene_seed(seed, number), 1])
    trained, pair = number % 2 == 0, number % _PAIRS >= _PAIRS // 2
    templates = phrasings(pair, trained)
    first, second = (str(colour) for colour in rng.permutation(colours)[:2])
    trays = [str(tray) for tray in rng.choice(tuple(TRAYS), 2)]
    text = str(templates[int(rng.integers(len(templates)))])
    goals = [CubeGoal("place", first, trays[0])]
    if pair:
        goals.append(CubeGoal("place", second, trays[1]))
    text = text.replace("{c}", first).replace("{c 2}", second)
    for tray in trays:
        text = text.replace("{t}", tray, 1)
    return Said(text, tuple(goals), trained)


def phrasings(pair: bool, trained: bool) -> list[str]:
    """Templates with {c} and {t}, {c 2} for the second cube, that name one cube or two, as the model knows them."""
    shown = set(_TRAINED_PAIRS if pair else FORMS["place"].phrases)
    if trained:
        return sorted(shown)
    listed = [one for one in LANGUAGE.instructions if "{tray}" in one and ("{colour 2}" in one) == pair]
    return sorted({text for one in listed for text in _expanded(one)} - shown)


def _expanded(template: str) -> Iterator[str]:
    """All texts of a template of ``policy.known_sentences``, with its slots as {c}, {c 2} and {t}."""
    text = template.replace("{colour}", "\0c\1").replace("{colour 2}", "\0c 2\1").replace("{tray}", "\0t\1")
    pieces = re.split(r"\{([^{}]*)\}", text)
    choices = [piece.split("|") if at % 2 else [piece] for at, piece in enumerate(pieces)]
    for chosen in itertools.product(*choices):
        yield "".join(chosen).replace("\0", "{").replace("\1", "}")
