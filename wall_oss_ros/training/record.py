# SPDX-License-Identifier: Apache-2.0
"""What is written down of a training beside its weights: ``training.json``, from which a model card is made."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from wall_oss_ros.policy.machine import processor_name
from wall_oss_ros.training.recipe import Recipe


def machine() -> dict[str, Any]:
    """What computes: the processor's name, cores, Python's version."""
    return {"processor": processor_name(), "cores": os.cpu_count() or 1, "python": platform.python_version()}


def record(
    recipe: Recipe,
    steps: int,
    seconds: float,
    parameters: int,
    frames: int,
    dagger_frames: Sequence[int] = (),
    device: str = "cpu",
    processes: int = 1,
) -> dict[str, Any]:
    """The content of ``training.json``.

    Args:
        seconds: of training steps, over all sittings.
        frames: to learn from in the end; those of DAgger and those that are held out are among them.
        dagger_frames: of each round of DAgger.
        device: that computed.
        processes: that trained together.
    """
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = ""
    return {
        "recipe": recipe.model_dump(),
        "steps": steps,
        "minutes": round(seconds / 60, 1),
        "parameters": parameters,
        "frames": frames,
        "dagger_frames": list(dagger_frames),
        "ended": date.today().isoformat(),
        "machine": {**machine(), "torch": torch, "device": device, "processes": processes},
    }
