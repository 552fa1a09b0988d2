# SPDX-License-Identifier: Apache-2.0
"""The one exception that a user is meant to read, also for a package that is not installed."""

from __future__ import annotations

import errno
import re
from importlib.util import find_spec

# What people copy, at the end of a hint: an option, or an argument of a launch. A full stop would go along.
_COPIED = re.compile(r"(?:^|\s)(--[\w-]+|[\w/]+:=\S*?)\.$")


class WallOSSError(Exception):
    """Something the user can put right.

    Args:
        message: what was wrong and what was expected, one sentence.
        hint: what to do about it, one sentence; may be empty.
    """

    def __init__(self, message: str, hint: str = ""):
        if _COPIED.search(hint):
            hint = hint[:-1]
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint


def out_of_room(error: BaseException) -> bool:
    """Whether a disk is full, or what one may write to it is used up; libraries say so without naming a file."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


EXTRAS = {  # of pyproject.toml, by the modules that they bring
    "model": ("huggingface_hub", "safetensors", "tokenizers", "torch", "transformers"),
    "sim": ("mujoco", "rich"),
    "serve": ("msgpack", "websockets"),  # before the page, which lacks viser as well where it lacks websockets
    "page": ("viser", "websockets", "yourdfpy"),
    "embedded": ("cyclonedds", "rosbags"),
    "train": ("matplotlib",),
    "lora": ("peft",),
    "int8": ("torchao",),
    "data": ("av", "huggingface_hub", "matplotlib", "pyarrow", "rosbags"),
}


def require_package(name: str) -> None:
    """Raises WallOSSError where a package that an extra brings is not installed; it is not imported."""
    if find_spec(name) is None:
        raise missing_package(ModuleNotFoundError(name=name))


def missing_package(error: ModuleNotFoundError) -> WallOSSError | None:
    """What to say when an import failed; None where the module is not one that pip brings."""
    module = (error.name or "").split(".")[0]
    extra = next((extra for extra, modules in EXTRAS.items() if module in modules), None)
    if extra is None:
        return None
    return WallOSSError(
        f"The Python package {module} is not installed; it is in the extra {extra}.",
        f"Run: pip install 'wall_oss_ros[{extra}]'  (in a clone: pip install -e '.[{extra}]' )",
    )
