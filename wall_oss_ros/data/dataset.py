# SPDX-License-Identifier: Apache-2.0
"""What training asks of a dataset, wherever it comes from: a simulator, or recordings of a robot.

A sample is one observation of a robot with several views, and what can be learnt from it: texts with their answers, and
instructions or subtasks with the motion that follows them. Which of these are drawn may be left to chance; all chance
comes from the generator that is passed in, so that a resumed run draws the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.robots.profile import RobotProfile


class LanguageSample(NamedTuple):
    """Something to be answered about an observation."""

    kind: str  # such as "plan"; accuracy is reported for each kind
    prompt: str  # what follows the views, see policy.prompts
    answer: str  # without the end token


class ActingSample(NamedTuple):
    """Something to be done, and how. H steps of a chunk, A degrees of freedom."""

    text: str  # the subtask or instruction
    chunk: np.ndarray  # (H, A) float32, physical units
    mask: np.ndarray  # (H, A) bool: entries of the chunk that are known
    said: str = ""  # what the model says before it acts: the subtask, a thought, or both


PATHS = ("subtask", "instruction", "spoken", "thought")
"""From an instruction to motion: the subtask is given, and stands in the instruction's place; it is left out; the model
says it first; the model says a thought first, and the subtask where there is one."""


def follow_path(
    rng: np.random.Generator,
    shares: Mapping[str, float],
    instruction: str | None,
    subtask: str | None,
    thought: str | None = None,
) -> tuple[str, str] | None:
    """Draws one of ``PATHS`` that these texts allow: what is acted on, and what is said first, empty for nothing.

    Args:
        shares: by path, 0 where one is missing.

    Returns:
        None where no path with a share is possible.
    """
    ways: dict[str, tuple[str, str]] = {}
    if subtask:
        ways["subtask"] = subtask, ""
    if instruction:
        ways["instruction"] = instruction, ""
    if instruction and subtask:
        ways["spoken"] = instruction, subtask
    if instruction and thought:
        ways["thought"] = instruction, prompts.thoughtful(thought, subtask) if subtask else thought
    possible = [path for path in ways if shares.get(path, 0) > 0]
    if not possible:
        return None
    weights = np.array([shares[path] for path in possible])
    return ways[possible[rng.choice(len(possible), p=weights / weights.sum())]]


class Dataset(ABC):
    """Samples of one embodiment, by index. V views, A degrees of freedom of the model's layout.

    Attributes:
        robots: names under which a checkpoint stores the statistics; the data are of all these robots alike.
        views: names of the views, in order.
        horizon: steps of a chunk (H).
        held_out: how many of the last samples are kept for validation.
        things: names of what ``vision_targets`` tells of; empty where nobody knows what is where.
        profile: the robot's, where prompts and units go by it.
    """

    robots: tuple[str, ...]
    views: tuple[str, ...]
    horizon: int
    held_out: int
    things: tuple[str, ...] = ()
    profile: RobotProfile | None = None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def images(self, indices: np.ndarray) -> np.ndarray | list[np.ndarray]:
        """The views of samples (B,): (B, V, height, width, 3) uint8 RGB; where views differ in size, a list of V arrays
        (B, height, width, 3)."""

    @abstractmethod
    def states(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """States of samples (B,): (B, A) float32 in physical units, and which entries are known, (B, A) bool."""

    @abstractmethod
    def language(
        self, rng: np.random.Generator, index: int, kinds: Mapping[str, float] | None = None
    ) -> LanguageSample | None:
        """Draws something to be answered about a sample; ``kinds``: shares by kind, instead of the dataset's own.

        None where there is nothing to be asked about it.
        """

    def asked(self, index: int) -> Sequence[tuple[str, str]]:
        """All questions that stand beside a sample, with their answers; none where questions are made as they are
        drawn."""
        del index
        return ()

    @abstractmethod
    def acting(
        self, rng: np.random.Generator, index: int, count: int, paths: Mapping[str, float] | None = None
    ) -> list[ActingSample]:
        """Draws up to ``count`` different things to be done, with the motion for each from this sample on.

        Args:
            paths: shares of ``PATHS``; None for what the dataset says itself.
        """

    @abstractmethod
    def statistics(self) -> tuple[Normalizer, Normalizer]:
        """Of all states, and of the steps of all chunks; each for A degrees of freedom."""

    @abstractmethod
    def vocabulary(self) -> list[str]:
        """Every word that may be asked about; the model declines others."""

    def sentences(self) -> dict[str, Any]:
        """What of them is understood, for ``policy.known_sentences``; empty where any sentence may be."""
        return {}

    @abstractmethod
    def after(self, earlier: Sequence[Dataset]) -> Dataset:
        """One dataset of the samples of ``earlier``, of the same kind as this one, and then its own."""

    def texts(self, rng: np.random.Generator, index: int) -> list[str]:
        """Draws prompts and answers about a sample, as a tokenizer of the data's own is made of them."""
        sample = self.language(rng, index)
        return [] if sample is None else [sample.prompt, sample.answer]

    def vision_targets(self, indices: np.ndarray) -> np.ndarray:
        """Where each of ``things`` is: (B, V, things, 2) pixels x and y; NaN where it is not in view."""
        raise NotImplementedError(f"{type(self).__name__} does not know what is where in its pictures")
