# SPDX-License-Identifier: Apache-2.0
"""The parts of a checkpoint's configuration, each checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wall_oss_ros.errors import WallOSSError

TIME_FORMULAS = ("(1 - b) * s", "(s - b) / s")


def require(
    condition: bool, message: str, hint: str = "Correct config.json, or use the one that came with the weights."
) -> None:
    """Raises WallOSSError unless the condition holds."""
    if not condition:
        raise WallOSSError(message, hint)


def positive_integers(owner: Any, *names: str) -> None:
    """Raises WallOSSError for the first of these attributes that is no positive integer."""
    for name in names:
        value = getattr(owner, name)
        require(
            isinstance(value, int) and not isinstance(value, bool) and value > 0,
            f"config.json: {name} is {value!r}; a positive integer was expected.",
        )


@dataclass
class VisionConfig:
    """The vision tower: Qwen2.5-VL's, at any size."""

    depth: int = 32
    hidden_size: int = 1280
    intermediate_size: int = 3420
    num_heads: int = 16
    in_channels: int = 3
    patch_size: int = 14
    spatial_merge_size: int = 2
    temporal_patch_size: int = 2
    window_size: int = 112
    fullatt_block_indexes: list[int] = field(default_factory=lambda: [7, 15, 23, 31])
    out_hidden_size: int = 2048
    tokens_per_second: float = 2
    hidden_act: str = "silu"

    def __post_init__(self) -> None:
        positive_integers(
            self, "depth", "hidden_size", "intermediate_size", "num_heads", "in_channels", "patch_size",
            "spatial_merge_size", "temporal_patch_size", "window_size", "out_hidden_size",
        )  # fmt: skip
        require(
            self.hidden_size % (4 * self.num_heads) == 0,
            f"config.json: vision hidden_size {self.hidden_size} is not a multiple of 4 * num_heads {self.num_heads}.",
        )
        require(self.hidden_act == "silu", f"config.json: vision hidden_act {self.hidden_act!r}; only silu is known.")

    @property
    def patch_dim(self) -> int:
        """Numbers in one patch row of ``pixel_values``."""
        return self.in_channels * self.temporal_patch_size * self.patch_size**2


@dataclass
class ExpertConfig:
    """One expert: the width of its tokens' stream and of its feed-forward network."""

    hidden_size: int
    intermediate_size: int
    hidden_act: str = "silu"


@dataclass
class NoiseConfig:
    """Distribution of the flow's time in training, and the sampler's steps.

    ``time_formula`` is our own key: how the public implementations turn b, drawn from Beta(beta_alpha, beta_beta), into
    the time. The first code release used the second formula, everything since uses the first.
    """

    beta_alpha: float = 1.5
    beta_beta: float = 1.0
    s: float = 0.999
    num_inference_timesteps: int = 10
    time_formula: str = TIME_FORMULAS[0]

    def __post_init__(self) -> None:
        positive_integers(self, "num_inference_timesteps")
        for name in ("beta_alpha", "beta_beta", "s"):
            value = getattr(self, name)
            require(
                isinstance(value, (int, float)) and value > 0 and (name != "s" or value <= 1),
                f"config.json: noise_scheduler: {name} is {value!r}; a positive number was expected"
                + (", at most 1." if name == "s" else "."),
            )
        require(
            self.time_formula in TIME_FORMULAS,
            f"config.json: noise_scheduler: time_formula {self.time_formula!r} is unknown.",
            f"Use one of: {', '.join(TIME_FORMULAS)}.",
        )
