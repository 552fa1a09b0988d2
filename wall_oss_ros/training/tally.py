# SPDX-License-Identifier: Apache-2.0
"""What the losses of a step are means of, by kind of language too; and how many answers are right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from wall_oss_ros.training.losses import Batch, Losses
from wall_oss_ros.training.packing import IGNORED, Packed

LOSSES = ("cross_entropy", "flow", "fast")
Kinds = dict[str, np.ndarray]
"""By kind of language sample: the cross-entropy of its tokens, summed, and their number (2,)."""


class Totals(NamedTuple):
    """What the losses of a step are means of."""

    tokens: float
    entries: float
    fast_tokens: float

    @classmethod
    def of(cls, batch: Batch) -> Totals:
        return cls(batch.answer_tokens, batch.entries, batch.fast_tokens)

    def shares(self, batch: Batch) -> np.ndarray:
        """What a part's losses, as ``LOSSES``, count in the whole (3,)."""
        return np.array([part / whole if whole else 0.0 for part, whole in zip(Totals.of(batch), self)])

    def sums(self, losses: Sequence[float]) -> list[float]:
        """Of losses (3,) that are means of these: each summed, and of how many."""
        return [number for loss, count in zip(losses, self) for number in (loss * count, count)]


def means(summed: Sequence[float]) -> list[float]:
    """Of sums and counts in turn."""
    return [float(total / count) if count else 0.0 for total, count in zip(summed[::2], summed[1::2])]


def by_kind(losses: Losses, packed: Packed, kinds: Kinds) -> None:
    """Adds to ``kinds``, by kind of language sample, the cross-entropy of its tokens, summed, and their number."""
    names = sorted({kind for row in packed.kinds for kind in row})
    numbers = np.zeros((len(packed.kinds), max(map(len, packed.kinds), default=0)), np.int64)
    for row, own in enumerate(packed.kinds):
        numbers[row, : len(own)] = [names.index(kind) for kind in own]
    rows, places = (packed.labels != IGNORED).nonzero(as_tuple=True)
    found = numbers[rows.numpy(), packed.label_kinds[rows, places].numpy()]
    sums = np.bincount(found, losses.each.float().cpu().numpy(), len(names))
    counts = np.bincount(found, minlength=len(names))
    for name, total, count in zip(names, sums, counts):
        kinds[name] = kinds.get(name, np.zeros(2)) + (total, count)


def kind_means(kinds: Kinds) -> dict[str, float]:
    return {kind: float(total / count) for kind, (total, count) in sorted(kinds.items()) if count}


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
