# SPDX-License-Identifier: Apache-2.0
"""Columns for words, made the same in all parts of a new dataset: not every file need have them, and lerobot's have
types of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from wall_oss_ros.data.edits.picks import Part
from wall_oss_ros.data.lerobot.language import EVENTS, PERSISTENT, UNSAID, may_lack
from wall_oss_ros.data.lerobot.schema import LANGUAGE_FEATURES, language_array, unsaid
from wall_oss_ros.data.lerobot.tables import open_parquet


def with_words_alike(parts: Sequence[Part]) -> list[Part]:
    """Parts that all have language, with the columns for words that a file of any of them has, and no others. Of
    others, the parts as they are."""
    if not all(may_lack(EVENTS, part.survey.info.features) for part in parts):
        return list(parts)
    there: set[str] = set()
    for part in parts:
        for path in part.survey.data_files():
            with open_parquet(path) as file:
                there.update(file.schema_arrow.names)
    told = {name for part in parts for name in part.survey.info.features}
    words = {name: LANGUAGE_FEATURES[name] for name in UNSAID if name in there & told}
    found = []
    for part in parts:
        info = part.survey.info
        others = {name: feature for name, feature in info.features.items() if name not in UNSAID}
        survey = dataclasses.replace(part.survey, info=info._replace(features=others | words))
        found.append(part._replace(survey=survey))
    return found


def words_of(columns: dict[str, Any], part: Part, what: str) -> dict[str, pa.Array]:
    """The columns for words that rows of a file with these columns are to have, in the types that all files have.

    Raises:
        WallOSSError: ``what``, and an entry that is none.
    """
    features, found = part.survey.info.features, {}
    for name in UNSAID:
        if name not in columns and name in features and may_lack(name, features):
            found[name] = unsaid(name, len(columns["episode_index"]))
        elif name in (PERSISTENT, EVENTS) and name in columns:
            found[name] = language_array(columns[name], name, f"{what}, column {name}")
    return found


def described(parts: Sequence[Part]) -> dict[str, Any]:
    """info.json of the first part, with the features that all have, and the tools that the language of any calls."""
    first = parts[0].survey.info
    values, told = dict(first.values), first.values["features"]
    values["features"] = {
        name: told.get(name) or {"dtype": feature.dtype, "shape": list(feature.shape), "names": None}
        for name, feature in first.features.items()
    }
    tools = [tool for part in parts for tool in part.survey.info.values.get("tools") or ()]
    if tools:
        values["tools"] = [tool for at, tool in enumerate(tools) if tool not in tools[:at]]
    return values
