# SPDX-License-Identifier: Apache-2.0
"""The training loop: stages, schedule, validation, curves, saves.

A step may be computed in parts, dataset by dataset and slice by slice; each part's losses count by what they are means
of, answer tokens and entries of chunks, so that all parts together are the step that they would be at once.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from wall_oss_ros.data.dataset import Dataset
from wall_oss_ros.model import WallOSS
from wall_oss_ros.training import checkpointing
from wall_oss_ros.training.batches import Batches
from wall_oss_ros.training.ema import MeanWeights
from wall_oss_ros.training.events import Events
from wall_oss_ros.training.log import NoLog, TrainingLog, peak_memory
from wall_oss_ros.training.losses import Batch, Losses, Noise, compute, draw_noise, draw_noise_by_row
from wall_oss_ros.training.optimization import learning_rate, make_optimizer, precision, trainable
from wall_oss_ros.training.recipe import Recipe, Stage
from wall_oss_ros.training.sources import MixedBatches, Part
from wall_oss_ros.training.steps import held_out_step
from wall_oss_ros.training.subtasks import Share, SubtaskQuestions, in_words, questions
from wall_oss_ros.training.tally import LOSSES, Kinds, Totals, answer_accuracy, by_kind, kind_means, means, merged

Parts = list[Part]
LOG_FIELDS = ("step", "stage", "seconds", "learning_rate", *LOSSES)


class Trainer:
    """Trains a model by a recipe, in ``folder``. Resumes from the folder's last save if told to.

    Args:
        batches: of one dataset, or of a mixture.
        only: names of the parameters that may be trained; all when None.

    Attributes:
        leads: whether this process speaks and writes for all; there may be others, see ``sharded.py``.
        process_count: how many there are.
    """

    leads = True
    process_count = 1
    _own: tuple[int, ...] = ()  # what sets this process's chance apart from the others'

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
            progress = self._load()
            self.step, self.seconds = progress["step"], progress["seconds"]
        self._log = TrainingLog(self.folder, LOG_FIELDS, self.step) if self.leads else NoLog()
        self._maker, self._next = ThreadPoolExecutor(1), None
        self._data, self._collected = getattr(batches, "data", None), 0
        self._questions: dict[str, SubtaskQuestions] | None = None

    def show(self, folder: Path) -> None:
        """Writes the curves for TensorBoard, too."""
        if self.leads:
            self._log.events = Events(folder, self.step)

    def learn_from(self, collected: Sequence[Dataset]) -> None:
        """Trains on these DAgger samples, too; a stage says which share of its samples is drawn from them."""
        self.batches.data = self._data.after(collected)
        self._collected = sum(map(len, collected))

    def run(self, until: int, deadline: float = math.inf) -> None:
        """Trains up to step ``until`` of the recipe, or to ``deadline`` (of time.monotonic); saves in either case."""
        total = sum(stage.steps for stage in self.recipe.stages)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with self._log, Progress(*columns, disable=not self.leads) as bar:
            task = bar.add_task("training", total=total, completed=self.step)
            current, spent = None, deque[float](maxlen=50)
            self._next = None  # what was drawn ahead may be of other data
            self._draw_ahead()
            while self.step < until and self._goes_on(deadline):
                stage, within = self._position(self.step)
                if stage is not current:
                    self._begin(stage)
                    current = stage
                row, more = self._train_step(stage, within)
                spent.append(more["step_s"])
                left = float(np.mean(spent)) * (total - self.step)
                more |= {"left_s": round(left, 1), "memory_mb": self._memory()}
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
                    if self.leads:
                        bar.console.print(said, highlight=False, soft_wrap=True)
                if self.step % self.recipe.save_every == 0 or self.step == total:
                    self.save()
        self.save()

    def save(self) -> None:
        progress = {"step": self.step, "seconds": round(self.seconds, 1)}
        checkpointing.save(self.folder, self.model, self.optimizer, progress, self.mean, self.only)

    def _load(self) -> dict:
        read = None
        if any(self.folder.glob("training-*/")):  # of several processes
            from wall_oss_ros.training import shards  # PyTorch's distributed parts, for this case alone

            read = shards.read_all
        return checkpointing.load(self.folder, self.model, self.optimizer, self.mean, self.only, read)

    @contextmanager
    def whole(self) -> Iterator[WallOSS | None]:
        """The network as a checkpoint has it; None in a process that does not lead."""
        with self.as_kept():
            yield self.model

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
            self._next = self._maker.submit(self.draw, stage, step)

    def draw(self, stage: Stage, step: int) -> Parts:
        """What a step trains on."""
        if isinstance(self.batches, MixedBatches):
            return self.batches.draw(stage, step)
        return [Part("", self.batches.draw(self._choose(stage, step), stage, step))]

    def _held_out(self, stage: Stage, part: int) -> Parts:
        if isinstance(self.batches, MixedBatches):
            return self.batches.held_out(stage, part)
        data = self.batches.data
        indices = np.arange(len(data))[len(data) - data.held_out :][part * stage.batch : (part + 1) * stage.batch]
        return [Part("", self.batches.draw(indices, stage, held_out_step(part)))] if len(indices) else []

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
            torch.manual_seed(drawn_seed([self.recipe.seed, self.step, 4, *self._own]))
        rate = learning_rate(stage, within)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * (stage.vision_rate if group["vision"] else 1.0)
        self.optimizer.zero_grad(set_to_none=True)
        totals = Totals(*self._summed(sum((np.array(Totals.of(part.batch)) for part in parts), np.zeros(3))))
        names, kinds = self._names(), {}
        found = np.zeros((len(names), 8))  # each loss, summed, and what it is a mean of; samples, tokens
        for part in parts:
            batch, losses = part.batch, self._backward(part, stage, totals, kinds)
            counted = (0, 0) if part.idle else (len(batch.state), batch.tokens)
            found[part.number] += (*Totals.of(batch).sums(losses), *counted)
        found, kinds = self._summed(found), merged(self._from_all((kinds, {})))[0]
        self._settle(totals)
        nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.grad is not None], self.recipe.clip)
        self.optimizer.step()
        self.step += 1
        if self.mean is not None:
            self.mean.update(self.step)
        spent = time.monotonic() - began
        self.seconds += spent
        whole = found.sum(0)
        values = (self.step, stage.name, round(self.seconds, 1), rate, *means(whole[:6]))
        more: dict = {
            "step_s": round(spent, 4),
            "steps_s": round(1 / spent, 4),
            "samples_s": round(whole[6] / spent, 2),
            "tokens_s": round(whole[7] / spent, 1),
            "kinds": kind_means(kinds),
        }
        if isinstance(self.batches, MixedBatches):
            more["sources"] = {
                name: {**dict(zip(LOSSES, means(own[:6]))), "samples": int(own[6])}
                for name, own in zip(names, found)
                if own[6]
            }
        return dict(zip(LOG_FIELDS, values)), more

    def _names(self) -> list[str]:
        """Of the datasets."""
        mixed = isinstance(self.batches, MixedBatches)
        return [source.name for source in self.batches.mixture.sources] if mixed else [""]

    def _noise(self, part: Part, stage: Stage, seed: Sequence[int]) -> Noise:
        """What the flow of a part's rows starts from."""
        if isinstance(self.batches, MixedBatches):
            return draw_noise_by_row(self.model, part.batch, stage, [*seed, part.number], part.first)
        return draw_noise(self.model, part.batch, stage.draws, torch.Generator().manual_seed(drawn_seed(seed)))

    def _backward(self, part: Part, stage: Stage, totals: Totals, kinds: Kinds) -> np.ndarray:
        """Adds the gradients of a part, slice by slice, and its language to ``kinds``. Its losses, as ``LOSSES``."""
        batch, drawn = part.batch, self._noise(part, stage, [self.recipe.seed, self.step, 3])
        count, size = len(batch.state), rows_at_once(stage)
        own, sums = Totals.of(batch), np.zeros(3)
        weights = stage.language_weight, stage.flow_weight, stage.fast_weight
        for start in range(0, count, size):
            whole = size >= count
            piece = batch if whole else batch.rows(start, start + size)
            noise = drawn if whole else Noise(*(one[start : start + size] for one in drawn))
            with self._precision():
                losses = self._losses(piece.to(self.device), stage.draws, noise)
            shares, within = totals.shares(piece), own.shares(piece)
            loss = sum(weight * share * one for weight, share, one in zip(weights, shares.tolist(), losses.all))
            if not torch.isfinite(loss):
                raise FloatingPointError(f"the loss is {loss.item()} at step {self.step}; lower the learning rate")
            if loss.requires_grad:  # a batch may have nothing that this stage trains
                (loss * self.process_count).backward()  # processes take the mean of their gradients
            sums += within * [one.item() for one in losses.all]
            by_kind(losses, piece.packed, kinds)
        return sums

    # What several processes do otherwise

    def _begin(self, stage: Stage) -> None:
        trainable(self.model, stage, self.only)

    def _goes_on(self, deadline: float) -> bool:
        return time.monotonic() < deadline

    def _losses(self, batch: Batch, draws: int, drawn: Noise) -> Losses:
        return compute(self.model, batch, draws, drawn=drawn)

    def _summed(self, numbers: np.ndarray) -> np.ndarray:
        """Over all processes."""
        return numbers

    def _from_all(self, found: object) -> list:
        """What each process found."""
        return [found]

    def _memory(self) -> int:
        """The most that a process has used, MB."""
        return peak_memory(self.device)

    def _settle(self, totals: Totals) -> None:
        """What is to be done to gradients before they are clipped."""

    def _precision(self) -> torch.autocast:
        return precision(self.device, self.recipe)

    @torch.no_grad()
    def validate(self, stage: Stage) -> str:
        """One line: losses and the share of right answers by kind, on held-out samples."""
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        sums: dict[tuple[str, int], np.ndarray] = defaultdict(lambda: np.zeros(6))
        kinds: Kinds = {}
        for part in range(2):
            for one in self._held_out(stage, part):
                noise, batch = self._noise(one, stage, [part]), one.batch.to(self.device)
                with self._precision():
                    losses = self._losses(batch, stage.draws, noise)
                sums[one.source, part] += Totals.of(one.batch).sums([float(loss) for loss in losses.all])
                by_kind(losses, one.batch.packed, kinds)
                for kind, (hits, total) in answer_accuracy(losses, batch.packed).items():
                    counts[kind][0] += hits
                    counts[kind][1] += total
        total_sums, total_counts = merged(self._from_all((dict(sums), dict(counts))))
        kinds = merged(self._from_all((kinds, {})))[0]
        if not total_sums:
            return f"step {self.step} ({self.seconds / 60:.1f} min); nothing is held out"
        found: dict[str, list[list[float]]] = defaultdict(list)
        for (source, _), numbers in total_sums.items():
            found[source].append(means(numbers))
        shares = ", ".join(f"{kind} {hits}/{total}" for kind, (hits, total) in sorted(total_counts.items()))
        each_mean = {source: np.mean(values, axis=0).tolist() for source, values in found.items()}
        asked = self._asked()
        reports = {source: {kind: one.report() for kind, one in shares.items()} for source, shares in asked.items()}
        self._log.validated(self.step, each_mean, kind_means(kinds), reports)
        each = ", ".join(
            f"{source + ': ' if source else ''}language {language:.3f}, flow {flow:.4f}"
            f"{f', fast {fast:.3f}' if fast else ''}"
            for source, (language, flow, fast) in each_mean.items()
        )
        told = "".join(f"; {source}: {in_words(one)}" for source, one in asked.items())
        return f"step {self.step} ({self.seconds / 60:.1f} min) held out: {each}; {shares}{told}"

    def _asked(self) -> dict[str, dict[str, Share]]:
        """By dataset of recordings: whether held-out frames are given their annotated subtask and plan."""
        most = self.recipe.subtask_frames
        if not isinstance(self.batches, MixedBatches) or not most:
            return {}
        if self._questions is None:
            self._questions = questions(self.batches.mixture, self.batches.of_robots, most)
        with self._precision():
            return {source: one.ask(self.model) for source, one in self._questions.items()}


def rows_at_once(stage: Stage) -> int:
    """How many rows of a batch are computed at once, at most."""
    return -(-stage.batch // stage.accumulate)


def drawn_seed(numbers: Sequence[int]) -> int:
    """A seed for torch, of one number itself, or drawn from several."""
    return numbers[0] if len(numbers) == 1 else int(np.random.default_rng(numbers).integers(2**62))
