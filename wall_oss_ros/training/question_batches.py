# SPDX-License-Identifier: Apache-2.0
"""Batches of questions about pictures. Each row has pictures of its own; there is no state and no motion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from wall_oss_ros.data.questions.conversations import PICTURE
from wall_oss_ros.data.questions.source import Conversation, PictureQuestions, dialogue
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.positions import multimodal_positions
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.processor import WallOSSProcessor
from wall_oss_ros.training.augmentation import Augment, Change, change_of_row
from wall_oss_ros.training.drawing import show
from wall_oss_ros.training.losses import Batch
from wall_oss_ros.training.packing import pack
from wall_oss_ros.training.recipe import Stage

KIND = "question"
_DRAWN = 4  # conversations


class QuestionBatches:
    """Batches of conversations, each row a function of (seed, step, place) alone.

    Attributes:
        least_branches: as of :class:`~wall_oss_ros.training.batches.Batches`; nothing is known of the motion in them.
    """

    least_branches = 0

    def __init__(
        self,
        data: PictureQuestions,
        tokenizer: Tokenizer,
        model: WallOSS,
        seed: int | Sequence[int],
        augment: Augment | None = None,
    ):
        self.data, self.tokenizer, self.seed, self.augment = data, tokenizer, np.atleast_1d(seed).tolist(), augment
        self.config, self.processor = model.config, WallOSSProcessor(model.config, tokenizer)

    def change(self, step: int, place: int, shown: Sequence[np.ndarray], said: Iterable[tuple[str, str]]) -> Change:
        """What becomes of the row at a place in a step: of its pictures, and of its prompts and answers."""
        texts = [text for pair in said for text in pair]
        return change_of_row(self.augment, self.seed, step, place, [size_of(image) for image in shown], texts)

    def draw(self, indices: np.ndarray, stage: Stage, step: int, first: int = 0) -> Batch:
        """One batch of the conversations ``indices`` (B,): of each up to ``language_branches`` of its questions, with
        what was said before them.

        Args:
            first: place in the step of the first of them.
        """
        prefixes, language, pictures, counts = [], [], [], []
        for row, index in enumerate(indices):
            rng = np.random.default_rng([*self.seed, step, 1, first + row])
            conversation = self.data[int(index)]
            turns, count = _chosen(rng, conversation, stage.language_branches)
            shown = self.data.shown(conversation, count)
            said = [dialogue(conversation.turns[: turn + 1], size_of(shown[0])) for turn in turns]
            change = self.change(step, first + row, shown, said)
            images = [change.picture(image) for image in shown]
            prefix, talk = self._row([(change.text(prompt), change.text(answer)) for prompt, answer in said], images)
            prefixes.append(prefix)
            language.append(talk)
            pictures += images
            counts.append(count)
        values, grids = self.processor.patches(pictures)
        count, config = len(indices), self.config
        branches = self.least_branches if stage.acting_branches else 0
        act = self.processor.encode(prompts.act_suffix(""))
        return Batch(
            packed=pack(
                prefixes,
                language,
                [[(act, [])] * branches] * count,
                stage.draws if branches else 0,
                config.action_horizon,
                self.tokenizer.token_to_id("<|endoftext|>"),
            ),
            pixel_values=values,
            image_grid_thw=grids,
            pictures=torch.tensor(counts),
            state=torch.zeros(count, config.propri_dim),
            state_mask=torch.zeros(count, config.propri_dim),
            actions=torch.zeros(count, branches, config.action_horizon, config.action_dim),
            dof_mask=torch.zeros(config.action_dim),
        )

    def _row(
        self, said: list[tuple[str, str]], images: list[np.ndarray]
    ) -> tuple[tuple[list[int], np.ndarray], list[tuple[str, list[int], list[int]]]]:
        """What prompts and their answers share, up to the last picture, with its positions; and the questions."""
        grids = self.processor.patches(images)[1]
        talk: list[tuple[str, list[int], list[int]]] = []
        for prompt, answer in said:
            cut = prompt.rindex(prompts.IMAGE) + len(prompts.IMAGE)
            shared = prompt[:cut]
            talk.append((KIND, self.processor.encode(prompt[cut:]), self.processor.encode(answer + prompts.END)))
        ids = self.processor.expand(shared, grids)
        positions = multimodal_positions(self.config, torch.tensor([ids]), grids)[:, 0].numpy()
        return (ids, positions), talk


def size_of(image: np.ndarray) -> tuple[int, int]:
    """Width and height."""
    return image.shape[1], image.shape[0]


def _chosen(rng: np.random.Generator, conversation: Conversation, most: int) -> tuple[list[int], int]:
    """Turns to ask, which have seen the same pictures, and how many these are."""
    seen = np.cumsum([turn.pictures for turn in conversation.turns])
    askable = np.flatnonzero(seen > 0)
    one = int(rng.choice(askable))
    same = [int(turn) for turn in askable if seen[turn] == seen[one] and turn != one]
    chosen = [one, *(same[i] for i in rng.permutation(len(same))[: max(most - 1, 0)])]
    return sorted(chosen), int(seen[one])


def describe_questions(
    name: str, batches: QuestionBatches, share: float, picture: Path, rng: np.random.Generator
) -> list[str]:
    """Says what is asked, and draws some conversations as the network gets them; each picture as it is, and beside
    it as training may change it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    data, changed = batches.data, batches.augment is not None
    turns = sum(len(data[index].turns) for index in range(len(data)))
    lines = [
        f"questions {name}: {share:.1%} of the samples; {turns} in {len(data)} conversations, of which {data.held_out} "
        "are held out"
    ]
    chosen = np.sort(rng.choice(len(data), min(_DRAWN, len(data)), replace=False))
    width = max(len(data[int(index)].pictures) for index in chosen) * (1 + changed)
    size = (2.6 * width + 4, 2.5 * len(chosen))
    figure, axes = plt.subplots(len(chosen), width, figsize=size, squeeze=False, constrained_layout=True)
    for number, (row, index) in enumerate(zip(axes, chosen)):
        conversation = data[int(index)]
        images = data.shown(conversation)
        for axis in row:
            axis.axis("off")
        prompt, answer = dialogue(conversation.turns[:1], size_of(images[0]))
        change = batches.change(0, number, images, [(prompt, answer)])
        marked = answer if len(images) == 1 else ""
        for place, image in enumerate(images):
            show(row[place * (1 + changed)], image, said=[marked])
            if changed:
                show(row[2 * place + 1], change.picture(image), "in training", [change.text(marked)])
        asked = prompt.removeprefix(f"{prompts.SYSTEM}<|im_start|>user\n").removesuffix(prompts.ASSISTANT)
        asked = " ".join(asked.replace(prompts.IMAGE, PICTURE).split())
        row[0].set_title(f"line {conversation.line}: {asked} | {answer}"[:90], fontsize=7, loc="left")
        lines.append(f"    {asked[:300]} | {answer[:300]}")
    figure.savefig(picture, dpi=110)
    plt.close(figure)
    return [*lines, f"  drawn: {picture}"]
