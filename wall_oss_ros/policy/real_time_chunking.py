"""Real-time chunking: a new action chunk is inpainted around what the robot does while it is being computed.

Black, Galliker, Levine, "Real-Time Execution of Action Chunking Flow Policies", arXiv 2506.07339. While the flow denoises,
pseudo-inverse guidance draws the rows that the robot will have followed by then to what it was told for them, and the
rows behind them the less the later they are.

Signs. Flow time t runs from noise (0) to action (1), as in the paper: x_t = t x_1 + (1 - t) x_0, and the velocity v is
an estimate of x_1 - x_0. So the clean chunk seen from x_t is x_t + (1 - t) v, and the correction is added to v. Where t runs
from action to noise (pi0's code), v is x_0 - x_1, the clean chunk is x_t - t v, and the same correction is subtracted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

CLIP = 5.0  # the paper's bound of the guidance; with it, up to 5 Euler steps meet the committed rows of a normal prior
_PROBE = 0.1  # of the normalised range: how far the clean chunk's slope is measured; less drowns in bfloat16's rounding


@dataclass(frozen=True)
class Previous:
    """What is left of the chunk that the robot follows, told as the new chunk would tell it.

    Attributes:
        rows: (n, A) physical units, in the action mode and from the state of the new observation; row k is for the same
            time as row k of the new chunk. n may be less than the horizon.
        committed: rows that are over before the new chunk can come.
    """

    rows: np.ndarray
    committed: int


def weights(horizon: int, committed: int, overlap: int) -> np.ndarray:
    """How firmly each row is held, (horizon,): 1 while committed, falling to 0 where the old chunk ends.

    With d = committed and e = overlap, row i in [d, e) weighs c (exp(c) - 1) / (exp(1) - 1), c = (e - i) / (e - d + 1): the
    paper's equation 5.
    """
    overlap = min(overlap, horizon)
    committed = min(max(committed, 0), overlap)
    rows = np.arange(horizon)
    c = np.clip((overlap - rows) / (overlap - committed + 1), 0.0, 1.0)
    return np.where(rows < committed, 1.0, c * np.expm1(c) / np.expm1(1.0))


def strength(t: float, clip: float = CLIP) -> float:
    """What the correction is multiplied by, (1 - t) / (t r^2) with r^2 = (1 - t)^2 / (t^2 + (1 - t)^2), and no more than
    ``clip``, at 0 < t < 1."""
    return min(clip, (t * t + (1 - t) ** 2) / (t * (1 - t)))


class Guidance:
    """Takes the denoising steps of one chunk.

    The correction needs the transposed Jacobian of the clean chunk with respect to the noisy one, times the error. Of an
    ideal flow that Jacobian is t / (1 - t)^2 times the covariance of the clean chunk, so it is symmetric, and its product
    with the error is the slope along the error: one more run of the network forwards, and none backwards, on the same
    weights and buffers as without guidance. At t = 0 it vanishes, so the first step is free.
    """

    def __init__(self, target: Tensor, hold: Tensor, clip: float = CLIP):
        """
        Args:
            target: (horizon, A) normalised. hold: the same shape, 0 to 1, how firmly each entry is held.
            clip: bound of the guidance.
        """
        self._target, self._hold, self._clip = target, hold, clip

    def __call__(self, actions: Tensor, t: float, stride: float, advance: Callable[[], None]) -> None:
        """One Euler step of ``actions`` (horizon, A) in place, from flow time ``t``.

        Args:
            stride: length of the step.
            advance: takes the step without guidance, in place.
        """
        noisy = actions.clone()
        advance()
        if t == 0:
            return
        stepped = actions.clone()
        clean = noisy + (1 - t) * (stepped - noisy) / stride
        error = (self._target.to(actions.device) - clean) * self._hold.to(actions.device)
        size = float(error.abs().max())
        if size == 0:
            return
        probe = _PROBE / size
        actions.copy_(noisy + probe * error)
        advance()
        slope = error + (1 - t) * ((actions - stepped) / probe - error) / stride
        actions.copy_(stepped + stride * strength(t, self._clip) * slope)


def guidance(previous: Previous, normalize: Callable[[np.ndarray], np.ndarray], mask: np.ndarray, horizon: int) -> Guidance:
    """Guidance towards what is left of a chunk.

    Args:
        normalize: physical units to the model's, (n, A) to (n, A).
        mask: (A,), the entries that the model decides.
        horizon: rows of the new chunk.
    """
    rows = np.asarray(previous.rows, np.float32)[:horizon]
    target = np.zeros((horizon, len(mask)), np.float32)
    target[: len(rows)] = normalize(rows)
    hold = weights(horizon, previous.committed, len(rows))[:, None] * np.asarray(mask, bool)
    return Guidance(torch.from_numpy(target), torch.from_numpy(hold.astype(np.float32)))
