# SPDX-License-Identifier: Apache-2.0
"""Texts of unknown origin, made fit for messages: a model's answers, and what people write as reasons."""

from __future__ import annotations

import re

LONGEST = 2000  # letters of an answer that are kept, and that an instruction or a question may have
_REASON = 300  # letters of a person's reason that are kept
_QUOTED = 100  # letters of a text in a message
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and line feed: a terminal would obey them


def readable(answer: str) -> str:
    """An answer of the model, or what it is told, as text that any message can carry, and of bounded length.

    Raises:
        TypeError: it is no text.
    """
    if not isinstance(answer, str):
        raise TypeError(f"it answered with {type(answer).__name__} instead of text")
    return _CONTROL.sub(" ", str(answer[:LONGEST])).encode("utf-8", "replace").decode()


def too_long(text: str, what: str) -> str:
    """Why a text is not put to the model, which would have to read all of it; empty where it may be."""
    return f"{what} has {len(text)} letters, and may have {LONGEST}" if len(text) > LONGEST else ""


def one_line(text: str) -> str:
    """What a person gave as a name or reason: one line without control characters, of bounded length."""
    kept = "".join(sign if sign.isprintable() else " " for sign in text[:_REASON])
    return " ".join(kept.split())


def shortened(text: str) -> str:
    """A text for a message."""
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"


def quoted(text: str) -> str:
    """The same between quotation marks."""
    return f'"{shortened(text)}"'
