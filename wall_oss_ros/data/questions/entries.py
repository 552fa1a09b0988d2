# SPDX-License-Identifier: Apache-2.0
"""Entries of a file of conversations, each with its line: a JSON list, or JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from wall_oss_ros.errors import WallOSSError

_SPACE = re.compile(r"[ \t\r\n]*")


class Entry(NamedTuple):
    """What stands at a line, or what is wrong there."""

    line: int
    content: Any = None
    problem: str | None = None


def read_entries(file: Path) -> Iterator[Entry]:
    """The entries of a file, in order.

    Raises:
        WallOSSError: the file cannot be read, or is a JSON list that is broken; the message names the line.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WallOSSError(f"{file} cannot be read: {error}.", "Give a file of JSON or JSON lines in UTF-8.") from None
    if text.lstrip()[:1] == "[":
        yield from _listed(file, text)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield Entry(number, json.loads(line))
            except (ValueError, RecursionError) as error:
                yield Entry(number, problem=f"it is no JSON: {_said(error)}")


def _listed(file: Path, text: str) -> Iterator[Entry]:
    """The elements of a JSON list, with the line that each begins at."""
    decoder, at, counted, line = json.JSONDecoder(), text.index("[") + 1, 0, 1

    def broken(place: int, why: str) -> WallOSSError:
        return WallOSSError(
            f"{file}, line {text.count(chr(10), 0, place) + 1}: the list is broken: {why}.", "Write the file again."
        )

    first = True
    while True:
        at = _SPACE.match(text, at).end()
        if text[at : at + 1] == "]":
            if text[at + 1 :].strip():
                raise broken(at + 1, "something follows it")
            return
        if not first:
            if text[at : at + 1] != ",":
                raise broken(at, "a comma or its end was expected")
            at = _SPACE.match(text, at + 1).end()
        first = False
        line, counted = line + text.count("\n", counted, at), at
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise broken(error.pos, _said(error)) from None
        except RecursionError:
            raise broken(at, "it is nested too deeply") from None
        yield Entry(line, value)
        at = end


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)
