# SPDX-License-Identifier: Apache-2.0
"""Where a dataset is: a folder, or ``owner/name`` on the Hugging Face hub."""

from __future__ import annotations

import os
from pathlib import Path

from wall_oss_ros.data.lerobot.layout import INFO
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief

_FILES = ["meta/**", "data/**", "videos/**", "images/**"]


def locate_dataset(name: str | os.PathLike, revision: str | None = None) -> Path:
    """A folder as it is; ``owner/name`` from where lerobot keeps recordings, or else downloaded, data files only.

    Raises:
        WallOSSError: it is neither, or the hub does not give it; with the reason.
    """
    text = str(name)
    try:
        folder = Path(name).expanduser()
        if not text.isprintable():
            raise ValueError
        if text and folder.is_dir():
            return folder
        exists = bool(text) and folder.exists()
    except (TypeError, ValueError, RuntimeError, OSError):  # no text, or none that can name a file
        raise WallOSSError(f"{brief(name)} names no dataset.", "Name its folder, or owner/name on the hub.") from None
    if exists:
        raise WallOSSError(f"{text} is not a folder.", "Name the dataset's folder, the one that holds meta/info.json.")
    if text.count("/") != 1 or text.startswith((".", "/", "~")) or text.endswith("/"):
        raise WallOSSError(f"There is no folder {text}.", "Name a dataset's folder, or owner/name on the hub.")
    if revision is None and (recorded := _lerobot_home() / text) and (recorded / INFO).is_file():
        return recorded
    return _download(text, revision)


def _lerobot_home() -> Path:
    """Where lerobot puts what it records and downloads, under the dataset's name."""
    if home := os.environ.get("HF_LEROBOT_HOME"):
        return Path(home).expanduser()
    cache = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    return Path(cache).expanduser() / "lerobot"


def _download(name: str, revision: str | None) -> Path:
    try:
        from huggingface_hub import errors, snapshot_download
    except ImportError:
        raise WallOSSError(
            f"There is no folder {name}, and huggingface_hub is not installed.", "pip install huggingface_hub"
        ) from None
    at = f" at revision {revision}" if revision else ""
    try:
        return Path(snapshot_download(name, repo_type="dataset", revision=revision, allow_patterns=_FILES))
    except errors.GatedRepoError:
        raise WallOSSError(
            f"{name} is on the hub, but gated: its owners ask for consent.",
            f"Open https://huggingface.co/datasets/{name}, accept, and log in with: hf auth login",
        ) from None
    except errors.RevisionNotFoundError:
        raise WallOSSError(f"{name} on the hub has no revision {revision}.", "Name a branch, tag or commit.") from None
    except errors.RepositoryNotFoundError:
        raise WallOSSError(
            f"There is no folder {name}, and no dataset of that name on the hub, or it is private.",
            "Check the name; for a private one log in with: hf auth login",
        ) from None
    except errors.HFValidationError as error:
        raise WallOSSError(
            f"{brief(name)} is neither a folder nor a name that the hub allows.", "Name a folder or owner/name."
        ) from error
    except Exception as error:  # offline, a proxy, a full disk
        raise WallOSSError(
            f"There is no folder {name}, and the hub cannot be reached for {name}{at} ({type(error).__name__}).",
            "Check the network, or download the dataset and name its folder.",
        ) from error
