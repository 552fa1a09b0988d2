# SPDX-License-Identifier: Apache-2.0
"""Findings as a table for people, or as JSON for programs."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

from wall_oss_ros.commands.live.facts import Finding

_WORDS = {"OK": "well", "WARN": "to look at", "FAIL": "wrong", "-": "not checked"}


def table(findings: Sequence[Finding], width: int | None = None) -> str:
    """Lines of level, what and what was found, with what to do about it below; at the end, how many there are."""
    width = width or max(60, min(shutil.get_terminal_size((120, 24)).columns, 140))
    column = min(38, max((len(one.what) for one in findings), default=0)) + 2
    indent = " " * (6 + column)
    lines = []
    for one in findings:
        head = f"{one.level:<6}{one.what:<{column}}"
        lines += textwrap.wrap(head + one.found, width, subsequent_indent=indent, break_long_words=False) or [head]
        if one.do:
            lines += textwrap.wrap(
                f"-> {one.do}", width, initial_indent=indent, subsequent_indent=f"{indent}   ", break_long_words=False
            )
    counts = {level: sum(one.level == level for one in findings) for level in _WORDS}
    return "\n".join([*lines, "", ", ".join(f"{n} {_WORDS[level]}" for level, n in counts.items() if n)])


def as_json(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """The findings as plain values."""
    return [{"what": one.what, "level": one.level, "found": one.found, "do": one.do} for one in findings]


def status(findings: Sequence[Finding]) -> int:
    """The exit status: 1 where something is wrong or to be looked at, else 0."""
    return int(any(one.level in ("WARN", "FAIL") for one in findings))
