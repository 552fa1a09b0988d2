# SPDX-License-Identifier: Apache-2.0
"""Sizes and token ids of a checkpoint, read from its ``config.json``: never from code.

The released models' configurations lie in config/models/*.json, as presets: for building a model of that size without
its weights, in benchmarks, tests, and training from nothing. A checkpoint's own config.json always wins. A preset's
``_sources`` say where its values come from, ``_assumed`` what nobody has published.
"""

from __future__ import annotations

from dataclasses import asdict, field, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, PositiveInt

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief, read_json
from wall_oss_ros.model.config_parts import (
    Count,
    Depth,
    ExpertConfig,
    Layout,
    Name,
    NoiseConfig,
    OtherKeys,
    Positive,
    RopeConfig,
    Size,
    TokenId,
    VisionConfig,
    config_class,
    read,
    require,
)
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
    "use_sliding_window": False,
}


@config_class
class WallOSSConfig:
    """Everything that a checkpoint's ``config.json`` decides.

    ``attention_moe`` and ``norm_moe`` split attention's projections and the norms by token type, as the feed-forward
    networks always are; ``causal_action_attention_mask`` lets an action token see only the actions before it;
    ``use_x_loss`` measures the flow's error in actions instead of velocities. All are keys of the released checkpoints.

    Keys that the network does not use are kept in ``extra`` and written back by :meth:`to_dict`. Our own keys, absent
    from released checkpoints, are ``action_horizon`` (steps of a chunk), ``action_rate_hz``, ``image_size`` (side of
    the square views in pixels; None for the released resizing), ``views`` and the ids of the two robot tokens.
    """

    vocab_size: Size = 151936
    hidden_size: Size = 2048
    num_hidden_layers: Depth = 36
    num_attention_heads: Size = 16
    num_key_value_heads: Size = 2
    max_position_embeddings: PositiveInt = 128000
    rms_norm_eps: Annotated[float, Field(gt=0, lt=1)] = 1e-6
    rope_theta: Positive = 1e6
    mrope_section: list[NonNegativeInt] = field(default_factory=lambda: [16, 24, 24])
    tie_word_embeddings: bool = False
    attention_moe: bool = False
    norm_moe: bool = False
    causal_action_attention_mask: bool = False
    use_x_loss: bool = False
    experts: list[ExpertConfig] = field(default_factory=list)
    vision: VisionConfig = field(default_factory=VisionConfig)
    noise_scheduler: NoiseConfig = field(default_factory=NoiseConfig)
    dof_config: dict[Name, Count] = Field(default_factory=lambda: dict(DEFAULT_DOF), min_length=1)
    agent_pos_config: dict[Name, Count] = Field(default_factory=lambda: dict(DEFAULT_DOF), min_length=1)
    image_token_id: TokenId = 151655
    video_token_id: TokenId = 151656
    vision_start_token_id: TokenId = 151652
    vision_end_token_id: TokenId = 151653
    pad_token_id: TokenId = 151643
    bos_token_id: TokenId = 151643
    eos_token_id: TokenId = 151645
    propri_token_id: TokenId | None = None
    action_token_id: TokenId | None = None
    action_horizon: Count = 32
    action_rate_hz: Annotated[float, Field(gt=0, le=1000)] = 32.0
    image_size: Annotated[int, Field(gt=0, le=10_000)] | None = None
    views: list[Name] = Field(default_factory=lambda: ["face_view", "right_wrist_view"], min_length=1)
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        read(OtherKeys, self.extra)
        heads, groups = self.num_attention_heads, self.num_key_value_heads
        require(len(set(self.views)) == len(self.views), f"views {brief(self.views)} has one of them twice.")
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
        flat = {key: value for key, value in values.items() if value is not None}
        flat |= {key: value for key, value in read(Layout, flat).text_config.items() if value is not None}
        layout = read(Layout, flat)
        for key in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "vision_config"):
            require(key in flat, f"{key} is missing.")
        require(bool(layout.experts), "experts is missing; this is not a WALL-OSS checkpoint.")
        for key, known in _FIXED.items():
            require(
                flat.get(key, known) is known,
                f"{key} is {brief(flat.get(key))}; only models with {known} are supported.",
                "Use a checkpoint of the WALL-OSS lineage (docs/model.md), or one trained by this project.",
            )
        require(
            "quantization_config" not in flat,
            f"quantization_config is {brief(flat.get('quantization_config'))}; weights of whole numbers are not known.",
            "Use the checkpoint as it was before it was quantised.",
        )
        require(
            "dof_config" in flat or not flat.get("norm_moe"),
            "dof_config is missing; without it the size of an action is unknown.",
            "Copy dof_config and agent_pos_config from the training configuration beside the weights (docs/model.md).",
        )
        if "dof_config" in flat:
            flat.setdefault("agent_pos_config", flat["dof_config"])
        if layout.action_horizon_flow is not None:  # the name of the released 0.5
            flat.setdefault("action_horizon", layout.action_horizon_flow)
        for where in ("rope_parameters", "rope_scaling"):
            rope = read(RopeConfig, getattr(layout, where), f"{where}.", others=False)
            for key in ("mrope_section", "rope_theta"):
                said = getattr(rope, key)
                require(
                    said is None or flat.setdefault(key, said) == said,
                    f"{where}.{key} is {brief(said)}, but {key} is {brief(flat.get(key))} elsewhere in it.",
                )
        vision = {"out_hidden_size": flat["hidden_size"], **layout.vision_config}
        if vision.get("in_channels") is None:  # the released configs have the older spelling
            vision["in_channels"] = vision.get("in_chans")
        parts = dict(
            experts=[read(ExpertConfig, expert, f"experts.{i}.") for i, expert in enumerate(layout.experts)],
            vision=read(VisionConfig, vision, "vision_config."),
            noise_scheduler=read(NoiseConfig, layout.noise_scheduler, "noise_scheduler."),
        )
        own = {f.name for f in fields(cls)} | {
            "text_config", "vision_config", "rope_scaling", "rope_parameters", "num_experts", "dim_inputs", "mlp_moe",
            "action_horizon_flow", "action_hidden_size",
        }  # fmt: skip
        config = read(cls, {**flat, **parts, "extra": {key: value for key, value in values.items() if key not in own}})
        config._agrees(layout)
        return config

    def _agrees(self, layout: Layout) -> None:
        """Raises WallOSSError where a key says another thing than those that decide."""
        widths = self.expert_widths
        for key, expected in (
            ("num_experts", [len(self.experts)]),
            ("dim_inputs", widths),
            ("action_hidden_size", widths[1:2]),
            ("state_hidden_size", [self.hidden_size]),
            ("head_dim", [self.head_dim]),
        ):
            given = getattr(layout, key)
            given = expected if given is None else given if isinstance(given, list) else [given]
            require(given == expected, f"{key} is {brief(given)}; {expected} was expected from the other keys.")

    @classmethod
    def from_file(cls, path: str | Path) -> WallOSSConfig:
        """Reads a ``config.json``.

        Raises:
            WallOSSError: there is no such file, it is not JSON, or its content is refused by :meth:`from_dict`.
        """
        if not Path(path).exists():
            raise WallOSSError(f"There is no {path}.", "Name a folder with config.json and model.safetensors.")
        values = read_json(path, "Fetch the checkpoint again.")
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
    values = read_json(data_path("config/models") / f"{name}.json", "Reinstall the project.")
    return WallOSSConfig.from_dict({key: value for key, value in values.items() if not key.startswith("_")})
