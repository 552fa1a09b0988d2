# SPDX-License-Identifier: Apache-2.0
"""Turns samples of a dataset into training batches: draws texts and motion, tokenizes, normalises, packs.

Prompts are made by what makes them when the robot drives (``policy/processor.py``): the same words, the same state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer

from wall_oss_ros.data.dataset import ActingSample, Dataset, LanguageSample
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.action_vocabulary import ActionVocabulary
from wall_oss_ros.model.positions import multimodal_positions
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.images import image_patches
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.policy.processor import WallOSSProcessor
from wall_oss_ros.policy.robot_statistics import for_robot
from wall_oss_ros.training.augmentation import Augment, Change, change_of_row
from wall_oss_ros.training.losses import Batch
from wall_oss_ros.training.packing import FAST, pack
from wall_oss_ros.training.recipe import Stage

_KEPT = 50_000  # texts with their tokens


class Batches:
    """Batches of one dataset, each a function of (seed, step) alone: a resumed run continues the same stream.

    Args:
        seed: a number, or several where a run has several datasets.
        by_row: whether a row depends on its place in the step and not on the rows before it, so that several processes
            can share a step.
        words: what chunks are called in FAST tokens, for stages that train these.
        augment: how training pictures are changed, and what is said of places in them along; see ``augmentation.py``.

    Attributes:
        least_branches: that a row has where a stage wants motion, though there be none.
    """

    least_branches = 0

    def __init__(
        self,
        data: Dataset,
        tokenizer: Tokenizer,
        model: WallOSS,
        seed: int | Sequence[int],
        by_row: bool = False,
        words: ActionVocabulary | None = None,
        augment: Augment | None = None,
    ):
        self.data, self.tokenizer, self.seed = data, tokenizer, np.atleast_1d(seed).tolist()
        self._by_row, self.augment = by_row, augment
        self.words, self.config, self.head = words, model.config, model.action_preprocessor
        self.processor = WallOSSProcessor(model.config, tokenizer)
        self.processor.tell(data.robots[0], data.profile is not None and data.profile.action_mode == "relative")
        views = [view[0] for view in by_view(data.images(np.array([0])))]
        self.grids = self.processor.patches(views)[1]
        self.prefix = self.processor.expand(self.processor.opening(list(data.views)), self.grids)
        self.positions = multimodal_positions(model.config, torch.tensor([self.prefix]), self.grids)[:, 0].numpy()
        patch = model.config.vision.patch_size
        self._sizes = [(width * patch, height * patch) for _, height, width in self.grids.tolist()]
        self.end = [tokenizer.token_to_id(prompts.END)]
        self._ending = model.config.extra.get("instruction_end", "")
        self._cache: dict[str, list[int]] = {}

    def _ids(self, text: str) -> list[int]:
        if text in self._cache:
            return self._cache[text]
        ids = self.processor.encode(text)
        if len(self._cache) < _KEPT:  # places in pictures make texts without number
            self._cache[text] = ids
        return ids

    def _act(self, text: str, state: np.ndarray, mask: np.ndarray) -> list[int]:
        """The acting prompt behind the views; state, mask: (A,), normalised."""
        asked = prompts.finished(prompts.act_suffix(text), self._ending)
        if self.processor.textual:
            return self.processor.encode(self.processor.with_state(asked, state, mask))
        return self._ids(asked)

    def _said(self, text: str) -> list[int]:
        """What is said between the acting prompt and the motion; nothing, or it has an end."""
        return [*self.processor.encode(text), *self.end] if text else []

    def normalizers(self) -> tuple[Normalizer, Normalizer]:
        """Of states and of actions, as the robot has them when it drives.

        Asked for each time: a resumed run takes its statistics from the save, not from the data.
        """
        states = Normalizer.from_statistics(self.head.normalizer_propri, self.data.robots[0])
        moves = Normalizer.from_statistics(self.head.normalizer_action, self.data.robots[0])
        if self.data.profile is None:
            return states, moves
        return (
            for_robot(states, self.config.agent_pos_config, self.data.profile),
            for_robot(moves, self.config.dof_config, self.data.profile),
        )

    def change(self, step: int, place: int, texts: Iterable[str]) -> Change:
        """What becomes of the pictures and texts of the row at a place in a step."""
        return change_of_row(self.augment, self.seed, step, place, self._sizes, tuple(texts))

    def draw(self, indices: np.ndarray, stage: Stage, step: int, first: int = 0) -> Batch:
        """One batch of the samples ``indices`` (B,).

        Every row has as many acting branches as that which has most: what is short is filled up by motion that nothing
        is known of, and that no loss counts.

        Args:
            first: place in the step of the first of them.
        """
        rng, data = np.random.default_rng([*self.seed, step, 1]), self.data
        states, moves = self.normalizers()
        felt, known = data.states(indices)
        state, state_mask = states.normalize(felt, known), states.mask(known)
        language, acting, changes = [], [], []
        for row, index in enumerate(indices):
            if self._by_row:
                rng = np.random.default_rng([*self.seed, step, 1, first + row])
            drawn = [data.language(rng, index, stage.kinds) for _ in range(stage.language_branches)]
            asked = [one for one in drawn if one is not None]
            acts = data.acting(rng, index, stage.acting_branches, stage.paths) if stage.acting_branches else []
            spelled = self._spelled(rng, index, stage.fast_branches, moves) if stage.fast_branches else []
            change = self.change(step, first + row, all_said(asked, acts, [text for text, _ in spelled]))
            talk = [
                (
                    one.kind,
                    self._ids(prompts.finished(change.text(one.prompt), self._ending)),
                    self._ids(change.text(one.answer)) + self.end,
                )
                for one in asked
            ]
            talk += [
                (FAST, self._act(change.text(text), state[row], state_mask[row]), answer) for text, answer in spelled
            ]
            language.append(talk)
            acting.append([one._replace(text=change.text(one.text), said=change.text(one.said)) for one in acts])
            changes.append(change)
        branches = max([self.least_branches if stage.acting_branches else 0, *map(len, acting)])
        shape = (len(indices), branches, data.horizon, state.shape[1])
        nothing = ActingSample("", np.zeros(shape[2:], np.float32), np.zeros(shape[2:], bool))
        acting = [[*some, *[nothing] * (branches - len(some))] for some in acting]
        packed = pack(
            [(self.prefix, self.positions)] * len(indices),
            language,
            [
                [(self._act(one.text, state[row], state_mask[row]), self._said(one.said)) for one in branches]
                for row, branches in enumerate(acting)
            ],
            stage.draws if branches else 0,
            data.horizon,
            self.tokenizer.token_to_id("<|endoftext|>"),
        )
        actions = np.array([[one.chunk for one in some] for some in acting], np.float32).reshape(shape)
        told = np.array([[one.mask for one in some] for some in acting], bool).reshape(shape) & moves.mask()
        has = told.any(2, keepdims=True)  # what the model is told that it moves: what any step of the chunk knows
        everywhere = has.all((0, 1, 2))
        return Batch(
            packed=packed,
            pixel_values=self._pixels(indices, changes),
            image_grid_thw=self.grids.repeat(len(indices), 1),
            pictures=torch.full((len(indices),), len(self.grids)),
            state=torch.from_numpy(state),
            state_mask=torch.from_numpy(state_mask).float(),
            actions=torch.from_numpy(np.where(has, moves.normalize(actions), np.float32(0))),
            dof_mask=torch.from_numpy(everywhere if (has == everywhere).all() else has).float(),
            step_mask=None if (told == has).all() else torch.from_numpy(told).float(),
        )

    def _spelled(
        self, rng: np.random.Generator, index: int, count: int, moves: Normalizer
    ) -> list[tuple[str, list[int]]]:
        """Up to ``count`` things to be done, with the motion in FAST tokens.

        A token stands for frequencies of all entries together, so that no part of a chunk can be left out: a chunk in
        which an entry is missing that the robot's tokens tell of is not asked for, nor one that they cannot say. Steps
        behind an episode's end are there as what they hold, the last command.
        """
        if self.words is None:
            raise WallOSSError(
                "A stage has fast_branches, and there are no FAST tokens.", "Train by wall-oss train, which makes them."
            )
        found, mask = [], moves.mask()
        for one in self.data.acting(rng, index, count):
            if complete(one.mask, mask):
                try:
                    found.append((one.text, self.words.encode(moves.normalize(one.chunk), mask)))
                except WallOSSError:
                    continue
        return found

    def prompt(self, indices: np.ndarray, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """A batch for ``WallOSS.sample_actions``: samples (B,), each with the text that is to be acted on."""
        asked = self.asked(indices, list(map(prompts.act_suffix, texts)))
        count, horizon = len(indices), self.data.horizon
        tail = torch.full((count, horizon), self.tokenizer.token_to_id(prompts.ACTION))
        mask = torch.from_numpy(self.normalizers()[1].mask()).float()
        return asked | {
            "input_ids": torch.cat([asked["input_ids"], tail], 1),
            "attention_mask": torch.cat([asked["attention_mask"], torch.ones_like(tail)], 1),
            "dof_mask": mask.expand(count, horizon, -1).clone(),
        }

    def asked(self, indices: np.ndarray, suffixes: Sequence[str]) -> dict[str, torch.Tensor]:
        """A batch for ``WallOSS.generate``: samples (B,), each with what is asked of it (see ``policy.prompts``)."""
        states, _ = self.normalizers()
        felt, known = self.data.states(indices)
        state, mask = states.normalize(felt, known), states.mask(known)
        rows, acts = [], False
        for suffix, own, there in zip(suffixes, state, mask):
            asked = prompts.finished(suffix, self._ending)
            if self.processor.textual:
                asked = self.processor.with_state(asked, own, there)
            acts |= prompts.PROPRIOCEPTION in asked
            rows.append([*self.prefix, *self.processor.encode(asked)])
        longest, pad = max(map(len, rows)), self.tokenizer.token_to_id("<|endoftext|>")
        batch = {
            "input_ids": torch.tensor([[pad] * (longest - len(row)) + row for row in rows]),
            "attention_mask": torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows]),
            "pixel_values": self._pixels(indices),
            "image_grid_thw": self.grids.repeat(len(indices), 1),
        }
        if acts:
            batch["proprioception"] = torch.from_numpy(state)[:, None]
            batch["agent_pos_mask"] = torch.from_numpy(mask).float()[:, None]
        return batch

    def _pixels(self, indices: np.ndarray, changes: Sequence[Change] = ()) -> torch.Tensor:
        """Patches of all views of samples, sample by sample: (patches, 3*2*14*14); changes: of each sample, if any."""
        vision, shown = self.config.vision, by_view(self.data.images(indices))
        if any(changes):
            shown = [np.stack([change.picture(one) for change, one in zip(changes, view)]) for view in shown]
        views = [image_patches(view, vision.patch_size, vision.spatial_merge_size) for view in shown]
        patches = [view.reshape(len(indices), -1, view.shape[-1]) for view in views]
        return torch.from_numpy(np.concatenate(patches, axis=1).reshape(-1, patches[0].shape[-1]))


def complete(known: np.ndarray, live: np.ndarray) -> bool:
    """Whether a chunk (H, A) has all live entries (A,) of every step up to some step, and none behind it, as at the end
    of an episode."""
    steps = known[:, live].all(1)
    count = int(steps.sum())
    return count > 0 and bool(steps[:count].all()) and not known[count:, live].any()


def all_said(asked: Iterable[LanguageSample], acts: Iterable[ActingSample], more: Iterable[str] = ()) -> list[str]:
    """All that is said about an observation."""
    texts = [text for one in asked for text in (one.prompt, one.answer)]
    return [*texts, *(text for one in acts for text in (one.text, one.said)), *more]


def by_view(images: np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
    """The views of samples as a list of (B, height, width, 3)."""
    return images if isinstance(images, list) else [images[:, view] for view in range(images.shape[1])]
