# SPDX-License-Identifier: Apache-2.0
"""The tensors in a checkpoint's safetensors files: their headers, their contents, and how they differ from a network's.

Released checkpoints differ from the network here by fused tensors and by a vocabulary that grew: see
:func:`split_fused` and :func:`adopt_vocabulary`. Nothing is unpickled: a pickle can run any code on the machine that
opens it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import read_json
from wall_oss_ros.model.config import WallOSSConfig

_log = logging.getLogger(__name__)

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
"""Endings of files that may hold pickles."""

WEIGHT_TYPES = ("F32", "BF16", "F16", "F64")
"""What safetensors calls the types that weights may have; all others want scales that are not known here."""

INDEX = "model.safetensors.index.json"

_WRAPPER = "model."  # before all names, where the network is a part of something
_FUSED = re.compile(r"(?P<owner>.*\.)(?P<fused>qkv_proj|gate_up_proj)(?P<rest>(_experts\.\d+)?\.(weight|bias))")
_PARTS = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}


@dataclass(frozen=True)
class Header:
    """What a file says of a tensor without reading it."""

    file: Path
    dtype: str  # as safetensors spells it: F32, BF16, ...
    shape: tuple[int, ...]
    key: str  # its name in the file


@dataclass(frozen=True)
class Differences:
    """How the tensors of a checkpoint differ from those of the network that its config.json describes."""

    unknown: list[str]
    missing: list[str]
    misshapen: dict[str, str]  # name to what was found and what was expected, or what else is wrong

    def __bool__(self) -> bool:
        return bool(self.unknown or self.missing or self.misshapen)

    def lines(self, longest: int | None = None) -> list[str]:
        """One line for each kind of difference there is, with at most ``longest`` names."""
        lists = {
            "unknown tensors": self.unknown,
            "missing tensors": self.missing,
            "misshapen tensors": [f"{name} {shapes}" for name, shapes in self.misshapen.items()],
        }
        return [f"{title}: {listing(names, longest)}" for title, names in lists.items() if names]


def listing(names: list[str], longest: int | None = 8) -> str:
    """The names with commas, and how many more there are."""
    shown = names[:longest]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def compare(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> Differences:
    """Args: expected, found: shapes by tensor name."""
    wrong = {
        name: f"{tuple(found[name])} instead of {tuple(shape)}"
        for name, shape in expected.items()
        if name in found and tuple(found[name]) != tuple(shape)
    }
    return Differences(sorted(set(found) - set(expected)), sorted(set(expected) - set(found)), wrong)


def weight_files(folder: Path) -> list[Path]:
    """model.safetensors, or the parts that its index names.

    Raises:
        WallOSSError: there is none, or the index is damaged.
    """
    files = sorted(folder.glob("model*.safetensors"))
    index = folder / INDEX
    if index.exists():
        content = read_json(index, "Fetch the checkpoint again.")
        try:
            parts = sorted(set(content["weight_map"].values()))
            files = [folder / Path(name).name for name in parts]
        except (KeyError, AttributeError, TypeError) as error:
            raise WallOSSError(
                f"{index} is not an index of safetensors files: {error!r}.", "Fetch the checkpoint again."
            ) from None
    if not files:
        pickles = sorted(file.name for file in folder.iterdir() if file.suffix in PICKLES)
        if pickles:
            raise WallOSSError(
                f"{folder} holds no model.safetensors, only {listing(pickles)}, which is never opened: "
                "a pickle can run any code.",
                "Get the checkpoint as safetensors, or convert it on a machine that may run what is in it.",
            )
        raise WallOSSError(
            f"{folder} holds no model.safetensors.",
            "Only safetensors are read; convert other formats with their own tools.",
        )
    return files


@contextmanager
def opened(file: Path) -> Iterator:
    """A safetensors file; its tensors are mapped, not read.

    Raises:
        WallOSSError: it is missing or damaged, when opened or in the body.
    """
    try:
        with safe_open(file, "pt") as content:
            yield content
    except FileNotFoundError:
        raise WallOSSError(f"{file} is missing.", "Fetch the checkpoint again.") from None
    except (SafetensorError, OSError) as error:
        raise WallOSSError(
            f"{file} is truncated or not a safetensors file: {error}.", "Fetch or train the checkpoint again."
        ) from None


def read_headers(folder: Path) -> dict[str, Header]:
    """Type and shape of every tensor; reads a few kilobytes of each file.

    LeRobot's policies have the network as their part ``model``, so that all names begin with that: it is left out.

    Raises:
        WallOSSError: there are no weights, a part is missing or damaged, or two parts have a tensor of one name.
    """
    headers: dict[str, Header] = {}
    for file in weight_files(folder):
        with opened(file) as content:
            for name in content.keys():  # noqa: SIM118 (a safe_open is no mapping)
                if name in headers:
                    raise WallOSSError(
                        f"{file} repeats the tensor {name}.", "Leave only one checkpoint's files in the folder."
                    )
                view = content.get_slice(name)
                headers[name] = Header(file, str(view.get_dtype()), tuple(view.get_shape()), name)
    inside = (f"{_WRAPPER}lm_head.", f"{_WRAPPER}model.layers.")
    if all(name.startswith(_WRAPPER) for name in headers) and any(name.startswith(inside) for name in headers):
        headers = {name.removeprefix(_WRAPPER): header for name, header in headers.items()}
    return headers


def read_file(file: Path, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, Tensor]:
    """The tensors of one file whose names are wanted.

    Raises:
        WallOSSError: the file is missing or damaged.
    """
    with opened(file) as content:
        return {name: content.get_tensor(name) for name in content.keys() if wanted(name)}  # noqa: SIM118


def read_tensors(folder: Path, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, Tensor]:
    """The tensors of a checkpoint whose names are wanted.

    Raises:
        WallOSSError: as :func:`read_headers`.
    """
    found: dict[str, Tensor] = {}
    headers = {name: header for name, header in read_headers(folder).items() if wanted(name)}
    for file in sorted({header.file for header in headers.values()}):
        with opened(file) as content:
            found |= {name: content.get_tensor(one.key) for name, one in headers.items() if one.file == file}
    return found


def split_fused(tensors: dict[str, Tensor], config: WallOSSConfig) -> dict[str, Tensor]:
    """Splits projections that WALL-OSS-0.5 keeps in one tensor, rows one behind the other, into those used here.

    ``qkv_proj(_experts.N)`` holds queries, keys and values; ``gate_up_proj``, in the experts and in the vision tower,
    gates and values. The parts are copies: rows of one tensor cannot be saved apart.
    """
    key_width = config.num_key_value_heads * config.head_dim
    result: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        match = _FUSED.fullmatch(name)
        if match is None:
            result[name] = tensor
            continue
        rows = tensor.shape[0]
        sizes = (rows - 2 * key_width, key_width, key_width) if match["fused"] == "qkv_proj" else (rows // 2, rows // 2)
        if min(sizes) <= 0 or sum(sizes) != rows:
            result[name] = tensor  # no fused projection of this model; loading names it as unknown
            continue
        for part, piece in zip(_PARTS[match["fused"]], tensor.split(sizes)):
            result[f"{match['owner']}{part}{match['rest']}"] = piece.clone()
    return result


def adopt_vocabulary(tensors: dict[str, Tensor], config: WallOSSConfig, folder: Path) -> None:
    """Takes the vocabulary's size from the embeddings where config.json still has that of the base model.

    The public code resizes the embeddings to the tokenizer after it has read config.json, and saves config.json as it
    was.
    """
    embeddings = tensors.get("model.embed_tokens.weight")
    if embeddings is None or embeddings.ndim != 2 or embeddings.shape[0] == config.vocab_size:
        return
    head = tensors.get("lm_head.weight")
    if head is not None and head.shape != embeddings.shape:
        return  # they contradict each other: loading says so
    _log.info("%s: %d words, not config.json's %d.", folder, embeddings.shape[0], config.vocab_size)
    config.vocab_size = embeddings.shape[0]
