# SPDX-License-Identifier: Apache-2.0
"""Points and boxes in the model's answers, and which view they are in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

# Words that end the name of an object.
_ENDS = (
    "and at back behind beside by down from in into it next of off on onto out over then to toward under until up with"
).replace(" ", "|")
_OBJECT = re.compile(rf"\bthe ((?:(?!(?:{_ENDS}|the)\b)[\w-]+ ?)+)", re.IGNORECASE)
_NUMBER = r" ?(\d{1,5}(?:\.\d+)?) ?"
SPOT = re.compile(
    rf"<point>\[{_NUMBER},{_NUMBER}\]</point>|<box>\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\]</box>", re.ASCII
)
_MOST = 50  # spots of one answer; a model that repeats itself gives more
_VIEW = re.compile(r"\b(\w+) (view|camera)\b", re.IGNORECASE)


class Spot(NamedTuple):
    """A point (x, y) or a box (left, top, right, bottom), in pixels of the picture as the model takes it.

    Attributes:
        label: the words before it in the answer; may be empty.
    """

    label: str
    numbers: tuple[float, ...]

    @property
    def middle(self) -> tuple[float, float]:
        x, y = self.numbers[0::2], self.numbers[1::2]
        return sum(x) / len(x), sum(y) / len(y)


def named_object(text: str) -> str | None:
    """The words after the first "the" in a text, up to a preposition; None if there are none.

    "take the red tray with both hands" gives "red tray", "place it in the left tray" gives "left tray".
    """
    match = _OBJECT.search(text)
    return match[1].strip() if match else None


def spots_in(answer: str) -> list[Spot]:
    """The points and boxes of an answer: ``<point>[x, y]</point>`` and ``<box>[x1, y1, x2, y2]</box>``.

    What is written in another way, or has its corners the wrong way round, is none.
    """
    found: list[Spot] = []
    at = 0
    for match in SPOT.finditer(answer):
        numbers = tuple(float(number) for number in match.groups() if number is not None)
        label = answer[at : match.start()].strip(" ,.;:\n\t")
        at = match.end()
        if len(numbers) == 4 and not (numbers[0] <= numbers[2] and numbers[1] <= numbers[3]):
            continue
        found.append(Spot(re.sub(r"^and ", "", label), numbers))
    return found[:_MOST]


def only_spot(answer: str) -> Spot | None:
    """The spot that an answer consists of; None unless it is exactly one point or box."""
    found = spots_in(answer)
    return found[0] if len(found) == 1 and SPOT.fullmatch(answer.strip()) else None


def asked_view(question: str, views: Sequence[str], prompts: Mapping[str, str]) -> str:
    """The view that a question is about: the one that it names, or else the first.

    Args:
        views: as the model takes them.
        prompts: what each view is called in words, such as "right wrist view". "wrist view" will do if it is the only
            one.
    """
    text = question.lower()
    named = [view for view in views if prompts.get(view, view).lower() in text]
    if not named:
        words = [" ".join(match).lower() for match in _VIEW.findall(text)]
        named = [view for view in views if any(prompts.get(view, view).lower().endswith(word) for word in words)]
    return named[0] if len(named) == 1 else views[0]
