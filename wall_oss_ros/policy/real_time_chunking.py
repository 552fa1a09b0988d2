# SPDX-License-Identifier: Apache-2.0
"""Real-time chunking: a new action chunk is inpainted around what the robot does while it is being computed.

Black, Galliker, Levine, "Real-Time Execution of Action Chunking Flow Policies", arXiv 2506.07339. While the flow
denoises, pseudo-inverse guidance draws the steps that the robot will have followed by then to what it was told for
them, and the steps behind them the less the later they are.

The clean chunk seen from the noisy one x_t is x^ = x_t + (1 - t) v. The paper adds to the velocity v the error of x^,
times the transposed Jacobian of x^ with respect to x_t, times (1 - t) / (t r^2), r^2 = (1 - t)^2 / (t^2 + (1 - t)^2).
That r^2 is the variance of x^ where actions have mean 0 and variance 1; the Jacobian is then t / (t^2 + (1 - t)^2), and
all factors together are 1 / (1 - t). That is used here for every network. It takes no run of the network backwards and
meets the committed steps exactly; through its own Jacobian, a network whose chunks hardly depend on the noise, as the
shipped one, can hardly be guided at all (docs/control.md has the figures).

Signs. Flow time t runs from noise (0) to action (1), as in the paper: x_t = t x_1 + (1 - t) x_0, v estimates x_1 - x_0,
and the correction is added to v. Where t runs from action to noise (pi0's code), v estimates x_0 - x_1, the clean chunk
is x_t - t v, and the same correction, with t for 1 - t, is subtracted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.observation import PreviousChunk


def weights(horizon: int, committed: int, overlap: int) -> np.ndarray:
    """How firmly each step is held, (horizon,): 1 while committed, falling to 0 where the old chunk ends.

    With d = committed and e = overlap, step i in [d, e) weighs c (exp(c) - 1) / (exp(1) - 1), where
    c = (e - i) / (e - d + 1): the paper's equation 5.
    """
    overlap = min(overlap, horizon)
    committed = min(max(committed, 0), overlap)
    steps = np.arange(horizon)
    c = np.clip((overlap - steps) / (overlap - committed + 1), 0.0, 1.0)
    return np.where(steps < committed, 1.0, c * np.expm1(c) / np.expm1(1.0))


@dataclass(frozen=True)
class Guidance:
    """Takes the denoising steps of one chunk."""

    target: Tensor  # (horizon, A) normalised
    hold: Tensor  # the same shape, 0 to 1, how firmly each entry is held

    def __call__(self, actions: Tensor, t: float, stride: float, advance: Callable[[], None]) -> None:
        """One Euler step of ``actions`` (..., horizon, A) in place, from flow time ``t``.

        Args:
            stride: length of the step.
            advance: takes the step without guidance, in place.
        """
        noisy = actions.clone()
        advance()
        clean = noisy + (actions - noisy) * ((1 - t) / stride)
        error = (self.target.to(actions.device) - clean) * self.hold.to(actions.device)
        gain = min(1 / (1 - t), 1 / stride)  # bounded: a step ends at the target, never beyond it
        actions.add_(error, alpha=stride * gain)


def guidance(
    previous: PreviousChunk, normalize: Callable[[np.ndarray], np.ndarray], mask: np.ndarray, horizon: int
) -> Guidance:
    """Guidance towards what is left of a chunk.

    Args:
        normalize: physical units to the model's, (n, A) to (n, A).
        mask: (A,), the entries that the model decides.
        horizon: steps of the new chunk.

    Raises:
        WallOSSError: what is left has steps of another width, or is not finite.
    """
    try:
        steps, committed = np.asarray(previous.steps, np.float32), int(previous.committed)
    except (TypeError, ValueError) as error:
        raise WallOSSError(f"The previous chunk holds what is no number: {error}.", "Give numbers, or None.") from None
    if steps.ndim != 2 or steps.shape[1] != len(mask) or not np.isfinite(steps).all():
        raise WallOSSError(
            f"The previous chunk is of shape {steps.shape}; finite numbers, (steps, {len(mask)}), were expected.",
            "Give what is left of a chunk of this policy, or None.",
        )
    steps = steps[:horizon]
    target = np.zeros((horizon, len(mask)), np.float32)
    target[: len(steps)] = normalize(steps)
    hold = weights(horizon, committed, len(steps))[:, None] * np.asarray(mask, bool)
    return Guidance(torch.from_numpy(target), torch.from_numpy(hold.astype(np.float32)))
