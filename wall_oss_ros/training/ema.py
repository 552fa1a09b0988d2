# SPDX-License-Identifier: Apache-2.0
"""A mean of the weights over the steps of a training, in which the noise of single steps is averaged out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import nn


class MeanWeights:
    """An exponential mean of a model's parameters.

    Args:
        decay: share of the mean that stays at a step; less at first, so that a young mean is not that of the beginning.
        only: names of the parameters; all when None.

    Attributes:
        values: the means, by name.
    """

    def __init__(self, model: nn.Module, decay: float, only: Collection[str] | None = None):
        self._model, self._decay = model, decay
        self.values = {
            name: parameter.detach().clone()
            for name, parameter in model.named_parameters()
            if only is None or name in only
        }

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes the weights behind a step, counted from 1, into the mean."""
        decay = min(self._decay, step / (step + 9))
        for name, parameter in self._model.named_parameters():
            if name in self.values:
                self.values[name].lerp_(parameter, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the mean for its weights meanwhile."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self._model.named_parameters():
            if name in self.values:
                own = parameter.detach().clone()  # numbers change places, not tensors: others may hold on to these
                parameter.copy_(self.values[name])
                self.values[name].copy_(own)
