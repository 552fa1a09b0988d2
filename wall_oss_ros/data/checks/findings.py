# SPDX-License-Identifier: Apache-2.0
"""What a check finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

LEVELS = ("error", "warning", "note")
"""error: breaks readers or training. warning: looks wrong. note: worth knowing, and the set is sound all the same."""


class Finding(NamedTuple):
    """One thing that is, or looks, wrong.

    Attributes:
        level: one of LEVELS.
        check: the check's name.
        what: what was found, in one sentence, with figures.
        todo: what to do about it.
        episode: in which episode; None if it is the dataset's.
        frame: at which frame of the episode it begins.
        column: in which column, with the entry's name where it is one of several.
        last: the last frame of a stretch.
    """

    level: str
    check: str
    what: str
    todo: str = ""
    episode: int | None = None
    frame: int | None = None
    column: str | None = None
    last: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {key: value for key, value in self._asdict().items() if value is not None}


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Worst first, then by check, column, episode and frame; nothing twice."""
    return sorted(
        dict.fromkeys(findings),
        key=lambda f: (
            LEVELS.index(f.level),
            f.check,
            f.column or "",
            -1 if f.episode is None else f.episode,
            -1 if f.frame is None else f.frame,
        ),
    )


def grouped(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Findings of one level, check and column together, in order."""
    groups: dict[tuple, list[Finding]] = {}
    for finding in in_order(findings):
        groups.setdefault((finding.level, finding.check, finding.column), []).append(finding)
    return list(groups.values())


def unsound(findings: Iterable[Finding]) -> bool:
    """Whether any is more than a note."""
    return any(finding.level != "note" for finding in findings)


def told(findings: Iterable[Finding]) -> list[str]:
    """How many there are of each level: ``1 error``, ``2 warnings``, ``0 notes``."""
    counts = Counter(finding.level for finding in findings)
    return [f"{counts[level]} {level}{'' if counts[level] == 1 else 's'}" for level in LEVELS]
