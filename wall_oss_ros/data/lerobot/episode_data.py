# SPDX-License-Identifier: Apache-2.0
"""An episode to be written, and whether it is what the dataset's features promise."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wall_oss_ros.data.lerobot.branches import Branches, check_branches
from wall_oss_ros.data.lerobot.episodes import is_extra
from wall_oss_ros.data.lerobot.language import (
    EVENT_STYLES,
    EVENTS,
    FURTHER,
    PERSISTENT,
    PERSISTENT_STYLES,
    UNSAID,
    Entry,
    held_apart,
    told_apart,
)
from wall_oss_ros.data.lerobot.layout import BRANCHES, PICTURES, STANDARD, Feature
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief

SEEN = ("vqa", "trace")
"""Styles that are about a view, which the entry names; no other entry names one (lerobot 0.6 holds to that)."""


@dataclass(frozen=True)
class EpisodeData:
    """One episode of n frames.

    Attributes:
        columns: of every feature that is neither a picture, nor language, nor one that the writer numbers itself:
            (n, *shape), and (n,) or (n, 1) for the shape (1,). "timestamp" may be among them, rising seconds from the
            beginning of the episode; without it frame k is at k / fps.
        pictures: of every view, (n, height, width, 3) uint8 RGB, or an iterable of n frames, which may make them one
            by one.
        task: the instruction; or one for each frame.
        subtasks: of each frame, what is being done; None where nobody says.
        persistent: entries that hold from their timestamp on (language_persistent).
        events: frame and entry (language_events, and language_events.further).
        branches: what the frames would call for under other instructions, where the features have such columns.
        extra: further columns of the table of episodes, such as success: texts, numbers, bools, or lists of them.
    """

    columns: Mapping[str, Any]
    pictures: Mapping[str, Any] = field(default_factory=dict)
    task: str | Sequence[str] = ""
    subtasks: Sequence[str | None] | None = None
    persistent: Sequence[Entry] = ()
    events: Sequence[tuple[int, Entry]] = ()
    branches: Branches | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """An episode that can be written: arrays of the features' types and shapes."""

    length: int
    columns: dict[str, np.ndarray]
    timestamps: np.ndarray
    regular: bool
    tasks: list[str]
    subtasks: list[str | None]


def check(
    data: EpisodeData, features: Mapping[str, Feature], fps: float, nan_allowed: Sequence[str], what: str
) -> Checked:
    """The episode's columns as they will be written. Pictures are looked at as they come.

    Raises:
        WallOSSError: ``what``, and what is missing, surplus, of another type or shape, or no number.
    """
    own = {key for key, f in features.items() if key not in STANDARD and f.dtype not in (*PICTURES, "language")}
    own -= {*UNSAID} | {key for key in features if key.startswith(BRANCHES)}
    views = {key for key, feature in features.items() if feature.dtype in PICTURES}
    _same(set(data.columns) - {"timestamp"}, own, f"{what}: columns")
    _same(set(data.pictures), views, f"{what}: pictures")
    counts = {key: len(value) for key, value in {**data.pictures, **data.columns}.items() if hasattr(value, "__len__")}
    if not counts:
        raise WallOSSError(f"{what}: nothing says how many frames it has.", "Give a column, or pictures as an array.")
    length = next(iter(reversed(counts.values())))
    for key, count in counts.items():
        if count != length:
            first = next(iter(reversed(counts)))
            raise WallOSSError(f"{what}: {key} has {count} frames, {first} has {length}.", "All have the same number.")
    if not length:
        raise WallOSSError(f"{what} has no frames.", "An episode has at least one.")
    columns = {
        key: column(data.columns[key], features[key], length, key in nan_allowed, f"{what}, column {key}")
        for key in own
    }
    timestamps = np.arange(length) / fps
    if "timestamp" in data.columns:
        given = column(data.columns["timestamp"], Feature("float64", (1,), None), length, False, f"{what}, timestamp")
        if given[0] < 0 or (np.diff(given) <= 0).any():
            raise WallOSSError(f"{what}: timestamps do not rise from 0 or later.", "Give seconds since its beginning.")
        timestamps = given
    regular = bool(np.abs(timestamps - np.arange(length) / fps).max() <= 1e-4)
    tasks = [data.task] * length if isinstance(data.task, str) else list(data.task)
    if len(tasks) != length or not all(isinstance(task, str) and task.strip() for task in tasks):
        raise WallOSSError(
            f"{what}: task is {brief(data.task)}; a text, or one for each of {length} frames is expected."
        )
    subtasks: list[str | None] = [None] * length if data.subtasks is None else list(data.subtasks)
    if len(subtasks) != length or not all(text is None or (isinstance(text, str) and text) for text in subtasks):
        raise WallOSSError(
            f"{what}: subtasks is {brief(data.subtasks)}; a text or None for each of {length} frames is expected."
        )
    if data.subtasks is not None and not {"subtask_index", PERSISTENT} & features.keys():
        raise WallOSSError(
            f"{what} has subtasks, and the dataset no place for them.", "Open the writer with language=."
        )
    _check_entries(data, features, timestamps, what)
    _check_told_apart(data, features, what)
    check_branches(data.branches, features, length, what)
    _check_extra(data.extra, what)
    return Checked(length, columns, timestamps, regular, tasks, subtasks)


def column(values: Any, feature: Feature, length: int, nan: bool, what: str) -> np.ndarray:
    """A column as an array of its feature's type and shape, if no value changes by it."""
    if feature.dtype == "string":
        texts = list(values)
        if feature.shape != (1,) or not all(isinstance(text, str) for text in texts):
            raise WallOSSError(f"{what}: a text for each frame is expected.")
        return np.array(texts, dtype=object)
    try:
        array = np.asarray(values)
    except ValueError:
        raise WallOSSError(f"{what}: its rows have different shapes; {feature.shape} each is expected.") from None
    dtype = np.dtype(feature.dtype)
    fits = {"b": "b", "i": "iub", "u": "iub", "f": "fiub"}[dtype.kind]
    if array.dtype.kind not in fits:
        raise WallOSSError(f"{what} is of the type {array.dtype}; {dtype} is expected.")
    shape = (length,) if feature.shape == (1,) else (length, *feature.shape)
    if array.shape == (length, 1) and feature.shape == (1,):
        array = array.reshape(length)
    if array.shape != shape:
        raise WallOSSError(f"{what} has the shape {array.shape}; {shape} is expected.")
    with np.errstate(over="ignore", invalid="ignore"):
        converted = array.astype(dtype)
    wrong, said = converted != array, f"no {dtype}"
    if dtype.kind == "f":
        wrong, said = (np.isinf(converted), "infinite") if nan else (~np.isfinite(converted), "no finite number")
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        raise WallOSSError(f"{what}, frame {row} holds {brief(array[row].tolist())}, which is {said}.")
    return converted


def frames(given: Any, feature: Feature, length: int, what: str) -> Iterable[np.ndarray]:
    """The frames of a view one by one, each (height, width, 3) uint8.

    Raises:
        WallOSSError: at the first frame of another type or size, or if there are too few or many.
    """
    count = 0
    size = feature.size[:2]
    for frame in given:
        pixels = np.asarray(frame)
        if count == length:
            raise WallOSSError(f"{what} has more than {length} frames, the number of the episode's rows.")
        if pixels.dtype != np.uint8 or pixels.shape != (*size, 3):
            shape = (*size, 3)
            raise WallOSSError(
                f"{what}, frame {count} is {pixels.dtype} of {pixels.shape}; uint8 of {shape} is needed."
            )
        count += 1
        yield pixels
    if count != length:
        raise WallOSSError(f"{what} has {count} frames, the episode {length} rows.", "All have the same number.")


def _same(given: set[str], expected: set[str], what: str) -> None:
    if missing := sorted(expected - given):
        raise WallOSSError(f"{what}: {', '.join(missing)} missing.", "An episode has all features of the dataset.")
    if surplus := sorted(given - expected):
        raise WallOSSError(f"{what}: {', '.join(surplus)} unknown.", f"The dataset has: {', '.join(sorted(expected))}.")


def _check_entries(data: EpisodeData, features: Mapping[str, Feature], timestamps: np.ndarray, what: str) -> None:
    for key, given in ((PERSISTENT, data.persistent), (EVENTS, data.events)):
        if len(given) and key not in features:
            raise WallOSSError(
                f"{what} has entries for {key}, which the dataset lacks.", "Open the writer with language=."
            )
    views = [key for key, feature in features.items() if feature.dtype in PICTURES]
    for entry in data.persistent:
        time = entry.timestamp
        if time is None or not math.isfinite(time) or not -1e-4 <= time <= timestamps[-1] + 1e-4:
            raise WallOSSError(f"{what}: {brief(entry)} has no timestamp within its 0 to {timestamps[-1]:.6g} s.")
        if entry.style in EVENT_STYLES:
            raise WallOSSError(f"{what}: {brief(entry)} is of a style of events.", "Give it among the events.")
    for row, entry in data.events:
        if not isinstance(row, (int, np.integer)) or not 0 <= row < len(timestamps):
            raise WallOSSError(f"{what}: an event is at frame {brief(row)}; it has frames 0 to {len(timestamps) - 1}.")
        if entry.style in PERSISTENT_STYLES:
            raise WallOSSError(f"{what}: {brief(entry)} is of a style that persists.", "Give it among the persistent.")
    for entry in (*data.persistent, *(entry for _, entry in data.events)):
        if not isinstance(entry.role, str) or not entry.role:
            raise WallOSSError(f"{what}: {brief(entry)} has no role, such as user or assistant.")
        if not entry.tool_calls and (entry.content is None or entry.style is None):
            raise WallOSSError(
                f"{what}: {brief(entry)} says nothing of a known kind.",
                "An entry has a style and words, or calls a tool; lerobot 0.6 takes no other.",
            )
        try:
            json.dumps(entry.tool_calls)
        except (TypeError, ValueError, RecursionError):
            raise WallOSSError(f"{what}: the tool calls of {brief(entry)} cannot be written as JSON.") from None
        if (entry.style in SEEN) != (entry.camera is not None) or (entry.camera and entry.camera not in views):
            raise WallOSSError(
                f"{what}: {brief(entry)} has the camera {brief(entry.camera)}.",
                f"Entries of the styles {' and '.join(SEEN)} name a view ({', '.join(views) or 'none'}), others none.",
            )


def _check_told_apart(data: EpisodeData, features: Mapping[str, Feature], what: str) -> None:
    """lerobot 0.6 refuses frames whose entries it cannot tell apart."""
    if data.subtasks is not None and any(entry.style == "subtask" for entry in data.persistent):
        raise WallOSSError(f"{what} has subtasks twice: of its frames, and as entries.", "Give one of the two.")
    if two := held_apart(data.persistent):
        raise WallOSSError(f"{what}: {brief(two[0])} and {brief(two[1])} hold from the same time.", "Leave one out.")
    if FURTHER in features:
        return
    rows: dict[int, list[Entry]] = {}
    for row, entry in data.events:
        rows.setdefault(int(row), []).append(entry)
    for row, said in rows.items():
        if further := told_apart(said)[1]:
            raise WallOSSError(
                f"{what}, frame {row}: beside others, lerobot cannot tell which {brief(further[0].content)} is.",
                f'Open the writer with "{FURTHER}" among language=, where such events are kept.',
            )


def _check_extra(extra: Mapping[str, Any], what: str) -> None:
    for key, value in extra.items():
        if not isinstance(key, str) or not key or "/" in key or not is_extra(key):
            raise WallOSSError(f"{what}: an extra column cannot be named {brief(key)}.")
        parts = list(value) if isinstance(value, (list, tuple)) else [value]
        good = all(part is None or isinstance(part, (str, bool, int, float, np.generic)) for part in parts)
        kinds = {type(part) for part in parts if part is not None}
        if not good or len(kinds) > 1 or any(isinstance(part, float) and not math.isfinite(part) for part in parts):
            raise WallOSSError(
                f"{what}: extra column {key} holds {brief(value)}; a text, number, bool or list is expected."
            )
