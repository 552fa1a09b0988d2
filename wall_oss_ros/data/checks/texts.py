# SPDX-License-Identifier: Apache-2.0
"""Tasks and subtasks as words: one under two spellings, empty, damaged, out of range."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from wall_oss_ros.data.checks.findings import Finding
from wall_oss_ros.data.checks.survey import Rows, Survey
from wall_oss_ros.data.lerobot.branches import SUBTASK, TASK
from wall_oss_ros.data.lerobot.language import (
    EVENTS,
    FURTHER,
    LOST_TABLE,
    PERSISTENT,
    entries,
    further_entries,
    held_apart,
    tells_nothing,
    told_apart,
)
from wall_oss_ros.errors import WallOSSError

MANY = 3000
"""Texts from which pairs with different words are no longer compared with one another."""
_FILLERS = {"task", "todo", "tbd", "test", "none", "null", "nan", "n/a", "na", "unknown", "dummy", "default", "no task"}
_GARBLED = re.compile("[\ufffd\ud800-\udfff]|[\u00c2\u00c3][\u0080-\u00bf\u2018-\u201e\u20ac\u2122]")
_ANEW = "Write the episode's language columns anew."
_RELABEL = "Give them one spelling: wall-oss data relabel."


def of_dataset(survey: Survey, uses: Mapping[int, int]) -> Iterator[Finding]:
    """Args: uses: episodes by task_index."""
    yield from _each(survey.tasks, "task", uses)
    yield from _each(survey.subtasks, "subtask", {})
    yield from _spellings(survey.tasks, "task", uses)
    yield from _spellings(survey.subtasks, "subtask", {})


def _each(texts: Mapping[int, str], kind: str, uses: Mapping[int, int]) -> Iterator[Finding]:
    for index, text in sorted(texts.items()):
        plain = _plain(text)
        if kind == "subtask" and text == "":  # as it is written where no subtask is being carried out
            yield Finding(
                "note", "no subtask", "In some frames no subtask is being carried out: its text is empty there."
            )
        elif not plain:
            yield Finding(
                "error",
                f"empty {kind}",
                f"{kind.capitalize()} {index} is {text!r}: nothing to do is said.",
                "Say what is done in these episodes: wall-oss data relabel.",
                column=f"{kind}_index",
            )
        elif plain in _FILLERS:
            yield Finding(
                "warning",
                f"empty {kind}",
                f"{kind.capitalize()} {index} is {text!r}, which tells nothing.",
                "Say what is done in these episodes: wall-oss data relabel.",
                column=f"{kind}_index",
            )
        if _GARBLED.search(text) or any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in text):
            yield Finding(
                "warning",
                "encoding",
                f"{kind.capitalize()} {index} looks garbled: {text!r}.",
                "It was read in another encoding than it was written in; relabel.",
                column=f"{kind}_index",
            )
        elif text != text.strip() and plain:
            yield Finding(
                "warning",
                "spelling",
                f"{kind.capitalize()} {index} has blanks around it: {text!r}.",
                _RELABEL,
                column=f"{kind}_index",
            )
    if kind == "task" and uses:
        unused = [index for index in texts if not uses.get(index)]
        if unused:
            yield Finding(
                "note",
                "tasks",
                f"{len(unused)} tasks of the table are in no row, such as {texts[unused[0]]!r}.",
                "",
                column="task_index",
            )


def _spellings(texts: Mapping[int, str], kind: str, uses: Mapping[int, int]) -> Iterator[Finding]:
    column = f"{kind}_index"
    same: dict[str, list[int]] = {}
    for index, text in sorted(texts.items()):
        same.setdefault(_plain(text), []).append(index)
    for plain, indices in same.items():
        if plain and len(indices) > 1:
            yield Finding(
                "warning",
                "spelling",
                f"{kind.capitalize()}s {', '.join(map(str, indices))} are one: "
                f"{' and '.join(repr(texts[i]) for i in indices[:4])}.",
                _RELABEL,
                column=column,
            )
    words = Counter(word for plain in same for word in set(plain.split()))
    for a, b in _near(sorted(plain for plain in same if plain)):
        pair = _differing(a.split(), b.split())
        if pair is None or any(c.isdigit() for word in pair for c in word):
            continue
        counts = [sum(uses.get(index, 0) for index in same[plain]) for plain in (a, b)]
        new = [word for word in pair if words[word] <= 1]
        slip = _slip(*pair)
        sure = (
            bool(new) and slip and (min(map(len, pair)) >= 5 or slip == "turned" or min(counts) * 4 <= max(counts) > 0)
        )
        if slip:
            yield Finding(
                "warning" if sure else "note",
                "spelling",
                f"{kind.capitalize()}s {same[a][0]} and {same[b][0]} differ in one letter: "
                f"{texts[same[a][0]]!r} and {texts[same[b][0]]!r}.",
                f"{_RELABEL[:-1]}; if both are meant, leave them.",
                column=column,
            )


def _near(plains: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs that may be one edit apart: equal but for one word. Found by their other words, not pair by pair."""
    if len(plains) > MANY:
        return
    buckets: dict[tuple, list[str]] = {}
    for plain in plains:
        words = plain.split()
        for at in range(len(words)):
            buckets.setdefault((len(words), at, *words[:at], *words[at + 1 :]), []).append(plain)
    seen = set()
    for found in buckets.values():
        for pair in combinations(found[:50], 2):
            if pair not in seen:
                seen.add(pair)
                yield pair


def _differing(a: list[str], b: list[str]) -> tuple[str, str] | None:
    apart = [(x, y) for x, y in zip(a, b) if x != y]
    return apart[0] if len(a) == len(b) and len(apart) == 1 else None


def _slip(a: str, b: str) -> str:
    """How one slip of the hand makes ``b`` of ``a``: "turned" letters, or "one" too many, too few or wrong; else ""."""
    if len(a) > len(b):
        a, b = b, a
    start = next((at for at in range(len(a)) if a[at] != b[at]), len(a))
    if len(a) == len(b):
        if a[start + 1 :] == b[start + 1 :]:
            return "one"
        turned = a[start : start + 2][::-1] == b[start : start + 2] and a[start + 2 :] == b[start + 2 :]
        return "turned" if turned else ""
    return "one" if len(b) == len(a) + 1 and a[start:] == b[start + 1 :] else ""


def _plain(text: str) -> str:
    """Without case, accents of form, punctuation and extra blanks."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("_", " ")
    kept = "".join(
        c if c.isalnum() or unicodedata.category(c).startswith("M") else "" if c in "'\u2019" else " " for c in folded
    )
    return " ".join(kept.split())


def named_in_branches(rows: Rows) -> set[int]:
    """Tasks that are instructions of branches of an episode."""
    return {int(number) for number in np.unique(rows.columns.get(TASK, np.empty(0))) if number >= 0}


def of_episode(survey: Survey, rows: Rows) -> Iterator[Finding]:
    """Subtasks of rows that are not in their table, and words beyond the episode's end."""
    episode = rows.episode
    tables = (
        ("subtask_index", "subtask", survey.subtasks),
        (TASK, "task", survey.tasks),
        (SUBTASK, "subtask", survey.subtasks),
    )
    for name, kind, table in tables:
        used = rows.columns.get(name, np.empty((0, 1)))
        unknown = np.flatnonzero(~np.isin(used, [-1, *table]).all(1))
        if unknown.size:
            at = int(unknown[0])
            lost = kind == "subtask" and not table
            yield Finding(
                "warning" if name == "subtask_index" and tells_nothing(table, survey.info.features) else "error",
                f"{kind}s",
                f"{name} {used[at][~np.isin(used[at], [-1, *table])][0]:g} is not in the table of {kind}s, which has "
                f"{len(table)}.",
                LOST_TABLE if lost else f"Add the {kind}, or relabel: wall-oss data relabel.",
                episode,
                at,
                name,
                int(unknown[-1]),
            )
    times = rows.columns.get("timestamp")
    last = float(times[-1, 0]) if times is not None and len(times) else math.inf
    for name in (PERSISTENT, EVENTS):
        for at, entry in _entries(rows.columns.get(name)):
            problem = _entry(entry, last + 1.0 / survey.fps)
            if problem:
                yield Finding("error", "language", problem, _ANEW, episode, at, name)
                break
    yield from _language(rows)


def _language(rows: Rows) -> Iterator[Finding]:
    """Entries that are none, and such as lerobot 0.6 cannot tell apart."""
    for name in (PERSISTENT, EVENTS):
        before = None
        for at, value in enumerate(rows.columns.get(name, ())):
            if isinstance(value, list) and value and value != before:
                try:
                    said = entries(value, name)
                except WallOSSError as error:
                    yield Finding("error", "language", error.message, _ANEW, rows.episode, at, name)
                    break
                surplus = told_apart(said)[1] if name == EVENTS else held_apart(said)
                if surplus:
                    named = {(one.style, one.role, one.camera) for one in said}  # as a recipe could, too
                    apart = name == EVENTS and len(named) == len(said)
                    yield Finding(
                        "note" if apart else "warning",
                        "language",
                        f"Recipes of lerobot 0.6{' that do not name role and view' if apart else ''} stop here: "
                        f"beside others they cannot tell which {surplus[-1].content!r:.80} ({surplus[-1].style}) is.",
                        f"Leave one of a kind to a frame; further events go into {FURTHER}.",
                        rows.episode,
                        at,
                        name,
                    )
                    break
            before = value
    for at, text in enumerate(rows.columns.get(FURTHER, ())):
        try:
            further_entries(text, FURTHER)
        except WallOSSError as error:
            yield Finding("error", "language", error.message, _ANEW, rows.episode, at, FURTHER)
            break


def _entries(column) -> Iterator[tuple[int, Any]]:
    if column is None or not len(column):
        return
    before = None
    for at, value in enumerate(column):
        if value != before:
            for entry in value if isinstance(value, list) else []:
                yield at, entry
        before = value


def _entry(entry: Any, end: float) -> str:
    if not isinstance(entry, dict):
        return f"An entry is {entry!r:.60} instead of a structure."
    time, content = entry.get("timestamp"), entry.get("content")
    if time is not None and not (isinstance(time, (int, float)) and -1e-6 <= time <= end + 1e-4):
        return f"An entry ({entry.get('style')}) is at {time} s; the episode ends at {end:.3f} s."
    ends = entry.get("style") in ("subtask", "plan") and content == ""
    if isinstance(content, str) and not content.strip() and not entry.get("tool_calls") and not ends:
        return f"An entry ({entry.get('style')}) has no words."
    return ""
