# SPDX-License-Identifier: Apache-2.0
"""What a vision tower may learn to find before it learns to speak: things with known places in pictures.

A simulator knows where everything is. Recordings and questions about pictures know it where a question is answered by a
point; then each question is a thing of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from wall_oss_ros.data.dataset import Dataset
from wall_oss_ros.data.mixture import Mixture
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.prompts import VIEW_NAMES
from wall_oss_ros.training.augmentation import Augment, Change

_POINT = re.compile(r"\s*<point>\[(\d+), ?(\d+)\]</point>\s*")
_MOST = 512
"""Things, at most: each is two linear readings of every image token."""


class Places(NamedTuple):
    """Pictures and what is where in them. B samples of V views."""

    images: np.ndarray  # (B, V, height, width, 3) uint8
    pixels: np.ndarray  # (B, V, things, 2) x and y; NaN where a thing is not in view
    known: np.ndarray  # (B, V, things) bool: whether anything is known of the thing in this view


class KnowsPlaces(Protocol):
    """Gives pictures with the places of things in them.

    Attributes:
        things: their names.
    """

    things: tuple[str, ...]

    def draw(self, rng: np.random.Generator, count: int) -> Places:
        """Of ``count`` samples, none of them held out."""


class OfScenes:
    """Of a dataset that knows all of its things."""

    def __init__(self, data: Dataset):
        """
        Raises:
            WallOSSError: it knows none.
        """
        if not data.things:
            raise WallOSSError(
                "The recipe's vision teaches a tower from what is where, which these data do not tell.",
                "Leave out vision, and start from a checkpoint whose tower can see.",
            )
        self.data, self.things = data, data.things

    def draw(self, rng: np.random.Generator, count: int) -> Places:
        chosen = rng.integers(len(self.data) - self.data.held_out, size=count)
        pixels = self.data.vision_targets(chosen)
        return Places(np.asarray(self.data.images(chosen)), pixels, np.ones(pixels.shape[:3], bool))


class _Pointed(NamedTuple):
    """What is pointed to in one view of a sample."""

    source: int
    index: int
    view: int
    answers: tuple[tuple[int, str], ...]  # number of the thing, the answer


class OfQuestions:
    """Of a mixture's questions that are answered by a point, one view at a time.

    A recording's question is about the view that it names in the words of prompts, such as "left wrist view", and about
    the first one where it names none; a conversation's about its only picture. Of more than ``_MOST`` questions, those
    that are asked most often count. Samples are drawn as the mixture has it.
    """

    def __init__(self, mixture: Mixture, augment: Sequence[Augment | None] = ()):
        """
        Args:
            augment: how pictures of each source are changed, and points moved along.

        Raises:
            WallOSSError: nothing is pointed to, or pictures differ in size.
        """
        self._mixture, self._augment = mixture, [*augment] or [None] * len(mixture.sources)
        asked: dict[str, list[tuple[int, int, int, str]]] = {}
        for number, source in enumerate(mixture.sources):
            data = source.data
            for index in range(len(data) - data.held_out):
                for question, answer in data.asked(index):
                    if _POINT.fullmatch(answer):
                        view = _view(question, data.views) if isinstance(data, Dataset) else 0
                        asked.setdefault(question, []).append((number, index, view, answer))
        if not asked:
            raise WallOSSError(
                "The recipe's vision teaches a tower from what is where, and no question of these data is answered by "
                "a point.",
                "Leave out vision, or add questions whose answers are points, such as <point>[40, 72]</point>.",
            )
        self.things = tuple(sorted(sorted(asked), key=lambda one: -len(asked[one]))[:_MOST])
        rows: dict[tuple[int, int, int], list[tuple[int, str]]] = {}
        for thing, question in enumerate(self.things):
            for number, index, view, answer in asked[question]:
                rows.setdefault((number, index, view), []).append((thing, answer))
        by_source: dict[int, list[_Pointed]] = {}
        for (number, index, view), answers in rows.items():
            by_source.setdefault(number, []).append(_Pointed(number, index, view, tuple(answers)))
        self._numbers, self._samples = list(by_source), list(by_source.values())
        shares = mixture.shares[self._numbers]
        self._shares = shares / shares.sum()
        sizes = {self._picture(samples[0]).shape for samples in self._samples}
        if len(sizes) > 1 or len({*next(iter(sizes))[:2]}) > 1:
            raise WallOSSError(
                "The recipe's vision wants square pictures of one size, and these data have "
                f"{' and '.join(f'{shape[1]} x {shape[0]}' for shape in sorted(sizes))} pixels.",
                "Give model an image_size.",
            )

    def draw(self, rng: np.random.Generator, count: int) -> Places:
        images, pixels = [], np.full((count, 1, len(self.things), 2), np.nan, np.float32)
        known = np.zeros((count, 1, len(self.things)), bool)
        for row, owner in enumerate(rng.choice(len(self._samples), size=count, p=self._shares)):
            samples = self._samples[owner]
            one = samples[rng.integers(len(samples))]
            image = self._picture(one)
            said = [answer for _, answer in one.answers]
            change = Change(self._augment[one.source], rng, [(image.shape[1], image.shape[0])], said)
            images.append(change.picture(image))
            for thing, answer in one.answers:
                match = _POINT.fullmatch(change.text(answer))
                assert match is not None  # what is moved stays a point
                pixels[row, 0, thing] = int(match[1]) + 0.5, int(match[2]) + 0.5  # the middle of the pixel
                known[row, 0, thing] = True
        return Places(np.stack(images)[:, None], pixels, known)

    def _picture(self, one: _Pointed) -> np.ndarray:
        data = self._mixture.sources[one.source].data
        if isinstance(data, Dataset):
            return np.asarray(data.images(np.array([one.index]))[0][one.view])
        return data.shown(data[one.index], 1)[0]


def _view(question: str, views: Sequence[str]) -> int:
    """Which view a question names; the first where it names none."""
    lower = question.lower()
    named = [number for number, view in enumerate(views) if VIEW_NAMES.get(view, view).lower() in lower]
    return named[0] if named else 0
