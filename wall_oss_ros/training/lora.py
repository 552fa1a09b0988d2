# SPDX-License-Identifier: Apache-2.0
"""LoRA (arXiv 2106.09685) through peft: small trained matrices beside frozen ones, to fine-tune large models.

The public fine-tuning code adapts the decoder (rank 8, alpha 32, dropout 0.1) and trains what is outside of it in full.
Here the projections around attention and those of every routed expert are adapted, and the flow head is trained in
full.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS

TARGETS = r"model\.layers\.\d+\.(self_attn\.[qkvo]_proj(_experts\.\d+)?|moe\.experts\.\d+\.(gate|up|down)_proj)"
"""All matrices of the decoder's layers, by the names of modules."""
_WEIGHTS, _SETTINGS = "adapter.safetensors", "adapter.json"


@dataclass(frozen=True)
class LoraSettings:
    """How a model is adapted."""

    rank: int = 8
    alpha: float = 32.0  # the update is scaled by alpha / rank
    dropout: float = 0.1
    targets: str = TARGETS  # a regular expression; the modules whose whole names match are adapted
    also_train: tuple[str, ...] = ("action_preprocessor.",)  # parameters trained in full, by how their names start

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha <= 0 or not 0 <= self.dropout < 1:
            raise WallOSSError(
                f"LoRA of rank {self.rank}, alpha {self.alpha} and dropout {self.dropout} is not possible.",
                "Use a positive rank and alpha, and a dropout from 0 to below 1.",
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
    peft, settings = _peft(), settings or LoraSettings()
    if _adapted(model):
        raise WallOSSError("This model has LoRA adapters already.", "Merge them first, or take the model without.")
    try:
        found = any(re.fullmatch(settings.targets, name) for name, _ in model.named_modules())
    except re.error as error:
        raise WallOSSError(f"{settings.targets!r} is no regular expression: {error}.", "Correct the targets.") from None
    if not found:
        raise WallOSSError(
            f"No module of the model is named like {settings.targets!r}.",
            "Name modules such as model.layers.0.self_attn.q_proj.",
        )
    config = peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.targets,
        bias="none",
    )
    peft.inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(".lora_" in name or name.startswith(settings.also_train))
    model.lora_settings = settings


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
    for attribute in ("lora_settings", "peft_config"):
        if hasattr(model, attribute):
            delattr(model, attribute)


def save_adapter(model: WallOSS, folder: str | Path) -> None:
    """Writes the adapters and what was trained with them; a small part of the model.

    Raises:
        WallOSSError: the model has none.
    """
    if not _adapted(model):
        raise WallOSSError("This model has no LoRA adapters to save.", "Use save_pretrained for a plain model.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    trained = {n: p.detach().contiguous().cpu() for n, p in model.named_parameters() if p.requires_grad}
    save_file(trained, folder / _WEIGHTS)
    (folder / _SETTINGS).write_text(json.dumps(asdict(model.lora_settings), indent=2) + "\n", encoding="utf-8")


def load_adapter(model: WallOSS, folder: str | Path) -> None:
    """Adapts a plain model by what :func:`save_adapter` wrote, in place.

    Raises:
        WallOSSError: the files cannot be read, or are of another model.
    """
    folder = Path(folder)
    try:
        values = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        settings = LoraSettings(**{**values, "also_train": tuple(values["also_train"])})
        tensors = load_file(folder / _WEIGHTS)
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise WallOSSError(
            f"{folder} holds no LoRA adapter that can be read: {error!r}.", "Name a folder that save_adapter wrote."
        ) from None
    add_lora(model, settings)
    expected = {name: p.shape for name, p in model.named_parameters() if p.requires_grad}
    if {name: tensor.shape for name, tensor in tensors.items()} != expected:
        raise WallOSSError(
            f"The adapter in {folder} is of another model.", "Load it onto the checkpoint that it was trained on."
        )
    model.load_state_dict(tensors, strict=False)
