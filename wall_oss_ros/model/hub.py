# SPDX-License-Identifier: Apache-2.0
"""Folders of checkpoints: here, or on the Hugging Face hub."""

from __future__ import annotations

import os
from pathlib import Path

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief

_DESCRIPTION = ["*.json", "*.txt", "*.jinja", "config.yml"]
_FILES = [*_DESCRIPTION, "*.safetensors", "normalizer_*.pth"]


def locate(path: str | os.PathLike, weights: bool = True) -> Path:
    """A local folder as it is; ``owner/name`` through huggingface_hub, data files only.

    Args:
        weights: whether they are needed, too, or what describes them is enough.

    Raises:
        WallOSSError: it is neither, or the hub does not answer.
    """
    name = str(path)
    try:
        folder = Path(path).expanduser()
        if name and folder.is_dir():
            return folder
        exists = bool(name) and folder.exists()
    except (TypeError, ValueError, RuntimeError, OSError):  # no text, no text that can name a file, or nobody's home
        raise WallOSSError(
            f"{brief(path)} names no folder.", "Name a checkpoint's folder, or owner/name on the Hugging Face hub."
        ) from None
    if exists:
        raise WallOSSError(f"{name} is not a folder.", "Name the folder that holds config.json and model.safetensors.")
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise WallOSSError(
            f"There is no folder {name}.", "Name a checkpoint's folder, or owner/name on the Hugging Face hub."
        )
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, allow_patterns=_FILES if weights else _DESCRIPTION))
    except ImportError:
        raise WallOSSError(
            f"There is no folder {name}, and huggingface_hub is not installed.", "pip install huggingface_hub"
        ) from None
    except Exception as error:  # the hub's many errors: offline, unknown, gated
        raise WallOSSError(
            f"{name} is neither a folder nor on the Hugging Face hub within reach ({type(error).__name__}).",
            "Check the name and the network, or download it and name the folder.",
        ) from error
