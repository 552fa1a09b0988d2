# SPDX-License-Identifier: Apache-2.0
"""Whether a subtask gets anywhere: whether anything is seen that was not seen in it before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wall_oss_ros.uni_cot.watching.poses import Poses

_EVERY = 0.2  # s between two looks, at least
_MOST = 256  # places that are remembered; then every second one is forgotten
_CELLS = 14  # of a picture along each side
_PIXELS = 8  # along each side of a cell that are looked at, or up to twice as many
_FARTHER = 3.0  # times as far as the places are apart: a hand that has gone so far has gone over them again and again


@dataclass(frozen=True)
class ProgressLimits:
    """Attributes:
    seconds: an alarm when for so long nothing new was seen in a subtask.
    metres, radians, share: a hand farther than this from wherever it was in the subtask is somewhere new: m, rad, and
        share of the opening.
    picture: where the hand is at a place again, a picture that differs by more than this from the one taken there is
        new. It is the difference of a colour, 0 to 1, in one of 14 x 14 cells of a view, beside that of the whole view.
    hand: by so much more for each metre from the hand to that place, since the hand is in the pictures itself.
    """

    seconds: float = 6.0
    metres: float = 0.02
    radians: float = 0.15
    share: float = 0.15
    picture: float = 0.15
    hand: float = 25.0


class ProgressWatch:
    """Remembers where the hands were in a subtask, and what the cameras saw there.

    New is a place; at a place known already, a picture that is another, since something else has moved; and a judgement
    of the model's that it had not given in the subtask before. A hand that hardly moves and one that goes round in
    circles come to the same: nothing is new. Light and people that move in view count as new, and put an alarm off.
    """

    def __init__(self, limits: ProgressLimits):
        self._limits = limits
        self.forget()

    def forget(self) -> None:
        """Another subtask, or the same once more: nothing has been seen yet."""
        self._places: list[tuple[Poses, np.ndarray | None]] = []
        self._known: Poses | None = None  # the places joined, as long as none is added
        self._words: set[str] = set()
        self._track: list[np.ndarray] = []  # (k, 3) where the tools have been since something was new, m
        self._looked: float | None = None  # s
        self._new: float | None = None  # when something was new last, s

    def pause(self) -> None:
        """The robot has stood still: time without news starts over."""
        self._new, self._track = None, []

    def judged(self, words: str) -> None:
        """The model has judged what is called for now."""
        if words not in self._words and len(self._words) < _MOST:
            self._words.add(words)
            self.pause()

    def take(self, stamp: float, pose: Poses, images: Mapping[str, np.ndarray]) -> str:
        """An observation at ``stamp``, s: where it is (one pose), and views (h, w, 3) by name.

        Returns:
            Why that is alarming; empty when it is not.
        """
        if self._looked is not None and stamp - self._looked < _EVERY:
            return ""
        self._looked = stamp
        picture = _cells(images)
        if self._is_new(pose, picture):
            self._remember(pose, picture)
            self._new, self._track = stamp, []
        elif self._new is None:
            self._new = stamp
        self._track.append(pose.positions[0])
        gone = stamp - self._new
        if gone < self._limits.seconds:
            return ""
        words = f"nothing new has been seen for {gone:.0f} s: {self._moved()}"
        self.pause()
        return words

    def _is_new(self, pose: Poses, picture: np.ndarray | None) -> bool:
        if not self._places:
            return True
        if self._known is None:
            self._known = Poses.join([one for one, _ in self._places])
        limits, apart = self._limits, self._known.apart(pose)
        near = np.flatnonzero((apart <= (limits.metres, limits.radians, limits.share)).all(axis=1))
        most = limits.picture + limits.hand * apart[:, 0]
        return not any(_alike(self._places[i][1], picture, most[i]) for i in near)

    def _remember(self, pose: Poses, picture: np.ndarray | None) -> None:
        if len(self._places) >= _MOST:
            self._places = self._places[::2]
        self._places.append((pose, picture))
        self._known = None

    def _moved(self) -> str:
        track = np.array(self._track)  # (n, k, 3)
        far = float(np.linalg.norm(np.diff(track, axis=0), axis=-1).sum(axis=0).max())
        apart = float(np.linalg.norm(np.ptp(track, axis=0), axis=-1).max())
        if far > _FARTHER * apart and apart > self._limits.metres:
            return f"the hand has gone {far:.2f} m to and fro within {apart:.2f} m"
        return f"the hand has stayed within {apart:.2f} m"


def _alike(before: np.ndarray | None, now: np.ndarray | None, most: float) -> bool:
    """Whether two pictures show the same; what was not taken, or has another shape, tells nothing."""
    return before is None or now is None or before.shape != now.shape or bool(np.abs(before - now).max() <= most)


def _cells(images: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Mean colours, 0 to 1, of all views' cells (v, cells, cells, 3), less each view's own; None without views."""
    found = []
    for name in sorted(images):
        image = images[name]
        step = max(1, min(image.shape[:2]) // (_CELLS * _PIXELS))
        image = image[::step, ::step]
        rows, columns = image.shape[0] // _CELLS, image.shape[1] // _CELLS
        if not rows or not columns:
            continue
        parts = image[: rows * _CELLS, : columns * _CELLS].reshape(_CELLS, rows, _CELLS, columns, 3)
        cells = parts.mean(axis=(1, 3), dtype=np.float32) / 255.0
        found.append(cells - cells.mean(axis=(0, 1)))
    return np.stack(found) if found else None
