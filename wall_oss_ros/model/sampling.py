# SPDX-License-Identifier: Apache-2.0
"""Actions by integrating the flow, words token by token: the two loops, and which token comes next.

Whole batches (:class:`~wall_oss_ros.model.WallOSS`) and the inference engine, over its own buffers, take the same ones.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief
from wall_oss_ros.model.arguments import MOST_TOKENS, check_seed, generator, is_whole

Guide = Callable[[Tensor, float, float, Callable[[], None]], None]
"""Takes an Euler step of the actions, in place: (actions, flow time, length of the step, the step without guidance)."""


def integrate(actions: Tensor, steps: int, advance: Callable[[int], None], guide: Guide | None = None) -> None:
    """Euler steps from noise (t = 0) to actions (t = 1), in place.

    Args:
        actions: (..., horizon, A); the noise to begin with.
        advance: takes step number i, from t = i / steps on, in place.
        guide: takes the steps instead, where the actions are to go on from others.

    Raises:
        WallOSSError: the result is not finite.
    """
    for index in range(steps):
        if guide is None:
            advance(index)
        else:
            guide(actions, index / steps, 1 / steps, partial(advance, index))
    if not torch.isfinite(actions).all():
        raise WallOSSError(
            "The model computed actions that are not finite.", "Check the checkpoint and the observation."
        )


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
        if not isinstance(temperature, (int, float)) or not 0 <= temperature < float("inf"):
            raise WallOSSError(f"temperature is {temperature!r}; 0 or more was expected.", "0 takes the likeliest.")
        if not isinstance(top_p, (int, float)) or not 0 < top_p <= 1:
            raise WallOSSError(f"top_p is {top_p!r}; above 0 and at most 1 was expected.", "1 leaves every token in.")
        self._allowed = None if allowed is None else torch.as_tensor(sorted(set(allowed)))
        if self._allowed is not None and not len(self._allowed):
            raise WallOSSError("No token is allowed.", "Allow at least the end token.")
        self._temperature, self._top_p = temperature, top_p
        self._seed = secrets.randbits(32) if seed is None else check_seed(seed)
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
        if not 0 <= int(self._allowed[0]) <= int(self._allowed[-1]) < logits.shape[1]:
            raise WallOSSError(
                f"Tokens {int(self._allowed[0])} to {int(self._allowed[-1])} are allowed; the checkpoint knows 0 to "
                f"{logits.shape[1] - 1}.",
                "Allow tokens of the checkpoint's own vocabulary.",
            )
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
            self._streams.append(generator(self._seed + len(self._streams)))
        return torch.stack([torch.rand(1, generator=stream) for stream in self._streams[:rows]])


class Likelihood:
    """Chooses as another choice does, and notes how likely the model found what was chosen.

    Args:
        choose: which token comes next.
    """

    def __init__(self, choose: Callable[[Tensor], Tensor]):
        self._choose = choose
        self._logs: list[Tensor] = []  # (B,) of each step; read at the end, so that no step waits for the device

    def __call__(self, logits: Tensor) -> Tensor:
        """(B, V) -> the chosen ids (B,)."""
        token = self._choose(logits)
        chosen = logits.gather(-1, token[:, None])[:, 0].float()
        self._logs.append(chosen - logits.float().logsumexp(-1))
        return token

    def probability(self, first: int = 0) -> float:
        """Of what was chosen in the first row from token ``first`` on, at temperature 1; 1 where nothing was."""
        logs = self._logs[first:]
        return float(torch.stack([one[0] for one in logs]).double().sum().exp()) if logs else 1.0


def check_limit(limit: object) -> None:
    """Raises WallOSSError unless it is a number of tokens that can be asked for."""
    if not is_whole(limit, 1, MOST_TOKENS):
        raise WallOSSError(
            f"{brief(limit)} new tokens were asked for; 1 to {MOST_TOKENS} were expected.", "48 are usual."
        )


def generate_tokens(
    logits: Tensor,
    advance: Callable[[Tensor, Tensor], Tensor],
    choose: Callable[[Tensor], Tensor],
    limit: int,
    eos: int,
    pad: int,
) -> Tensor:
    """Tokens, one by one, until each row has ended.

    Args:
        logits: (B, V) for the first one.
        advance: runs the chosen tokens (B,); of the rows that have ended (B,) nothing is to be seen. Gives the next
            logits (B, V).
        choose: which token comes next.
        limit: how many at most.
        eos: ends a row, and is part of it.
        pad: fills a row that has ended.

    Returns:
        (B, n) ids with n <= limit.

    Raises:
        WallOSSError: no token was asked for, or a logit is not finite.
    """
    check_limit(limit)
    done = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    tokens: list[Tensor] = []
    while True:
        token = choose(logits).masked_fill(done, pad)
        tokens.append(token)
        done = done | (token == eos)
        if len(tokens) == limit or bool(done.all()):
            return torch.stack(tokens, dim=1)
        logits = advance(token, done)
