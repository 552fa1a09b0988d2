"""Observations and words to the model's tensors, and its tokens back to words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSSConfig
from wall_oss_ros.policy.images import image_patches, resize_view
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.uni_cot import prompts

_SPECIAL = {
    "<|im_start|>": None,
    "<|im_end|>": "eos_token_id",
    "<|vision_start|>": "vision_start_token_id",
    "<|vision_end|>": "vision_end_token_id",
    "<|image_pad|>": "image_token_id",
    "<|propri|>": "propri_token_id",
    "<|action|>": "action_token_id",
    "<|endoftext|>": None,
}


@dataclass(frozen=True)
class Prefix:
    """The part of a prompt that all questions about one observation share."""

    input_ids: torch.Tensor  # (1, P), image tokens expanded
    pixel_values: torch.Tensor  # (patches, 3*2*14*14)
    image_grid_thw: torch.Tensor  # (views, 3)


class Processor:
    """Tokenizer and image processing of one checkpoint."""

    def __init__(self, config: WallOSSConfig, tokenizer: Tokenizer):
        """Raises WallOSSError when the tokenizer lacks a special token, or has it at another id than the weights."""
        self.config = config
        self.tokenizer = tokenizer
        for token, key in _SPECIAL.items():
            found = tokenizer.token_to_id(token)
            wanted = getattr(config, key) if key else found
            if found is None or found != wanted:
                raise WallOSSError(
                    f"The tokenizer has {token} at {found}, the checkpoint expects {wanted}.",
                    "Use the tokenizer.json that was saved with the weights.",
                )
        self._words = {word.lower() for word in config.extra.get("known_words", [])}
        vision = config.vision
        self._factor = vision.patch_size * vision.spatial_merge_size

    @classmethod
    def from_folder(cls, config: WallOSSConfig, folder: Path) -> Processor:
        """Reads ``tokenizer.json``.

        Raises:
            WallOSSError: it is missing, damaged, or does not fit the config.
        """
        file = folder / "tokenizer.json"
        if not file.exists():
            raise WallOSSError(f"{folder} has no tokenizer.json.", "Use a complete checkpoint.")
        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the tokenizers library raises plain Exception
            raise WallOSSError(f"{file} is not a tokenizer: {error}.", "Fetch or train the checkpoint again.") from None
        return cls(config, tokenizer)

    def images(self, observation: Observation, views: list[str]) -> list[np.ndarray]:
        """The views as the model takes them, in this order.

        Raises:
            WallOSSError: the observation lacks a view, or is malformed.
        """
        observation.check()
        missing = [view for view in views if view not in observation.images]
        if missing:
            raise WallOSSError(
                f"The observation has no {', '.join(missing)}; it has {', '.join(observation.images) or 'no views'}.",
                "Check the cameras in the robot's profile.",
            )
        return [resize_view(observation.images[view], self.config.image_size, self._factor) for view in views]

    def prefix(self, images: list[np.ndarray], views: list[str]) -> Prefix:
        """Args: images: as :meth:`images` gives them, one for each of ``views``."""
        vision = self.config.vision
        patch, merge = vision.patch_size, vision.spatial_merge_size
        if len({image.shape for image in images}) == 1:
            patches = image_patches(np.stack(images), patch, merge, vision.temporal_patch_size)
        else:
            patches = np.concatenate([image_patches(i[None], patch, merge, vision.temporal_patch_size) for i in images])
        grids = [(1, image.shape[0] // patch, image.shape[1] // patch) for image in images]
        sizes = iter(rows * columns // merge**2 for _, rows, columns in grids)
        ids: list[int] = []
        for token in self.encode(prompts.observation_prompt(views)):
            ids += [token] * next(sizes) if token == self.config.image_token_id else [token]
        return Prefix(torch.tensor([ids]), torch.from_numpy(patches), torch.tensor(grids))

    def encode(self, text: str) -> list[int]:
        """Token ids; special tokens in the text are recognised."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def clean(self, text: str) -> str:
        """A user's words made safe for a prompt: no special tokens, one line.

        Raises:
            WallOSSError: nothing is left.
        """
        cleaned = " ".join(re.sub(r"<\|[^|]*\|>", " ", text).split())
        if not cleaned:
            raise WallOSSError(
                "The instruction is empty.", "Say what the robot should do, for example: pick up the red cube."
            )
        return cleaned

    def decode(self, ids: list[int]) -> str:
        """Words, without special tokens."""
        return self.tokenizer.decode(ids, skip_special_tokens=True).strip()

    def unknown_words(self, text: str) -> list[str]:
        """Words that the checkpoint's training never used, by its ``known_words``; none where it does not list them."""
        if not self._words:
            return []
        words = re.findall(r"[^\W\d_]+", text.lower())
        return [word for word in dict.fromkeys(words) if word not in self._words]
