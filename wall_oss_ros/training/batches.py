# SPDX-License-Identifier: Apache-2.0
"""Turns frames into training batches: draws instructions and questions, tokenizes, normalises, packs."""

from __future__ import annotations

import numpy as np
import torch
from tokenizers import Tokenizer

from wall_oss_ros.model import WallOSS
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.images import image_patches
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.sim.cubes.frames import FrameSet
from wall_oss_ros.sim.environment import HORIZON
from wall_oss_ros.sim.task import Task
from wall_oss_ros.training.losses import Batch
from wall_oss_ros.training.packing import pack
from wall_oss_ros.training.recipe import Stage


class Batches:
    """Batches of one dataset, each a function of (seed, step) alone, so that a resumed run continues the same stream."""

    def __init__(self, data: FrameSet, task: Task, tokenizer: Tokenizer, model: WallOSS, robot: str, seed: int):
        self.data, self.task, self.tokenizer, self.seed = data, task, tokenizer, seed
        self.head, self.robot, vision = model.action_preprocessor, robot, model.config.vision
        self.views, self.patch, self.merge = model.config.views, vision.patch_size, vision.spatial_merge_size
        height, width = data.images.shape[2:4]
        self.grid = torch.tensor([[1, height // self.patch, width // self.patch]])
        tokens = int(self.grid[0].prod()) // self.merge**2
        image = tokenizer.token_to_id("<|image_pad|>")
        ids = tokenizer.encode(prompts.observation_prompt(self.views)).ids
        self.prefix = [i for token in ids for i in ([token] * tokens if token == image else [token])]
        prefix = torch.tensor([self.prefix])
        grids = self.grid.repeat(len(self.views), 1)
        self.positions = model.position_ids(prefix, grids, torch.ones_like(prefix))[:, 0].numpy()
        self.image_positions = torch.nonzero(prefix[0] == image).flatten()
        self.end = [tokenizer.token_to_id(prompts.END)]
        self._cache: dict[str, list[int]] = {}

    def _ids(self, text: str) -> list[int]:
        if text not in self._cache:
            self._cache[text] = self.tokenizer.encode(text).ids
        return self._cache[text]

    def draw(self, indices: np.ndarray, stage: Stage, step: int) -> Batch:
        """One batch of the frames ``indices`` (B,)."""
        rng = np.random.default_rng([self.seed, step, 1])
        frames = self.data.frames[indices]
        talk, act, chunks = [], [], []
        for frame in frames:
            samples = [self.task.language.sample(rng, frame, stage.kinds) for _ in range(stage.language_branches)]
            talk.append([(kind, self._ids(prompt), self._ids(answer) + self.end) for kind, prompt, answer in samples])
            chosen = self.task.acting(rng, frame, stage.acting_branches) if stage.acting_branches else []
            act.append([self._ids(prompts.act_suffix(text)) for text, _ in chosen])
            chunks.append([frame["chunks"][i] for _, i in chosen])
        packed = pack(
            self.prefix,
            self.positions,
            talk,
            act,
            stage.draws if stage.acting_branches else 0,
            HORIZON,
            self.tokenizer.token_to_id(prompts.PROPRIOCEPTION),
            self.tokenizer.token_to_id("<|endoftext|>"),
        )
        # Asked for each time: a resumed run takes its statistics from the save, not from the data.
        states = Normalizer.from_statistics(self.head.normalizer_propri, self.robot)
        moves = Normalizer.from_statistics(self.head.normalizer_action, self.robot)
        state = self.task.state(frames)
        actions = self.task.actions(
            np.reshape(chunks, (len(frames), stage.acting_branches, *frames["chunks"].shape[2:]))
        )
        images = self.data.images[indices].reshape(-1, *self.data.images.shape[2:])
        return Batch(
            packed=packed,
            pixel_values=torch.from_numpy(image_patches(images, self.patch, self.merge)),
            image_grid_thw=self.grid.repeat(len(images), 1),
            image_positions=self.image_positions,
            state=torch.from_numpy(states.normalize(state)),
            state_mask=torch.from_numpy(states.mask()).float().expand(len(frames), -1),
            actions=torch.from_numpy(moves.normalize(actions)),
            dof_mask=torch.from_numpy(moves.mask()).float(),
        )
