# SPDX-License-Identifier: Apache-2.0
"""The curves of a training as TensorBoard's files: every number of log.jsonl, by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wall_oss_ros.errors import WallOSSError

_LOSSES = ("language", "flow", "fast")  # the order in which log.jsonl lists those of held-out samples


def _writer_class() -> type:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise WallOSSError(
            "--tensorboard needs the package tensorboard, which is not installed.",
            "pip install 'wall_oss_ros[tensorboard]', or leave the option out: log.jsonl has all numbers.",
        ) from None
    return SummaryWriter


def require_tensorboard() -> None:
    """
    Raises:
        WallOSSError: tensorboard is not installed.
    """
    _writer_class()


class Events:
    """Files that ``tensorboard --logdir`` shows.

    Args:
        folder: for them.
        step: that a run goes on from; what earlier files say of later steps is no longer shown.
    """

    def __init__(self, folder: Path, step: int):
        self._writer = _writer_class()(str(folder), purge_step=step + 1 if step else None)

    def say(self, content: Mapping[str, Any]) -> None:
        """Shows the numbers of a line of log.jsonl at its step."""
        for name, value in numbers({key: value for key, value in content.items() if key != "step"}):
            self._writer.add_scalar(name, value, content["step"])
        self._writer.flush()


def numbers(content: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """All numbers of a line, named by the way to them, such as ``sources/kitchen/flow``."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from numbers(value, f"{name}/{key}" if name else key)
    elif isinstance(content, (list, tuple)):
        yield from numbers(dict(zip(_LOSSES, content)), name)
    elif isinstance(content, (int, float)) and not isinstance(content, bool):
        yield name, float(content)
