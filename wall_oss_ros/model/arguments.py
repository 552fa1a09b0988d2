# SPDX-License-Identifier: Apache-2.0
"""What callers give: each of these takes an argument as it may be, and refuses what it may not be in one sentence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief
from wall_oss_ros.model.config import WallOSSConfig

WEIGHT_TYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
MOST_STEPS, MOST_TOKENS = 1000, 1 << 20


def as_device(device: object) -> torch.device:
    """A device that this machine has and this PyTorch can use, by its name or as it is.

    Raises:
        WallOSSError: there is none of that name.
    """
    hint = "Use cpu" + (
        f", or one of the {torch.cuda.device_count()} devices cuda:0 to cuda:{torch.cuda.device_count() - 1}."
        if torch.cuda.is_available()
        else "; this machine has no CUDA device that PyTorch can use."
    )
    try:
        found = torch.device(device)
        if found.type != "meta":
            torch.empty(0, device=found)
    except Exception as error:  # PyTorch raises RuntimeError, AssertionError and others, by the kind of device
        why = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise WallOSSError(f"The device {brief(device)} cannot be used: {why}.", hint) from None
    return found


def check_dtype(dtype: object) -> None:
    """Raises WallOSSError unless it is None or a type that weights can have."""
    if dtype is not None and dtype not in WEIGHT_TYPES:
        raise WallOSSError(
            f"dtype is {brief(dtype)}; one of {', '.join(map(str, WEIGHT_TYPES))} was expected, not its name.",
            "Give torch.bfloat16 or torch.float32, or leave it out.",
        )


def is_whole(value: object, least: int, most: int) -> bool:
    """Whether it is an int, NumPy's too, within these."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and least <= value <= most


def whole_number(name: str, value: object, least: int, most: int, hint: str) -> int:
    """The number as an int.

    Raises:
        WallOSSError: it is something else, or out of range.
    """
    if not is_whole(value, least, most):
        raise WallOSSError(f"{name} is {brief(value)}; a whole number from {least} to {most} was expected.", hint)
    return int(value)


def flow_steps(steps: object, config: WallOSSConfig) -> int:
    """Euler steps of the flow; the checkpoint's own number when None.

    Raises:
        WallOSSError: it is no number of steps.
    """
    if steps is None:
        return config.noise_scheduler.num_inference_timesteps
    if is_whole(steps, 1, MOST_STEPS):
        return int(steps)
    raise WallOSSError(
        f"{brief(steps)} flow steps were asked for; 1 to {MOST_STEPS} were expected.", "Take 5 to 10, or leave it out."
    )


def check_seed(seed: object) -> int | None:
    """A seed that PyTorch takes; None for a new one each time.

    Raises:
        WallOSSError: it is no number, or too large.
    """
    return None if seed is None else whole_number("seed", seed, -(1 << 62), 1 << 62, "Give a smaller number, or None.")


def generator(seed: int | None) -> torch.Generator:
    """A stream of draws on the CPU; a new one each time without a seed.

    Raises:
        WallOSSError: as :func:`check_seed`.
    """
    stream, seed = torch.Generator(), check_seed(seed)
    stream.seed() if seed is None else stream.manual_seed(seed)
    return stream


def check_batch(batch: Mapping[str, Tensor], config: WallOSSConfig, *needed: str) -> None:
    """Raises WallOSSError unless the batch's tensors fit each other and the network; see ``model/wall_oss.py``.

    Args:
        needed: what must be there besides input_ids.
    """
    if not isinstance(batch, Mapping):
        raise WallOSSError(f"A batch is {brief(batch)}; a dictionary of tensors was expected.", _BY_PROCESSOR)
    missing = [key for key in ("input_ids", *needed) if batch.get(key) is None]
    for key, partner in _TOGETHER.items():
        given = batch.get(key)
        if isinstance(given, Tensor) and len(given) and batch.get(partner) is None:
            missing.append(partner)
    if missing:
        raise WallOSSError(f"The batch has no {', no '.join(dict.fromkeys(missing))}.", _BY_PROCESSOR)
    ids = _tensor("input_ids", batch["input_ids"])
    if ids.ndim != 2 or not ids.numel() or ids.dtype not in (torch.int64, torch.int32):
        raise WallOSSError(
            f"input_ids is {ids.dtype} of shape {tuple(ids.shape)}; int64 of shape (B, L) was expected, with at least "
            "one token.",
            _BY_PROCESSOR,
        )
    _check_range("input_ids", ids, config.vocab_size)
    rows, length = ids.shape
    shapes: dict[str, tuple[int | None, ...]] = {  # None for any number
        "moe_token_types": (rows, length),
        "labels": (rows, length),
        "image_grid_thw": (None, 3),
        "video_grid_thw": (None, 3),
        "proprioception": (rows, None, config.propri_dim),
        "agent_pos_mask": (rows, None, config.propri_dim),
        "dof_mask": (rows, None, config.action_dim),
        "action_chunk": (rows, None, config.action_dim),
        "time": (rows,),
    }
    for key, shape in shapes.items():
        if batch.get(key) is not None:
            check_shape(key, batch[key], shape)
    if batch.get("proprioception") is not None:
        check_shape("agent_pos_mask", batch["agent_pos_mask"], tuple(batch["proprioception"].shape))
    if batch.get("labels") is not None:
        labels = batch["labels"]
        _check_range("labels", labels[labels != -100], config.vocab_size)


def check_shape(name: str, value: object, shape: tuple[int | None, ...], hint: str = "") -> Tensor:
    """The tensor itself.

    Args:
        shape: what it must have; None stands for any number.
        hint: what to do about another one.

    Raises:
        WallOSSError: it is no tensor, or has another shape.
    """
    found = tuple(_tensor(name, value).shape)
    if len(found) != len(shape) or any(wanted not in (None, size) for size, wanted in zip(found, shape)):
        wanted = str(tuple(shape)).replace("None", "any")
        raise WallOSSError(
            f"{name} is {found}; {wanted} was expected.",
            hint or "Give a row for each prompt, with the numbers that the checkpoint's config.json names.",
        )
    return value


def _tensor(name: str, value: object) -> Tensor:
    if not isinstance(value, Tensor):
        raise WallOSSError(f"{name} is {brief(value)}; a tensor was expected.", _BY_PROCESSOR)
    return value


def _check_range(name: str, ids: Tensor, vocabulary: int) -> None:
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < vocabulary:
        raise WallOSSError(
            f"{name} holds tokens from {int(ids.min())} to {int(ids.max())}; the checkpoint knows 0 to "
            f"{vocabulary - 1}.",
            "Use the tokenizer that was saved with the weights.",
        )


_BY_PROCESSOR = "Have a WallOSSProcessor make the batch."
NOISE = "Give noise for each step of the chunk, which the prompt has action tokens for."
_TOGETHER = {
    "image_grid_thw": "pixel_values",
    "video_grid_thw": "pixel_values_videos",
    "proprioception": "agent_pos_mask",
    "action_chunk": "dof_mask",
}
