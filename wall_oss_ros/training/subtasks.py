# SPDX-License-Identifier: Apache-2.0
"""Subtask accuracy: at frames of held-out episodes, whether the model calls for the subtask that is annotated.

It is asked as the planner asks it (``uni_cot/planner.py``): in the instruction's plain form, and it makes up all words
itself, one by one. Accuracy of answers in a validation is another thing: there each word is given those before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from wall_oss_ros.data.mapping.language import EpisodeWords
from wall_oss_ros.data.mapping.recorded import RecordedDataset
from wall_oss_ros.data.mixture import Mixture
from wall_oss_ros.model import WallOSS
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.known_sentences import normalise
from wall_oss_ros.policy.policy import PLAN_TOKENS, SUBTASK_TOKENS
from wall_oss_ros.training.batches import Batches
from wall_oss_ros.uni_cot.texts import readable

_AT_ONCE = 16  # answers


class Share(NamedTuple):
    """How many answers were the annotated ones."""

    right: int
    asked: int

    def report(self) -> dict[str, float | None]:
        """With the share, which is None where nothing could be asked."""
        return {**self._asdict(), "share": self.right / self.asked if self.asked else None}


class SubtaskQuestions:
    """What is asked of held-out frames of one dataset.

    Args:
        batches: of recordings; their data's mapping says where subtasks are annotated.
        episodes: to ask about.
        most: frames, spread evenly over all that are annotated with an instruction and a subtask.

    Attributes:
        frames: the samples that are asked for their subtask.
        begins: the samples that are asked for the plan: the first annotated ones of an episode each, as many at most.
    """

    def __init__(self, batches: Batches, episodes: Sequence[int], most: int):
        self._batches = batches
        self._data: RecordedDataset = batches.data
        annotated, self.begins = [], []
        for episode in episodes:
            words, samples = self._data.words(episode), self._data.samples(episode)
            rows = [row for row in range(len(samples)) if words.instructions[row] and words.subtasks[row]]
            annotated += [int(samples[row]) for row in rows]
            self.begins += [int(samples[rows[0]])] if rows else []
        places = np.unique(np.linspace(0, len(annotated) - 1, min(most, len(annotated))).round().astype(int))
        self.frames = [annotated[place] for place in places]
        self.begins = self.begins[:most]

    def ask(self, model: WallOSS) -> dict[str, Share]:
        """``subtask``: of the frames, those at which the annotated subtask is answered; ``plan``: of the beginnings,
        those at which all of the episode's subtasks are, in their order."""
        subtasks = self._answers(model, self.frames, prompts.reason_suffix, SUBTASK_TOKENS)
        plans = self._answers(model, self.begins, prompts.plan_suffix, PLAN_TOKENS)
        right = sum(answer == self._said(episode).subtasks[row] for answer, (episode, row) in subtasks)
        whole = sum(_lines(answer) == self._plan(*place) for answer, place in plans)
        return {"subtask": Share(right, len(subtasks)), "plan": Share(whole, len(plans))}

    def _said(self, episode: int) -> EpisodeWords:
        return self._data.words(episode)

    def _plan(self, episode: int, row: int) -> list[str]:
        words = self._said(episode)
        return _lines(words.plans[row] or "\n".join(words.plan))

    @torch.no_grad()
    def _answers(self, model: WallOSS, indices: list[int], suffix, limit: int) -> list[tuple[str, tuple[int, int]]]:
        """Answers, and the episode and row that each is about."""
        found, end = [], model.config.eos_token_id
        for start in range(0, len(indices), _AT_ONCE):
            some = indices[start : start + _AT_ONCE]
            places = [self._data.place(index) for index in some]
            asked = [suffix(normalise(self._said(episode).instructions[row])) for episode, row in places]
            batch = {key: value.to(model.device) for key, value in self._batches.asked(np.array(some), asked).items()}
            for ids, place in zip(model.generate(batch, limit).tolist(), places):
                said = ids[: ids.index(end)] if end in ids else ids
                found.append((readable(self._batches.processor.decode(said)), place))
        return found


def questions(mixture: Mixture, batches: Sequence[Batches], most: int) -> dict[str, SubtaskQuestions]:
    """Of each dataset of recordings, about all its held-out episodes."""
    return {
        source.name: SubtaskQuestions(own, own.data.validation, most)
        for source, own in zip(mixture.recordings, batches)
    }


def in_words(shares: dict[str, Share]) -> str:
    """For people, such as ``subtasks 14/16, plans 1/2``."""
    if not shares["subtask"].asked:
        return "no subtask is annotated in what is held out"
    return ", ".join(f"{kind}s {one.right}/{one.asked}" for kind, one in shares.items())


def _lines(answer: str) -> list[str]:
    return [line.strip() for line in answer.splitlines() if line.strip()]
