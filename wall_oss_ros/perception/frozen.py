# SPDX-License-Identifier: Apache-2.0
"""Cameras that go on sending one picture: their stamps are new, what they show is not."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

_FOR = 2.0  # s
_SAMPLES = 60_000  # bytes that are compared: of a real sensor's, noise changes some every time
_MOVED = 0.02  # rad or m: by so much a joint changes what any of the robot's cameras sees


class _Shown(NamedTuple):
    print: int
    since: float
    until: float
    joints: np.ndarray
    moved: bool


class FrozenPictures:
    """Notices views that have shown the same picture, bit for bit, for seconds.

    Args:
        noiseless: whether the cameras are a simulation's, which have no noise: then it counts only if the robot moved.
    """

    def __init__(self, noiseless: bool):
        self._noiseless = noiseless
        self._shown: dict[str, _Shown] = {}

    def look(self, view: str, data: Any, stamp: float, joints: np.ndarray) -> None:
        """Takes note of a picture: its bytes, when it was taken (s), and the robot's joints (n,) then."""
        if not len(data):
            return
        flat = np.frombuffer(data, np.uint8)
        fingerprint = hash(flat[:: max(len(flat) // _SAMPLES, 1)].tobytes())
        last = self._shown.get(view)
        if last is None or last.print != fingerprint or stamp < last.until or last.joints.shape != joints.shape:
            self._shown[view] = _Shown(fingerprint, stamp, stamp, joints, False)
            return
        moved = last.moved or bool(np.abs(joints - last.joints).max(initial=0.0) > _MOVED)
        self._shown[view] = last._replace(until=stamp, moved=moved)

    def complaints(self) -> list[str]:
        """A phrase for each view that is frozen."""
        return [
            f"{view} has shown the same picture for {shown.until - shown.since:.1f} s"
            + (" while the robot moved" if shown.moved else "")
            for view, shown in self._shown.items()
            if shown.until - shown.since > _FOR and (shown.moved or not self._noiseless)
        ]
