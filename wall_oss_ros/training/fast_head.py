# SPDX-License-Identifier: Apache-2.0
"""FAST action tokens in a recipe's training: which tokenizer, in whose vocabulary, and what a checkpoint says of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from wall_oss_ros.data.dataset import Dataset
from wall_oss_ros.data.mapping.recorded import RecordedDataset
from wall_oss_ros.data.mixture import Mixture
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.action_vocabulary import ActionVocabulary, action_token, add_action_tokens
from wall_oss_ros.model.checkpoint import read_config
from wall_oss_ros.model.fast import FastTokenizer
from wall_oss_ros.policy.checkpoints import model_directory
from wall_oss_ros.policy.fast_actions import FOLDER, tokenizer_of
from wall_oss_ros.policy.robot_statistics import for_robot
from wall_oss_ros.training.batches import Batches, complete
from wall_oss_ros.training.recipe import Recipe
from wall_oss_ros.training.sources import statistics

_FITTED = 20_000  # chunks that a tokenizer is made of
_LOOKED_AT = 64  # chunks of each dataset, before anything is trained


def fast_words(recipe: Recipe, data: Dataset | Mixture, tokenizer: Tokenizer, run: Path) -> ActionVocabulary | None:
    """What chunks are called in FAST tokens; None where no stage trains these.

    The tokenizer is the run's own; else that which the recipe names; else that of the checkpoint which is fine-tuned,
    and for a new network one that is made of the data's chunks.

    Args:
        data: the recipe's dataset, or mixture.
        tokenizer: the language model's. A new network's is given the action tokens, at its end.

    Raises:
        WallOSSError: the checkpoint has no FAST tokens in its vocabulary or no FAST tokenizer, or both do not fit.
    """
    stage = next((stage.name for stage in recipe.stages if stage.fast_branches), None)
    if stage is None:
        return None
    if recipe.fine_tunes and tokenizer.token_to_id(action_token(0)) is None:
        raise WallOSSError(
            f"The vocabulary of {recipe.start} has no FAST tokens, such as {action_token(0)}; the stage {stage} is to "
            "train them.",
            "Start from a checkpoint that has them, such as x-square-robot/wall-oss-fast, or leave out fast_branches.",
        )
    folder = run / FOLDER
    fast = FastTokenizer.from_pretrained(folder) if folder.is_dir() else _tokenizer(recipe, data)
    if not folder.is_dir():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        fast.save(part)
        os.replace(part, folder)
    if not recipe.fine_tunes:
        add_action_tokens(tokenizer, fast.vocab_size)
    return ActionVocabulary(fast, tokenizer)


def _tokenizer(recipe: Recipe, data: Dataset | Mixture) -> FastTokenizer:
    own = recipe.fast
    if own.tokenizer is not None:
        return FastTokenizer.from_pretrained(own.tokenizer)
    if not recipe.fine_tunes:
        return FastTokenizer.fit(_chunks(recipe, data), own.vocab_size, own.scale)
    folder = model_directory(recipe.start)
    fast = tokenizer_of(folder, read_config(folder))
    if fast is None:
        raise WallOSSError(
            f"{recipe.start} has FAST tokens in its vocabulary, but no FAST tokenizer: no folder {FOLDER}, and no "
            "action_tokenizer_path in its config.json.",
            "Name the one that it was trained with in the recipe: fast: {tokenizer: physical-intelligence/fast}.",
        )
    return fast


def _chunks(recipe: Recipe, data: Dataset | Mixture) -> Iterator[np.ndarray]:
    """Chunks (H, D) of training frames, normalised, as the robots' tokens tell them."""
    rng = np.random.default_rng([recipe.seed, 19])
    if isinstance(data, Mixture):
        known = statistics(data)
        each = [source.data for source in data.recordings]
        moves = [for_robot(known[one.robots[0]][1], one.profile.dof_config, one.profile) for one in each]
    else:
        each, moves = [data], [data.statistics()[1]]
    for one, own in zip(each, moves):
        count = len(one) - one.held_out
        chosen = np.sort(rng.choice(count, min(count, _FITTED // len(each)), replace=False))
        for start in range(0, len(chosen), 1000):
            for chunk, told in _motion(one, chosen[start : start + 1000], rng):
                if complete(told, own.mask()):
                    yield own.normalize(chunk)[:, own.mask()]


def _motion(data: Dataset, indices: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """A chunk (H, A) of each sample, and which of it is known: the one that a recording has, one of the drawn ones of
    other data."""
    if isinstance(data, RecordedDataset):
        yield from zip(*data.chunks(indices))
        return
    for index in indices:
        yield from ((one.chunk, one.mask) for one in data.acting(rng, int(index), 1))


def require_sayable(batches: Sequence[Batches], model: WallOSS) -> None:
    """Raises WallOSSError where the network has no rows for the FAST tokens, or they can say no chunk of a dataset."""
    rows = model.model.embed_tokens.num_embeddings
    for one in batches:
        if max(one.words.ids) >= rows:
            raise WallOSSError(
                f"Action tokens reach id {max(one.words.ids)}, the checkpoint has {rows} tokens.",
                "Use the tokenizer.json that was saved with the weights.",
            )
        said(one)


def said(batches: Batches) -> tuple[int, int, float]:
    """Of some chunks of a dataset: how many can be said in FAST tokens, of how many, and in how many tokens on average.

    Raises:
        WallOSSError: none of them can, and why.
    """
    data, moves = batches.data, batches.normalizers()[1]
    rng = np.random.default_rng(0)
    count = len(data) - data.held_out
    lengths, problem, asked = [], None, 0
    chosen = np.sort(rng.choice(count, min(count, _LOOKED_AT), replace=False))
    for chunk, told in _motion(data, chosen, rng):
        asked += 1
        try:
            if complete(told, moves.mask()):
                lengths.append(len(batches.words.encode(moves.normalize(chunk), moves.mask())))
        except WallOSSError as error:
            problem = error
    if not lengths and problem is not None:
        raise problem
    if not lengths:
        raise WallOSSError(
            f"Not one of {asked} chunks of {data.robots[0]} has all entries that its FAST tokens would tell of.",
            "Leave out fast_branches, or give this dataset statistics of its own by stored_as.",
        )
    return len(lengths), asked, float(np.mean(lengths))


def head_of(recipe: Recipe, before: Mapping[str, Any]) -> dict[str, Any]:
    """What config.json is to say of the head that chunks come from: FAST where that alone is trained.

    Args:
        before: what it says already, of the checkpoint that is fine-tuned.

    Raises:
        WallOSSError: it is FAST, and the recipe trains the flow head alone.
    """
    fast = any(stage.fast_branches for stage in recipe.stages)
    flow = any(stage.acting_branches for stage in recipe.stages)
    if "use_fast_tokenizer" in recipe.model:
        return {} if recipe.model["use_fast_tokenizer"] else {"prediction_mode": ""}
    if fast and not flow:
        return {"use_fast_tokenizer": True}
    if flow and not fast and (before.get("use_fast_tokenizer") or before.get("prediction_mode") == "fast"):
        raise WallOSSError(
            f"{recipe.start} says its actions in FAST tokens, which no stage of {recipe.name} trains: the robot would "
            "be driven by what was never trained on it.",
            "Add fast_branches to a stage, or say use_fast_tokenizer: false in the recipe's model.",
        )
    return {}
