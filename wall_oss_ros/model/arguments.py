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
    given = {key: value for key, value in batch.items() if value is not None}
    partners = [partner for key, partner in _TOGETHER.items() if key in given and _any(given[key])]
    if missing := [key for key in ("input_ids", *needed, *partners) if key not in given]:
        raise WallOSSError(f"The batch has no {', no '.join(dict.fromkeys(missing))}.", _BY_PROCESSOR)
    ids = _tensor("input_ids", given["input_ids"], _WHOLE)
    if ids.ndim != 2 or not ids.numel():
        raise WallOSSError(
            f"input_ids is of shape {tuple(ids.shape)}; (B, L) was expected, with at least one token.", _BY_PROCESSOR
        )
    _check_range("input_ids", ids, 0, config.vocab_size - 1)
    rows, length = ids.shape
    state, action = (rows, None, config.propri_dim), (rows, None, config.action_dim)
    for key, shape, kind in (
        ("moe_token_types", (rows, length), _WHOLE),
        ("labels", (rows, length), _WHOLE),
        ("pixel_values", (None, None), _REAL),
        ("pixel_values_videos", (None, None), _REAL),
        ("image_grid_thw", (None, 3), _WHOLE),
        ("video_grid_thw", (None, 3), _WHOLE),
        ("proprioception", state, _REAL),
        ("agent_pos_mask", state, _REAL),
        ("dof_mask", action, _REAL),
        ("action_chunk", action, _REAL),
        ("noise", action, _REAL),
        ("time", (rows,), _REAL),
    ):
        if key in given:
            check_shape(key, given[key], shape, kind=kind)
    if "proprioception" in given:
        check_shape("agent_pos_mask", given["agent_pos_mask"], tuple(given["proprioception"].shape))
    if "labels" in given:
        _check_range("labels", given["labels"][given["labels"] != -100], 0, config.vocab_size - 1)
    for key in ("image_grid_thw", "video_grid_thw"):
        if key in given:
            _check_range(key, given[key], 1, 1 << 20)
    if "attention_mask" in given:
        _tensor("attention_mask", given["attention_mask"], _REAL)
    if "second_per_grid_ts" in given:
        _check_seconds(given["second_per_grid_ts"])


def check_shape(
    name: str, value: object, shape: tuple[int | None, ...], hint: str = "", kind: str = "real numbers"
) -> Tensor:
    """The tensor itself.

    Args:
        shape: what it must have; None stands for any number.
        hint: what to do about another one.
        kind: what its numbers must be.

    Raises:
        WallOSSError: it is no tensor, or has another shape or type.
    """
    found = tuple(_tensor(name, value, kind).shape)
    if len(found) != len(shape) or any(wanted not in (None, size) for size, wanted in zip(found, shape)):
        wanted = str(tuple(shape)).replace("None", "any")
        raise WallOSSError(
            f"{name} is {found}; {wanted} was expected.",
            hint or "Give a row for each prompt, with the numbers that the checkpoint's config.json names.",
        )
    return value


def _tensor(name: str, value: object, kind: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise WallOSSError(f"{name} is {brief(value)}; a tensor was expected.", _BY_PROCESSOR)
    whole = not (value.is_floating_point() or value.is_complex() or value.dtype == torch.bool)
    if value.numel() and (value.is_complex() or (kind == _WHOLE and not whole)):
        raise WallOSSError(f"{name} is {value.dtype}; {kind} were expected.", _BY_PROCESSOR)
    return value


def _any(value: object) -> bool:
    """Whether it is more than a tensor without rows."""
    return not isinstance(value, Tensor) or value.ndim == 0 or len(value) > 0


def _check_range(name: str, values: Tensor, least: int, most: int) -> None:
    if values.numel() and not least <= int(values.min()) <= int(values.max()) <= most:
        raise WallOSSError(
            f"{name} holds {int(values.min())} to {int(values.max())}; {least} to {most} can be used.",
            "Use the tokenizer and the processor that belong to the weights.",
        )


def _check_seconds(value: object) -> None:
    try:
        seconds = torch.as_tensor(value)
        fits = not seconds.is_complex() and seconds.ndim == 1 and bool(((seconds >= 0) & (seconds < 1e6)).all())
    except (TypeError, ValueError, RuntimeError):
        fits = False
    if not fits:
        raise WallOSSError(
            f"second_per_grid_ts is {brief(value)}; seconds, one for each video, were expected.", _BY_PROCESSOR
        )


_BY_PROCESSOR = "Have a WallOSSProcessor make the batch."
_WHOLE, _REAL = "whole numbers", "real numbers"
NOISE = "Give noise for each step of the chunk, which the prompt has action tokens for."
_TOGETHER = {
    "image_grid_thw": "pixel_values",
    "video_grid_thw": "pixel_values_videos",
    "proprioception": "agent_pos_mask",
    "action_chunk": "dof_mask",
}
