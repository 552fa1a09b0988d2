# SPDX-License-Identifier: Apache-2.0
"""Contents of files, checked strictly against a model: ``true`` and ``"0.5"`` are no numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from wall_oss_ros import strict_yaml

Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], content: Any) -> Model:
    """An instance of a pydantic model from what a YAML or JSON file holds.

    Raises:
        ValidationError: a field is missing, unknown, of another type or out of range.
    """
    # In strict mode JSON's arrays are tuples and its integers numbers, as they should be; Python's are not.
    return model.model_validate_json(json.dumps(content, default=str), strict=True)


def explain(problem: Mapping[str, Any], text: str = "") -> str:
    """One of a ValidationError's ``errors()`` in words, with its line where YAML text is given that has the field."""
    keys = tuple(problem["loc"])
    field = ".".join(map(str, keys)) or "the whole"
    line = strict_yaml.line_of(text, keys) if text and keys else None
    words = f"field {field}: {problem['msg']}"
    given = problem.get("input")
    if isinstance(given, (bool, int, float, str)) and len(str(given)) < 60 and "Input should be" in problem["msg"]:
        words += f", not {json.dumps(given, ensure_ascii=False)}"
    return words if line is None else f"{words} (line {line})"
