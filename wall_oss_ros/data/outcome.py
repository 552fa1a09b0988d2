# SPDX-License-Identifier: Apache-2.0
"""Whether an episode succeeded, by what tools write of it into the table of episodes: success, outcome, failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

_SUCCESS = ("success", "is_success", "successful", "next.success")
_OUTCOME = ("outcome", "result", "status", "label")
_FAILURE = ("failed", "failure", "discarded")
_BAD = {"failure", "failed", "fail", "aborted", "discard", "discarded", "unsuccessful", "false"}


def marked_as_failed(row: Mapping[str, Any]) -> str:
    """What in a row of the table of episodes says that it failed; empty where nothing does."""
    for key, value in row.items():
        name = _plain(key)
        if value is None or (isinstance(value, float) and np.isnan(value)):  # nobody said
            continue
        if (
            (name in _SUCCESS and not _true(value))
            or (name in _OUTCOME and str(value).lower() in _BAD)
            or (name in _FAILURE and _true(value))
        ):
            return f"{key} is {value!r}"
    return ""


def judged(row: Mapping[str, Any]) -> bool:
    """Whether a row of the table of episodes has a column that could say that it failed."""
    return any(_plain(key) in (*_SUCCESS, *_OUTCOME, *_FAILURE) for key in row)


def _plain(column: str) -> str:
    return column.lower().rsplit("/", 1)[-1]


def _true(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in (*_BAD, "0", "no", "")
    return bool(np.all(value))
