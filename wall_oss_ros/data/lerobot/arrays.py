# SPDX-License-Identifier: Apache-2.0
"""A column of a Parquet file as an array of the type and shape that info.json promises, or what is wrong with it."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wall_oss_ros.data.lerobot.layout import Feature
from wall_oss_ros.errors import WallOSSError

_HINT = "info.json and the data disagree; write the dataset again, or mend info.json."


def to_numpy(column: pa.Array, feature: Feature, what: str) -> np.ndarray:
    """(n, *shape) of the feature's dtype; (n,) for the shape (1,).

    Numbers of another width are converted where none of them changes by it; texts come as an array of objects.

    Raises:
        WallOSSError: another type or shape, or an entry that is missing; ``what`` says where.
    """
    count = len(column)
    column = _storage(column)
    while _is_list(column.type):
        if column.null_count:
            raise WallOSSError(f"{what}: row {_first(column.is_null())} is empty.", _HINT)
        lengths = pc.list_value_length(column)
        if len(lengths):
            low, high = (value.as_py() for value in pc.min_max(lengths).values())
            if low != high:
                raise WallOSSError(f"{what}: rows have from {low} to {high} entries; all have the same number.", _HINT)
        column = _storage(column.flatten())
    _expect(column.type, feature.dtype, what)
    entries = math.prod(feature.shape)
    if len(column) != count * entries:
        has = len(column) // count if count else 0
        raise WallOSSError(f"{what}: a row has {has} entries, and the shape {feature.shape} asks for {entries}.", _HINT)
    values = _texts(column) if feature.dtype == "string" else _numbers(column, np.dtype(feature.dtype), what, entries)
    return values.reshape(count) if feature.shape == (1,) else values.reshape(count, *feature.shape)


def _expect(kind: pa.DataType, dtype: str, what: str) -> None:
    of_texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    of_numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if not (of_texts if dtype == "string" else of_numbers) and not pa.types.is_null(kind):
        raise WallOSSError(f"{what} holds {kind}; {dtype} is expected.", _HINT)


def _texts(column: pa.Array) -> np.ndarray:
    values = np.empty(len(column), dtype=object)
    values[:] = ["" if text is None else text for text in column.to_pylist()]
    return values


def _numbers(column: pa.Array, dtype: np.dtype, what: str, entries: int) -> np.ndarray:
    if column.null_count and dtype.kind != "f":
        raise WallOSSError(f"{what}: row {_first(column.is_null()) // entries} is empty.", _HINT)
    if column.null_count:  # an empty entry of numbers is none
        column = pc.cast(column, pa.float64())
    values = column.to_numpy(zero_copy_only=False)
    if values.dtype == dtype:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        converted = values.astype(dtype)
        if dtype.kind == "f":
            changed = np.isinf(converted) & np.isfinite(values)
        elif values.dtype.kind == "f":
            changed = ~(np.isfinite(values) & (np.abs(values) < 2.0**63) & (converted == values))
        else:  # whole numbers: none is out of range if all come back
            changed = (converted.astype(values.dtype) != values) | ((converted < 0) != (values < 0))
    if changed.any():
        first = int(np.flatnonzero(changed)[0])
        raise WallOSSError(f"{what}: row {first // entries} holds {values[first]}, which is no {dtype}.", _HINT)
    return converted


def _storage(column: pa.Array) -> pa.Array:
    """Without the wrapping of extension types and dictionaries."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _first(mask: pa.Array) -> int:
    return int(np.flatnonzero(mask.to_numpy(zero_copy_only=False))[0])
