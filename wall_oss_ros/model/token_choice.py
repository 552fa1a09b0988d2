# SPDX-License-Identifier: Apache-2.0
"""Which token comes next: the likeliest, or one drawn from the likely ones."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

import torch
from torch import Tensor

from wall_oss_ros.errors import WallOSSError


class TokenChoice:
    """Chooses one token for each row of a batch, step after step of one generation.

    Row i draws from a stream of its own, seeded ``seed + i`` on the CPU: its words depend neither on its neighbours in
    the batch nor on the device.
    """

    def __init__(
        self,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        allowed: Iterable[int] | None = None,
    ):
        """
        Args:
            temperature: 0 takes the likeliest token; higher draws more evenly.
            top_p: draws only from the likeliest tokens that together have this probability (arXiv 1904.09751).
            seed: of the draws; a new one each time when None.
            allowed: ids to choose from; all when None.

        Raises:
            WallOSSError: a value is out of its range, or nothing is allowed.
        """
        if not 0 <= temperature < float("inf"):
            raise WallOSSError(f"temperature is {temperature}; 0 or more was expected.", "0 takes the likeliest token.")
        if not 0 < top_p <= 1:
            raise WallOSSError(f"top_p is {top_p}; above 0 and at most 1 was expected.", "1 leaves every token in.")
        self._allowed = None if allowed is None else torch.as_tensor(sorted(set(allowed)))
        if self._allowed is not None and not len(self._allowed):
            raise WallOSSError("No token is allowed.", "Allow at least the end token.")
        self._temperature, self._top_p = temperature, top_p
        self._seed = secrets.randbits(32) if seed is None else seed
        self._streams: list[torch.Generator] = []

    def __call__(self, logits: Tensor) -> Tensor:
        """(B, V) -> the chosen ids (B,).

        Raises:
            WallOSSError: a logit is not finite.
        """
        if not torch.isfinite(logits).all():
            raise WallOSSError(
                "The model computed logits that are not finite.", "Check the checkpoint and the observation."
            )
        if self._allowed is None:
            return self._choose(logits)
        self._allowed = self._allowed.to(logits.device)
        return self._allowed[self._choose(logits[:, self._allowed])]

    def _choose(self, logits: Tensor) -> Tensor:
        if self._temperature == 0:
            return logits.argmax(-1)
        ordered, ids = logits.float().sort(dim=-1, descending=True, stable=True)
        likely = (ordered / self._temperature).softmax(-1)
        before = likely.cumsum(-1) - likely
        likely = likely * (before < self._top_p)  # the first one always stays
        sums = likely.cumsum(-1)
        drawn = (sums < self._uniform(len(logits)).to(sums) * sums[:, -1:]).sum(-1, keepdim=True)
        return ids.gather(-1, drawn)[:, 0]

    def _uniform(self, rows: int) -> Tensor:
        """(rows, 1) in [0, 1), each from its row's stream."""
        while len(self._streams) < rows:
            self._streams.append(torch.Generator().manual_seed(self._seed + len(self._streams)))
        return torch.stack([torch.rand(1, generator=stream) for stream in self._streams[:rows]])
