# SPDX-License-Identifier: Apache-2.0
"""Action chunks through the language head, for checkpoints that express actions as FAST tokens.

Such a checkpoint is marked in config.json: ``"use_fast_tokenizer": true``, the switch of the public training code, or
``"prediction_mode": "fast"``, LeRobot's. Its FAST tokenizer is the folder ``action_tokenizer`` beside the weights, or
what ``action_tokenizer_path`` names: a folder, or a repository on the Hugging Face hub such as
``physical-intelligence/fast``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.action_vocabulary import ActionVocabulary
from wall_oss_ros.model.config import WallOSSConfig
from wall_oss_ros.model.fast import FastTokenizer
from wall_oss_ros.policy.normalizer import Normalizer

if TYPE_CHECKING:
    from wall_oss_ros.policy.engine import Engine

FOLDER = "action_tokenizer"
LIMITS = {"min_max": 1.0, "mean_std": 10.0}
"""Largest magnitude of a normalised action by the kind of statistics. With mean_std there is no bound, but by
Chebyshev's inequality at most one in a hundred of any dataset's values is ten deviations or more from the mean."""


def speaks_fast(config: WallOSSConfig) -> bool:
    """Whether the checkpoint's chunks come from its language head."""
    return config.extra.get("use_fast_tokenizer") is True or config.extra.get("prediction_mode") == "fast"


def tokenizer_of(folder: Path, config: WallOSSConfig) -> FastTokenizer | None:
    """The FAST tokenizer of a checkpoint's folder; None where it has none.

    Raises:
        WallOSSError: it is damaged, or what config.json names is not there.
    """
    path = FOLDER if (folder / FOLDER).is_dir() else config.extra.get("action_tokenizer_path")
    if not path:
        return None
    return FastTokenizer.from_pretrained(folder / path if (folder / path).is_dir() else path)


@dataclass(frozen=True)
class FastActions:
    """Asks an engine for the action tokens of one robot's chunks."""

    vocabulary: ActionVocabulary
    horizon: int  # steps of a chunk
    dof_mask: np.ndarray  # (A,) bool, the degrees of freedom that the tokens are about

    @classmethod
    def from_checkpoint(
        cls, config: WallOSSConfig, language: Tokenizer, folder: Path | None, actions: Normalizer
    ) -> FastActions | None:
        """What a checkpoint's folder says; None where chunks come from the flow head.

        Args:
            language: the language model's tokenizer.
            actions: the robot's statistics; degrees of freedom that never vary are not in the tokens.

        Raises:
            WallOSSError: its FAST tokenizer is missing, damaged, for chunks of another size, or does not fit the
                language model.
        """
        if not speaks_fast(config):
            return None
        if folder is None:
            raise WallOSSError("The model says its actions in FAST tokens.", "Load it by Policy.from_pretrained.")
        fast = tokenizer_of(folder, config)
        if fast is None:
            raise WallOSSError(
                f"{folder} says its actions in FAST tokens, but has no folder {FOLDER}, and its config.json no "
                "action_tokenizer_path.",
                "Put tokenizer.json and processor_config.json of the FAST tokenizer there.",
            )
        vocabulary = ActionVocabulary(fast, language, LIMITS[actions.kind])
        if max(vocabulary.ids) >= config.vocab_size:
            raise WallOSSError(
                f"Action tokens reach id {max(vocabulary.ids)}, the checkpoint has {config.vocab_size} tokens.",
                "Use the tokenizer.json that was saved with the weights.",
            )
        mask = actions.mask()
        size = config.action_horizon, int(mask.sum())
        if any(own not in (None, n) for own, n in zip((fast.horizon, fast.width), size)):
            raise WallOSSError(
                f"The FAST tokenizer is for chunks of {(fast.horizon, fast.width)} (steps, degrees of freedom), the "
                f"checkpoint's are {size} for this robot.",
                "Use the FAST tokenizer and the statistics that the checkpoint was trained with.",
            )
        return cls(vocabulary, config.action_horizon, mask)

    def act(self, engine: Engine, suffix: list[int], state: Tensor | None, state_mask: Tensor | None) -> np.ndarray:
        """The likeliest chunk (horizon, A) float32, normalised; 0 where the mask says no.

        Args:
            suffix: the acting prompt behind the observation.
            state, state_mask: (A,), normalised.

        Raises:
            NotAChunk: the model's tokens encode no chunk.
            WallOSSError: a logit is not finite.
        """
        limit = self.vocabulary.longest(self.horizon, self.dof_mask)
        ids = engine.generate(suffix, limit, state, state_mask, self.vocabulary.choice())
        if len(ids) < limit:  # it ended; the engine leaves the end token out
            ids = [*ids, self.vocabulary.end]
        return self.vocabulary.decode(ids, self.horizon, self.dof_mask)


def fit_fast(chunks: np.ndarray, actions: Normalizer, vocab_size: int = 1024, scale: float = 10.0) -> FastTokenizer:
    """The FAST tokenizer of a dataset, for the degrees of freedom that vary in it.

    Args:
        chunks: (N, T, A) in physical units.
        actions: the dataset's statistics.
    """
    return FastTokenizer.fit(actions.normalize(chunks)[..., actions.mask()], vocab_size, scale)


def fast_answers(chunks: np.ndarray, actions: Normalizer, vocabulary: ActionVocabulary) -> list[str]:
    """What the assistant answers to the acting prompt, without the end token: action tokens as text.

    Args:
        chunks: (N, T, A) in physical units.
        actions: the robot's statistics, by which :class:`~wall_oss_ros.policy.Policy` will turn answers back.

    Raises:
        WallOSSError: a chunk is beyond what the tokenizer can encode.
    """
    return [vocabulary.spell(chunk, actions.mask()) for chunk in actions.normalize(chunks)]
