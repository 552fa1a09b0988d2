# SPDX-License-Identifier: Apache-2.0
"""LoRA (arXiv 2106.09685) through peft: small trained matrices beside frozen ones, to fine-tune large models.

The public fine-tuning code adapts the decoder (rank 8, alpha 32, dropout 0.1) and trains everything else in full. Here
the projections around attention and those of every routed expert are adapted, and the flow head is trained in full.

Adapters are saved in peft's own format, which ``peft.PeftModel.from_pretrained`` reads onto the same checkpoint.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.checkpoint import is_statistic, take_statistics

if TYPE_CHECKING:
    from peft import LoraConfig

TARGETS = r"model\.layers\.\d+\.(self_attn\.[qkvo]_proj(_experts\.\d+)?|moe\.experts\.\d+\.(gate|up|down)_proj)"
"""All matrices of the decoder's layers, by the names of modules."""
_WEIGHTS, _CONFIG, _PREFIX = "adapter_model.safetensors", "adapter_config.json", "base_model.model."


@dataclass(frozen=True)
class LoraSettings:
    """How a model is adapted."""

    rank: int = 8
    alpha: float = 32.0  # the update is scaled by alpha / rank
    dropout: float = 0.1
    targets: str = TARGETS  # a regular expression; the modules whose whole names match are adapted
    also_train: tuple[str, ...] = ("action_preprocessor",)  # names of modules that are trained in full

    def __post_init__(self) -> None:
        whole = isinstance(self.rank, int) and not isinstance(self.rank, bool)
        numbers = all(isinstance(value, (int, float)) for value in (self.alpha, self.dropout))
        if not (whole and numbers and self.rank > 0 and 0 < self.alpha < float("inf") and 0 <= self.dropout < 1):
            raise WallOSSError(
                f"LoRA of rank {self.rank}, alpha {self.alpha} and dropout {self.dropout} is not possible.",
                "Use a whole rank of at least 1, a positive alpha, and a dropout from 0 to below 1.",
            )
        if not isinstance(self.targets, str) or isinstance(self.also_train, str):
            raise WallOSSError(
                f"LoRA's targets are {self.targets!r}, also_train is {self.also_train!r}; one regular expression and a "
                "tuple of names were expected.",
                "Give such as also_train=('action_preprocessor',).",
            )

    def peft_config(self) -> LoraConfig:
        """The same in peft's terms.

        Raises:
            WallOSSError: peft is missing.
        """
        return _peft().LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=self.targets,
            modules_to_save=[name.rstrip(".") for name in self.also_train] or None,
            bias="none",
        )


def _peft() -> ModuleType:
    try:
        import peft
    except ImportError:
        raise WallOSSError(
            "LoRA needs the package peft, which is not installed.", "pip install 'wall_oss_ros[lora]'"
        ) from None
    return peft


def add_lora(model: WallOSS, settings: LoraSettings | None = None) -> None:
    """Adapts the model in place and freezes everything but the adapters and ``settings.also_train``.

    A fresh adapter changes nothing that the model computes.

    Raises:
        WallOSSError: peft is missing, the model is adapted already, or nothing matches the targets.
    """
    settings = settings or LoraSettings()
    config = settings.peft_config()
    try:
        found = any(re.fullmatch(settings.targets, name) for name, _ in model.named_modules())
    except re.error as error:
        raise WallOSSError(f"{settings.targets!r} is no regular expression: {error}.", "Correct the targets.") from None
    if not found:
        raise WallOSSError(
            f"No module of the model is named like {settings.targets!r}.",
            "Name modules such as model.layers.0.self_attn.q_proj.",
        )
    _inject(model, config)


def _inject(model: WallOSS, config: LoraConfig) -> None:
    if _adapted(model):
        raise WallOSSError("This model has LoRA adapters already.", "Merge them first, or take the model without.")
    # Modules trained in full are trained in place: peft would train a copy beside the original.
    whole, config.modules_to_save = config.modules_to_save, None
    _peft().inject_adapter_in_model(config, model)
    config.modules_to_save = whole
    prefixes = tuple(f"{name}." for name in _whole(model, whole or ()))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(".lora_" in name or name.startswith(prefixes))


def _whole(model: nn.Module, names: Collection[str]) -> list[str]:
    """Full names of the modules trained in full; as in peft, the end of a name is enough."""
    return [name for name, _ in model.named_modules() if any(f".{name}".endswith(f".{end}") for end in names)]


def _adapted(model: nn.Module) -> list[str]:
    """Names of the adapted modules."""
    return [
        name for name, module in model.named_modules() if hasattr(module, "lora_A") and hasattr(module, "base_layer")
    ]


def merge_lora(model: WallOSS) -> None:
    """Adds the adapters to the weights, in place: a plain model again, which computes what the adapted one did.

    Every parameter can be trained afterwards, and ``save_pretrained`` writes a plain checkpoint.

    Raises:
        WallOSSError: the model has no adapters, or merging would give numbers that are not finite.
    """
    names = _adapted(model)
    if not names:
        raise WallOSSError("This model has no LoRA adapters to merge.", "Add and train them first.")
    for name in names:
        owner, _, child = name.rpartition(".")
        layer = model.get_submodule(name)
        try:
            layer.merge(safe_merge=True)
        except ValueError as error:
            raise WallOSSError(f"The adapter of {name} cannot be merged: {error}", "Train it again.") from error
        setattr(model.get_submodule(owner), child, layer.get_base_layer())
    model.requires_grad_(True)
    del model.peft_config


def _tensors(model: WallOSS) -> dict[str, Tensor]:
    """The adapters and the modules trained in full: live tensors, by peft's names without its prefix."""
    config = model.peft_config["default"]
    tensors = _peft().get_peft_model_state_dict(model, save_embedding_layers=False)
    for name in _whole(model, config.modules_to_save or ()):
        tensors |= {f"{name}.{part}": value for part, value in model.get_submodule(name).state_dict().items()}
    return tensors


def save_adapter(model: WallOSS, folder: str | Path) -> None:
    """Writes the adapters and what was trained with them, with its statistics; a small part of the model.

    Raises:
        WallOSSError: the model has none, or they cannot be written.
    """
    if not _adapted(model):
        raise WallOSSError("This model has no LoRA adapters to save.", "Use save_pretrained for a plain model.")
    tensors = {f"{_PREFIX}{name}": value.detach().contiguous().cpu() for name, value in _tensors(model).items()}
    try:
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        part = target / f"{_WEIGHTS}.part"
        save_file(tensors, part, metadata={"format": "pt"})
        part.replace(target / _WEIGHTS)
        model.peft_config["default"].save_pretrained(str(target))
    except (OSError, TypeError, ValueError, SafetensorError) as error:
        raise WallOSSError(
            f"{brief(folder)} cannot be written: {error}.", "Name a folder on a disk with room."
        ) from None


@torch.no_grad()
def load_adapter(model: WallOSS, folder: str | Path) -> None:
    """Adapts a plain model, in place, by what :func:`save_adapter` or peft wrote.

    Raises:
        WallOSSError: the files cannot be read, or are of another model.
    """
    try:
        config, tensors = _read(Path(folder))
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise WallOSSError(
            f"{brief(folder)} holds no LoRA adapter that can be read: {error!r}.",
            "Name a folder that save_adapter wrote.",
        ) from None
    _inject(model, config)
    actions, states, unfit = take_statistics(tensors, model.config, folder)
    expected = {name: value for name, value in _tensors(model).items() if not is_statistic(name)}
    if unfit or {n: t.shape for n, t in tensors.items()} != {n: t.shape for n, t in expected.items()}:
        raise WallOSSError(
            f"The adapter in {folder} is of another model.", "Load it onto the checkpoint that it was trained on."
        )
    for name, value in tensors.items():
        expected[name].copy_(value)
    if actions.names() or states.names():
        head = model.action_preprocessor
        device = next(head.parameters()).device
        head.normalizer_action, head.normalizer_propri = actions.to(device), states.to(device)


def _read(folder: Path) -> tuple[LoraConfig, dict[str, Tensor]]:
    if (folder / "adapter.json").exists():  # as this project wrote adapters before it took up peft's format
        values = json.loads((folder / "adapter.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "adapter.safetensors")
        config = LoraSettings(**{**values, "also_train": tuple(values["also_train"])}).peft_config()
        return config, {name.replace(".default.", "."): value for name, value in tensors.items()}
    if not (folder / _CONFIG).is_file():  # without it, peft would ask the hub
        raise FileNotFoundError(_CONFIG)
    config = _peft().LoraConfig.from_pretrained(str(folder))
    return config, {name.removeprefix(_PREFIX): t for name, t in load_file(folder / _WEIGHTS).items()}
