# SPDX-License-Identifier: Apache-2.0
"""Several datasets in one training: each with its own robot, views and statistics, drawn by weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from wall_oss_ros.data.dataset import Dataset
from wall_oss_ros.data.questions.source import PictureQuestions
from wall_oss_ros.errors import WallOSSError


class Source(NamedTuple):
    """One dataset of a mixture."""

    name: str
    data: Dataset | PictureQuestions
    weight: float | None = None  # share of the samples, beside the others' weights; its frames when None


class Mixture:
    """Datasets and how often each is drawn from.

    Attributes:
        sources: the datasets, by name.
        recordings: those of robots: all but questions about pictures.
        shares: (n,) of the samples; they add up to 1.
    """

    def __init__(self, sources: Sequence[Source]):
        """
        Raises:
            WallOSSError: there is none, two have one name, a weight is no positive number, two that store statistics
                under one name have different ones, or one has nothing to train on.
        """
        self.sources = tuple(sources)
        self.recordings = tuple(source for source in self.sources if isinstance(source.data, Dataset))
        if not self.sources:
            raise WallOSSError("A mixture of no datasets was asked for.", "Name at least one.")
        names = [source.name for source in self.sources]
        if len(set(names)) < len(names):
            raise WallOSSError(f"Two datasets are called the same: {', '.join(names)}.", "Give each a name of its own.")
        for source in self.sources:
            if len(source.data) - source.data.held_out < 1:
                raise WallOSSError(
                    f"The dataset {source.name} has {len(source.data)} frames, of which {source.data.held_out} are "
                    "held out: none is left to train on.",
                    "Hold out less, or add episodes.",
                )
            if source.weight is not None and not 0 < source.weight < float("inf"):
                raise WallOSSError(f"The weight of {source.name} is {source.weight}.", "Give a number above 0.")
        given = [source.weight is not None for source in self.sources]
        if any(given) and not all(given):
            lacking = [source.name for source in self.sources if source.weight is None]
            raise WallOSSError(
                f"Some datasets have a weight, and {', '.join(lacking)} none.", "Give all of them one, or none of them."
            )
        weights = [
            float(len(one.data) - one.data.held_out) if one.weight is None else one.weight for one in self.sources
        ]
        self.shares = np.array(weights) / sum(weights)

    def draw(self, rng: np.random.Generator, count: int, robots_only: bool = False) -> list[tuple[int, np.ndarray]]:
        """Samples for one step.

        Args:
            robots_only: of recordings alone, as a step wants them that asks nothing.

        Returns:
            For each source that has any, in order: its number, and the indices of its samples, none of them held out.
        """
        shares = self.shares
        if robots_only and len(self.recordings) < len(self.sources):
            shares = np.where([source in self.recordings for source in self.sources], shares, 0)
            shares = shares / shares.sum()
        owners = rng.choice(len(self.sources), size=count, p=shares)
        drawn = []
        for number in np.unique(owners):
            data = self.sources[number].data
            drawn.append((int(number), rng.integers(len(data) - data.held_out, size=int((owners == number).sum()))))
        return drawn
