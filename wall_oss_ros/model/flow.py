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


def sample_time(batch: int, config: NoiseConfig, device=None) -> Tensor:
    """Training times (batch,) = (1 - b) * s with b from Beta(alpha, beta): mostly near the noise, never quite 1."""
    b = torch.distributions.Beta(config.beta_alpha, config.beta_beta).sample((batch,))
    return ((1 - b) * config.s).to(device)


class ActionPreprocessor(nn.Module):
    """Linear maps between robot space and the decoder. A: numbers in an action, H: hidden size."""

    def __init__(self, config: WallOSSConfig):
        super().__init__()
        hidden, action, state = config.hidden_size, config.action_dim, config.propri_dim
        self.propri_proj = nn.Linear(2 * state, hidden, bias=False)
        self.w1 = nn.Linear(2 * action, hidden, bias=False)
        self.w2 = nn.Linear(2 * hidden, hidden, bias=False)
        self.w3 = nn.Linear(hidden, hidden, bias=False)
        self.action_proj_back = nn.Linear(hidden, action, bias=False)
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
        return self.w3(F.silu(self.w2(torch.cat((action, time), dim=-1))))

    def velocity(self, hidden: Tensor) -> Tensor:
        """hidden: (..., H) after the final norm -> (..., A)."""
        return self.action_proj_back(hidden)
