# SPDX-License-Identifier: Apache-2.0
"""The Parquet schemas of LeRobot datasets, with the notes that Hugging Face's datasets and pandas look for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from wall_oss_ros.data.lerobot.language import EVENTS, FURTHER, PERSISTENT, SUBTASK_INDEX, UNSAID, Entry, entries
from wall_oss_ros.data.lerobot.layout import Feature

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def data_schema(features: Mapping[str, Feature], version: str) -> pa.Schema:
    """Of the frames: one field for each feature that is no video."""
    fields, notes = [], {}
    for key, feature in features.items():
        if feature.dtype == "video":
            continue
        fields.append(pa.field(key, _type(key, feature)))
        notes[key] = _note(key, feature, "List" if version == "v3.0" else "Sequence")
    return pa.schema(fields, {"huggingface": json.dumps({"info": {"features": notes}})})


def texts_table(texts: Mapping[int, str], kind: str) -> pa.Table:
    """meta/tasks.parquet and meta/subtasks.parquet: the text is the index of a pandas table, its number the column."""
    number = f"{kind}_index"
    table = pa.table({
        number: pa.array(list(texts), pa.int64()),
        "__index_level_0__": pa.array(list(texts.values()), pa.string()),
    })  # fmt: skip

    def column(name: str | None, field: str | None, logical: str, numpy: str) -> dict[str, Any]:
        return {"name": name, "field_name": field, "pandas_type": logical, "numpy_type": numpy, "metadata": None}

    notes = {
        "index_columns": ["__index_level_0__"],
        "column_indexes": [{**column(None, None, "unicode", "object"), "metadata": {"encoding": "UTF-8"}}],
        "columns": [
            column(number, number, "int64", "int64"),
            column(None, "__index_level_0__", "unicode", "object"),
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.0.0",
    }
    return table.replace_schema_metadata({"pandas": json.dumps(notes)})


def column_array(values: Any, key: str, feature: Feature) -> pa.Array:
    """Rows of a feature as an Arrow array of the schema's type: (n, *shape), or lists of texts, pictures, entries."""
    kind = _type(key, feature)
    if feature.dtype in ("string", "image", "language"):
        return pa.array(values, kind)
    array = np.ascontiguousarray(values)
    flat = pa.array(array.reshape(-1), pa.from_numpy_dtype(array.dtype))
    if feature.shape == (1,):
        return flat
    if len(feature.shape) == 1:
        return pa.FixedSizeListArray.from_arrays(flat, feature.shape[0])
    for size in reversed(feature.shape):
        flat = pa.ListArray.from_arrays(np.arange(0, len(flat) + 1, size, dtype=np.int32), flat)
    return flat


def language_array(column: pa.Array | pa.ChunkedArray, key: str, what: str) -> pa.Array | pa.ChunkedArray:
    """A language column in the schema's type. lerobot 0.6 leaves types to what is in a file: without a tool call, or
    an entry, there is another one. Entries with fields that are not known here stay as they are.

    Raises:
        WallOSSError: ``what``, and which entry is none.
    """
    kind = _type(key, LANGUAGE_FEATURES[key])
    if column.type == kind:
        return column
    persistent, rows = key == PERSISTENT, column.to_pylist()
    found = [entries(row, what) for row in rows]
    known = {field.name for field in _entry(persistent)}
    if any(given.keys() - known for row in rows for given in row or ()):
        return column
    return pa.array([[entry_values(entry, persistent) for entry in row] for row in found], kind)


def unsaid(key: str, count: int) -> pa.Array:
    """Rows of a column for words that a file does not have."""
    return pa.array([UNSAID[key]] * count, _type(key, LANGUAGE_FEATURES[key]))


def entry_values(entry: Entry, persistent: bool) -> dict[str, Any]:
    """An entry as its column holds it."""
    values = {
        "role": entry.role,
        "content": entry.content,
        "style": entry.style,
        "timestamp": entry.timestamp,
        "camera": entry.camera,
        "tool_calls": [json.dumps(call) for call in entry.tool_calls] or None,
    }
    if not persistent:
        del values["timestamp"]
    return values


def _type(key: str, feature: Feature) -> pa.DataType:
    if feature.dtype == "image":
        return IMAGE
    if feature.dtype == "language":
        return pa.list_(_entry(key == PERSISTENT))
    if feature.dtype == "string":
        return pa.string()
    kind = pa.from_numpy_dtype(np.dtype(feature.dtype))
    if feature.shape == (1,):
        return kind
    if len(feature.shape) == 1:
        return pa.list_(kind, feature.shape[0])
    for _ in feature.shape:
        kind = pa.list_(kind)
    return kind


def _entry(persistent: bool) -> pa.StructType:
    fields = [
        pa.field("role", pa.string(), nullable=False),
        pa.field("content", pa.string()),
        pa.field("style", pa.string()),
        pa.field("timestamp", pa.float32(), nullable=False),
        pa.field("camera", pa.string()),
        pa.field("tool_calls", pa.list_(pa.string())),
    ]
    return pa.struct([field for field in fields if persistent or field.name != "timestamp"])


def _note(key: str, feature: Feature, list_name: str) -> dict[str, Any]:
    value = {"dtype": feature.dtype, "_type": "Value"}
    if feature.dtype == "image":
        return {"_type": "Image"}
    if feature.dtype == "language":
        names = ["role", "content", "style", *(["timestamp"] if key == PERSISTENT else []), "camera"]
        kinds: dict[str, Any] = {
            name: {"dtype": "float32" if name == "timestamp" else "string", "_type": "Value"} for name in names
        }
        kinds["tool_calls"] = {"feature": {"dtype": "string", "_type": "Value"}, "_type": list_name}
        return {"feature": kinds, "_type": "List"}
    if feature.shape == (1,):
        return value
    if len(feature.shape) == 1:
        return {"feature": value, "length": feature.shape[0], "_type": list_name}
    return {"shape": list(feature.shape), "dtype": feature.dtype, "_type": f"Array{len(feature.shape)}D"}


LANGUAGE_FEATURES = {
    SUBTASK_INDEX: Feature("int64", (1,), None),
    PERSISTENT: Feature("language", (1,), None),
    EVENTS: Feature("language", (1,), None),
    FURTHER: Feature("string", (1,), None),
}
"""Features of the columns for words."""
