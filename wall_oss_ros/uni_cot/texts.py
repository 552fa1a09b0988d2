# SPDX-License-Identifier: Apache-2.0
"""Texts of unknown origin, made fit for messages: a model's answers, and what people write as reasons."""

from __future__ import annotations

_LONGEST = 2000  # letters of an answer that are kept
_REASON = 300  # letters of a person's reason that are kept
_QUOTED = 100  # letters of a text in a message


def readable(answer: str) -> str:
    """An answer of the model as text that any message can carry, and of bounded length.

    Raises:
        TypeError: it is no text.
    """
    if not isinstance(answer, str):
        raise TypeError(f"it answered with {type(answer).__name__} instead of text")
    return str(answer[:_LONGEST]).replace("\0", " ").encode("utf-8", "replace").decode()


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
