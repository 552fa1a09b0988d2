# SPDX-License-Identifier: Apache-2.0
"""Checkpoints as other code bases lay them out: what their folders have in other places than ``config.json``.

- **LeRobot's** ``wall_x`` policies (``src/lerobot/policies/wall_x``): ``config.json`` is the policy's; the network's
  and the tokenizer are those of ``pretrained_name_or_path``, a folder or a name on the hub, or of the folder
  ``backbone`` inside the checkpoint's, where somebody has put them for use without the hub. Its prompts end the
  instruction with a full stop and call views that it knows no words for by their keys; its action tokens see each
  other both ways.
- **wall-x's** fine-tunes (github.com/X-Square-Robot/wall-x, 1.1.0): ``config.yml`` beside the weights is the training
  configuration, whose ``task`` and ``data`` say what ``config.json`` leaves out, and are believed before it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wall_oss_ros import strict_yaml
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief, read_json
from wall_oss_ros.model.config_parts import require
from wall_oss_ros.model.hub import locate

BACKBONE, TRAINING = "backbone", "config.yml"
_HINT = "Fetch the checkpoint again."
_IMAGES = "observation.images."
_FROM_TASK = ("dof_config", "agent_pos_config", "use_state_string_representation", "state_bins")
_RESOLUTION = 256  # of the longer side, which pictures are brought to
OTHERS = {
    "qwen3_5": "it is of another lineage (Qwen3.5), whose network is not built here",
    "pi0": "it is a checkpoint of pi0",
    "pi05": "it is a checkpoint of pi0.5",
    "smolvla": "it is a checkpoint of SmolVLA",
    "act": "it is a checkpoint of ACT",
    "diffusion": "it is a checkpoint of a diffusion policy",
    "groot": "it is a checkpoint of GR00T",
}
"""What people take for a checkpoint of this lineage, by ``type`` or ``model_type``, and why it cannot be loaded."""


def config_values(folder: Path) -> dict[str, Any]:
    """What ``config.json`` would hold if all of it stood there.

    Raises:
        WallOSSError: a file is missing or cannot be used, or it is another network's.
    """
    path = folder / "config.json"
    if not path.exists():
        raise WallOSSError(f"There is no {path}.", "Name a folder with config.json and model.safetensors.")
    values = read_json(path, _HINT)
    require(isinstance(values, dict), f"it holds a {type(values).__name__}; an object was expected.")
    for key in ("type", "model_type"):
        if (why := OTHERS.get(str(values.get(key)))) is not None:
            raise WallOSSError(f"{folder} cannot be loaded: {why}.", "Name a checkpoint of WALL-OSS.")
    if values.get("type") == "wall_x":
        values = _of_lerobot(folder, values)
    if (folder / TRAINING).exists():
        values = _fine_tuned(folder / TRAINING, values)
    return values


def tokenizer_folder(folder: Path) -> Path:
    """Where a checkpoint's tokenizer is: in its folder, or in that of its backbone.

    Raises:
        WallOSSError: the backbone cannot be had.
    """
    if any((folder / name).exists() for name in ("tokenizer.json", "vocab.json")):
        return folder
    path = folder / "config.json"
    values = read_json(path, _HINT) if path.exists() else {}
    return _backbone(folder, values) if isinstance(values, dict) and values.get("type") == "wall_x" else folder


def _backbone(folder: Path, values: dict[str, Any]) -> Path:
    if (folder / BACKBONE / "config.json").is_file():
        return folder / BACKBONE
    name = values.get("pretrained_name_or_path")
    require(isinstance(name, str) and bool(name), f"pretrained_name_or_path is {brief(name)}; a name was expected.")
    if (folder / name).is_dir():
        return folder / name
    try:
        return locate(name, weights=False)
    except WallOSSError as error:
        raise WallOSSError(
            f"{folder} has its backbone's config and tokenizer from {name}, which cannot be had: {error.message}",
            f"Fetch its config.json and tokenizer.json (not its weights), and put them into {folder / BACKBONE}.",
        ) from None


def _of_lerobot(folder: Path, policy: dict[str, Any]) -> dict[str, Any]:
    base = _backbone(folder, policy)
    values = read_json(base / "config.json", _HINT)
    require(isinstance(values, dict) and "experts" in values, f"that of {base} has no experts; it is no WALL-OSS.")
    for key, layout in (("max_action_dim", "dof_config"), ("max_state_dim", "agent_pos_config")):
        own = values.get(layout) or values.get("dof_config")
        size = sum(own.values()) if isinstance(own, dict) and all(type(n) is int for n in own.values()) else None
        given = policy.get(key, size)
        require(given == size, f"{key} is {brief(given)}, but {layout} of its backbone has {size} numbers.")
    features = policy.get("input_features")
    features = features if isinstance(features, dict) else {}
    pictures = [
        key for key, feature in features.items() if isinstance(feature, dict) and feature.get("type") == "VISUAL"
    ]
    require(bool(pictures), "input_features lists no pictures.")
    said = {
        "action_horizon": policy.get("chunk_size"),
        "action_rate_hz": policy.get("action_rate_hz"),
        "views": [key.removeprefix(_IMAGES) for key in pictures],
        "prediction_mode": policy.get("prediction_mode"),
        "action_tokenizer_path": policy.get("action_tokenizer_path"),
        "causal_action_attention_mask": False,
        "instruction_end": ".",
    }
    return {**values, **{key: value for key, value in said.items() if value is not None}}


def _fine_tuned(file: Path, values: dict[str, Any]) -> dict[str, Any]:
    training = strict_yaml.read(file, "The training configuration")
    if not isinstance(training, dict):
        raise WallOSSError(f"{file} is no training configuration: a mapping was expected.", _HINT)
    task, data = (part if isinstance(part := training.get(name), dict) else {} for name in ("task", "data"))
    found = {
        key: value
        for key in _FROM_TASK
        if (value := next((where[key] for where in (task, training, data) if where.get(key) is not None), None))
        is not None
    }
    for key in ("dof_config", "agent_pos_config"):
        if isinstance(layout := found.get(key), dict):  # the public code moves what only fills up to the end
            found[key] = dict(sorted(layout.items(), key=lambda item: item[0] == "action_padding"))
    for key in ("action_horizon_flow", "action_horizon"):
        if (horizon := task.get(key, training.get(key))) is not None:
            values = {name: value for name, value in values.items() if name != "action_horizon_flow"}
            found["action_horizon"] = horizon
            break
    cameras = data.get("key_mappings", {}).get("camera") if isinstance(data.get("key_mappings"), dict) else None
    if isinstance(cameras, dict) and cameras:
        found["views"] = list(cameras.values())
        words = data.get("camera_name_mapping")
        words = words if isinstance(words, dict) else {}
        found["view_words"] = {name: words.get(name, name) for name in map(str, found["views"])}
    for name, side in (data.get("resolution") or {}).items() if isinstance(data.get("resolution"), dict) else ():
        if side != _RESOLUTION:
            raise WallOSSError(
                f"{file} has a resolution of {brief(side)} for {name}; pictures are brought to {_RESOLUTION} here.",
                "Fine-tune it at that resolution.",
            )
    if (ratio := data.get("use_embodied_system_prompt_ratio")) is not None:
        found["use_embodied_system_prompt"] = type(ratio) in (int, float) and ratio > 0
    return {**values, **found}
