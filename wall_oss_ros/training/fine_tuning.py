# SPDX-License-Identifier: Apache-2.0
"""A network for recordings: layout and rate are the robots', weights fresh or a checkpoint's, whole or adapted."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch
import yaml
from tokenizers import Tokenizer

from wall_oss_ros.data.mixture import Mixture
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS, WallOSSConfig
from wall_oss_ros.model.checkpoint import read_config
from wall_oss_ros.policy.checkpoints import model_directory
from wall_oss_ros.training.fast_head import head_of
from wall_oss_ros.training.lora import LoraSettings, add_lora
from wall_oss_ros.training.recipe import Recipe
from wall_oss_ros.training.start import start_from

_MAY_CHANGE = (
    "image_size", "noise_scheduler", "sampling_temperature", "causal_action_attention_mask", "use_x_loss",
    "use_embodied_system_prompt", "use_state_string_representation", "state_bins", "embodiment",
    "use_fast_tokenizer", "action_tokenizer_path",
)  # fmt: skip


def image_size(recipe: Recipe) -> int | None:
    """Side of the views that the recipe's network takes; None for the released resizing."""
    if not recipe.fine_tunes or "image_size" in recipe.model:
        return recipe.model.get("image_size")
    return read_config(model_directory(recipe.start)).image_size


def mixture_model(
    recipe: Recipe, mixture: Mixture, tokenizer: Tokenizer, make_config: Callable[..., WallOSSConfig]
) -> WallOSS:
    """The network that a recipe trains on recordings.

    Raises:
        WallOSSError: the recipe's model contradicts the robots' profiles, or the checkpoint does not fit.
    """
    profile = mixture.recordings[0].data.profile
    ours: dict[str, Any] = {
        "dof_config": dict(profile.dof_config),
        "agent_pos_config": dict(profile.dof_config),
        "action_horizon": profile.horizon,
        "action_rate_hz": profile.rate_hz,
    }
    if other := [key for key, value in ours.items() if recipe.model.get(key, value) != value]:
        raise WallOSSError(
            f"The recipe says {other[0]} {recipe.model[other[0]]}, the profile of {profile.name} {ours[other[0]]}.",
            "Leave it out of the recipe: the profile decides.",
        )
    views = {source.data.robots[0]: list(source.data.views) for source in mixture.recordings}
    words = sorted({word for source in mixture.recordings for word in source.data.vocabulary()})
    said = {"views": list(mixture.recordings[0].data.views)}
    if len({tuple(one) for one in views.values()}) > 1:
        said["views_of"] = views
    _require_one_embodiment(recipe, list(views))
    if not recipe.fine_tunes:
        changed = recipe.model_copy(update={"model": {**recipe.model, **ours, **head_of(recipe, {})}})
        config = make_config(changed, mixture.recordings[0].data, tokenizer)
        model = WallOSS(WallOSSConfig.from_dict({**config.to_dict(), **said, "known_words": words}))
        if recipe.start is not None:
            start_from(model, tokenizer, recipe.start)
        return model
    folder = model_directory(recipe.start)
    before = read_config(folder)
    if fixed := [key for key in recipe.model if key not in _MAY_CHANGE]:
        raise WallOSSError(
            f"The recipe's model changes {fixed[0]} of {folder.name}, whose weights are as they are.",
            f"Of a checkpoint that is fine-tuned may be changed: {', '.join(_MAY_CHANGE)}.",
        )
    values = {**before.to_dict(), **ours, **said, **recipe.model, **head_of(recipe, before.extra)}
    values.pop("known_sentences", None)  # of other data
    if known := before.extra.get("known_words"):  # a checkpoint that knows every word has no list
        values["known_words"] = sorted({*known, *words})
    config = WallOSSConfig.from_dict(values)
    if (config.action_dim, config.propri_dim) == (before.action_dim, before.propri_dim):
        model = WallOSS.from_pretrained(folder)
        config.vocab_size = model.config.vocab_size  # the weights' own, which may have grown
        model.config = config
        model.model.config = config
        for table in (model.action_preprocessor.normalizer_action, model.action_preprocessor.normalizer_propri):
            for robot in table.names():  # they belong to other data, and are not trained on
                for part in (table.min, table.delta, table.mean, table.std):
                    part.remove(robot)
        return model
    config.vocab_size = max(config.vocab_size, tokenizer.get_vocab_size())
    model = WallOSS(config)  # of another layout: what goes into and out of the flow head begins fresh
    start_from(model, tokenizer, str(folder))
    return model


def _require_one_embodiment(recipe: Recipe, robots: list[str]) -> None:
    """Raises WallOSSError where prompts would tell several robots by one name."""
    start = read_config(model_directory(recipe.start)).extra if recipe.fine_tunes else {}
    said = {**start, **recipe.model}.get("embodiment")
    if said and len(robots) > 1:
        raise WallOSSError(
            f'The embodiment "{said}" would be said of the robots {", ".join(robots)} alike.',
            'Set embodiment: "" in the recipe\'s model: each is then told by the name of its statistics.',
        )


def adapt(model: WallOSS, recipe: Recipe) -> Collection[str]:
    """Puts the recipe's adapters into the network. Names of what may be trained from now on.

    With bfloat16 all that is frozen is kept in it: half the memory.
    """
    own = recipe.lora
    settings = {"targets": own.targets} if own.targets else {}
    add_lora(model, LoraSettings(own.rank, own.alpha, own.dropout, also_train=own.also_train, **settings))
    only = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    if recipe.precision == "bfloat16":
        for name, parameter in model.named_parameters():
            if name not in only:
                parameter.data = parameter.data.to(torch.bfloat16)
    model.train()
    return only


def write_robots(mixture: Mixture, output: Path) -> None:
    """Writes the profiles and mappings that a checkpoint was trained with beside it."""
    for source in mixture.recordings:
        for kind, content in (("robots", source.data.profile), ("mappings", source.data.mapping)):
            name = source.data.profile.trained_as if kind == "robots" else source.name
            file = output / kind / f"{name}.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            values = json.loads(content.model_dump_json(exclude_none=kind == "mappings"))
            file.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
