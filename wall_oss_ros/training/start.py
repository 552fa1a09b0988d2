# SPDX-License-Identifier: Apache-2.0
"""Starts a training from another checkpoint's weights: what it can see and say need not be learnt from nothing."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.policy.checkpoints import model_directory

_BY_TOKEN = ("model.embed_tokens.weight", "lm_head.weight")  # one row for each token


@torch.no_grad()
def start_from(model: WallOSS, tokenizer: Tokenizer, checkpoint: str | Path) -> list[str]:
    """Copies every weight that the checkpoint has in the same shape; of rows that belong to tokens, those whose token
    has the same text. Statistics are left alone: they belong to a dataset.

    Args:
        model: changed in place.
        tokenizer: of ``model``.
        checkpoint: a folder, the name of one in models/, or owner/name on the hub.

    Returns:
        Names of the weights that stay as they were.

    Raises:
        WallOSSError: there is no such checkpoint, or hardly any of its weights fit.
    """
    folder = model_directory(checkpoint)
    source = {name: value.detach() for name, value in WallOSS.from_pretrained(folder).named_parameters()}
    same = _same_tokens(tokenizer, folder)
    left = []
    for name, parameter in model.named_parameters():
        found = source.get(name)
        if name in _BY_TOKEN and found is not None and found.shape[1:] == parameter.shape[1:]:
            parameter[same[:, 0]] = found[same[:, 1]].to(parameter)
        elif found is not None and found.shape == parameter.shape:
            parameter.copy_(found)
        else:
            left.append(name)
    if len(left) > len(source) / 4:
        raise WallOSSError(
            f"{len(left)} of {len(source)} weights of {folder} do not fit the recipe's model, such as {left[0]}.",
            "Start from a checkpoint of the same sizes, or without start.",
        )
    return left


def _same_tokens(tokenizer: Tokenizer, folder: Path) -> torch.Tensor:
    """(n, 2): the numbers of tokens with the same text, here and in the checkpoint."""
    file = folder / "tokenizer.json"
    if not file.exists():
        raise WallOSSError(f"{folder} has no tokenizer.json.", "Start from a checkpoint that has one.")
    theirs = Tokenizer.from_file(str(file)).get_vocab()
    pairs = [(number, theirs[text]) for text, number in tokenizer.get_vocab().items() if text in theirs]
    return torch.tensor(sorted(pairs)).view(-1, 2)
