# SPDX-License-Identifier: Apache-2.0
"""What a LeRobot dataset tells in words about an episode, beside its tasks; both generations of it.

lerobot 0.4.4 to 0.5.1 have a column ``subtask_index`` and meta/subtasks.parquet. Since 0.6 there are two columns of
lists of entries: ``language_persistent``, the same on each row of an episode, whose entries hold from their timestamp
on, and ``language_events``, on the very row where something was said or asked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief

PERSISTENT, EVENTS = "language_persistent", "language_events"
PERSISTENT_STYLES = ("subtask", "plan", "memory", "motion", "task_aug")
EVENT_STYLES = ("interjection", "vqa", "trace")


class Entry(NamedTuple):
    """Something said, as lerobot 0.6 keeps it.

    Attributes:
        role: who says it: "user", "assistant".
        content: the words; None for a mere call of a tool.
        style: what it is: subtask, plan, memory, motion, task_aug; interjection, vqa, trace; or something of one's own.
        timestamp: of a persistent entry, the second of the episode from which it holds; None for an event.
        camera: key of the view that it is about.
        tool_calls: as the file has them, decoded from JSON.
    """

    role: str
    content: str | None
    style: str | None = None
    timestamp: float | None = None
    camera: str | None = None
    tool_calls: tuple[Any, ...] = ()


class Language(NamedTuple):
    """An episode's words.

    Attributes:
        subtasks: of each row, what is being done; None where nobody says.
        persistent: entries that hold from their timestamp on, in order of time.
        events: row and entry.
    """

    subtasks: tuple[str | None, ...]
    persistent: tuple[Entry, ...]
    events: tuple[tuple[int, Entry], ...]

    def active(self, style: str, time: float) -> Entry | None:
        """The entry of a style that holds at a time of the episode, in seconds."""
        held = [
            e for e in self.persistent if e.style == style and e.timestamp is not None and e.timestamp <= time + 1e-4
        ]
        return held[-1] if held else None


def entries(values: object, what: str) -> tuple[Entry, ...]:
    """The entries of one row of a language column; ``what`` names it in an error.

    Raises:
        WallOSSError: it does not hold what lerobot puts there.
    """
    if values is None:
        return ()
    if not isinstance(values, list):
        raise WallOSSError(f"{what} holds {brief(values)} instead of a list of entries.")
    return tuple(_entry(value, what) for value in values)


def subtasks_of(persistent: Sequence[Entry], timestamps: np.ndarray) -> list[str | None]:
    """Of each row the subtask that holds at its time."""
    told = [(entry.timestamp, entry.content) for entry in persistent if entry.style == "subtask"]
    starts = np.array([start for start, _ in told])
    # Both are float32 in the files, but one may have been made from the other by a detour.
    held = np.searchsorted(starts, np.asarray(timestamps, np.float64) + 1e-4, side="right") - 1
    return [told[at][1] if at >= 0 else None for at in held]


def _entry(value: object, what: str) -> Entry:
    if not isinstance(value, dict) or not isinstance(value.get("role"), str):
        raise WallOSSError(f"{what} has the entry {brief(value)}; an object with a role is expected.")
    texts = {key: value.get(key) for key in ("content", "style", "camera")}
    for key, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise WallOSSError(f"{what} has an entry whose {key} is {brief(text)} instead of a text.")
    time = value.get("timestamp")
    if time is not None and not (isinstance(time, (int, float)) and math.isfinite(time)):
        raise WallOSSError(f"{what} has an entry whose timestamp is {brief(time)}; seconds are expected.")
    calls = tuple(_decoded(call) for call in value.get("tool_calls") or ())
    return Entry(value["role"], texts["content"], texts["style"], time, texts["camera"], calls)


def _decoded(call: Any) -> Any:
    if isinstance(call, (str, bytes)):
        try:
            return json.loads(call)
        except (ValueError, RecursionError):
            return call
    return call
