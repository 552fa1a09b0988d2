# SPDX-License-Identifier: Apache-2.0
"""What a check finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, NamedTuple

from wall_oss_ros.errors import WallOSSError

CHECKS = frozenset({
    "black view", "broken view", "codec", "columns", "constant", "copied", "delay", "direction", "duplicate episodes",
    "empty subtask", "empty task", "empty view", "encoding", "episode length", "episode numbers",
    "episode statistics", "episode table", "failed", "frame index", "frozen view", "gaps", "index", "jitter",
    "language", "layout", "leap", "length", "missing rows", "missing view", "no subtask", "not finite", "offsets",
    "order of rows", "overexposed view", "picture size", "quantiles", "rate", "same view", "saturated",
    "scattered rows", "spelling", "statistics", "stuck", "subtasks", "swapped numbers", "swapped views", "tasks",
    "timestamps", "totals", "turns over", "units", "video length", "video offsets",
})  # fmt: skip
"""What findings' checks are called."""

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


def require_checks(names: Iterable[str]) -> None:
    """Raises: WallOSSError: there is no check of such a name, so that nothing would ever be found by it."""
    for name in names:
        if name not in CHECKS:
            close = get_close_matches(name, CHECKS, 1) or [one for one in sorted(CHECKS) if name in one.split()]
            raise WallOSSError(
                f"There is no check {name!r}.",
                f"Did you mean {close[0]!r}? Quote names of several words."
                if close
                else f"There are: {', '.join(sorted(CHECKS))}.",
            )


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
