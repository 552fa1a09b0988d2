# SPDX-License-Identifier: Apache-2.0
"""Contents of files, checked strictly against a model: ``true`` and ``"0.5"`` are no numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from wall_oss_ros import strict_yaml
from wall_oss_ros.errors import WallOSSError

Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], content: Any) -> Model:
    """An instance of a pydantic model from what a YAML or JSON file holds.

    Raises:
        ValidationError: a field is missing, unknown, of another type or out of range.
    """
    # In strict mode JSON's arrays are tuples and its integers numbers, as they should be; Python's are not.
    return model.model_validate_json(json.dumps(content, default=str), strict=True)


def read_checked(model: type[Model], path: str | Path, what: str, example: str) -> Model:
    """An instance of a pydantic model from a YAML file.

    Args:
        what: the file is, such as "The mapping"; messages begin with this and the path.
        example: where to look up how such a file is written, one sentence.

    Raises:
        WallOSSError: it cannot be read, or is not valid; the message names file, fields and lines.
    """
    text = strict_yaml.read_text(path, what)
    content = strict_yaml.load(text, f"{what} {path}")
    if not isinstance(content, dict):
        raise WallOSSError(f"{what} {path} must be a mapping of fields.", example)
    try:
        return checked(model, content)
    except ValidationError as error:
        problems = "; ".join(dict.fromkeys(explain(one, text) for one in error.errors()))
        raise WallOSSError(f"{what} {path} is not valid: {problems}.", "Correct these fields.") from error


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
