"""Checkpoints: a folder with config.json and safetensors. Nothing is unpickled and no remote code runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.config import WallOSSConfig

if TYPE_CHECKING:
    from wall_oss_ros.model.wall_oss import WallOSS

_STATISTICS = tuple(
    f"action_preprocessor.normalizer_{kind}.{part}." for kind in ("action", "propri") for part in ("min", "delta")
)
_FILES = ["*.safetensors", "*.json", "*.txt", "*.jinja"]


def locate(path: str | os.PathLike) -> Path:
    """A local folder as it is; ``owner/name`` through huggingface_hub, data files only.

    Raises:
        WallOSSError: it is neither, or the hub does not answer.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    name = str(path)
    if folder.exists():
        raise WallOSSError(f"{name} is not a folder.", "Name the folder that holds config.json and model.safetensors.")
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise WallOSSError(
            f"There is no folder {name}.", "Name a checkpoint's folder, or owner/name on the Hugging Face hub."
        )
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, allow_patterns=_FILES))
    except ImportError:
        raise WallOSSError(
            f"There is no folder {name}, and huggingface_hub is not installed.", "pip install huggingface_hub"
        ) from None
    except Exception as error:  # the hub's many errors: offline, unknown, gated
        raise WallOSSError(
            f"{name} is neither a folder nor on the Hugging Face hub within reach ({type(error).__name__}).",
            "Check the name and the network, or download it and name the folder.",
        ) from error


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of model.safetensors, or of the parts that its index names.

    Raises:
        WallOSSError: there is none, one is damaged or of another format, or a part named in the index is absent.
    """
    files = sorted(folder.glob("model*.safetensors"))
    index = folder / "model.safetensors.index.json"
    if index.exists():
        try:
            files = [
                folder / Path(name).name for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))
            ]
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, AttributeError) as error:
            raise WallOSSError(
                f"{index} is not an index of safetensors files: {error!r}.", "Fetch the checkpoint again."
            ) from None
    if not files:
        raise WallOSSError(
            f"{folder} holds no model.safetensors.",
            "Only safetensors are read; convert other formats with their own tools.",
        )
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            with safe_open(file, "pt") as content:
                for name in content.keys():
                    if name in tensors:
                        raise WallOSSError(
                            f"{file} repeats the tensor {name}.", "Leave only one checkpoint's files in the folder."
                        )
                    tensors[name] = content.get_tensor(name)
        except FileNotFoundError:
            raise WallOSSError(f"{file} is missing; the index names it.", "Fetch the checkpoint again.") from None
        except (SafetensorError, OSError) as error:
            raise WallOSSError(
                f"{file} is truncated or not a safetensors file: {error}.", "Fetch or train the checkpoint again."
            ) from None
    return tensors


def _listing(title: str, names: list[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"{title}: {', '.join(names[:8])}{more}. " if names else ""


def check_tensors(expected: dict[str, Tensor], found: dict[str, Tensor], source: Path) -> None:
    """Raises WallOSSError naming unknown, missing and misshapen tensors."""
    unknown = sorted(set(found) - set(expected))
    missing = sorted(set(expected) - set(found))
    misshapen = [
        f"{name} {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    problems = (
        _listing("unknown tensors", unknown)
        + _listing("missing tensors", missing)
        + _listing("misshapen tensors", misshapen)
    )
    if problems:
        raise WallOSSError(
            f"The weights in {source} do not fit its config.json: {problems.strip()}",
            "Use the config.json that was saved with these weights.",
        )


def _adopt_statistics(model: WallOSS, tensors: dict[str, Tensor]) -> None:
    """Takes the normalisers' tensors out; they are named by robots that only the file knows."""
    for prefix in _STATISTICS:
        for name in [name for name in tensors if name.startswith(prefix)]:
            _, kind, part, robot = name.split(".", 3)
            getattr(getattr(model.action_preprocessor, kind), part)[robot] = tensors.pop(name)
    for kind, size in (("normalizer_action", model.config.action_dim), ("normalizer_propri", model.config.propri_dim)):
        statistics = getattr(model.action_preprocessor, kind)
        names = sorted(set(statistics.min.names()) | set(statistics.delta.names()))
        for robot in names:
            for part in ("min", "delta"):
                table = getattr(statistics, part)
                if robot not in table.names() or table[robot].shape != (size,):
                    raise WallOSSError(
                        f"action_preprocessor.{kind}.{part}.{robot} is missing or is not a vector of {size} numbers.",
                        "Use a checkpoint whose statistics fit its dof_config.",
                    )


def load(kind: type[WallOSS], path: str | os.PathLike, device, dtype: torch.dtype | None) -> WallOSS:
    """Builds the network that ``config.json`` describes and fills it.

    Args:
        path: a folder, or ``owner/name`` on the hub.
        dtype: of the weights; float32 when None. Statistics stay float32.

    Raises:
        WallOSSError: one sentence on what does not fit.
    """
    folder = locate(path)
    config = WallOSSConfig.from_file(folder / "config.json")
    _adopt_token_ids(config, folder)
    tensors = read_tensors(folder)
    with torch.device("meta"):  # no memory for weights that are about to be replaced
        model = kind(config, initialise=False)
    _adopt_statistics(model, tensors)
    statistics = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(_STATISTICS)}
    if config.tie_word_embeddings and "model.embed_tokens.weight" in tensors:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    expected = {name: tensor for name, tensor in model.state_dict().items() if name not in statistics}
    check_tensors(expected, tensors, folder)
    tensors = {name: tensor.to(device=device, dtype=dtype or torch.float32) for name, tensor in tensors.items()}
    statistics = {name: tensor.to(device) for name, tensor in statistics.items()}
    model.load_state_dict({**tensors, **statistics}, assign=True)
    if config.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight
    return model.eval()


def _adopt_token_ids(config: WallOSSConfig, folder: Path) -> None:
    """The tokenizer knows the robot tokens' ids where config.json does not say."""
    file = folder / "tokenizer.json"
    if not file.exists():
        return
    try:
        added = {
            token["content"]: token["id"] for token in json.loads(file.read_text(encoding="utf-8"))["added_tokens"]
        }
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise WallOSSError(f"{file} is not a tokenizer: {error!r}.", "Fetch or train the checkpoint again.") from None
    config.propri_token_id = added.get("<|propri|>", config.propri_token_id)
    config.action_token_id = added.get("<|action|>", config.action_token_id)


def save(model: WallOSS, path: str | os.PathLike) -> None:
    """Writes config.json and model.safetensors; a reader never meets half a file."""
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        tensors.pop("lm_head.weight")
    weights, config = folder / "model.safetensors", folder / "config.json"
    save_file(tensors, f"{weights}.part", metadata={"format": "pt"})
    Path(f"{config}.part").write_text(json.dumps(model.config.to_dict(), indent=2) + "\n", encoding="utf-8")
    os.replace(f"{weights}.part", weights)
    os.replace(f"{config}.part", config)
