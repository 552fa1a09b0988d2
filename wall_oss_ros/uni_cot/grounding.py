# SPDX-License-Identifier: Apache-2.0
"""Grounds a subtask: which thing its words name, how the model is asked where that is, and what it answered."""

from __future__ import annotations

import re

_ENDS = "and at back behind beside by down from in into it next of off on onto out over then to toward under until up with".split()
"""Words that end the name of a thing."""
_THING = re.compile(rf"\bthe ((?:(?!(?:{'|'.join(_ENDS)}|the)\b)[\w-]+ ?)+)", re.IGNORECASE)
_POINT = re.compile(r"<point>\[(\d+), ?(\d+)\]</point>")


def named_thing(subtask: str) -> str | None:
    """What a subtask is about: the words that follow its first "the" up to a preposition; None where there are none.

    "take the red tray with both hands" is about "red tray", "place it in the left tray" about "left tray".
    """
    match = _THING.search(subtask)
    return match[1].strip() if match else None


def question(thing: str) -> str:
    """What the model is asked about a thing in its first view."""
    return f"Point to the {thing}."


def answered_pixel(answer: str) -> tuple[int, int] | None:
    """Column and row in the model's view; None unless the answer is exactly one point."""
    match = _POINT.fullmatch(answer.strip())
    return (int(match[1]), int(match[2])) if match else None
