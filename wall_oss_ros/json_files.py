# SPDX-License-Identifier: Apache-2.0
"""JSON files of other people: read strictly, or refused in one sentence."""

from __future__ import annotations

import json
import reprlib
from pathlib import Path
from typing import Any

from wall_oss_ros.errors import WallOSSError

DEEPEST = 100
"""Levels of lists and objects in one another; no file that is read here needs ten."""


def read_json(path: str | Path, hint: str) -> Any:
    """What the file holds.

    Args:
        hint: what to do about a file that cannot be read.

    Raises:
        WallOSSError: there is no such file, it is not JSON, a key is in it twice, or it is nested too deeply.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"), object_pairs_hook=_once)
        nested = _depth(values)
    except RecursionError:
        nested = DEEPEST + 1
    except (ValueError, OSError) as error:
        raise WallOSSError(f"{path} cannot be read as JSON: {error}.", hint) from None
    if nested > DEEPEST:
        raise WallOSSError(f"{path} cannot be read as JSON: it is nested more than {DEEPEST} levels deep.", hint)
    return values


def brief(value: object) -> str:
    """A value as an error message shows it: short, whatever it is."""
    shortened = reprlib.Repr()
    shortened.maxstring = shortened.maxother = shortened.maxlong = 60
    return shortened.repr(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a key that is there twice, readers take the first or the last, and people see either."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in names if names.count(key) > 1)!r} is there twice")
    return values


def _depth(values: object) -> int:
    """Levels, counted without recursion."""
    level, depth = [values], 0
    while level:
        depth += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if depth > DEEPEST:
            break
    return depth
