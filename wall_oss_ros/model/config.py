# SPDX-License-Identifier: Apache-2.0
"""Sizes and token ids of a checkpoint, read from its ``config.json``: never from code.

The released models' configurations lie in config/models/*.json, as presets: for building a model of that size without
its weights, in benchmarks, tests, and training from nothing. A checkpoint's own config.json always wins. A preset's
``_sources`` say where its values come from, ``_assumed`` what nobody has published.
"""

from __future__ import annotations

import json
from dataclasses import asdict, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError
from pydantic.dataclasses import dataclass

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path

DEFAULT_DOF = {
    "follow_left_ee_cartesian_pos": 3,
    "follow_left_ee_rotation": 3,
    "follow_left_gripper": 1,
    "follow_right_ee_cartesian_pos": 3,
    "follow_right_ee_rotation": 3,
    "follow_right_gripper": 1,
    "head_actions": 2,
    "height": 1,
    "car_pose": 3,
}

# Switches of the public training code that change what the network computes, and the one value that is known here.
_FIXED = {
    "mlp_moe": True,
    "use_adarms": False,
    "use_x_pred": False,
    "proj_with_mask": True,
    "use_flow_action_expert": True,
    "use_state_string_representation": False,
    "use_sliding_window": False,
}

_HINT = "Correct config.json, or use the one that came with the weights."
_STRICT = ConfigDict(strict=True, extra="forbid")  # "4" is no number, nor is true
T = TypeVar("T")


def require(condition: bool, message: str, hint: str = _HINT) -> None:
    """Raises WallOSSError with ``config.json: message`` unless the condition holds."""
    if not condition:
        raise WallOSSError(f"config.json: {message}", hint)


def _read(kind: type[T], values: dict[str, Any], where: str = "") -> T:
    """One of the classes below from those of the values that it has a field for; null is as good as absent."""
    names = {f.name for f in fields(kind)}
    try:
        return kind(**{key: value for key, value in values.items() if key in names and value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name, value = where + ".".join(map(str, first["loc"])), repr(first["input"])
        if first["type"] == "missing":
            raise WallOSSError(f"config.json: {name} is missing.", _HINT) from None
        found = f"{value} is unknown" if first["type"] == "literal_error" else f"is {value}"
        message = f"config.json: {name} {found}; {first['msg'].replace('Input', 'it')}."
        raise WallOSSError(message, _HINT) from None


@dataclass(config=_STRICT)
class VisionConfig:
    """The vision tower: Qwen2.5-VL's, at any size."""

    depth: PositiveInt = 32
    hidden_size: PositiveInt = 1280
    intermediate_size: PositiveInt = 3420
    num_heads: PositiveInt = 16
    in_channels: PositiveInt = 3
    patch_size: PositiveInt = 14
    spatial_merge_size: PositiveInt = 2
    temporal_patch_size: PositiveInt = 2
    window_size: PositiveInt = 112
    fullatt_block_indexes: list[int] = field(default_factory=lambda: [7, 15, 23, 31])
    out_hidden_size: PositiveInt = 2048
    tokens_per_second: int | float = 2
    hidden_act: Literal["silu"] = "silu"

    def __post_init__(self) -> None:
        require(
            self.hidden_size % (4 * self.num_heads) == 0,
            f"vision hidden_size {self.hidden_size} is not a multiple of 4 * num_heads {self.num_heads}.",
        )

    @property
    def patch_dim(self) -> int:
        """Numbers in one patch row of ``pixel_values``."""
        return self.in_channels * self.temporal_patch_size * self.patch_size**2


@dataclass(config=_STRICT)
class ExpertConfig:
    """One expert: the width of its tokens' stream and of its feed-forward network."""

    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    hidden_act: str = "silu"


@dataclass(config=_STRICT)
class NoiseConfig:
    """Distribution of the flow's time in training, and the sampler's steps.

    ``time_formula`` is our own key: how the public implementations turn b, drawn from Beta(beta_alpha, beta_beta), into
    the time. The first code release used the second formula, everything since uses the first.
    """

    beta_alpha: PositiveFloat = 1.5
    beta_beta: PositiveFloat = 1.0
    s: float = Field(default=0.999, gt=0, le=1)
    num_inference_timesteps: PositiveInt = 10
    time_formula: Literal["(1 - b) * s", "(s - b) / s"] = "(1 - b) * s"


@dataclass(config=_STRICT)
class WallOSSConfig:
    """Everything that a checkpoint's ``config.json`` decides.

    ``attention_moe`` and ``norm_moe`` split attention's projections and the norms by token type, as the feed-forward
    networks always are; ``causal_action_attention_mask`` lets an action token see only the actions before it;
    ``use_x_loss`` measures the flow's error in actions instead of velocities. All are keys of the released checkpoints.

    Keys that the network does not use are kept in ``extra`` and written back by :meth:`to_dict`. Our own keys, absent
    from released checkpoints, are ``action_horizon`` (steps of a chunk), ``action_rate_hz``, ``image_size`` (side of
    the square views in pixels; None for the released resizing), ``views`` and the ids of the two robot tokens.
    """

    vocab_size: PositiveInt = 151936
    hidden_size: PositiveInt = 2048
    num_hidden_layers: PositiveInt = 36
    num_attention_heads: PositiveInt = 16
    num_key_value_heads: PositiveInt = 2
    max_position_embeddings: int = 128000
    rms_norm_eps: float = 1e-6
    rope_theta: float = 1e6
    mrope_section: list[int] = field(default_factory=lambda: [16, 24, 24])
    tie_word_embeddings: bool = False
    attention_moe: bool = False
    norm_moe: bool = False
    causal_action_attention_mask: bool = False
    use_x_loss: bool = False
    experts: list[ExpertConfig] = field(default_factory=list)
    vision: VisionConfig = field(default_factory=VisionConfig)
    noise_scheduler: NoiseConfig = field(default_factory=NoiseConfig)
    dof_config: dict[str, PositiveInt] = Field(default_factory=lambda: dict(DEFAULT_DOF), min_length=1)
    agent_pos_config: dict[str, PositiveInt] = Field(default_factory=lambda: dict(DEFAULT_DOF), min_length=1)
    image_token_id: int = 151655
    video_token_id: int = 151656
    vision_start_token_id: int = 151652
    vision_end_token_id: int = 151653
    pad_token_id: int = 151643
    bos_token_id: int = 151643
    eos_token_id: int = 151645
    propri_token_id: int | None = None
    action_token_id: int | None = None
    action_horizon: PositiveInt = 32
    action_rate_hz: float = 32.0
    image_size: int | None = None
    views: list[str] = field(default_factory=lambda: ["face_view", "right_wrist_view"])
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        heads, groups = self.num_attention_heads, self.num_key_value_heads
        require(
            self.hidden_size % (2 * heads) == 0,
            f"hidden_size {self.hidden_size} must be a multiple of twice num_attention_heads {heads}.",
        )
        require(heads % groups == 0, f"{heads} attention heads cannot share {groups} key-value heads evenly.")
        require(
            2 * sum(self.mrope_section) == self.head_dim and len(self.mrope_section) == 3,
            f"mrope_section {self.mrope_section} must be three numbers that add up to half a head, "
            f"{self.head_dim // 2}.",
        )
        require(len(self.experts) >= 2, f"{len(self.experts)} experts; vision-language and action need one each.")
        widths = self.expert_widths
        for index, expert in enumerate(self.experts):
            require(
                expert.hidden_act == "silu", f"expert {index} has hidden_act {expert.hidden_act!r}; only silu is known."
            )
        require(
            widths[0] == self.hidden_size and max(widths) == self.hidden_size,
            f"the experts' hidden sizes are {widths}; the first must be hidden_size {self.hidden_size}, "
            "and none larger.",
        )
        require(
            len(set(widths)) == 1 or (self.attention_moe and self.norm_moe),
            f"experts of hidden sizes {widths} cannot share projections or norms.",
            "Set attention_moe and norm_moe, as such checkpoints have them.",
        )
        require(
            self.vision.out_hidden_size == self.hidden_size,
            f"the vision tower gives {self.vision.out_hidden_size} numbers, the decoder takes {self.hidden_size}.",
        )
        # A checkpoint without a tokenizer, such as the reference vectors, has them right behind the vision tokens.
        if self.propri_token_id is None:
            self.propri_token_id = self.vision_end_token_id + 1
        if self.action_token_id is None:
            self.action_token_id = self.vision_end_token_id + 2

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def expert_widths(self) -> list[int]:
        """Width of each expert's stream; tokens of a narrower one are zero behind it."""
        return [expert.hidden_size for expert in self.experts]

    @property
    def action_width(self) -> int:
        """Width of an action token."""
        return self.experts[1].hidden_size

    @property
    def action_dim(self) -> int:
        """A: numbers in one action."""
        return sum(self.dof_config.values())

    @property
    def propri_dim(self) -> int:
        """Numbers in the state."""
        return sum(self.agent_pos_config.values())

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> WallOSSConfig:
        """Reads the flat layout (decoder's keys at the top level) and the nested one (under ``text_config``).

        Raises:
            WallOSSError: a key is missing or its value is not possible; the message names it.
        """
        require(isinstance(values, dict), f"it holds a {type(values).__name__}; an object was expected.")
        flat = {**values, **{k: v for k, v in (values.get("text_config") or {}).items() if v is not None}}
        for rope in (flat.get("rope_parameters"), flat.get("rope_scaling")):
            if isinstance(rope, dict):
                flat.setdefault("mrope_section", rope.get("mrope_section"))
                flat.setdefault("rope_theta", rope.get("rope_theta"))
        for key in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "vision_config"):
            require(flat.get(key) is not None, f"{key} is missing.")
        require(bool(flat.get("experts")), "experts is missing; this is not a WALL-OSS checkpoint.")
        for key, known in _FIXED.items():
            require(
                flat.get(key) in (None, known),
                f"{key} is {flat.get(key)!r}; only models with {known} are supported.",
                "Use a checkpoint of the WALL-OSS lineage (docs/model.md), or one trained by this project.",
            )
        require(
            bool(flat.get("dof_config")) or not flat.get("norm_moe"),
            "dof_config is missing; without it the size of an action is unknown.",
            "Copy dof_config and agent_pos_config from the training configuration beside the weights (docs/model.md).",
        )
        if flat.get("dof_config") and not flat.get("agent_pos_config"):
            flat["agent_pos_config"] = flat["dof_config"]
        if flat.get("action_horizon_flow"):  # the name of the released 0.5
            flat.setdefault("action_horizon", flat["action_horizon_flow"])
        vision = {"out_hidden_size": flat["hidden_size"], **flat["vision_config"]}
        if "in_chans" in vision:  # the released configs' older spelling
            vision.setdefault("in_channels", vision["in_chans"])
        parts = dict(
            experts=[_read(ExpertConfig, expert, f"experts.{i}.") for i, expert in enumerate(flat["experts"])],
            vision=_read(VisionConfig, vision, "vision_config."),
            noise_scheduler=_read(NoiseConfig, flat.get("noise_scheduler") or {}, "noise_scheduler."),
        )
        widths = [expert.hidden_size for expert in parts["experts"]]
        for key, expected in (
            ("dim_inputs", widths),
            ("action_hidden_size", widths[1:2]),
            ("state_hidden_size", [flat["hidden_size"]]),
        ):
            given = flat.get(key)
            given = expected if given is None else list(given) if isinstance(given, (list, tuple)) else [given]
            require(given == expected, f"{key} is {given}; {expected} was expected from the other keys.")
        own = {f.name for f in fields(cls)} | {
            "text_config", "vision_config", "rope_scaling", "rope_parameters", "num_experts", "dim_inputs", "mlp_moe",
            "action_horizon_flow", "action_hidden_size",
        }  # fmt: skip
        return _read(cls, {**flat, **parts, "extra": {key: value for key, value in values.items() if key not in own}})

    @classmethod
    def from_file(cls, path: str | Path) -> WallOSSConfig:
        """Reads a ``config.json``.

        Raises:
            WallOSSError: there is no such file, it is not JSON, or its content is refused by :meth:`from_dict`.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise WallOSSError(
                f"There is no {path}.", "Name a folder with config.json and model.safetensors."
            ) from None
        except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
            raise WallOSSError(f"{path} cannot be read as JSON: {error}.", "Fetch the checkpoint again.") from None
        return cls.from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """The flat layout, as the released checkpoints have it, with our own keys beside."""
        values = asdict(self)
        extra, vision, section = (values.pop(key) for key in ("extra", "vision", "mrope_section"))
        return {
            **extra,
            **values,
            "rope_scaling": {"type": "mrope", "mrope_section": section},
            "vision_config": vision,
            "num_experts": len(self.experts),
            "dim_inputs": self.expert_widths,
            "mlp_moe": True,
        }


def preset_names() -> list[str]:
    """The presets there are, such as ``wall-oss-flow``."""
    return sorted(file.stem for file in data_path("config/models").glob("*.json"))


def load_preset(name: str) -> WallOSSConfig:
    """The configuration of that name.

    Raises:
        WallOSSError: there is none.
    """
    if name not in preset_names():
        raise WallOSSError(f'There is no model preset "{name}".', f"Known ones: {', '.join(preset_names())}.")
    values = json.loads((data_path("config/models") / f"{name}.json").read_text(encoding="utf-8"))
    return WallOSSConfig.from_dict({key: value for key, value in values.items() if not key.startswith("_")})
