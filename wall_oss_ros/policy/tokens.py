# SPDX-License-Identifier: Apache-2.0
"""A checkpoint's tokenizer, and the tokens that prompts are made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSSConfig
from wall_oss_ros.model.layouts import tokenizer_folder

PROMPT_TOKENS = {
    "<|im_start|>": None,
    "<|im_end|>": "eos_token_id",
    "<|vision_start|>": "vision_start_token_id",
    "<|vision_end|>": "vision_end_token_id",
    "<|image_pad|>": "image_token_id",
    "<|propri|>": "propri_token_id",
    "<|action|>": "action_token_id",
    "<|endoftext|>": None,
}
"""Tokens that prompts are made of, and the key of config.json that has their ids."""


def read_tokenizer(folder: Path) -> Tokenizer:
    """A checkpoint's ``tokenizer.json``; without one, what transformers makes of ``vocab.json`` and ``merges.txt``.

    Raises:
        WallOSSError: it is missing or damaged.
    """
    folder = tokenizer_folder(folder)
    file = folder / "tokenizer.json"
    if not file.exists() and not (folder / "vocab.json").exists():
        raise WallOSSError(f"{folder} has no tokenizer.json.", "Use a complete checkpoint.")
    try:
        if not file.exists():
            from transformers import Qwen2Tokenizer  # takes seconds to import, and most checkpoints need not

            file = folder / "vocab.json"
            return Qwen2Tokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the tokenizers library raises plain Exception
        raise WallOSSError(f"{file} is not a tokenizer: {error}.", "Fetch or train the checkpoint again.") from None


def misplaced_tokens(tokenizer: Tokenizer, config: WallOSSConfig) -> Iterator[tuple[str, int | None, int | None]]:
    """The special tokens that are missing or have another id than the weights: token, its id, the id expected."""
    for token, key in PROMPT_TOKENS.items():
        found = tokenizer.token_to_id(token)
        wanted = getattr(config, key) if key else found
        if found is None or found != wanted:
            yield token, found, wanted
