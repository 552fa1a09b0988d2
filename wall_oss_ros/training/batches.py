# SPDX-License-Identifier: Apache-2.0
"""Turns samples of a dataset into training batches: draws texts and motion, tokenizes, normalises, packs."""

from __future__ import annotations

import numpy as np
import torch
from tokenizers import Tokenizer

from wall_oss_ros.data.dataset import Dataset
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.positions import multimodal_positions
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.images import image_patches
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.training.losses import Batch
from wall_oss_ros.training.packing import pack
from wall_oss_ros.training.recipe import Stage


class Batches:
    """Batches of one dataset, each a function of (seed, step) alone: a resumed run continues the same stream."""

    def __init__(self, data: Dataset, tokenizer: Tokenizer, model: WallOSS, seed: int):
        self.data, self.tokenizer, self.seed = data, tokenizer, seed
        self.head, vision = model.action_preprocessor, model.config.vision
        self.patch, self.merge = vision.patch_size, vision.spatial_merge_size
        height, width = data.images(np.array([0])).shape[2:4]
        self.grid = torch.tensor([[1, height // self.patch, width // self.patch]])
        tokens = int(self.grid[0].prod()) // self.merge**2
        image = tokenizer.token_to_id("<|image_pad|>")
        ids = tokenizer.encode(prompts.observation_prompt(data.views)).ids
        self.prefix = [i for token in ids for i in ([token] * tokens if token == image else [token])]
        prefix = torch.tensor([self.prefix])
        grids = self.grid.repeat(len(data.views), 1)
        self.positions = multimodal_positions(model.config, prefix, grids)[:, 0].numpy()
        self.image_positions = torch.nonzero(prefix[0] == image).flatten()
        self.end = [tokenizer.token_to_id(prompts.END)]
        self._cache: dict[str, list[int]] = {}

    def _ids(self, text: str) -> list[int]:
        if text not in self._cache:
            self._cache[text] = self.tokenizer.encode(text).ids
        return self._cache[text]

    def draw(self, indices: np.ndarray, stage: Stage, step: int) -> Batch:
        """One batch of the samples ``indices`` (B,)."""
        rng, data = np.random.default_rng([self.seed, step, 1]), self.data
        language, acting = [], []
        for index in indices:
            texts = [data.language(rng, index, stage.kinds) for _ in range(stage.language_branches)]
            language.append([(one.kind, self._ids(one.prompt), self._ids(one.answer) + self.end) for one in texts])
            acting.append(data.acting(rng, index, stage.acting_branches) if stage.acting_branches else [])
        packed = pack(
            self.prefix,
            self.positions,
            language,
            [[self._ids(prompts.act_suffix(one.text)) for one in branches] for branches in acting],
            stage.draws if stage.acting_branches else 0,
            data.horizon,
            self.tokenizer.token_to_id(prompts.PROPRIOCEPTION),
            self.tokenizer.token_to_id("<|endoftext|>"),
        )
        # Asked for each time: a resumed run takes its statistics from the save, not from the data.
        states = Normalizer.from_statistics(self.head.normalizer_propri, data.robots[0])
        moves = Normalizer.from_statistics(self.head.normalizer_action, data.robots[0])
        state, known = data.states(indices)
        shape = (len(indices), stage.acting_branches, data.horizon, state.shape[1])
        actions = np.array([[one.chunk for one in branches] for branches in acting], np.float32).reshape(shape)
        # The loss has one mask for all chunks of a batch: an entry that any of them lacks is left out.
        in_all = np.array([[one.mask for one in branches] for branches in acting], bool).reshape(shape).all((0, 1, 2))
        images = data.images(indices)
        images = images.reshape(-1, *images.shape[2:])
        return Batch(
            packed=packed,
            pixel_values=torch.from_numpy(image_patches(images, self.patch, self.merge)),
            image_grid_thw=self.grid.repeat(len(images), 1),
            image_positions=self.image_positions,
            state=torch.from_numpy(states.normalize(state)),
            state_mask=torch.from_numpy(known & states.mask()).float(),
            actions=torch.from_numpy(moves.normalize(actions)),
            dof_mask=torch.from_numpy(in_all & moves.mask()).float(),
        )
