# SPDX-License-Identifier: Apache-2.0
"""The flow head: states and noisy actions into the decoder, velocities out of it.

Flow matching (arXiv 2210.02747) with straight paths: x_t = (1 - t) * noise + t * action, velocity = action - noise.
t runs from noise to action, the opposite of pi0's.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

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


def flow_loss(
    velocity: Tensor, noise: Tensor, actions: Tensor, dof_mask: Tensor, t: Tensor, config: WallOSSConfig
) -> Tensor:
    """Mean over every entry of the squared error times the DoF mask, as the public training code takes it.

    Args:
        velocity: (..., A), the model's.
        noise, actions: (..., A), the two ends of the path.
        dof_mask: (..., A), broadcastable; 0 for entries that the robot does not have, which count as right.
        t: flow times, broadcastable to (..., A).
        config: with its ``use_x_loss`` the error is that of the action which the velocity leads to: the velocity's
            error times the way left, (1 - t) (WALL-OSS-0.5).
    """
    error = velocity.float() - (actions - noise)
    if config.use_x_loss:
        error = (1 - t) * error
    return (error**2 * dof_mask).mean()


class ActionPreprocessor(nn.Module):
    """Linear maps between robot space and the decoder. A: numbers in an action, H: hidden size.

    An action token may be narrower than H (``config.action_width``); zeros fill it up.
    """

    def __init__(self, config: WallOSSConfig):
        super().__init__()
        width, action, state = config.action_width, config.action_dim, config.propri_dim
        self.width, self.padding = width, config.hidden_size - width
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

    def mix(self, noisy: Tensor, dof_mask: Tensor, time: Tensor) -> Tensor:
        """The linear part in front of the activation: ``w2`` of ``w1`` of actions and mask, beside the time.

        noisy, dof_mask: (..., A); time: (..., W) embedded -> (..., W).
        """
        return self.w2(torch.cat((self.w1(torch.cat((noisy, dof_mask), dim=-1)), time), dim=-1))

    def embed_actions(self, noisy: Tensor, dof_mask: Tensor, t: Tensor) -> Tensor:
        """noisy, dof_mask: (..., A); t: broadcastable to (...) -> (..., H)."""
        dtype = self.w1.weight.dtype
        time = sinusoidal_embedding(t, self.width).to(dtype).expand(*noisy.shape[:-1], -1)
        tokens = self.w3(F.silu(self.mix(noisy.to(dtype), dof_mask.to(dtype).expand_as(noisy), time)))
        return F.pad(tokens, (0, self.padding)) if self.padding else tokens

    def velocity(self, hidden: Tensor) -> Tensor:
        """hidden: (..., W or H) after the final norm -> (..., A)."""
        return self.action_proj_back(hidden[..., : self.width])


class FoldedActions:
    """The way from noisy actions to action tokens, with all that does not depend on the actions taken out.

    What stands in front of the activation is linear. So the actions' part of it is one small matrix, which is what it
    makes of the unit vectors, and the part of time and mask is one vector for each step.
    """

    def __init__(self, flow: ActionPreprocessor, w3: Callable[[Tensor], Tensor], dtype: torch.dtype):
        """
        Args:
            w3: computes the last map, such as a packed copy of it.
            dtype: in which to compute; the folding itself is done in float32.
        """
        self._w3, self._dtype, self._width = w3, dtype, flow.width
        self._flow = copy.deepcopy(flow).float()
        actions = self._flow.w1.in_features // 2
        unit = torch.eye(actions, device=flow.w1.weight.device)
        none = torch.zeros_like(unit)
        self._matrix = self._flow.mix(unit, none, none.new_zeros(actions, self._width)).T.to(dtype).contiguous()
        self._times: dict[int, Tensor] = {}

    def biases(self, dof_mask: Tensor, steps: int) -> Tensor:
        """(A,) -> what time and mask add at each of the steps, (steps, W)."""
        mask = dof_mask.float().expand(steps, -1)
        if steps not in self._times:
            self._times[steps] = sinusoidal_embedding(torch.arange(steps, device=mask.device) / steps, self._width)
        return self._flow.mix(torch.zeros_like(mask), mask, self._times[steps]).to(self._dtype)

    def __call__(self, actions: Tensor, bias: Tensor) -> Tensor:
        """Noisy actions (..., A) and one step's bias (W,) -> action tokens (..., W)."""
        return self._w3(F.silu(F.linear(actions.to(self._dtype), self._matrix, bias)))
