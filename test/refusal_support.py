# SPDX-License-Identifier: Apache-2.0
"""What is said of a file that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wall_oss_ros.errors import WallOSSError


def refusal(read: Callable[[Path], Any], path: Path, text: str) -> str:
    """The error of ``read`` for a file of this text: one line, which names the file."""
    path.write_text(text)
    with pytest.raises(WallOSSError) as caught:
        read(path)
    said = str(caught.value)
    assert str(path) in said and "\n" not in said
    return said
