# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: a folder with config.json and safetensors. Nothing is unpickled and no remote code runs."""

from __future__ import annotations

import json
import logging
import os
from collections import defaultdict
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief, read_json
from wall_oss_ros.model.arguments import WEIGHT_TYPES, as_device, check_dtype
from wall_oss_ros.model.config import WallOSSConfig
from wall_oss_ros.model.hub import locate
from wall_oss_ros.model.layouts import config_values, tokenizer_folder
from wall_oss_ros.model.network import Network
from wall_oss_ros.model.statistics import KINDS, STATISTICS_FILES, Statistics, find_statistics
from wall_oss_ros.model.weights import Differences, adopt_vocabulary, compare, listing, read_tensors, split_fused

_HEAD = "action_preprocessor"
_STATISTICS = tuple(
    f"{_HEAD}.normalizer_{owner}.{part}." for owner in ("action", "propri") for pair in KINDS.values() for part in pair
)

N = TypeVar("N", bound=Network)

_log = logging.getLogger(__name__)


def read_config(folder: Path) -> WallOSSConfig:
    """config.json, what other code bases have elsewhere, and the ids of the robot tokens from tokenizer.json.

    Raises:
        WallOSSError: one of them cannot be used.
    """
    config = WallOSSConfig.from_dict(config_values(folder))
    _adopt_token_ids(config, tokenizer_folder(folder))
    if "auto_map" in config.extra:
        _log.warning("%s asks for code of its own (auto_map); it is not run: the network is built in.", folder)
    return config


def is_statistic(name: str) -> bool:
    """Whether a tensor is a normaliser's, and not a weight."""
    return name.startswith(_STATISTICS)


def take_statistics(
    tensors: dict[str, Tensor], config: WallOSSConfig, folder: Path
) -> tuple[Statistics, Statistics, dict[str, str]]:
    """Takes the normalisers' tensors out of ``tensors``; they are named by robots that only the file knows.

    Where there are none, those in files beside the weights are taken, under the name of that kind of file.

    Returns:
        Those of actions, those of states, and those that do not fit: tensor name to what is wrong.
    """
    parts: defaultdict[tuple[str, str], dict[str, Tensor]] = defaultdict(dict)
    for name in [name for name in tensors if is_statistic(name)]:
        _, owner, part, robot = name.split(".", 3)
        parts[owner, robot][part] = tensors.pop(name)
    sizes = {"normalizer_action": config.action_dim, "normalizer_propri": config.propri_dim}
    found, unfit = {owner: Statistics() for owner in sizes}, {}
    for (owner, robot), given in parts.items():
        kinds = [kind for kind, pair in KINDS.items() if not given.keys().isdisjoint(pair)]
        wrong = {part: f"is {tuple(t.shape)} instead of ({sizes[owner]},)" for part, t in given.items()
                 if t.shape != (sizes[owner],)}  # fmt: skip
        wrong |= {part: f"is {t.dtype}" for part, t in given.items() if t.dtype not in WEIGHT_TYPES}
        wrong |= {part: "is missing" for part in KINDS[kinds[0]] if part not in given}
        if len(kinds) > 1:
            wrong = dict.fromkeys(given, "contradicts another: either min and delta, or mean and std")
        unfit |= {f"{_HEAD}.{owner}.{part}.{robot}": problem for part, problem in wrong.items()}
        if not wrong:
            found[owner].set(robot, *(given[part] for part in KINDS[kinds[0]]), kinds[0])
    if parts and (beside := [name for name in STATISTICS_FILES if (folder / name).exists()]):
        _log.warning("%s: the statistics in the weights are used, not %s.", folder, " and ".join(beside))
    for source, *both in [] if parts else find_statistics(folder):
        for owner, values in zip(("normalizer_propri", "normalizer_action"), both):
            found[owner].set(source, *values.padded(sizes[owner]))
    return found["normalizer_action"], found["normalizer_propri"], unfit


def _refuse_statistics(unfit: dict[str, str], folder: Path) -> None:
    if unfit:
        raise WallOSSError(
            f"Statistics in {folder} do not fit its config.json: "
            f"{listing([f'{name} {problem}' for name, problem in unfit.items()])}.",
            "Use a checkpoint whose statistics fit its dof_config and agent_pos_config.",
        )


def read_statistics(folder: Path, config: WallOSSConfig) -> tuple[Statistics, Statistics]:
    """Those of actions and those of states, without reading the weights.

    Raises:
        WallOSSError: they do not fit config.json, or the files cannot be read.
    """
    actions, states, unfit = take_statistics(read_tensors(folder, is_statistic), config, folder)
    _refuse_statistics(unfit, folder)
    return actions, states


def load(
    kind: type[N], path: str | os.PathLike, device="cpu", dtype: torch.dtype | None = None, strict: bool = True
) -> tuple[N, Differences]:
    """Builds the network that ``config.json`` describes and fills it.

    Args:
        path: a folder, or ``owner/name`` on the hub.
        dtype: of the weights; float32 when None. Statistics stay float32.
        strict: False takes the tensors that fit, such as those of a model with other degrees of freedom or without an
            action expert. Those that are missing or misshapen keep fresh weights and want training; unknown ones, and
            statistics that do not fit, are left out.

    Returns:
        The network, and what did not fit, which is logged, too.

    Raises:
        WallOSSError: the files cannot be read, what is in them does not fit, or there is no such device or type; one
            sentence says what.
    """
    device = as_device(device)
    check_dtype(dtype)
    folder = locate(path)
    config = read_config(folder)
    tensors = split_fused(read_tensors(folder), config)
    adopt_vocabulary(tensors, config, folder)
    actions, states, unfit = take_statistics(tensors, config, folder)
    with torch.device("meta"):  # no memory for weights that are about to be replaced
        model = kind(config, initialise=False)
    if config.tie_word_embeddings and "model.embed_tokens.weight" in tensors:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    differences = compare(
        {name: tensor.shape for name, tensor in model.state_dict().items()},
        {name: tensor.shape for name, tensor in tensors.items()},
    )
    if whole := [f"{n} is {t.dtype}" for n, t in tensors.items() if t.dtype not in WEIGHT_TYPES]:
        raise WallOSSError(
            f"Weights in {folder} are of types that say nothing by themselves: {listing(whole, 4)}.",
            "Use the checkpoint as it was before it was quantised, in float32, bfloat16 or float16.",
        )
    if strict:
        _refuse_statistics(unfit, folder)
        if differences:
            raise WallOSSError(
                f"The weights in {folder} do not fit its config.json: {'. '.join(differences.lines(8))}.",
                "Use the config.json that was saved with these weights, or load what fits with strict=False.",
            )
    for name in [*differences.unknown, *differences.misshapen]:
        del tensors[name]
    if not tensors:
        raise WallOSSError(f"Not one tensor in {folder} fits its config.json.", "Check that they belong together.")
    if differences.missing or differences.misshapen:
        model = kind(config).to(dtype or torch.float32)
    tensors = {name: tensor.to(device=device, dtype=dtype or torch.float32) for name, tensor in tensors.items()}
    model.load_state_dict(tensors, strict=strict, assign=True)
    model.action_preprocessor.normalizer_action, model.action_preprocessor.normalizer_propri = actions, states
    if config.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight
    differences.misshapen.update(unfit)
    for line in differences.lines():
        _log.warning("%s: %s", path, line)
    return model.to(device).eval(), differences


def _adopt_token_ids(config: WallOSSConfig, folder: Path) -> None:
    """The tokenizer knows the robot tokens' ids where config.json does not say."""
    files = [folder / name for name in ("tokenizer.json", "added_tokens.json") if (folder / name).exists()]
    if not files:
        return
    file, hint = files[0], "Fetch or train the checkpoint again."
    added = read_json(file, hint)
    try:
        if file.name == "tokenizer.json":
            added = {token["content"]: token["id"] for token in added["added_tokens"]}
        ids = [added.get(token) for token in ("<|propri|>", "<|action|>")]
    except (KeyError, TypeError, AttributeError) as error:
        raise WallOSSError(f"{file} is not a tokenizer: {error!r}.", hint) from None
    if wrong := [number for number in ids if number is not None and (type(number) is not int or number < 0)]:
        raise WallOSSError(f"{file} is not a tokenizer: a token's id is {brief(wrong[0])}.", hint)
    config.propri_token_id, config.action_token_id = (
        own if number is None else number for number, own in zip(ids, (config.propri_token_id, config.action_token_id))
    )


def save(model: Network, path: str | os.PathLike) -> None:
    """Writes config.json and model.safetensors; a reader never meets half a file, nor one that it would refuse.

    Raises:
        WallOSSError: the model has adapters or other parts that no checkpoint has, its config was changed into one that
            is refused, or the folder cannot be written.
    """
    values = model.config.to_dict()
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in model.state_dict().items()}
    _require_loadable(tensors, values)
    if model.config.tie_word_embeddings:
        tensors.pop("lm_head.weight")
    try:
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        weights, config = folder / "model.safetensors", folder / "config.json"
        save_file(tensors, f"{weights}.part", metadata={"format": "pt"})
        Path(f"{config}.part").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        os.replace(f"{weights}.part", weights)
        os.replace(f"{config}.part", config)
    except (OSError, TypeError, ValueError, SafetensorError) as error:
        raise WallOSSError(f"{brief(path)} cannot be written: {error}.", "Name a folder on a disk with room.") from None


def _require_loadable(tensors: dict[str, Tensor], values: dict) -> None:
    """Raises WallOSSError where :func:`load` would refuse what is about to be written."""
    with torch.device("meta"):
        expected = Network(WallOSSConfig.from_dict(values), initialise=False).state_dict()
    differences = compare(
        {name: tensor.shape for name, tensor in expected.items()},
        {name: tensor.shape for name, tensor in tensors.items() if not is_statistic(name)},
    )
    if any("lora_" in name or "base_layer" in name for name in differences.unknown):
        raise WallOSSError(
            f"The model has adapters, such as {differences.unknown[0]}: what would be written could not be loaded.",
            "Merge them first (training.lora.merge_lora), or write them alone (save_adapter).",
        )
    if differences:
        raise WallOSSError(
            f"What would be written could not be loaded: {'. '.join(differences.lines(4))}.",
            "Save the network as it was built, with the config that it was built from.",
        )
