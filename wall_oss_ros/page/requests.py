# SPDX-License-Identifier: Apache-2.0
"""What a browser may ask for, as JSON: read, bounded, and refused in words where it is something else."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.page.status_text import printable

LONGEST = 500  # characters of a text that a person enters
MOST_TEXTS = 20  # subtasks in one edit
LARGEST = 32 * 1024  # bytes of a message
EDITS = ("CHANGE", "INSERT", "REMOVE", "SKIP", "MOVE", "REPEAT", "REPLACE")
"""Names of the constants of wall_oss_msgs/EditPlan, in their order."""


@dataclass(frozen=True)
class Request:
    """What somebody wants done.

    Attributes:
        what: one of ``WHAT``, or of those about the page itself: hello, take, leave, seen; or about a replay.
        values: its arguments by name.
    """

    what: str
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What is asked for, for people."""
        texts = [*self.values.get("texts", ()), self.values.get("text", "")]
        said = printable("; ".join(text for text in texts if text), 80)
        name = self.values.get("edit", self.what).lower()
        return f"{name}: {said}" if said else name


# What is to be done, with its fields, and how long the page waits for an answer, s.
WHAT: dict[str, tuple[tuple[str, ...], float]] = {
    "stop": ((), 1.0),
    "resume": ((), 5.0),
    "home": ((), 5.0),
    "cancel": ((), 5.0),
    "scene": ((), 10.0),
    "instruct": (("text",), 10.0),
    "ask": (("text",), 60.0),
    "approve": (("plan", "revision", "why"), 5.0),
    "refuse": (("plan", "revision", "why"), 5.0),
    "edit": (("plan", "revision", "edit", "index", "to", "texts", "why"), 5.0),
}
_OF_THE_PAGE = {"hello": ("session",), "take": ("name", "from_other"), "leave": (), "seen": ()}
OF_A_REPLAY: dict[str, tuple[str, ...]] = {"play": (), "seek": ("time",), "speed": ("speed",)}


def read(message: str | bytes) -> Request:
    """The request in a message.

    Raises:
        WallOSSError: it is none.
    """
    try:
        content = json.loads(message) if isinstance(message, str) and len(message) <= LARGEST else None
    except (ValueError, RecursionError):
        content = None
    what = content.get("do") if isinstance(content, dict) else None
    others = _OF_THE_PAGE | OF_A_REPLAY
    if not isinstance(what, str) or (what not in WHAT and what not in others):
        raise _refusal("is none")
    names = WHAT[what][0] if what in WHAT else others[what]
    return Request(what, {name: _FIELDS[name](name, content.get(name)) for name in names})


def _text(name: str, value: Any, needed: bool = False) -> str:
    if not isinstance(value, str) or len(value) > LONGEST:
        raise _refusal(f"has a {name} that is no text of at most {LONGEST} characters")
    words = " ".join(printable(value, LONGEST).split())
    if needed and not words:
        raise _refusal(f"has an empty {name}")
    return words


def _needed(name: str, value: Any) -> str:
    return _text(name, value, needed=True)


def _optional(name: str, value: Any) -> str:
    return "" if value is None else _text(name, value)


def _number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
        raise _refusal(f"has a {name} that is no whole number from 0 on")
    return value


def _index(name: str, value: Any) -> int:
    return 0 if value is None else _number(name, value)


def _texts(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MOST_TEXTS:
        raise _refusal(f"has {name} that are no list of at most {MOST_TEXTS}")
    return [_needed("subtask", text) for text in value]


def _edit(name: str, value: Any) -> str:
    if value not in EDITS:
        raise _refusal(f"has an edit that is none of {', '.join(EDITS)}")
    return value


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise _refusal(f"has a {name} that is no number from 0 on")
    return float(value)


def _session(name: str, value: Any) -> str:
    if not isinstance(value, str) or not 8 <= len(value) <= 64 or not (value.isascii() and value.isalnum()):
        raise _refusal("names no session")
    return value


_FIELDS: dict[str, Callable[[str, Any], Any]] = {
    "text": _needed, "name": _needed, "why": _optional, "plan": _number, "revision": _number, "index": _index,
    "to": _index, "texts": _texts, "edit": _edit, "session": _session, "from_other": lambda _, value: value is True,
    "time": _seconds, "speed": _seconds,
}  # fmt: skip


def _refusal(what: str) -> WallOSSError:
    return WallOSSError(f"The request {what}.", "Reload the page.")
