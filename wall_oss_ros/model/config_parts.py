# SPDX-License-Identifier: Apache-2.0
"""What the keys of ``config.json`` may be: their types and ranges, and the parts that have keys of their own.

Types are strict, since a text such as "false" or "13" would otherwise be taken for something else than it says.
"""

from __future__ import annotations

import re
from dataclasses import field, fields
from functools import wraps
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, FiniteFloat, NonNegativeInt, ValidationError
from pydantic.dataclasses import dataclass

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief

HINT = "Correct config.json, or use the one that came with the weights."

Size = Annotated[int, Field(gt=0, le=1 << 24)]
"""Of a layer, a vocabulary or a picture; beyond it no network was built yet."""
Count = Annotated[int, Field(gt=0, le=10_000)]
"""Of steps, or of numbers in one degree of freedom."""
Depth = Annotated[int, Field(gt=0, le=512)]
"""Layers one behind the other; the deepest of the lineage have 36."""
TokenId = Annotated[int, Field(ge=0, lt=1 << 31)]
Positive = Annotated[FiniteFloat, Field(gt=0)]
Name = Annotated[str, Field(min_length=1)]
T = TypeVar("T")


def require(condition: bool, message: str, hint: str = HINT) -> None:
    """Raises WallOSSError with ``config.json: message`` unless the condition holds."""
    if not condition:
        raise WallOSSError(f"config.json: {message}", hint)


class _WrongKey(WallOSSError):
    """A key and what is wrong with it, apart, so that what the key is part of can be put before it."""

    def __init__(self, name: str, problem: str):
        super().__init__(f"config.json: {name} {problem}", HINT)
        self.name, self.problem = name, problem

    @classmethod
    def of(cls, error: ValidationError) -> _WrongKey:
        """The first that pydantic found."""
        first = error.errors()[0]
        tags = ("int", "float")  # which of several types was tried last
        name = ".".join(str(part) for part in first["loc"] if part not in tags)
        kind, value = first["type"], brief(first["input"])
        if kind == "missing":
            return cls(name, "is missing.")
        if kind == "unexpected_keyword_argument":
            return cls(name, f"is {value}; it is not known what that would change.")
        found = f"{value} is unknown" if kind == "literal_error" else f"is {value}"
        return cls(name, f"{found}; {re.sub(r'^(Input|List|Dictionary|String)', 'it', first['msg'])}.")


def config_class(kind: type[T]) -> type[T]:
    """A dataclass whose values are checked; a wrong one raises WallOSSError, which names it."""
    kind = dataclass(config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))(kind)
    build = kind.__init__

    @wraps(build)
    def __init__(self, *args: Any, **values: Any) -> None:
        names = [f.name for f in fields(kind) if f.init]
        try:
            build(self, **{**dict(zip(names, args)), **values})
        except ValidationError as error:
            raise _WrongKey.of(error) from None

    kind.__init__ = __init__
    return kind


def read(kind: type[T], values: dict[str, Any], where: str = "", others: bool = True) -> T:
    """One of the classes below; null is as good as absent.

    Args:
        where: what stands before a key's name, for messages.
        others: whether there may be keys that the class does not have.

    Raises:
        WallOSSError: a value has another type than its key, or is out of range.
    """
    names = {f.name for f in fields(kind)}
    given = {key: value for key, value in values.items() if value is not None and (key in names or not others)}
    try:
        return kind(**given)
    except _WrongKey as error:
        raise _WrongKey(where + error.name, error.problem) from None


@config_class
class VisionConfig:
    """The vision tower: Qwen2.5-VL's, at any size."""

    depth: Depth = 32
    hidden_size: Size = 1280
    intermediate_size: Size = 3420
    num_heads: Size = 16
    in_channels: Size = 3
    patch_size: Size = 14
    spatial_merge_size: Size = 2
    temporal_patch_size: Size = 2
    window_size: Size = 112
    fullatt_block_indexes: list[NonNegativeInt] = field(default_factory=lambda: [7, 15, 23, 31])
    out_hidden_size: Size = 2048
    tokens_per_second: Annotated[int | float, Field(ge=0, le=10_000)] = 2
    hidden_act: Literal["silu"] = "silu"

    def __post_init__(self) -> None:
        require(
            self.hidden_size % (4 * self.num_heads) == 0,
            f"vision hidden_size {self.hidden_size} is not a multiple of 4 * num_heads {self.num_heads}.",
        )
        require(
            self.window_size >= self.cell,
            f"vision window_size {self.window_size} is less than one cell of {self.cell} pixels.",
        )

    @property
    def cell(self) -> int:
        """Side in pixels of what becomes one token."""
        return self.patch_size * self.spatial_merge_size

    @property
    def patch_dim(self) -> int:
        """Numbers in one patch row of ``pixel_values``."""
        return self.in_channels * self.temporal_patch_size * self.patch_size**2


@config_class
class ExpertConfig:
    """One expert: the width of its tokens' stream and of its feed-forward network."""

    hidden_size: Size
    intermediate_size: Size
    hidden_act: str = "silu"


@config_class
class NoiseConfig:
    """Distribution of the flow's time in training, and the sampler's steps.

    ``time_formula`` is our own key: how the public implementations turn b, drawn from Beta(beta_alpha, beta_beta), into
    the time. The first code release used the second formula, everything since uses the first.
    """

    beta_alpha: Positive = 1.5
    beta_beta: Positive = 1.0
    s: float = Field(default=0.999, gt=0, le=1)
    num_inference_timesteps: Annotated[int, Field(gt=0, le=1000)] = 10
    time_formula: Literal["(1 - b) * s", "(s - b) / s"] = "(1 - b) * s"


@config_class
class RopeConfig:
    """``rope_scaling`` or ``rope_parameters``: positions as they are, and no way to stretch them.

    Of both spellings of the type, "mrope" and "default" mean the same here: M-RoPE, with the sections below.
    """

    type: Literal["default", "mrope"] | None = None
    rope_type: Literal["default", "mrope"] | None = None
    rope_theta: Positive | None = None
    mrope_section: list[NonNegativeInt] | None = None
    mrope_interleaved: Literal[False] = False
    partial_rotary_factor: Annotated[float, Field(ge=1, le=1)] = 1.0


@config_class
class OtherKeys:
    """Keys that the network does not use, and the policy does; they are kept in ``WallOSSConfig.extra``."""

    known_words: list[str] = field(default_factory=list)
    known_sentences: dict[str, Any] = field(default_factory=dict)
    sampling_temperature: Annotated[float, Field(ge=0, le=10)] = 1.0
    use_fast_tokenizer: bool = False
    prediction_mode: str = ""
    action_tokenizer_path: str = ""
    use_state_string_representation: bool = False
    state_bins: Annotated[int, Field(ge=2, le=1 << 16)] = 256
    use_embodied_system_prompt: bool = False
    embodiment: str = ""
    instruction_end: str = ""
    judged_by: Literal["instruction", "plan"] = "instruction"  # what a model was trained to judge progress by
    thinks: bool = False  # whether it was trained to write a thought before plans, judgements and motion
    acts_aloud: bool = False  # whether motion always follows what it says first, as it was trained
    view_words: dict[str, str] = field(default_factory=dict)


@config_class
class Layout:
    """Keys that are read into others, or that only say what the network is anyway."""

    text_config: dict[str, Any] = field(default_factory=dict)
    vision_config: dict[str, Any] = field(default_factory=dict)
    experts: list[dict[str, Any]] = field(default_factory=list)
    noise_scheduler: dict[str, Any] = field(default_factory=dict)
    rope_scaling: dict[str, Any] = field(default_factory=dict)
    rope_parameters: dict[str, Any] = field(default_factory=dict)
    num_experts: Size | None = None
    dim_inputs: list[Size] | None = None
    action_hidden_size: Any = None
    state_hidden_size: Any = None
    action_horizon_flow: Count | None = None
    head_dim: Size | None = None
    hidden_act: Literal["silu"] = "silu"
    intermediate_size: Size | None = None
    layer_types: list[Literal["full_attention"]] | None = None
    attention_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    initializer_range: Positive | None = None
    sliding_window: int | None = None
    max_window_layers: int | None = None
    model_type: str = ""
    dtype: str = ""
    torch_dtype: str = ""
