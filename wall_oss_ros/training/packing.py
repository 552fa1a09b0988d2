# SPDX-License-Identifier: Apache-2.0
"""Packs many prompts about one observation into one row of a training batch.

A row is its prefix (the views), then language branches, then acting branches, then several noisy action chunks
for each acting branch. A branch sees the prefix and itself, a chunk sees the prefix, its acting branch and itself, so
that a row computes exactly what the same prompts would one by one, with the pictures encoded once. Showing one picture
with several instructions is also what makes the words matter. FAST action tokens are a language branch: an answer to
the acting prompt. What is said before the motion, a subtask or a thought, is learnt as an answer to that prompt, and
stands between it and the chunks: instruction, thought, subtask and action in one sequence, one gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

IGNORED = -100
PREFIX, NO_CHUNK, PADDING = 0, -1, -2
FAST = "fast"
"""The kind of language whose answers are FAST action tokens."""
SAID = "said"
"""The kind of what is said between an instruction and the motion."""


@dataclass(frozen=True)
class Packed:
    """A batch of rows. B rows, L text positions (prefix included), M acting branches and K chunks of H steps a row.

    The sequence of a row is L text positions and then M * K * H action positions.
    """

    input_ids: torch.Tensor  # (B, L)
    labels: torch.Tensor  # (B, L): the token that position predicts, or IGNORED
    position_ids: torch.Tensor  # (3, B, L + M*K*H)
    attention_mask: torch.Tensor  # (B, 1, L + M*K*H, L + M*K*H) bool
    kinds: list[list[str]]  # of each row: kind of each language branch, then of what acting branches say
    label_kinds: torch.Tensor  # (B, L): which of these a label belongs to, or IGNORED
    motion: torch.Tensor  # (B, L) bool: labels that are FAST action tokens

    def rows(self, start: int, stop: int) -> Packed:
        """A part of the rows, as long as they were."""
        positions = self.position_ids[:, start:stop]
        others = {
            field.name: getattr(self, field.name)[start:stop] for field in fields(self) if field.name != "position_ids"
        }
        return Packed(position_ids=positions, **others)

    def to(self, device: torch.device) -> Packed:
        """The same on a device."""
        moved = {
            field.name: value.to(device, non_blocking=True)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), torch.Tensor)
        }
        return replace(self, **moved)


def pack(
    prefixes: Sequence[tuple[Sequence[int], np.ndarray]],
    language: Sequence[Sequence[tuple[str, list[int], list[int]]]],
    acting: Sequence[Sequence[tuple[list[int], list[int]]]],
    draws: int,
    horizon: int,
    pad_token: int,
) -> Packed:
    """Lays out a batch.

    Args:
        prefixes: for each row, token ids of what all its branches share, image tokens expanded; and their M-RoPE
            positions (3, P).
        language: for each row, its language branches as (kind, prompt ids, answer ids with the end token).
        acting: for each row, its acting branches as (prompt ids, ids of what is said before the motion, which may be
            none); the same number for every row.
        draws: noisy chunks for each acting branch (K).
        horizon: action tokens of a chunk (H).
        pad_token: fills rows up to the longest.
    """
    rows, branches = len(acting), len(acting[0])
    lengths = [
        len(ids) + sum(len(p) + len(a) for _, p, a in talk) + sum(len(p) + len(said) for p, said in act)
        for (ids, _), talk, act in zip(prefixes, language, acting)
    ]
    text = max(lengths)
    total = text + branches * draws * horizon
    ids = np.full((rows, text), pad_token, np.int64)
    labels = np.full((rows, text), IGNORED, np.int64)
    label_kinds = np.full((rows, text), IGNORED, np.int64)
    positions = np.zeros((3, rows, total), np.int64)
    branch = np.full((rows, total), PADDING, np.int64)
    chunk = np.full((rows, total), NO_CHUNK, np.int64)
    motion = np.zeros((rows, text), bool)

    for row, ((shared, places), talk, act) in enumerate(zip(prefixes, language, acting)):
        at, number, follow = len(shared), 0, int(places.max()) + 1
        ids[row, :at], branch[row, :at], positions[:, row, :at] = shared, PREFIX, places
        for kind_index, (kind, prompt, answer) in enumerate(talk):
            number += 1
            end = at + len(prompt) + len(answer)
            ids[row, at:end] = [*prompt, *answer]
            positions[:, row, at:end] = follow + np.arange(end - at)
            branch[row, at:end] = number
            labels[row, at + len(prompt) - 1 : end - 1] = answer
            label_kinds[row, at + len(prompt) - 1 : end - 1] = kind_index
            motion[row, at + len(prompt) - 1 : end - 1] = kind == FAST
            at = end
        spoken = len(talk)
        for k, (prompt, said) in enumerate(act):
            number += 1
            end = at + len(prompt) + len(said)
            ids[row, at:end] = [*prompt, *said]
            positions[:, row, at:end] = follow + np.arange(end - at)
            branch[row, at:end] = number
            if said:
                labels[row, at + len(prompt) - 1 : end - 1] = said
                label_kinds[row, at + len(prompt) - 1 : end - 1] = spoken
                spoken += 1
            behind = end - at
            at = end
            first = text + k * draws * horizon
            last = first + draws * horizon
            branch[row, first:last] = number
            chunk[row, first:last] = k * draws + np.repeat(np.arange(draws), horizon)
            positions[:, row, first:last] = follow + behind + np.tile(np.arange(horizon), draws)

    branch, chunk = torch.from_numpy(branch), torch.from_numpy(chunk)
    return Packed(
        input_ids=torch.from_numpy(ids),
        labels=torch.from_numpy(labels),
        position_ids=torch.from_numpy(positions),
        attention_mask=_mask(branch, chunk),
        kinds=[
            [*(kind for kind, _, _ in talk), *(SAID for _, said in act if said)] for talk, act in zip(language, acting)
        ],
        label_kinds=torch.from_numpy(label_kinds),
        motion=torch.from_numpy(motion),
    )


def _mask(branch: torch.Tensor, chunk: torch.Tensor) -> torch.Tensor:
    """(B, 1, N, N) bool: causal within prefix and own branch, bidirectional within one's own chunk.

    Padding sees itself only, so that no row of the softmax is empty.
    """
    query_branch, key_branch = branch[:, :, None], branch[:, None, :]
    query_chunk, key_chunk = chunk[:, :, None], chunk[:, None, :]
    order = torch.arange(branch.shape[1])
    causal = order[None, :, None] >= order[None, None, :]
    together = (key_branch == PREFIX) | (key_branch == query_branch)
    same_chunk = (query_chunk == key_chunk) & (query_chunk != NO_CHUNK)
    visible = together & (same_chunk | (causal & (key_chunk == NO_CHUNK)))
    padding = (branch == PADDING)[:, :, None] | (branch == PADDING)[:, None, :]
    itself = (order[:, None] == order[None, :])[None]
    return ((visible & ~padding) | itself)[:, None]
