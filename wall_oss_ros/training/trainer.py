# SPDX-License-Identifier: Apache-2.0
"""The training loop: stages, schedule, validation, curves, saves."""

from __future__ import annotations

import csv
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from wall_oss_ros.data.dataset import Dataset
from wall_oss_ros.model import WallOSS
from wall_oss_ros.training import checkpointing
from wall_oss_ros.training.batches import Batches
from wall_oss_ros.training.losses import Losses, compute
from wall_oss_ros.training.packing import IGNORED, Packed
from wall_oss_ros.training.recipe import Recipe, Stage

LOG_FIELDS = ("step", "stage", "seconds", "learning_rate", "cross_entropy", "flow")


def belongs_to_action_expert(name: str) -> bool:
    """Whether a parameter serves action tokens alone: the second expert of each split part, and the flow head."""
    return "experts.1." in name or "norms.1." in name or name.startswith("action_preprocessor.")


def trainable(model: nn.Module, stage: Stage) -> None:
    """Freezes what the stage does not train."""
    for name, parameter in model.named_parameters():
        if name.startswith("visual."):
            parameter.requires_grad_(stage.trains != "action_expert" and stage.vision_rate > 0)
        else:
            parameter.requires_grad_(
                stage.trains == "all" or (stage.trains == "action_expert") == belongs_to_action_expert(name)
            )


def learning_rate(stage: Stage, step: int) -> float:
    """Linear warm-up, constant, then a linear fall to a tenth over the stage's last ``decay`` steps."""
    rate = stage.learning_rate * min(1.0, (step + 1) / max(1, stage.warmup))
    left = stage.steps - step
    if left <= stage.decay:
        rate *= 0.1 + 0.9 * left / stage.decay
    return rate


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW; weight decay on matrices only, the vision tower in groups of its own."""
    groups = []
    for vision in (True, False):
        for matrix in (True, False):
            chosen = [
                p for n, p in model.named_parameters() if n.startswith("visual.") == vision and (p.ndim > 1) == matrix
            ]
            groups.append({"params": chosen, "weight_decay": recipe.weight_decay if matrix else 0.0, "vision": vision})
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), fused=True)


def answer_accuracy(losses: Losses, packed: Packed) -> dict[str, tuple[int, int]]:
    """By kind of language sample: (answers all of whose tokens are right, answers), teacher-forced."""
    speaks = packed.labels != IGNORED
    right = torch.zeros(speaks.shape, dtype=torch.bool)
    right[speaks] = losses.logits.argmax(-1) == losses.targets
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row, kinds in enumerate(packed.kinds):
        for index, kind in enumerate(kinds):
            counts[kind][0] += int(right[row][packed.label_kinds[row] == index].all())
            counts[kind][1] += 1
    return {kind: (hits, total) for kind, (hits, total) in counts.items()}


class Trainer:
    """Trains a model by a recipe, in ``folder``. Resumes from the folder's last save if told to."""

    def __init__(self, model: WallOSS, batches: Batches, recipe: Recipe, folder: Path, resume: bool = False):
        self.model, self.batches, self.recipe, self.folder = model, batches, recipe, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.optimizer = make_optimizer(model, recipe)
        self.step, self.seconds = 0, 0.0
        if resume:
            progress = checkpointing.load(self.folder, model, self.optimizer)
            self.step, self.seconds = progress["step"], progress["seconds"]
        self._maker, self._next = ThreadPoolExecutor(1), None
        self._data, self._collected = batches.data, 0

    def learn_from(self, collected: Sequence[Dataset]) -> None:
        """Trains on these DAgger samples, too; a stage says which share of its samples is drawn from them."""
        self.batches.data = self._data.after(collected)
        self._collected = sum(map(len, collected))

    def run(self, until: int, deadline: float = math.inf) -> None:
        """Trains up to step ``until`` of the recipe, or to ``deadline`` (of time.monotonic); saves in either case."""
        total = sum(stage.steps for stage in self.recipe.stages)
        log = self.folder / "log.csv"
        fresh = self.step == 0 or not log.exists()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with open(log, "w" if fresh else "a", newline="") as file, Progress(*columns) as bar:
            writer = csv.DictWriter(file, LOG_FIELDS)
            if fresh:
                writer.writeheader()
            task = bar.add_task("training", total=total, completed=self.step)
            current = None
            self._next = None  # what was drawn ahead may be of other data
            self._draw_ahead()
            while self.step < until and time.monotonic() < deadline:
                stage, within = self._position(self.step)
                if stage is not current:
                    trainable(self.model, stage)
                    current = stage
                row = self._train_step(stage, within)
                writer.writerow(row)
                bar.update(
                    task,
                    completed=self.step,
                    description=f"{stage.name} language {row['cross_entropy']:.3f} flow {row['flow']:.3f}",
                )
                if self.step % self.recipe.validate_every == 0 or self.step == total:
                    bar.console.print(self.validate(stage), highlight=False, soft_wrap=True)
                    file.flush()
                if self.step % self.recipe.save_every == 0 or self.step == total:
                    self.save()
        self.save()

    def save(self) -> None:
        checkpointing.save(
            self.folder, self.model, self.optimizer, {"step": self.step, "seconds": round(self.seconds, 1)}
        )

    def _draw_ahead(self) -> None:
        """Starts to make the next batch while this one is trained on."""
        step = self.step + 1 if self._next else self.step
        if position := self._position(step):
            stage = position[0]
            self._next = self._maker.submit(self.batches.draw, self._choose(stage, step), stage, step)

    def _choose(self, stage: Stage, step: int) -> np.ndarray:
        """The samples of a step. Those from DAgger come first in the data, those held out last."""
        rng, data = np.random.default_rng([self.recipe.seed, step]), self.batches.data
        chosen = rng.integers(self._collected, len(data) - data.held_out, size=stage.batch)
        if self._collected:
            corrected = rng.random(stage.batch) < stage.dagger_share
            chosen[corrected] = rng.integers(self._collected, size=corrected.sum())
        return chosen

    def _position(self, step: int) -> tuple[Stage, int] | None:
        """The stage that a step of the run belongs to, and the step within it; None after the last."""
        for stage in self.recipe.stages:
            if step < stage.steps:
                return stage, step
            step -= stage.steps
        return None

    def _train_step(self, stage: Stage, within: int) -> dict:
        began = time.monotonic()
        batch = self._next.result()
        self._draw_ahead()
        generator = torch.Generator().manual_seed(
            int(np.random.default_rng([self.recipe.seed, self.step, 3]).integers(2**62))
        )
        losses = compute(self.model, batch, stage.draws, generator)
        loss = stage.language_weight * losses.cross_entropy + stage.flow_weight * losses.flow
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()} at step {self.step}; lower the learning rate")
        rate = learning_rate(stage, within)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * (stage.vision_rate if group["vision"] else 1.0)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.grad is not None], self.recipe.clip)
        self.optimizer.step()
        self.step += 1
        self.seconds += time.monotonic() - began
        values = (self.step, stage.name, round(self.seconds, 1), rate, losses.cross_entropy.item(), losses.flow.item())
        return dict(zip(LOG_FIELDS, values))

    @torch.no_grad()
    def validate(self, stage: Stage) -> str:
        """One line: losses and the share of right answers by kind, on held-out samples."""
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        entropies, flows = [], []
        held_out = np.arange(len(self.batches.data))[-self.batches.data.held_out :]
        for part in range(2):
            indices = held_out[part * stage.batch : (part + 1) * stage.batch]
            batch = self.batches.draw(indices, stage, 1_000_000_000 + part)
            losses = compute(self.model, batch, stage.draws, torch.Generator().manual_seed(part))
            entropies.append(float(losses.cross_entropy))
            flows.append(float(losses.flow))
            for kind, (hits, total) in answer_accuracy(losses, batch.packed).items():
                counts[kind][0] += hits
                counts[kind][1] += total
        shares = ", ".join(f"{kind} {hits}/{total}" for kind, (hits, total) in sorted(counts.items()))
        return (
            f"step {self.step} ({self.seconds / 60:.1f} min) held out: language {np.mean(entropies):.3f}, "
            f"flow {np.mean(flows):.4f}; {shares}"
        )
