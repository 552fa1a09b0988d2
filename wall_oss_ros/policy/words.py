# SPDX-License-Identifier: Apache-2.0
"""Words of prompts and answers, as one checkpoint has them: its tokens, its phrases, and what it understands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief
from wall_oss_ros.model import WallOSSConfig
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.known_sentences import Kind, KnownSentences
from wall_oss_ros.policy.tokens import misplaced_tokens


class CheckpointWords:
    """From words to tokens and back.

    Attributes:
        embodiment, relative: the robot's name and whether its actions are displacements, for prompts that tell it.
    """

    def __init__(self, config: WallOSSConfig, tokenizer: Tokenizer):
        """
        Raises:
            WallOSSError: the tokenizer lacks a special token, or has it at another id than the weights.
        """
        self.config, self.tokenizer = config, tokenizer
        self.embodiment, self.relative = config.extra.get("embodiment") or "robot", False
        for token, found, wanted in misplaced_tokens(tokenizer, config):
            raise WallOSSError(
                f"The tokenizer has {token} at {found}, the checkpoint expects {wanted}.",
                "Use the tokenizer.json that was saved with the weights.",
            )
        self._known = {word.lower() for word in config.extra.get("known_words", [])}
        self._sentences = KnownSentences(config.extra.get("known_sentences", {}))

    def opening(self, views: Sequence[str]) -> str:
        """The beginning of every prompt: the system turn and the views, in the checkpoint's words."""
        extra = self.config.extra
        words = {**prompts.VIEW_NAMES, **extra.get("view_words", {})}
        if extra.get("instruction_end") == ".":  # LeRobot's, which calls views by their keys where it has no words
            words = {**{view: view for view in views}, **words}
        system = prompts.SYSTEM
        if extra.get("use_embodied_system_prompt"):
            cameras = [words.get(view, view) for view in views]
            system = prompts.embodied_system(self.embodiment, cameras, self.config.action_rate_hz, self.relative)
        return prompts.observation_prompt(views, words, system)

    def tell(self, robot: str, relative: bool) -> None:
        """Has prompts that tell the robot tell this one.

        Args:
            robot: name of its statistics; its last part is the embodiment, unless config.json says one.
            relative: whether its actions are displacements.
        """
        self.embodiment = self.config.extra.get("embodiment") or robot.rsplit("/")[-1]
        self.relative = relative

    @property
    def textual(self) -> bool:
        """Whether the state is words of the prompt, as in 0.5, rather than a vector of its own."""
        return bool(self.config.extra.get("use_state_string_representation"))

    def with_state(self, asked: str, state: np.ndarray, mask: np.ndarray) -> str:
        """An acting prompt with the state in words. Args: state, mask: (A,), normalised."""
        words = prompts.state_words(state, mask, self.config.extra.get("state_bins", 256))
        return asked.replace(prompts.PROPRIOCEPTION, words)

    def _sizes(self, images: torch.Tensor, videos: torch.Tensor | None = None) -> dict[int, Iterator[int]]:
        """How many tokens each picture takes, by the token that stands for it."""
        merged = self.config.vision.spatial_merge_size**2
        kinds = {self.config.image_token_id: images, self.config.video_token_id: videos}
        return {token: iter((grids.prod(-1) // merged).tolist()) for token, grids in kinds.items() if grids is not None}

    def expand(self, text: str, grids: torch.Tensor) -> list[int]:
        """Token ids of a text that shows pictures of these sizes (images, 3), in order."""
        return self._expand(text, self._sizes(grids))

    def _expand(self, text: str, sizes: dict[int, Iterator[int]]) -> list[int]:
        """Token ids, each picture's token as often as ``sizes`` has it next."""
        ids: list[int] = []
        for token in self.encode(text):
            ids += [token] * next(sizes[token]) if token in sizes else [token]
        return ids

    def encode(self, text: str) -> list[int]:
        """Token ids; special tokens in the text are recognised."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def clean(self, text: str) -> str:
        """A user's words made safe for a prompt: no special tokens, one line.

        Raises:
            WallOSSError: it is no text, or nothing is left.
        """
        cleaned = " ".join(re.sub(r"<\|[^|]*\|>", " ", checked_words(text)).split())
        if not cleaned:
            raise WallOSSError(
                "The instruction is empty.", "Say what the robot should do, for example: pick up the red cube."
            )
        end = self.config.extra.get("instruction_end", "")
        return cleaned if cleaned.endswith(end) else cleaned + end

    def decode(self, ids: list[int]) -> str:
        """Words, without special tokens."""
        return self.tokenizer.decode(ids, skip_special_tokens=True).strip()

    def split_thought(self, ids: list[int]) -> tuple[str, str, int]:
        """An answer's thought, empty where it begins with none; the rest; and how many tokens the thought takes, with
        the gap behind it."""
        beginnings = (self.tokenizer.decode(ids[:n], skip_special_tokens=True) for n in range(1, len(ids) + 1))
        count = next((n for n, text in enumerate(beginnings, 1) if prompts.GAP in text), 0)
        return (*prompts.without_thought(self.tokenizer.decode(ids, skip_special_tokens=True)), count)

    def unknown_words(self, text: str) -> list[str]:
        """Words that the checkpoint's training never used, by its ``known_words``; none where it does not list them."""
        if not self._known:
            return []
        words = re.findall(r"[^\W\d_]+", checked_words(text).lower())
        return [word for word in dict.fromkeys(words) if word not in self._known]

    def unlist(self) -> None:
        """Forgets the sentences that the checkpoint lists as understood: any is taken from now on."""
        self._sentences = KnownSentences({})

    def lists(self, kind: Kind) -> bool:
        """Whether the checkpoint lists sentences of a kind."""
        return self._sentences.lists(kind)

    def understood(self, text: str, kind: Kind) -> tuple[str, str]:
        """A sentence as the checkpoint was trained on it, and why it is not understood, empty where it is.

        Args:
            kind: "instructions" or "questions".
        """
        if unknown := self.unknown_words(text):
            words = ", ".join(f'"{word}"' for word in unknown[:5])
            return text, f"The model was not trained on {words}: use other words."
        return self._sentences.understood(text, kind)


def checked_words(text: object) -> str:
    """The text itself.

    Raises:
        WallOSSError: it is none, or has half a character of UTF-16, which no encoding can write.
    """
    if not isinstance(text, str):
        raise WallOSSError(
            f"The words are {brief(text)}; a text was expected.",
            "Say what the robot should do, for example: pick up the red cube.",
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise WallOSSError(
            f"The words hold half a character, {text[error.start]!a}, at place {error.start}.",
            "Read them with the encoding that they were written in.",
        ) from None
    return text
