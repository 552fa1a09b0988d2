# SPDX-License-Identifier: Apache-2.0
"""What released checkpoints do differently from the network here: fused tensors, and a vocabulary that grew."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from torch import Tensor

from wall_oss_ros.model.config import WallOSSConfig

_log = logging.getLogger(__name__)

_FUSED = re.compile(r"(?P<owner>.*\.)(?P<fused>qkv_proj|gate_up_proj)(?P<rest>(_experts\.\d+)?\.(weight|bias))")
_PARTS = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}


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
