"""The flow head: states and noisy actions into the decoder, velocities out of it, and the statistics of both.

Flow matching (arXiv 2210.02747) with straight paths: x_t = (1 - t) * noise + t * action, velocity = action - noise.
t runs from noise to action, the opposite of pi0's.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.config import NoiseConfig, WallOSSConfig


class RobotTensors(nn.Module):
    """One float32 vector for each robot, saved with the weights under the robot's name."""

    def __setitem__(self, robot: str, value: Tensor) -> None:
        if not robot or "." in robot or (robot not in self._buffers and hasattr(self, robot)):
            raise WallOSSError(
                f"{robot!r} cannot name a robot in a checkpoint.", "Use letters, digits and underscores."
            )
        self.register_buffer(robot, value.detach().float().clone())

    def __getitem__(self, robot: str) -> Tensor:
        return self._buffers[robot]

    def names(self) -> list[str]:
        return sorted(self._buffers)


class Statistics(nn.Module):
    """Least value and range of each degree of freedom, for each robot the checkpoint knows."""

    def __init__(self) -> None:
        super().__init__()
        self.min = RobotTensors()
        self.delta = RobotTensors()

    def set(self, robot: str, minimum: Tensor, delta: Tensor) -> None:
        """Args: minimum, delta: (A,) in physical units; delta 0 where a degree of freedom never moved."""
        if minimum.shape != delta.shape or minimum.ndim != 1:
            raise WallOSSError(
                f"Statistics of {robot}: min {tuple(minimum.shape)} and delta {tuple(delta.shape)} must be two vectors "
                "of one length.",
                "Compute both over the same dataset.",
            )
        if not (torch.isfinite(minimum).all() and torch.isfinite(delta).all() and (delta >= 0).all()):
            raise WallOSSError(
                f"Statistics of {robot}: min and delta must be finite, and delta not negative.",
                "Compute them over the dataset again.",
            )
        self.min[robot] = minimum
        self.delta[robot] = delta

    def get(self, robot: str) -> tuple[Tensor, Tensor]:
        """min and delta, (A,) each.

        Raises:
            WallOSSError: the checkpoint has none for this robot; the message lists those it has.
        """
        if robot not in self.min.names():
            known = ", ".join(self.min.names()) or "none"
            raise WallOSSError(
                f"This checkpoint has no statistics for the robot {robot!r}; it has: {known}.",
                "Name one of these, or fine-tune on this robot's data first.",
            )
        return self.min[robot], self.delta[robot]


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
