# SPDX-License-Identifier: Apache-2.0
"""What a LeRobot dataset tells in words about an episode, beside its tasks; both generations of it.

lerobot 0.4.4 to 0.5.1 have a column ``subtask_index`` and meta/subtasks.parquet. Since 0.6 there are two columns of
lists of entries: ``language_persistent``, the same on each row of an episode, whose entries hold from their timestamp
on, and ``language_events``, on the very row where something was said or asked.

A recipe of lerobot's refuses a row on which it cannot tell entries apart, such as two questions, even if it asks for
none of them. What a row has beyond that stands in a column of texts of our own, ``language_events.further``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief

PERSISTENT, EVENTS, FURTHER = "language_persistent", "language_events", "language_events.further"
SUBTASK_INDEX = "subtask_index"
UNSAID = {SUBTASK_INDEX: -1, PERSISTENT: [], EVENTS: [], FURTHER: ""}
"""The columns for words that a dataset may have, and what a row without one says. Not every file need have all that
info.json tells of: lerobot's annotation (0.6.1) puts language into the files of the episodes that it annotates and no
others, takes subtask_index out of them, and leaves it in info.json."""
PERSISTENT_STYLES = ("subtask", "plan", "memory", "motion", "task_aug")
EVENT_STYLES = ("interjection", "vqa", "trace")


def may_lack(name: str, features: Mapping[str, Any]) -> bool:
    """Whether a file may be without a column that info.json tells of, as one for words in a set with language may."""
    return name in UNSAID and (PERSISTENT in features or EVENTS in features)


LOST_TABLE = "lerobot from 0.6 on leaves the table out of what it edits: copy it from the dataset that was edited."


def tells_nothing(subtasks: Mapping[int, str], features: Mapping[str, Any]) -> bool:
    """Whether subtask_index has numbers of no table, while language says what is done: lerobot's edits leave it so."""
    return not subtasks and PERSISTENT in features


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
        subtasks: of each row, what is being done; None where nobody says, or an entry without words says so.
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


def further_entries(text: object, what: str) -> tuple[Entry, ...]:
    """The entries of one row of ``language_events.further``: a JSON list of them, or nothing.

    Raises:
        WallOSSError: it is something else.
    """
    if not text:
        return ()
    try:
        values = json.loads(text)  # type: ignore[arg-type]
    except (TypeError, ValueError, RecursionError):
        raise WallOSSError(f"{what} holds {brief(text)} instead of a list of entries in JSON.") from None
    return entries(values, what)


def answered(said: Sequence[Entry]) -> list[tuple[int, int]]:
    """Which of the events of one row are a question about a view and its answer, in order of the questions.

    An answer belongs to the question before it that is about the same view. lerobot's annotation sorts a row by role,
    so that answers stand before questions; then the first belongs to the first.
    """
    views: dict[str | None, list[int]] = {}
    for at, entry in enumerate(said):
        if entry.style == "vqa":
            views.setdefault(entry.camera, []).append(at)
    pairs: list[tuple[int, int]] = []
    for those in views.values():
        questions = [at for at in those if said[at].role == "user"]
        if those[0] not in questions:
            pairs += zip(questions, (at for at in those if at not in questions))
            continue
        asked = None
        for at in those:
            if at in questions:
                asked = at
            elif asked is not None:
                pairs.append((asked, at))
                asked = None
    return sorted(pairs)


def told_apart(said: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """The events of one row: those that lerobot 0.6 can tell apart (``emitted_at`` of its language_render.py finds one
    entry or none by the names that its recipes know), and the rest. Of questions, the first that is answered stays."""
    kept = {at for pair in answered(said)[:1] for at in pair}
    names = {_told_by(said[at]) for at in kept}
    for at, entry in enumerate(said):
        if at not in kept and (name := _told_by(entry)) not in names:
            kept.add(at)
            names.add(name)
    return [said[at] for at in sorted(kept)], [entry for at, entry in enumerate(said) if at not in kept]


def held_apart(persistent: Sequence[Entry]) -> tuple[Entry, Entry] | None:
    """Two entries of a style that hold from the same time on, of which lerobot 0.6 cannot tell which does; the other
    ways to say a task hold together."""
    held: dict[tuple[Any, ...], Entry] = {}
    for entry in persistent:
        name = (_told_by(entry), np.float32(entry.timestamp or 0.0))
        if name in held and entry.style != "task_aug":
            return held[name], entry
        held[name] = entry
    return None


def _told_by(entry: Entry) -> tuple[Any, ...]:
    """What lerobot's own recipes find an entry by; of other styles, what a recipe could name."""
    if entry.style in ("subtask", "plan", "memory", "interjection", "vqa"):
        return (entry.style,)
    return entry.style, entry.role, entry.camera


def subtasks_of(persistent: Sequence[Entry], timestamps: np.ndarray) -> list[str | None]:
    """Of each row the subtask that holds at its time."""
    told = [(entry.timestamp, entry.content) for entry in persistent if entry.style == "subtask"]
    starts = np.array([start for start, _ in told])
    # Both are float32 in the files, but one may have been made from the other by a detour.
    held = np.searchsorted(starts, np.asarray(timestamps, np.float64) + 1e-4, side="right") - 1
    return [(told[at][1] or None) if at >= 0 else None for at in held]


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
