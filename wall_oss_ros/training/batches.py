# SPDX-License-Identifier: Apache-2.0
"""Turns samples of a dataset into training batches: draws texts and motion, tokenizes, normalises, packs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Tokenizer

from wall_oss_ros.data.dataset import ActingSample, Dataset
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.positions import multimodal_positions
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.images import image_patches
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.training.losses import Batch
from wall_oss_ros.training.packing import pack
from wall_oss_ros.training.recipe import Stage


class Batches:
    """Batches of one dataset, each a function of (seed, step) alone: a resumed run continues the same stream.

    Args:
        seed: a number, or several where a run has several datasets.
        by_row: whether a row depends on its place in the step and not on the rows before it, so that several processes
            can share a step.

    Attributes:
        least_branches: that a row has where a stage wants motion, though there be none.
    """

    least_branches = 0

    def __init__(
        self, data: Dataset, tokenizer: Tokenizer, model: WallOSS, seed: int | Sequence[int], by_row: bool = False
    ):
        self.data, self.tokenizer, self.seed = data, tokenizer, np.atleast_1d(seed).tolist()
        self._by_row = by_row
        self.head, vision = model.action_preprocessor, model.config.vision
        self.patch, self.merge = vision.patch_size, vision.spatial_merge_size
        shapes = [view.shape[1:3] for view in _by_view(data.images(np.array([0])))]
        self.grids = torch.tensor([[1, height // self.patch, width // self.patch] for height, width in shapes])
        sizes = iter((self.grids.prod(-1) // self.merge**2).tolist())
        image = tokenizer.token_to_id("<|image_pad|>")
        ids = tokenizer.encode(prompts.observation_prompt(data.views), add_special_tokens=False).ids
        self.prefix = [i for token in ids for i in ([token] * next(sizes) if token == image else [token])]
        prefix = torch.tensor([self.prefix])
        self.positions = multimodal_positions(model.config, prefix, self.grids)[:, 0].numpy()
        self.image_positions = torch.nonzero(prefix[0] == image).flatten()
        self.end = [tokenizer.token_to_id(prompts.END)]
        self._cache: dict[str, list[int]] = {}

    def _ids(self, text: str) -> list[int]:
        if text not in self._cache:
            self._cache[text] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return self._cache[text]

    def draw(self, indices: np.ndarray, stage: Stage, step: int, first: int = 0) -> Batch:
        """One batch of the samples ``indices`` (B,).

        Every row has as many acting branches as that which has most: what is short is filled up by motion that nothing
        is known of, and that no loss counts.

        Args:
            first: place in the step of the first of them.
        """
        rng, data = np.random.default_rng([*self.seed, step, 1]), self.data
        language, acting = [], []
        for place, index in enumerate(indices, first):
            if self._by_row:
                rng = np.random.default_rng([*self.seed, step, 1, place])
            texts = [data.language(rng, index, stage.kinds) for _ in range(stage.language_branches)]
            asked = [one for one in texts if one is not None]
            language.append([(one.kind, self._ids(one.prompt), self._ids(one.answer) + self.end) for one in asked])
            acting.append(data.acting(rng, index, stage.acting_branches) if stage.acting_branches else [])
        state, known = data.states(indices)
        branches = max([self.least_branches if stage.acting_branches else 0, *map(len, acting)])
        shape = (len(indices), branches, data.horizon, state.shape[1])
        nothing = ActingSample("", np.zeros(shape[2:], np.float32), np.zeros(shape[2:], bool))
        acting = [[*some, *[nothing] * (branches - len(some))] for some in acting]
        packed = pack(
            self.prefix,
            self.positions,
            language,
            [[self._ids(prompts.act_suffix(one.text)) for one in branches] for branches in acting],
            stage.draws if branches else 0,
            data.horizon,
            self.tokenizer.token_to_id(prompts.PROPRIOCEPTION),
            self.tokenizer.token_to_id("<|endoftext|>"),
        )
        # Asked for each time: a resumed run takes its statistics from the save, not from the data.
        states = Normalizer.from_statistics(self.head.normalizer_propri, data.robots[0])
        moves = Normalizer.from_statistics(self.head.normalizer_action, data.robots[0])
        actions = np.array([[one.chunk for one in some] for some in acting], np.float32).reshape(shape)
        told = np.array([[one.mask for one in some] for some in acting], bool).reshape(shape) & moves.mask()
        has = told.any(2, keepdims=True)  # what the model is told that it moves: what any step of the chunk knows
        everywhere = has.all((0, 1, 2))
        return Batch(
            packed=packed,
            pixel_values=self._pixels(indices),
            image_grid_thw=self.grids.repeat(len(indices), 1),
            image_positions=self.image_positions,
            state=torch.from_numpy(states.normalize(state)),
            state_mask=torch.from_numpy(known & states.mask()).float(),
            actions=torch.from_numpy(np.where(has, moves.normalize(actions), np.float32(0))),
            dof_mask=torch.from_numpy(everywhere if (has == everywhere).all() else has).float(),
            step_mask=None if (told == has).all() else torch.from_numpy(told).float(),
        )

    def prompt(self, indices: np.ndarray, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """A batch for ``WallOSS.sample_actions``: samples (B,), each with the text that is to be acted on."""
        states = Normalizer.from_statistics(self.head.normalizer_propri, self.data.robots[0])
        moves = Normalizer.from_statistics(self.head.normalizer_action, self.data.robots[0])
        state, known = self.data.states(indices)
        rows = [[*self.prefix, *self._ids(prompts.act_suffix(text))] for text in texts]
        longest = max(map(len, rows))
        pad, action = self.tokenizer.token_to_id("<|endoftext|>"), self.tokenizer.token_to_id(prompts.ACTION)
        ids = torch.tensor([[pad] * (longest - len(row)) + row + [action] * self.data.horizon for row in rows])
        mask = [[0] * (longest - len(row)) + [1] * (len(row) + self.data.horizon) for row in rows]
        return {
            "input_ids": ids,
            "attention_mask": torch.tensor(mask),
            "pixel_values": self._pixels(indices),
            "image_grid_thw": self.grids.repeat(len(indices), 1),
            "proprioception": torch.from_numpy(states.normalize(state))[:, None],
            "agent_pos_mask": torch.from_numpy(known & states.mask()).float()[:, None],
            "dof_mask": torch.from_numpy(moves.mask()).float().expand(len(indices), self.data.horizon, -1).clone(),
        }

    def _pixels(self, indices: np.ndarray) -> torch.Tensor:
        """Patches of all views of samples, sample by sample: (patches, 3*2*14*14)."""
        views = [image_patches(view, self.patch, self.merge) for view in _by_view(self.data.images(indices))]
        patches = [view.reshape(len(indices), -1, view.shape[-1]) for view in views]
        return torch.from_numpy(np.concatenate(patches, axis=1).reshape(-1, patches[0].shape[-1]))


def _by_view(images: np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
    """The views of samples as a list of (B, height, width, 3)."""
    return images if isinstance(images, list) else [images[:, view] for view in range(images.shape[1])]
