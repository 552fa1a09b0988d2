# SPDX-License-Identifier: Apache-2.0
"""The flow head: states and noisy actions into the decoder, velocities out of it.

Flow matching (arXiv 2210.02747) with straight paths: x_t = (1 - t) * noise + t * action, velocity = action - noise.
t runs from noise to action, the opposite of pi0's.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wall_oss_ros.model.config import NoiseConfig, WallOSSConfig
from wall_oss_ros.model.statistics import Statistics


def sinusoidal_embedding(t: Tensor, width: int) -> Tensor:
    """Sines, then cosines, of t at frequencies 10000^(-i / (width/2 - 1)). t: (...,) -> (..., width)."""
    half = width // 2
    frequencies = torch.exp(
        torch.arange(half, dtype=torch.float32, device=t.device) * (-math.log(10000.0) / (half - 1))
    )
    angle = t.float().unsqueeze(-1) * frequencies
    return torch.cat((angle.sin(), angle.cos()), dim=-1)


def _beta(alpha: float, beta: float, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    """Draws from Beta(alpha, beta)."""
    if beta == 1:  # the distribution function is x^alpha; its inverse takes one draw
        return torch.rand(shape, generator=generator) ** (1 / alpha)
    one, other = (
        torch._standard_gamma(torch.full(shape, float(shape_parameter)), generator=generator)  # torch's public Beta
        for shape_parameter in (alpha, beta)  # takes no generator
    )
    return one / (one + other)


def sample_time(
    shape: int | tuple[int, ...], config: NoiseConfig, device=None, generator: torch.Generator | None = None
) -> Tensor:
    """Flow times for training, more often near the noise (t = 0) than near the action.

    With b from Beta(alpha, beta), by ``config.time_formula``: (1 - b) * s, in [0, s], as the public implementations
    since 2026 and LeRobot's have it; or (s - b) / s, in [1 - 1/s, 1], as the first code release had it.

    Args:
        generator: of the CPU, for a stream of draws that can be repeated.
    """
    b = _beta(config.beta_alpha, config.beta_beta, (shape,) if isinstance(shape, int) else tuple(shape), generator)
    time = (config.s - b) / config.s if config.time_formula == "(s - b) / s" else (1 - b) * config.s
    return time.to(device)


class ActionPreprocessor(nn.Module):
    """Linear maps between robot space and the decoder. A: numbers in an action, H: hidden size.

    An action token may be narrower than H (``config.action_width``); zeros fill it up.
    """

    def __init__(self, config: WallOSSConfig):
        super().__init__()
        width, action, state = config.action_width, config.action_dim, config.propri_dim
        self.padding = config.hidden_size - width
        self.propri_proj = nn.Linear(2 * state, config.hidden_size, bias=False)
        self.w1 = nn.Linear(2 * action, width, bias=False)
        self.w2 = nn.Linear(2 * width, width, bias=False)
        self.w3 = nn.Linear(width, width, bias=False)
        self.action_proj_back = nn.Linear(width, action, bias=False)
        self.normalizer_action = Statistics()
        self.normalizer_propri = Statistics()

    def embed_state(self, state: Tensor, mask: Tensor) -> Tensor:
        """state, mask: (..., A), normalised -> (..., H)."""
        dtype = self.propri_proj.weight.dtype
        return self.propri_proj(torch.cat((state.to(dtype), mask.to(dtype)), dim=-1))

    def embed_actions(self, noisy: Tensor, dof_mask: Tensor, t: Tensor) -> Tensor:
        """noisy, dof_mask: (..., A); t: broadcastable to (...) -> (..., H)."""
        dtype = self.w1.weight.dtype
        action = self.w1(torch.cat((noisy.to(dtype), dof_mask.to(dtype).expand_as(noisy)), dim=-1))
        time = sinusoidal_embedding(t, action.shape[-1]).to(dtype).expand_as(action)
        tokens = self.w3(F.silu(self.w2(torch.cat((action, time), dim=-1))))
        return F.pad(tokens, (0, self.padding)) if self.padding else tokens

    def velocity(self, hidden: Tensor) -> Tensor:
        """hidden: (..., H) after the final norm -> (..., A)."""
        return self.action_proj_back(hidden[..., : hidden.shape[-1] - self.padding])
