# SPDX-License-Identifier: Apache-2.0
"""Action chunks as tokens of the language model: FAST token N is ``<|action_token_N|>``, ``<|im_end|>`` ends a chunk.

A chunk is written without the degrees of freedom that the robot does not have; they come back as 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.arguments import check_batch
from wall_oss_ros.model.fast import FastTokenizer, NotAChunk
from wall_oss_ros.model.sampling import TokenChoice

if TYPE_CHECKING:
    from wall_oss_ros.model.wall_oss import WallOSS

END = "<|im_end|>"


def action_token(number: int) -> str:
    """How FAST token ``number`` is spelled in the language model's vocabulary."""
    return f"<|action_token_{number}|>"


def add_action_tokens(tokenizer: Tokenizer, count: int) -> None:
    """Adds ``count`` action tokens at the end of the language model's tokenizer, which is changed."""
    tokenizer.add_tokens([AddedToken(action_token(number), normalized=False) for number in range(count)])


class ActionVocabulary:
    """Translates between chunks and the language model's token ids. A: numbers in an action, T: steps."""

    def __init__(self, fast: FastTokenizer, language: Tokenizer, limit: float = 1.0):
        """
        Args:
            language: the language model's tokenizer.
            limit: largest magnitude of a normalised value; what lies beyond is refused.

        Raises:
            WallOSSError: the language model's tokenizer lacks an action token, or the end token.
        """
        spelled = [*map(action_token, range(fast.vocab_size)), END]
        ids = [language.token_to_id(token) for token in spelled]
        if None in ids:
            raise WallOSSError(
                f"The language model's tokenizer has no {spelled[ids.index(None)]}; the FAST tokenizer has "
                f"{fast.vocab_size} tokens.",
                "Use the FAST tokenizer that the checkpoint was trained with.",
            )
        self.fast, self.limit, self.end = fast, limit, ids.pop()
        self.ids: list[int] = ids
        self._numbers = {token: number for number, token in enumerate(ids)}

    def encode(self, chunk: np.ndarray, dof_mask: np.ndarray) -> list[int]:
        """The assistant's answer for a normalised chunk (T, A), end token included; dof_mask: (A,) bool."""
        return [self.ids[token] for token in self.fast.encode(_alive(chunk, dof_mask))] + [self.end]

    def spell(self, chunk: np.ndarray, dof_mask: np.ndarray) -> str:
        """The same as text, without the end: an answer for :class:`~wall_oss_ros.policy.WallOSSProcessor`."""
        return "".join(map(action_token, self.fast.encode(_alive(chunk, dof_mask))))

    def decode(self, ids: Sequence[int], horizon: int, dof_mask: np.ndarray) -> np.ndarray:
        """The normalised chunk (horizon, A) float32 of an answer; what follows the end token is ignored.

        Raises:
            NotAChunk: there is no end token, a token that is no action token, or the tokens encode no chunk.
        """
        ids = list(ids)
        if self.end not in ids:
            raise NotAChunk(f"no end after {len(ids)} tokens")
        answer = ids[: ids.index(self.end)]
        foreign = [token for token in answer if token not in self._numbers]
        if foreign:
            raise NotAChunk(f"token {foreign[0]} of the language model is no action token")
        chunk = np.zeros((horizon, len(dof_mask)), np.float32)
        numbers = [self._numbers[token] for token in answer]
        chunk[:, dof_mask] = self.fast.decode(numbers, horizon, int(np.sum(dof_mask)), self.limit)
        return chunk

    def longest(self, horizon: int, dof_mask: np.ndarray) -> int:
        """Tokens that an answer can have at most, end token included."""
        return self.fast.longest(horizon, int(np.sum(dof_mask)), self.limit) + 1

    def choice(self, temperature: float = 0.0, top_p: float = 1.0, seed: int | None = None) -> TokenChoice:
        """Chooses among action tokens and the end only."""
        return TokenChoice(temperature, top_p, seed, [*self.ids, self.end])


def _alive(chunk: np.ndarray, dof_mask: np.ndarray) -> np.ndarray:
    """The columns of a chunk (T, A) that the mask (A,) names."""
    chunk, mask = np.asarray(chunk), np.asarray(dof_mask, bool)
    if chunk.ndim != 2 or mask.shape != chunk.shape[1:]:
        raise WallOSSError(
            f"The chunk is of shape {chunk.shape}, its mask of shape {mask.shape}; (steps, A) and (A,) were expected.",
            "Give both in the checkpoint's layout.",
        )
    return chunk[:, mask]


def generate_chunks(
    model: WallOSS,
    batch: Mapping[str, Tensor],
    vocabulary: ActionVocabulary,
    dof_mask: np.ndarray,
    choose: TokenChoice | None = None,
    use_cache: bool = True,
) -> Tensor:
    """Action chunks through the language head.

    Args:
        batch: prompts that end where the assistant's answer begins, padded on either side.
        dof_mask: (A,) or (B, A) bool, which degrees of freedom the chunks are about.
        choose: the likeliest tokens when None; see :meth:`ActionVocabulary.choice`.

    Returns:
        (B, horizon, A) float32, normalised, on the CPU.

    Raises:
        NotAChunk: a row's tokens encode no chunk.
        WallOSSError: a logit is not finite.
    """
    check_batch(batch, model.config)
    horizon, shape = model.config.action_horizon, (len(batch["input_ids"]), model.config.action_dim)
    if np.shape(dof_mask) not in (shape, shape[1:]):
        raise WallOSSError(f"dof_mask is {np.shape(dof_mask)}; {shape} was expected.", "Give a row for each prompt.")
    dof_mask = np.broadcast_to(np.asarray(dof_mask, bool), shape)
    limit = max(vocabulary.longest(horizon, row) for row in dof_mask)
    ids = model.generate(batch, limit, vocabulary.end, use_cache, choose or vocabulary.choice()).tolist()
    chunks = [vocabulary.decode(answer, horizon, row) for answer, row in zip(ids, dof_mask)]
    return torch.from_numpy(np.stack(chunks))
