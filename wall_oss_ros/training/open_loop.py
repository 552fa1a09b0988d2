# SPDX-License-Identifier: Apache-2.0
"""Open-loop error: what the model would do at recorded moments, beside what was done, in physical units.

It says whether a model has learnt to imitate; whether it does the task, only running it says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from wall_oss_ros.data.mapping.recorded import RecordedDataset
from wall_oss_ros.data.mixture import Mixture
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.action_vocabulary import ActionVocabulary
from wall_oss_ros.model.arguments import as_device
from wall_oss_ros.model.fast import NotAChunk
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.fast_actions import LIMITS, speaks_fast, tokenizer_of
from wall_oss_ros.policy.tokens import read_tokenizer
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.training.batches import Batches
from wall_oss_ros.training.recipe import Recipe
from wall_oss_ros.training.sources import open_sources
from wall_oss_ros.training.subtasks import SubtaskQuestions, in_words

_AT_ONCE = 16  # chunks
_MOST = 64  # chunks of an episode


@dataclass(frozen=True)
class Compared:
    """An episode's chunks. N of them, H steps, A entries."""

    episode: int
    times: np.ndarray  # (N,) s, where they begin
    states: np.ndarray  # (N, A)
    told: np.ndarray  # (N, H, A) recorded, in the profile's action mode
    said: np.ndarray  # (N, H, A) the model's
    known: np.ndarray  # (N, H, A) bool
    failed: int = 0  # moments at which FAST tokens made no chunk


@torch.no_grad()
def predict(model: WallOSS, batches: Batches, data: RecordedDataset, episode: int, seed: int = 0) -> Compared | None:
    """The model's chunks along an episode, each a horizon behind the one before; None where nothing is to be done."""
    samples = data.samples(episode)
    stride = max(1, data.horizon, -(-len(samples) // _MOST))
    chosen, texts, told, known = [], [], [], []
    rng = np.random.default_rng([seed, episode])
    for index in samples[::stride]:
        acting = data.acting(rng, int(index), 1)
        if acting and acting[0].mask.any():
            chosen.append(int(index))
            texts.append(acting[0].text)
            told.append(acting[0].chunk)
            known.append(acting[0].mask)
    if not chosen:
        return None
    actions = batches.normalizers()[1]
    spelled = speaks_fast(model.config) and batches.words is not None
    generator = torch.Generator().manual_seed(seed)
    said = []
    for start in range(0, len(chosen), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        if spelled:
            said += _spelled(model, batches, np.array(chosen[some]), texts[some])
        else:
            said += _sampled(model, batches, np.array(chosen[some]), texts[some], generator)
    made = [place for place, one in enumerate(said) if one is not None]
    failed, chosen = len(chosen) - len(made), [chosen[place] for place in made]
    live, shape = actions.mask(), (-1, data.horizon, len(actions.mask()))
    return Compared(
        episode,
        np.array([data.place(index)[1] for index in chosen]) / data.fps,
        data.states(np.array(chosen, int))[0],
        np.array([told[place] for place in made]).reshape(shape),
        np.where(live, actions.denormalize(np.array([said[place] for place in made]).reshape(shape)), 0),
        np.array([known[place] for place in made], bool).reshape(shape) & live,
        failed,
    )


def _sampled(
    model: WallOSS, batches: Batches, chosen: np.ndarray, texts: list[str], generator: torch.Generator
) -> list[np.ndarray]:
    """Normalised chunks (H, A) of the flow head."""
    temperature = float(model.config.extra.get("sampling_temperature", 1.0))
    batch = batches.prompt(chosen, texts)
    noise = temperature * torch.randn(batch["dof_mask"].shape, generator=generator)
    batch = {key: value.to(model.device) for key, value in batch.items()}
    return list(model.sample_actions(batch, noise.to(model.device)).float().cpu().numpy())


def _spelled(model: WallOSS, batches: Batches, chosen: np.ndarray, texts: list[str]) -> list[np.ndarray | None]:
    """Normalised chunks (H, A) that the language head says in FAST tokens; None where they make none."""
    actions, horizon = batches.normalizers()[1], batches.data.horizon
    words = ActionVocabulary(batches.words.fast, batches.tokenizer, LIMITS[actions.kind])
    batch = batches.asked(chosen, [prompts.act_suffix(text) for text in texts])
    batch = {key: value.to(model.device) for key, value in batch.items()}
    limit = words.longest(horizon, actions.mask())
    found: list[np.ndarray | None] = []
    for ids in model.generate(batch, limit, words.end, choose=words.choice()).tolist():
        try:
            found.append(words.decode(ids, horizon, actions.mask()))
        except NotAChunk:
            found.append(None)
    return found


def errors(layout: Layout, compared: list[Compared]) -> tuple[np.ndarray, np.ndarray]:
    """Mean absolute error (H, A) of each step and entry, NaN where nothing is known; and of how many, (H, A)."""
    known = np.concatenate([one.known for one in compared])
    off = np.concatenate([one.said - one.told for one in compared]).astype(float)
    for part in layout.angles:
        off[..., part] = (off[..., part] + np.pi) % (2 * np.pi) - np.pi
    count = known.sum(0)
    total = np.where(known, np.abs(off), 0).sum(0)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0), count


def entry_names(dofs: Mapping[str, int]) -> list[str]:
    """A name for each entry of a layout (``dof_config``), such as ``follow_right_ee_cartesian_pos.0``."""
    return [name if size == 1 else f"{name}.{index}" for name, size in dofs.items() for index in range(size)]


def open_loop(
    model: WallOSS,
    tokenizer: Tokenizer,
    mixture: Mixture,
    episodes: int,
    folder: Path,
    seed: int = 0,
    words: ActionVocabulary | None = None,
) -> str:
    """Compares the model with held-out episodes of every dataset.

    Writes ``open_loop.json``, with the error of each entry at each step, m and rad, and how often the annotated subtask
    is answered; and plots.

    Args:
        episodes: of each dataset; the first of those that are held out.
        words: what chunks are called in FAST tokens, of a model that says them so.

    Returns:
        Lines for each dataset.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report: dict[str, dict] = {}
    lines = []
    for number, source in enumerate(mixture.recordings):
        data: RecordedDataset = source.data
        layout = Layout(data.profile)
        batches = Batches(data, tokenizer, model, (seed, number), words=words)
        asked = SubtaskQuestions(batches, data.validation[:episodes], _MOST * episodes).ask(model)
        lines.append(f"open loop, {source.name}: {in_words(asked)}")
        report[source.name] = {"subtasks": {kind: one.report() for kind, one in asked.items()}}
        compared = [
            one for episode in data.validation[:episodes] if (one := predict(model, batches, data, episode, seed))
        ]
        failed = sum(one.failed for one in compared)
        compared = [one for one in compared if len(one.times)]
        if failed:
            lines.append(f"open loop, {source.name}: FAST tokens made no chunk at {failed} moments, which are left out")
        if not compared:
            if not failed:
                lines.append(f"open loop, {source.name}: no episode is held out that has actions")
            continue
        found, count = errors(layout, compared)
        live = count.any(0)
        names = entry_names(layout.profile.dof_config)
        by_slot = {
            name: float(np.nanmean(found[:, slot][:, live[slot]]))
            for name, slot in layout.slots.items()
            if live[slot].any()
        }
        report[source.name] |= {
            "episodes": [one.episode for one in compared],
            "chunks": sum(len(one.times) for one in compared),
            "no_chunk": failed,
            "mean_absolute_error": by_slot,
            "by_step": {
                names[entry]: [None if np.isnan(value) else float(value) for value in found[:, entry]]
                for entry in np.flatnonzero(live)
            },
        }
        draw(folder / f"{source.name}.png", layout, compared, found, live, data.profile.rate_hz)
        parts = ", ".join(f"{name} {value:.4g}" for name, value in by_slot.items())
        of = f"{len(compared)} held-out episode{'s' * (len(compared) > 1)}"
        lines.append(f"open loop, {source.name}, mean error in m and rad over {of}: {parts}")
    (folder / "open_loop.json").write_text(json.dumps(report, indent=1))
    return "\n".join(lines)


def compare_checkpoint(recipe: Recipe, folder: Path, device: str = "cpu") -> str:
    """Compares a finished run's checkpoint with the held-out episodes of its recipe; see :func:`open_loop`.

    Raises:
        WallOSSError: there is no checkpoint, or the recipe has no recordings.
    """
    if not recipe.datasets:
        raise WallOSSError(
            f"The recipe {recipe.name} has no recordings to compare with.",
            "wall-oss eval has simulated robots do their task.",
        )
    if not (folder / "config.json").exists():
        raise WallOSSError(f"{folder} has no checkpoint to compare.", "Train one, or name its folder: --output DIR.")
    model, tokenizer = WallOSS.from_pretrained(folder, as_device(device)), read_tokenizer(folder)
    mixture = open_sources(recipe, model.config.image_size, folder / "run" / "pictures")
    fast = tokenizer_of(folder, model.config) if speaks_fast(model.config) else None
    words = None if fast is None else ActionVocabulary(fast, tokenizer)
    return open_loop(model, tokenizer, mixture, recipe.open_loop_episodes or 4, folder / "open_loop", words=words)


def draw(
    picture: Path, layout: Layout, compared: list[Compared], found: np.ndarray, live: np.ndarray, rate: float
) -> None:
    """Draws, for each live entry, targets along the first episode, recorded and the model's; and the error by step."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    names, entries, first = entry_names(layout.profile.dof_config), np.flatnonzero(live), compared[0]
    figure, axes = plt.subplots(
        len(entries), 2, figsize=(11, 1.5 * len(entries) + 0.6), squeeze=False, constrained_layout=True,
        gridspec_kw={"width_ratios": [3, 1]},
    )  # fmt: skip
    steps = np.arange(1, found.shape[0] + 1) / rate
    for (motion, error), entry in zip(axes, entries):
        for begin, state, told, said, known in zip(first.times, first.states, first.told, first.said, first.known):
            wanted, got = (layout.absolute(chunk, state)[:, entry] for chunk in (told, said))
            there = known[:, entry]
            times = begin + steps
            motion.plot(times[there], wanted[there], color="black", linewidth=1)
            motion.plot(times[there], got[there], color="C1", linewidth=1)
        motion.set_title(names[entry], fontsize=8, loc="left")
        error.plot(steps, found[:, entry], color="C1")
        error.set_ylim(bottom=0)
        for axis in (motion, error):
            axis.grid(alpha=0.3)
            axis.tick_params(labelsize=7)
    axes[0][0].legend(["recorded", "model"], fontsize=7, loc="upper right")
    axes[0][1].set_title("mean error by time ahead (s)", fontsize=8, loc="left")
    axes[-1][0].set_xlabel(f"s of episode {first.episode}", fontsize=8)
    figure.savefig(picture, dpi=110)
    plt.close(figure)
