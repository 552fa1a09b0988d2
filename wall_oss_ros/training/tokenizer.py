# SPDX-License-Identifier: Apache-2.0
"""The small model's tokenizer: byte-level BPE, as Qwen's, trained on the language of its own data.

The fixed phrases of the prompts become one token each. That changes nothing in the text, and makes the sequences that
the small model is trained on about half as long.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, pre_tokenizers

from wall_oss_ros.model.fast import by_bytes, train_bpe
from wall_oss_ros.policy import prompts

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<|propri|>",
    "<|action|>",
)
PHRASES = (
    "system\nYou are a helpful assistant.",
    "user\nObservation:",
    *(f" {name}: " for name in dict.fromkeys(prompts.VIEW_NAMES.values())),
    prompts.INSTRUCTION.rstrip(" "),
    prompts.QUESTION.rstrip(" "),
    prompts.ACT.split(prompts.PROPRIOCEPTION)[0],
    "\n" + prompts.ASSISTANT,
    prompts.REASON + prompts.ASSISTANT,
    prompts.PLAN + prompts.ASSISTANT,
    "<point>[",
    "]</point>",
)
# Words with their leading space, single digits, punctuation, line breaks: Qwen2's split, without contractions.
SPLIT = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """A tokenizer for these texts; its vocabulary has at most ``vocab_size`` entries, phrases and specials included."""
    split = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT), "isolated"), by_bytes()])
    tokenizer = train_bpe(texts, vocab_size - len(SPECIAL_TOKENS) - len(PHRASES), split)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    tokenizer.add_tokens([AddedToken(phrase, normalized=False) for phrase in PHRASES])
    return tokenizer
