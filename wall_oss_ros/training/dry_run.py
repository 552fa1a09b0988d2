# SPDX-License-Identifier: Apache-2.0
"""What a training would do, before hours are spent on it: what trains, memory, and the data, drawn."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tokenizers import Tokenizer

from wall_oss_ros.data.dataset import Dataset
from wall_oss_ros.data.mapping.recorded import RecordedDataset
from wall_oss_ros.data.mixture import Mixture
from wall_oss_ros.model import WallOSS
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.training.batches import Batches, all_said, by_view
from wall_oss_ros.training.drawing import show
from wall_oss_ros.training.fast_head import said
from wall_oss_ros.training.memory import memory_of, parts_of
from wall_oss_ros.training.open_loop import entry_names
from wall_oss_ros.training.optimization import trainable
from wall_oss_ros.training.pipeline import prepare
from wall_oss_ros.training.pointing import OfQuestions
from wall_oss_ros.training.question_batches import QuestionBatches, describe_questions
from wall_oss_ros.training.recipe import Recipe, Stage
from wall_oss_ros.training.sources import MixedBatches, Part
from wall_oss_ros.training.trainer import Trainer

_SHOWN = 4  # samples of each dataset
_ASKED = 64  # rows of each dataset that might be moved


def dry_run(recipe: Recipe, model: WallOSS, tokenizer: Tokenizer, trainer: Trainer, folder: Path) -> str:
    """Says what a run would do; draws samples as the network gets them into ``folder``, a picture for each dataset."""
    folder.mkdir(parents=True, exist_ok=True)
    batches = trainer.batches
    lines = [f"recipe {recipe.name}: {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters"]
    if recipe.vision is not None:
        alone = f"the vision tower alone first: {recipe.vision.steps} steps of {recipe.vision.batch} samples"
        if isinstance(batches, MixedBatches):
            alone += f", from {len(OfQuestions(batches.mixture).things)} different questions answered by a point"
        lines.append(alone)
    for number, stage in enumerate(recipe.stages):
        if stage.dagger_episodes:
            lines.append(f"DAgger: the model follows {stage.dagger_episodes} instructions")
        trainable(model, stage, trainer.only)
        first = sum(one.steps for one in recipe.stages[:number])
        parts = trainer.draw(stage, first)
        lines.append(f"stage {stage.name}: {stage.steps} steps of {stage.batch} samples")
        trained = {part: counts for part, counts in parts_of(model).items() if counts[1]}
        listed = ", ".join(
            f"{part} {count / 1e6:.2f} of {total / 1e6:.2f} M" for part, (total, count) in trained.items()
        )
        lines.append(f"  trains {listed or 'nothing'}")
        rows = -(-stage.batch // stage.accumulate)
        taken = [memory_of(model, recipe, stage, part.batch, min(rows, len(part.batch.state))) for part in parts]
        most = max(taken, key=lambda one: one.total)
        amounts = ", ".join(f"{name} {_amount(value)}" for name, value in most._asdict().items())
        lines.append(f"  memory about {_amount(most.total)}: {amounts}")
    stage = next((one for one in recipe.stages if one.acting_branches), recipe.stages[0])
    if isinstance(batches, MixedBatches):
        sources = [(one.name, one.data, share) for one, share in zip(batches.mixture.sources, batches.mixture.shares)]
    else:
        sources = [("", batches.data, 1.0)]
    shown = stage.model_copy(update={"batch": max(stage.batch, 8 * len(sources))})
    drawn = {part.source: part for part in trainer.draw(shown, 0)}
    for number, (name, data, share) in enumerate(sources):
        picture = folder / f"{name or 'demonstrations'}.png"
        rng = np.random.default_rng([recipe.seed, 17, number])
        own = batches.of[number] if isinstance(batches, MixedBatches) else batches
        if isinstance(own, QuestionBatches):
            lines += describe_questions(name, own, share, picture, rng)
            continue
        lines += _about(name, data, share, model)
        words = getattr(batches, "words", None)
        if words is not None:
            sayable, asked, length = said(own)
            lines.append(f"  FAST tokens can say {sayable} of {asked} chunks, by {length:.1f} tokens on average")
        if name in drawn:
            lines += _texts(drawn[name], tokenizer)
        if own.augment is not None and own.augment.moves:
            lines.append(_moved(own, stage, rng))
        _draw(picture, own, model, rng)
        lines.append(f"  drawn: {picture}")
    return "\n".join(lines)


def _amount(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _about(name: str, data: Dataset, share: float, model: WallOSS) -> list[str]:
    head, names = model.action_preprocessor, entry_names(model.config.dof_config)
    if isinstance(data, RecordedDataset):
        hours = len(data) / data.fps / 3600
        lines = [
            f"dataset {name}: {share:.1%} of the samples; {len(data)} frames, {hours:.2f} h at {data.fps:g} Hz; "
            f"{len(data.training)} episodes to train on, {len(data.validation)} held out",
            f"  robot {data.profile.name}, statistics as {data.robots[0]}; views {', '.join(data.views)}; chunks of "
            f"{data.horizon} steps at {data.profile.rate_hz:g} Hz, {data.profile.action_mode}",
        ]
        has = Layout(data.profile).mask
    else:
        lines = [
            f"demonstrations: {len(data)} frames, {data.held_out} of them held out",
            f"  robots {', '.join(data.robots)}; views {', '.join(data.views)}; chunks of {data.horizon} steps",
        ]
        has = data.states(np.array([0]))[1][0]
    for what, table in (("state", head.normalizer_propri), ("action", head.normalizer_action)):
        known = Normalizer.from_statistics(table, data.robots[0])
        low, high = known.bounds()
        live = known.mask()
        ranges = [f"{entry} {low[i]:.3g} to {high[i]:.3g}" for i, entry in enumerate(names) if live[i]]
        lines.append(f"  {what} (m, rad): {', '.join(ranges) or 'nothing that moves'}")
        if dead := [entry for i, entry in enumerate(names) if has[i] and not live[i]]:
            lines.append(f"  {what}, never moved or not recorded, masked: {', '.join(dead)}")
    return lines


def _texts(part: Part, tokenizer: Tokenizer) -> list[str]:
    """What the first row of a batch says, from its tokens: the prompts behind the views."""
    packed = part.batch.packed
    ids, kinds = packed.input_ids[0].tolist(), packed.kinds[0]
    start = tokenizer.token_to_id("<|vision_end|>")
    last = max((at for at, token in enumerate(ids) if token == start), default=-1)
    text = tokenizer.decode(ids[last + 1 :], skip_special_tokens=False).replace("<|endoftext|>", "")
    said = " ".join(text.replace(prompts.END, " | ").split())
    told = float(part.batch.dof_mask.expand(part.batch.actions.shape).sum())
    counted = part.batch.entries / told if told else 0.0
    return [
        f"  a row of {len(ids)} tokens, language {', '.join(kinds) or 'none'}, {counted:.0%} of chunks' entries count:",
        f"    {said}",
    ]


def _moved(batches: Batches, stage: Stage, rng: np.random.Generator) -> str:
    """How often what is said lets pictures be moved."""
    data, kept = batches.data, 0
    for place in range(_ASKED):
        index = int(rng.integers(len(data) - data.held_out))
        asked = [data.language(rng, index, stage.kinds) for _ in range(stage.language_branches)]
        acts = data.acting(rng, index, stage.acting_branches, stage.paths) if stage.acting_branches else []
        kept += batches.change(0, place, all_said([one for one in asked if one is not None], acts)).kept
    held = "; the others speak of places in a way that cannot be moved along" if kept else ""
    return f"  augment moves {_ASKED - kept} of {_ASKED} rows{held}"


def _draw(picture: Path, batches: Batches, model: WallOSS, rng: np.random.Generator) -> None:
    """Draws samples: the views as the model gets them, beside each as training may change it, the text, and where the
    chunk leads. What is pointed to is marked where there is one view."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    data, changed = batches.data, batches.augment is not None
    count = min(_SHOWN, len(data))
    indices = np.sort(rng.choice(len(data), size=count, replace=False))
    views = by_view(data.images(indices))
    width = len(views) * (1 + changed) + 1
    size = (2.6 * width + 1.5, 2.5 * count)
    figure, axes = plt.subplots(count, width, figsize=size, squeeze=False, constrained_layout=True)
    names, rate = entry_names(model.config.dof_config), model.config.action_rate_hz
    steps = (np.arange(data.horizon) + 1) / rate
    for row, index in enumerate(indices):
        acting = data.acting(rng, int(index), 1)
        asked = [one for one in [data.language(rng, int(index))] if one is not None] if changed else []
        texts = all_said(asked, acting)
        change = batches.change(0, row, texts)
        marked = texts if len(views) == 1 else []
        for place, (view, name) in enumerate(zip(views, data.views)):
            show(axes[row][place * (1 + changed)], view[row], name, marked)
            if changed:
                beside = axes[row][2 * place + 1]
                show(beside, change.picture(view[row]), f"{name} in training", map(change.text, marked))
        plot = axes[row][-1]
        text = acting[0].text if acting else "(nothing to act on)"
        place = (
            "episode {}, row {}".format(*data.place(int(index))) if isinstance(data, RecordedDataset) else f"{index}"
        )
        plot.set_title(f"{place}: {text}"[:60], fontsize=7, loc="left")
        if acting:
            for entry in np.flatnonzero(acting[0].mask.any(0)):
                known = acting[0].mask[:, entry]
                plot.plot(steps[known], acting[0].chunk[known, entry], label=names[entry], linewidth=1)
            if plot.has_data():
                plot.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5))
        plot.grid(alpha=0.3)
        plot.tick_params(labelsize=6)
    axes[-1][-1].set_xlabel("s ahead; m, rad", fontsize=7)
    figure.savefig(picture, dpi=110)
    plt.close(figure)


def run(recipe: Recipe, data: Dataset | Mixture, folder: Path) -> str:
    """The whole of it, from a recipe: nothing is trained, and nothing is written but pictures in ``folder``."""
    with TemporaryDirectory() as work:
        untrained = recipe.model_copy(update={"vision": None})
        model, tokenizer, trainer = prepare(untrained, data, Path(work))
        return dry_run(recipe, model, tokenizer, trainer, folder)
