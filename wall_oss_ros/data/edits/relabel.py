# SPDX-License-Identifier: Apache-2.0
"""New words for tasks and subtasks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wall_oss_ros.data.checks.survey import Survey
from wall_oss_ros.data.edits.choose import expression
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.strict_yaml import read

Change = Callable[[int, str], str]


def read_texts(path: Path) -> dict[str, str]:
    """A mapping file: YAML, each text with the one that takes its place.

    Raises:
        WallOSSError: it is no such file.
    """
    values = read(path, "texts")
    if not isinstance(values, dict) or not all(isinstance(k, str) and isinstance(v, str) for k, v in values.items()):
        raise WallOSSError(
            f"{path} is no mapping of texts.", 'Write lines such as  "close teh drawer": close the drawer'
        )
    return values


def change(
    survey: Survey,
    kind: str,
    texts: Mapping[str, str],
    replace: Sequence[tuple[str, str]] = (),
    whole: Mapping[int, str] | None = None,
) -> Change:
    """How a text changes.

    Args:
        kind: "task" or "subtask".
        texts: by their whole old text.
        replace: regular expressions and what takes the place of what they match, after ``texts``.
        whole: by episode, a text instead of all it has.

    Raises:
        WallOSSError: something that would change nothing, or leave an empty text.
    """
    known = {"task": survey.tasks, "subtask": survey.subtasks}[kind]
    there = set(known.values())
    for old in texts:
        if old not in there and not (kind == "subtask" and _has_language(survey)):
            raise WallOSSError(f"There is no {kind} {old!r}.", f"There are: {'; '.join(sorted(there)[:8])}.")
    compiled = [(expression(pattern), text) for pattern, text in replace]

    def changed(episode: int, text: str) -> str:
        if whole and episode in whole:
            return whole[episode]
        if kind == "subtask" and not text:  # where nobody says one
            return text
        new = texts.get(text, text)
        for pattern, with_text in compiled:
            try:
                new = pattern.sub(with_text, new)
            except (re.error, IndexError) as error:
                raise WallOSSError(
                    f"{with_text!r} cannot take the place of what {pattern.pattern!r} matches: {error}.",
                    r"\1 stands for its first group; write \\ for a backslash.",
                ) from None
        if not new.strip():
            raise WallOSSError(f"{text!r} would become empty.", f"A {kind} says what is done.")
        return new

    for text in there:
        changed(-1, text)
    return changed


def _has_language(survey: Survey) -> bool:
    return any(feature.dtype == "language" for feature in survey.info.features.values())


def holds(survey: Survey, kind: str, pattern: str) -> bool:
    """Whether a regular expression may be in any of the texts."""
    compiled = expression(pattern)
    texts = (survey.tasks if kind == "task" else survey.subtasks).values()
    return any(compiled.search(text) for text in texts) or (kind == "subtask" and _has_language(survey))
