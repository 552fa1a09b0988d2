# SPDX-License-Identifier: Apache-2.0
"""Layers that torch.compile has turned into fewer, larger operators, for training.

Between its matrix products a small network spends most of its time in passes over memory: norms, rotations, gates,
casts between types of numbers. Compiled, they become one pass each. What is computed stays the same up to rounding.
"""

from __future__ import annotations

import os
import shutil
import warnings

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS

_VARIANTS = 64
"""Of one layer's code: with and without chunks, gradients, frozen parts. Beyond PyTorch's own limit it would be run
operator by operator without a word."""


def compile_layers(model: WallOSS, backend: str = "inductor") -> None:
    """Has the decoder's layers and the vision tower's blocks compiled, in place, when they first run; their parameters
    and names stay. Layers of one shape share code, and sizes of batches do not matter.

    Args:
        backend: of torch.compile.

    Raises:
        WallOSSError: there is no C++ compiler.
    """
    compilers = filter(None, (os.environ.get("CXX"), "g++", "clang++", "c++"))
    if backend == "inductor" and not any(map(shutil.which, compilers)):
        raise WallOSSError(
            "Compiled layers need a C++ compiler, and none was found.",
            "Install g++ (sudo apt-get install -y g++), or leave out compile.",
        )
    import torch._dynamo.config  # a second of imports that only this needs

    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _VARIANTS)
    # Norms take float32 weights on purpose, whatever the type of what they norm.
    warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
    for layer in (*model.model.layers, *model.visual.blocks):
        layer.compile(backend=backend)
