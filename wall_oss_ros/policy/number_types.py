# SPDX-License-Identifier: Apache-2.0
"""Types of a policy's weights, by the names that commands and parameters take. Imports no torch itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

NAMES = ("auto", "float32", "bfloat16", "int8")
"""auto: what is measured to be fast. int8: the large weights of images and words alone; see ``eight_bits.py``."""
HELP = "type of the weights: auto, which measures; float32; bfloat16; int8, with torchao, for the large ones"


def named(name: str) -> torch.dtype | None:
    """The type of one of ``NAMES``; None for auto."""
    import torch

    return None if name == "auto" else getattr(torch, name)
