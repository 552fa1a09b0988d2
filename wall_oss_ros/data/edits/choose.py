# SPDX-License-Identifier: Apache-2.0
"""Which episodes stay, or go where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from wall_oss_ros.data.checks.survey import Survey
from wall_oss_ros.data.outcome import judged, marked_as_failed
from wall_oss_ros.data.splits import drawn
from wall_oss_ros.errors import WallOSSError

_RANGE = re.compile(r"(\d+)(?:-(\d*))?")


def numbers(words: Sequence[str], survey: Survey) -> frozenset[int]:
    """Episodes as people write them: ``3``, ``0-9``, ``12-``, with commas or blanks between.

    Raises:
        WallOSSError: what is no number or range, or an episode that there is not.
    """
    last = max(survey.table, default=-1)
    chosen: set[int] = set()
    for word in (part for given in words for part in given.split(",") if part):
        match = _RANGE.fullmatch(word)
        if match is None:
            raise WallOSSError(f"{word!r} names no episodes.", "Write numbers and ranges, such as 3 or 0-9 or 12-.")
        first = int(match[1])
        end = first if match[2] is None else int(match[2]) if match[2] else last
        if first > end or first > last or (end > last):
            raise WallOSSError(f"There are no episodes {word}.", f"{survey.folder} has 0 to {last}.")
        found = {index for index in survey.table if first <= index <= end}
        if match[2] is None and not found:
            raise WallOSSError(f"There is no episode {word}.", f"{survey.folder} has up to {last}, and not this one.")
        chosen |= found
    return frozenset(chosen)


def with_success(survey: Survey, episodes: Iterable[int]) -> frozenset[int]:
    """Those that are not marked as failed.

    Raises:
        WallOSSError: nothing in the dataset says what failed.
    """
    if not any(judged(row) for row in survey.table.values()):
        raise WallOSSError(
            f"{survey.folder} does not say which episodes succeeded.",
            "The table of episodes needs a column such as success.",
        )
    return frozenset(index for index in episodes if not marked_as_failed(survey.table[index]))


def corrected(survey: Survey, episodes: Iterable[int]) -> frozenset[int]:
    """Those in which a person put the robot right.

    Raises:
        WallOSSError: nothing in the dataset says so, or there is none.
    """
    if not any("corrections" in row for row in survey.table.values()):
        raise WallOSSError(
            f"{survey.folder} does not say in which episodes a person corrected the robot.",
            "wall-oss data from-bag writes it, from recordings with the plan: column corrections.",
        )
    chosen = frozenset(index for index in episodes if survey.table[index].get("corrections"))
    if not chosen:
        raise WallOSSError(f"In no episode of {survey.folder} a person corrected the robot.", "Leave out --corrected.")
    return chosen


def with_event(survey: Survey, episodes: Iterable[int], pattern: str) -> frozenset[int]:
    """Those in which something happened that holds the regular expression, such as ``edit by person``."""
    compiled = expression(pattern)
    chosen = frozenset(i for i in episodes if compiled.search(str(survey.table[i].get("events") or "")))
    if not chosen:
        raise WallOSSError(
            f"No event of {survey.folder} holds {pattern!r}.",
            "They are in the column events of the table of episodes, which wall-oss data from-bag writes.",
        )
    return chosen


def with_task(survey: Survey, episodes: Iterable[int], pattern: str) -> frozenset[int]:
    """Those of which a task holds the regular expression, whatever the case."""
    compiled = expression(pattern)
    chosen = frozenset(i for i in episodes if any(compiled.search(task) for task in tasks_of(survey, i)))
    if not chosen:
        known = sorted({task for index in survey.table for task in tasks_of(survey, index)})
        raise WallOSSError(f"No task holds {pattern!r}.", f"There are: {'; '.join(known[:8])}.")
    return chosen


def expression(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise WallOSSError(f"{pattern!r} is no regular expression: {error}.", "Write a part of the text.") from None


def tasks_of(survey: Survey, episode: int) -> list[str]:
    tasks = survey.table[episode].get("tasks") or []
    return [tasks] if isinstance(tasks, str) else [task for task in tasks if isinstance(task, str)]


def with_length(survey: Survey, episodes: Iterable[int], least: int | None, most: int | None) -> frozenset[int]:
    """Those of a length, by the table of episodes.

    Raises:
        WallOSSError: the table does not say how long one is.
    """
    if least is None and most is None:
        return frozenset(episodes)
    lengths = {index: survey.table[index].get("length") for index in episodes}
    for index, length in lengths.items():
        if not isinstance(length, int):
            raise WallOSSError(
                f"{survey.folder}, episode {index}: the table of episodes says {length!r} instead of a length.",
                "Write the set anew, without a choice by length: wall-oss data filter.",
            )
    return frozenset(i for i, n in lengths.items() if (least is None or n >= least) and (most is None or n <= most))


def of_findings(report: Any, levels: Sequence[str], checks: Sequence[str] | None) -> frozenset[int]:
    """Episodes in which ``data check --json`` has found something.

    Raises:
        WallOSSError: it is no such report.
    """
    findings = report.get("findings") if isinstance(report, dict) else None
    if not isinstance(findings, list) or not all(isinstance(f, dict) for f in findings):
        raise WallOSSError("The report holds no findings.", "Give what wall-oss data check --json has printed.")
    return frozenset(
        f["episode"]
        for f in findings
        if f.get("level") in levels and isinstance(f.get("episode"), int) and (not checks or f.get("check") in checks)
    )


def shares(survey: Survey, given: Mapping[str, float], seed: int) -> dict[str, frozenset[int]]:
    """Episodes drawn by chance into parts, each task in about the same shares; with a seed the same on every machine.

    Raises:
        WallOSSError: shares that are none, or a part without an episode.
    """
    total = sum(given.values())
    if not given or min(given.values()) <= 0 or abs(total - 1) > 1e-6:
        raise WallOSSError(f"The shares come to {total:g}.", "Give shares above 0 that come to 1: train=0.9 val=0.1")
    groups: dict[tuple[str, ...], list[int]] = {}
    for index in sorted(survey.table):
        groups.setdefault(tuple(sorted(tasks_of(survey, index))), []).append(index)
    # Each group spreads evenly over 0 to 1 by chance, so that any interval has its share of every task.
    places = {}
    for members in groups.values():
        members.sort(key=lambda index: drawn(seed, index))
        for at, index in enumerate(members):
            places[index] = (at + drawn(f"{seed} within", index)) / len(members)
    ordered = sorted(places, key=lambda index: (places[index], index))
    borders = np.round(np.cumsum(list(given.values())) * len(ordered)).astype(int)
    parts, begin = {}, 0
    for name, end in zip(given, borders):
        parts[name] = frozenset(ordered[begin:end])
        begin = int(end)
        if not parts[name]:
            raise WallOSSError(f"The part {name} has no episode of {len(ordered)}.", "Give it a larger share.")
    return parts
