# SPDX-License-Identifier: Apache-2.0
"""The training loop: stages, schedule, validation, curves, saves.

A step may be computed in parts, dataset by dataset and slice by slice; each part's losses count by what they are means
of, answer tokens and entries of chunks, so that all parts together are the step that they would be at once.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from wall_oss_ros.data.dataset import Dataset
from wall_oss_ros.model import WallOSS
from wall_oss_ros.training import checkpointing
from wall_oss_ros.training.batches import Batches
from wall_oss_ros.training.ema import MeanWeights
from wall_oss_ros.training.log import TrainingLog, peak_memory
from wall_oss_ros.training.losses import Batch, Losses, Noise, compute, draw_noise
from wall_oss_ros.training.packing import IGNORED, Packed
from wall_oss_ros.training.recipe import Recipe, Stage
from wall_oss_ros.training.sources import MixedBatches, Part

Parts = list[Part]
LOG_FIELDS = ("step", "stage", "seconds", "learning_rate", "cross_entropy", "flow")


def belongs_to_action_expert(name: str) -> bool:
    """Whether a parameter serves action tokens alone: the second expert of each split part, and the flow head."""
    return "experts.1." in name or "norms.1." in name or name.startswith("action_preprocessor.")


def trainable(model: nn.Module, stage: Stage, only: Collection[str] | None = None) -> None:
    """Freezes what the stage does not train, and all but ``only`` where these are given, as with adapters."""
    for name, parameter in model.named_parameters():
        if name.startswith("visual."):
            wanted = stage.trains != "action_expert" and stage.vision_rate > 0
        else:
            wanted = stage.trains == "all" or (stage.trains == "action_expert") == belongs_to_action_expert(name)
        parameter.requires_grad_(wanted and (only is None or name in only))


def learning_rate(stage: Stage, step: int) -> float:
    """Linear warm-up, constant, then a fall to a tenth over the stage's last ``decay`` steps: linear, or a cosine's
    half, which without ``decay`` takes all steps behind the warm-up."""
    rate = stage.learning_rate * min(1.0, (step + 1) / max(1, stage.warmup))
    left, decay = stage.steps - step, stage.decay
    if stage.schedule == "cosine" and not decay:
        decay = max(stage.steps - stage.warmup, 0)
    if left <= decay:
        share = left / decay
        rate *= 0.1 + 0.9 * (share if stage.schedule == "linear" else (1 - math.cos(math.pi * share)) / 2)
    return rate


def make_optimizer(model: nn.Module, recipe: Recipe, only: Collection[str] | None = None) -> torch.optim.AdamW:
    """AdamW; weight decay on matrices only, the vision tower in groups of its own; of ``only`` where it is given."""
    groups = []
    for vision in (True, False):
        for matrix in (True, False):
            chosen = [
                p
                for n, p in model.named_parameters()
                if n.startswith("visual.") == vision and (p.ndim > 1) == matrix and (only is None or n in only)
            ]
            groups.append({"params": chosen, "weight_decay": recipe.weight_decay if matrix else 0.0, "vision": vision})
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), fused=True)


def answer_accuracy(losses: Losses, packed: Packed) -> dict[str, tuple[int, int]]:
    """By kind of language sample: (answers all of whose tokens are right, answers), teacher-forced."""
    speaks = packed.labels != IGNORED
    right = torch.zeros_like(speaks)
    right[speaks] = losses.logits.argmax(-1) == losses.targets
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row, kinds in enumerate(packed.kinds):
        for index, kind in enumerate(kinds):
            counts[kind][0] += int(right[row][packed.label_kinds[row] == index].all())
            counts[kind][1] += 1
    return {kind: (hits, total) for kind, (hits, total) in counts.items()}


class Trainer:
    """Trains a model by a recipe, in ``folder``. Resumes from the folder's last save if told to.

    Args:
        batches: of one dataset, or of a mixture.
        only: names of the parameters that may be trained; all when None.
    """

    def __init__(
        self,
        model: WallOSS,
        batches: Batches | MixedBatches,
        recipe: Recipe,
        folder: Path,
        resume: bool = False,
        only: Collection[str] | None = None,
    ):
        self.model, self.batches, self.recipe, self.folder = model, batches, recipe, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.only, self.device = only, model.device
        self.optimizer = make_optimizer(model, recipe, only)
        self.mean = None if recipe.ema is None else MeanWeights(model, recipe.ema, only)
        self.step, self.seconds = 0, 0.0
        model.set_gradient_checkpointing(recipe.checkpoint_activations)
        if resume:
            progress = checkpointing.load(self.folder, model, self.optimizer, self.mean, only)
            self.step, self.seconds = progress["step"], progress["seconds"]
        self._log = TrainingLog(self.folder, LOG_FIELDS, self.step)
        self._maker, self._next = ThreadPoolExecutor(1), None
        self._data, self._collected = getattr(batches, "data", None), 0

    def learn_from(self, collected: Sequence[Dataset]) -> None:
        """Trains on these DAgger samples, too; a stage says which share of its samples is drawn from them."""
        self.batches.data = self._data.after(collected)
        self._collected = sum(map(len, collected))

    def run(self, until: int, deadline: float = math.inf) -> None:
        """Trains up to step ``until`` of the recipe, or to ``deadline`` (of time.monotonic); saves in either case."""
        total = sum(stage.steps for stage in self.recipe.stages)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with self._log, Progress(*columns) as bar:
            task = bar.add_task("training", total=total, completed=self.step)
            current = None
            self._next = None  # what was drawn ahead may be of other data
            self._draw_ahead()
            while self.step < until and time.monotonic() < deadline:
                stage, within = self._position(self.step)
                if stage is not current:
                    trainable(self.model, stage, self.only)
                    current = stage
                row, more = self._train_step(stage, within)
                more |= {
                    "left_s": round(more["step_s"] * (total - self.step), 1),
                    "memory_mb": peak_memory(self.device),
                }
                self._log.write(row, more)
                bar.update(
                    task,
                    completed=self.step,
                    description=f"{stage.name} language {row['cross_entropy']:.3f} flow {row['flow']:.3f}, "
                    f"{more['samples_s']:.3g} samples/s",
                )
                if self.step % self.recipe.validate_every == 0 or self.step == total:
                    with self.as_kept():
                        said = self.validate(stage)
                    bar.console.print(said, highlight=False, soft_wrap=True)
                if self.step % self.recipe.save_every == 0 or self.step == total:
                    self.save()
        self.save()

    def save(self) -> None:
        progress = {"step": self.step, "seconds": round(self.seconds, 1)}
        checkpointing.save(self.folder, self.model, self.optimizer, progress, self.mean, self.only)

    @contextmanager
    def as_kept(self) -> Iterator[None]:
        """The model is as a checkpoint of it would be: with the mean of its weights, and without dropout."""
        trains = self.model.training
        self.model.eval()
        try:
            with self.mean.in_place() if self.mean else nullcontext():
                yield
        finally:
            self.model.train(trains)

    def _draw_ahead(self) -> None:
        """Starts to make the next batch while this one is trained on."""
        step = self.step + 1 if self._next else self.step
        if position := self._position(step):
            stage = position[0]
            self._next = self._maker.submit(self._draw, stage, step)

    def _draw(self, stage: Stage, step: int) -> Parts:
        """What a step trains on."""
        if isinstance(self.batches, MixedBatches):
            return self.batches.draw(stage, step)
        return [Part("", self.batches.draw(self._choose(stage, step), stage, step))]

    def _held_out(self, stage: Stage, part: int) -> Parts:
        if isinstance(self.batches, MixedBatches):
            return self.batches.held_out(stage, part)
        data = self.batches.data
        indices = np.arange(len(data))[len(data) - data.held_out :][part * stage.batch : (part + 1) * stage.batch]
        return [Part("", self.batches.draw(indices, stage, 1_000_000_000 + part))] if len(indices) else []

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

    def _train_step(self, stage: Stage, within: int) -> tuple[dict, dict]:
        """One step. What goes into log.csv, and what else there is to say of it."""
        began = time.monotonic()
        parts = self._next.result()
        self._draw_ahead()
        if self.recipe.lora is not None:  # dropout draws from torch's own generator
            torch.manual_seed(int(np.random.default_rng([self.recipe.seed, self.step, 4]).integers(2**62)))
        rate = learning_rate(stage, within)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * (stage.vision_rate if group["vision"] else 1.0)
        self.optimizer.zero_grad(set_to_none=True)
        totals = Totals(sum(part.batch.answer_tokens for part in parts), sum(part.batch.entries for part in parts))
        language, flow, by_source = 0.0, 0.0, {}
        for number, part in enumerate(parts):
            own = self._backward(part.batch, stage, totals, [3] if number == 0 else [3, number])
            shares = totals.shares(part.batch)
            language, flow = language + own[0] * shares[0], flow + own[1] * shares[1]
            by_source[part.source] = {"cross_entropy": own[0], "flow": own[1], "samples": len(part.batch.state)}
        nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.grad is not None], self.recipe.clip)
        self.optimizer.step()
        self.step += 1
        if self.mean is not None:
            self.mean.update(self.step)
        spent = time.monotonic() - began
        self.seconds += spent
        values = (self.step, stage.name, round(self.seconds, 1), rate, language, flow)
        more = {
            "step_s": round(spent, 4),
            "samples_s": round(sum(len(part.batch.state) for part in parts) / spent, 2),
            "tokens_s": round(sum(part.batch.tokens for part in parts) / spent, 1),
        }
        return dict(zip(LOG_FIELDS, values)), more | ({"sources": by_source} if "" not in by_source else {})

    def _backward(self, batch: Batch, stage: Stage, totals: Totals, draw: list[int]) -> tuple[float, float]:
        """Adds the gradients of a batch, slice by slice. Its losses, language and flow."""
        generator = torch.Generator().manual_seed(
            int(np.random.default_rng([self.recipe.seed, self.step, *draw]).integers(2**62))
        )
        drawn = draw_noise(self.model, batch, stage.draws, generator)
        count, size = len(batch.state), -(-stage.batch // stage.accumulate)
        own, language, flow = Totals(batch.answer_tokens, batch.entries), 0.0, 0.0
        for start in range(0, count, size):
            whole = size >= count
            piece = batch if whole else batch.rows(start, start + size)
            noise = drawn if whole else Noise(*(one[start : start + size] for one in drawn))
            with self._precision():
                losses = compute(self.model, piece.to(self.device), stage.draws, drawn=noise)
            shares, within = totals.shares(piece), own.shares(piece)
            loss = (
                stage.language_weight * losses.cross_entropy * shares[0] + stage.flow_weight * losses.flow * shares[1]
            )
            if not torch.isfinite(loss):
                raise FloatingPointError(f"the loss is {loss.item()} at step {self.step}; lower the learning rate")
            if loss.requires_grad:  # a batch may have nothing that this stage trains
                loss.backward()
            language += losses.cross_entropy.item() * within[0]
            flow += losses.flow.item() * within[1]
        return language, flow

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16")

    @torch.no_grad()
    def validate(self, stage: Stage) -> str:
        """One line: losses and the share of right answers by kind, on held-out samples."""
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        found: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for part in range(2):
            for source, batch in self._held_out(stage, part):
                generator = torch.Generator().manual_seed(part)
                with self._precision():
                    losses = compute(self.model, batch.to(self.device), stage.draws, generator)
                found[source].append((float(losses.cross_entropy), float(losses.flow)))
                for kind, (hits, total) in answer_accuracy(losses, batch.to(self.device).packed).items():
                    counts[kind][0] += hits
                    counts[kind][1] += total
        if not found:
            return f"step {self.step} ({self.seconds / 60:.1f} min); nothing is held out"
        shares = ", ".join(f"{kind} {hits}/{total}" for kind, (hits, total) in sorted(counts.items()))
        means = {source: np.mean(values, axis=0) for source, values in found.items()}
        self._log.validated(self.step, {source: mean.tolist() for source, mean in means.items()})
        each = ", ".join(
            f"{source + ': ' if source else ''}language {language:.3f}, flow {flow:.4f}"
            for source, (language, flow) in means.items()
        )
        return f"step {self.step} ({self.seconds / 60:.1f} min) held out: {each}; {shares}"


class Totals(NamedTuple):
    """What the losses of a step are means of."""

    tokens: int
    entries: float

    def shares(self, batch: Batch) -> tuple[float, float]:
        """What a part's losses, language and flow, count in the whole."""
        return (
            batch.answer_tokens / self.tokens if self.tokens else 0.0,
            batch.entries / self.entries if self.entries else 0.0,
        )
