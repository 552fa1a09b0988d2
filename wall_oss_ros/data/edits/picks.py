# SPDX-License-Identifier: Apache-2.0
"""Which episodes of which datasets an edit takes over, and under which words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from wall_oss_ros.data.checks.survey import Survey
from wall_oss_ros.errors import WallOSSError


def unchanged(episode: int, text: str) -> str:
    return text


class Part(NamedTuple):
    """Episodes of one dataset.

    Attributes:
        survey: of the dataset.
        episodes: which; the order is that in which they lie.
        task: of an episode's index and a task, the task as it shall be.
        subtask: the same of subtasks.
    """

    survey: Survey
    episodes: frozenset[int]
    task: Callable[[int, str], str] = unchanged
    subtask: Callable[[int, str], str] = unchanged


def whole(survey: Survey) -> Part:
    return Part(survey, frozenset(survey.table))


def compatible(parts: list[Part]) -> None:
    """Raises: WallOSSError: the datasets cannot be one; it says what differs."""
    first = parts[0].survey
    for part in parts[1:]:
        apart = differences(first, part.survey)
        if apart:
            raise WallOSSError(
                f"{part.survey.folder} cannot be merged with {first.folder}: {'; '.join(apart[:6])}"
                f"{f'; and {len(apart) - 6} more' if len(apart) > 6 else ''}.",
                "Train on both through a mapping each, or make them alike first.",
            )


def differences(a: Survey, b: Survey) -> list[str]:
    """What two datasets do not have in common, as phrases."""
    found = []
    if a.info.version != b.info.version:
        found.append(f"version {a.info.version} and {b.info.version}")
    if a.fps != b.fps:
        found.append(f"fps {a.fps:g} and {b.fps:g}")
    if a.info.robot_type != b.info.robot_type:
        found.append(f"robot_type {a.info.robot_type} and {b.info.robot_type}")
    for key in sorted({*a.info.features, *b.info.features}):
        one, other = a.info.features.get(key), b.info.features.get(key)
        if one is None or other is None:
            found.append(f"{key} is only in {(a if other is None else b).folder.name}")
            continue
        for name in one._fields:
            if getattr(one, name) != getattr(other, name):
                found.append(f"{name} of {key}: {_said(getattr(one, name))} and {_said(getattr(other, name))}")
    return found


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


class Words:
    """Texts and their numbers, in order of first use."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Raises: WallOSSError: no file can hold the text."""
        if any("\ud800" <= c <= "\udfff" for c in text):
            raise WallOSSError(
                f"The text {text!r} holds half of a character.", "Give it other words first: wall-oss data relabel."
            )
        return self.texts.setdefault(text, len(self.texts))

    def rows(self, kind: str) -> list[Mapping[str, object]]:
        return [{f"{kind}_index": number, kind: text} for text, number in self.texts.items()]
