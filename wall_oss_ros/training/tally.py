# SPDX-License-Identifier: Apache-2.0
"""What the losses of a step are means of, and how many answers are right."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import torch

from wall_oss_ros.training.losses import Batch, Losses
from wall_oss_ros.training.packing import IGNORED, Packed


class Totals(NamedTuple):
    """What the losses of a step are means of."""

    tokens: float
    entries: float

    @classmethod
    def of(cls, batch: Batch) -> Totals:
        return cls(batch.answer_tokens, batch.entries)

    def shares(self, batch: Batch) -> tuple[float, float]:
        """What a part's losses, language and flow, count in the whole."""
        return (
            batch.answer_tokens / self.tokens if self.tokens else 0.0,
            batch.entries / self.entries if self.entries else 0.0,
        )


def mean(summed: np.ndarray) -> float:
    """Of a sum and a count."""
    return float(summed[0] / summed[1]) if summed[1] else 0.0


def answer_accuracy(losses: Losses, packed: Packed) -> dict[str, tuple[int, int]]:
    """By kind of language sample: (answers all of whose tokens are right, answers), teacher-forced."""
    speaks = packed.labels != IGNORED
    right = torch.zeros_like(speaks)
    right[speaks] = losses.logits.argmax(-1) == losses.targets
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row, kinds in enumerate(packed.kinds):
        for index, kind in enumerate(kinds):
            counts[kind][0] += int(right[row][packed.label_kinds[row] == index].all())
            counts[kind][1] += 1
    return {kind: (hits, total) for kind, (hits, total) in counts.items()}


def merged(found: list[tuple[dict, dict]]) -> tuple[dict, dict]:
    """The sums of what processes found, key by key."""
    totals: tuple[dict, dict] = ({}, {})
    for one in found:
        for total, own in zip(totals, one):
            for key, numbers in own.items():
                total[key] = np.asarray(total.get(key, 0)) + np.asarray(numbers)
    return totals
