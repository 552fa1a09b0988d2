# SPDX-License-Identifier: Apache-2.0
"""Starts a training from another checkpoint's weights: what it can see and say need not be learnt from nothing."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from tokenizers import Tokenizer

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import read_json
from wall_oss_ros.model import WallOSS, WallOSSConfig
from wall_oss_ros.policy.checkpoints import model_directory
from wall_oss_ros.policy.tokens import read_tokenizer

_BY_TOKEN = ("model.embed_tokens.weight", "lm_head.weight")  # one row for each token


@torch.no_grad()
def start_from(model: WallOSS, tokenizer: Tokenizer, checkpoint: str | Path) -> list[str]:
    """Copies every weight that the checkpoint has in the same shape; of rows that belong to tokens, those whose token
    has the same text. Statistics are left alone: they belong to a dataset.

    Args:
        model: changed in place.
        tokenizer: of ``model``.
        checkpoint: a folder, the name of one in models/, or owner/name on the hub; of WALL-OSS, or a plain Qwen2.5-VL,
            which becomes the vision tower and the vision-language expert.

    Returns:
        Names of the weights that stay as they were.

    Raises:
        WallOSSError: there is no such checkpoint, or hardly any of its weights fit.
    """
    folder = model_directory(checkpoint)
    source, plain = _weights(folder, model.config)
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
    unfit = [name for name in left if name in source] if plain else left  # a plain Qwen2.5-VL has no action expert
    if len(unfit) > len(source) / 4:
        raise WallOSSError(
            f"{len(unfit)} of {len(source)} weights of {folder} do not fit the recipe's model, such as {unfit[0]}.",
            "Start from a checkpoint of the same sizes, or without start.",
        )
    return left


def _weights(folder: Path, config: WallOSSConfig) -> tuple[dict[str, torch.Tensor], bool]:
    """The checkpoint's weights by the names of this network, and whether it is a plain Qwen2.5-VL."""
    values = read_json(folder / "config.json", "Fetch the checkpoint again.")
    if not isinstance(values, dict):
        values = {}  # the loader says what is wrong with it
    if values.get("model_type") != "qwen2_5_vl" or "experts" in values:
        return {name: value.detach() for name, value in WallOSS.from_pretrained(folder).named_parameters()}, False
    from transformers import Qwen2_5_VLForConditionalGeneration  # takes seconds, for this case alone

    try:
        qwen = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, local_files_only=True, dtype="auto")
    except (OSError, ValueError, RuntimeError) as error:
        raise WallOSSError(f"{folder} holds no Qwen2.5-VL: {error}.", "Fetch the checkpoint again.") from error
    return {_name(name, config): value for name, value in qwen.state_dict().items()}, True


def _name(name: str, config: WallOSSConfig) -> str:
    """The name here of a weight of transformers' Qwen2.5-VL, whose decoder becomes expert 0, as in the public code."""
    name = name.replace("model.visual.", "visual.").replace("model.language_model.", "model.")
    name = name.replace(".mlp.", ".moe.experts.0.") if name.startswith("model.") else name
    if config.attention_moe:
        name = re.sub(r"(self_attn\.[qkvo]_proj)\.", r"\1_experts.0.", name)
    if config.norm_moe:
        name = re.sub(r"^(model\..*norm)\.", r"\1s.0.", name)
    return name


def _same_tokens(tokenizer: Tokenizer, folder: Path) -> torch.Tensor:
    """(n, 2): the numbers of tokens with the same text, here and in the checkpoint."""
    theirs = read_tokenizer(folder).get_vocab()
    pairs = [(number, theirs[text]) for text, number in tokenizer.get_vocab().items() if text in theirs]
    return torch.tensor(sorted(pairs)).view(-1, 2)
