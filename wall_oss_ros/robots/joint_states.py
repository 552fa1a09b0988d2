# SPDX-License-Identifier: Apache-2.0
"""From joint state messages to the joints that somebody wants, in their order; and what is wrong with a message."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from wall_oss_ros.robots.stamps import CERTAIN, Evidence, StampWatch

_SPREAD = 0.2  # s: how far apart the joints of one reading may be when several publishers contribute to it
_STRANGERS, _ALONE = 3, 0.12  # messages of other joints alone, and s without ours, that are another robot's
_KINDS = 64  # of messages whose names are remembered


class _Names(NamedTuple):
    """What a message with certain names has of the joints wanted."""

    size: int
    here: np.ndarray  # (k,) int, where the message has them
    there: np.ndarray  # (k,) int, where they are wanted
    first: bool  # whether the first one is among them
    missing: np.ndarray  # (n - k,) int
    twice: str  # a joint that is named twice
    strange: bool  # whether no joint of the robot is named


class JointStateReader:
    """The newest readings of some joints, whoever publishes them.

    A gripper's driver may publish joint states of its own, so only messages that name the first joint make a reading.
    Joints that such a message lacks have the values they were last published with.

    Args:
        joints: their names.
        what: of them, for what is said, as a plural.
        others: further joints of the same robot, which may come in messages of their own.

    Attributes:
        positions, velocities: (n,) of the newest reading, rad and rad/s or m and m/s. Velocities that nobody measures
            are not numbers.
        stamp: of the newest reading, s; None before the first.
        evidence: what is wrong with the messages.
    """

    def __init__(self, joints: Sequence[str], what: str = "joint states", others: Collection[str] = ()):
        self.joints, self._what = tuple(joints), what
        self._places = {name: place for place, name in enumerate(self.joints)}
        self._ours = {*joints, *others}
        self.positions, self.velocities = (np.full(len(self.joints), np.nan) for _ in range(2))
        self.evidence = Evidence()
        self._kinds: dict[tuple[str, ...], _Names] = {}
        self._watch = StampWatch(what, self.evidence)
        self.forget()

    def forget(self) -> None:
        """Starts over, as after a restart of the clock."""
        self.stamp: float | None = None
        self._stamps = np.full(len(self.joints), -np.inf)
        self._came: float | None = None
        self._strangers = 0
        self._watch.forget()

    def take(
        self,
        stamp: float,
        names: Sequence[str],
        positions: Sequence[float],
        velocities: Sequence[float] = (),
        now: float | None = None,
    ) -> bool:
        """Takes in a message. Whether it makes a new reading; if it should and does not, ``evidence`` says why.

        Args:
            stamp: of the message, s.
            names, positions, velocities: what it holds; the last may be empty, or not numbers.
            now: the time that the stamp is compared with; None compares it with none.
        """
        key = tuple(names)
        kind = self._kinds.get(key) or self._learn(key)
        if not len(kind.here):
            self._pass(kind, key, now)
            return False
        self._strangers, self._came = 0, now
        if objection := self._objection(kind, positions):
            self.evidence.against(objection, CERTAIN)
            return False
        values = np.asarray(positions, float)[kind.here]
        if not np.isfinite(values).all():
            name = self.joints[kind.there[int(np.argmin(np.isfinite(values)))]]
            self.evidence.against(f"{self._what}: the position of {name} is not a finite number", CERTAIN)
            return False
        two = (self._stamps[kind.there] == stamp) & (values != self.positions[kind.there])
        if two.any():
            name = self.joints[kind.there[int(np.argmax(two))]]
            self.evidence.against(f"{self._what} say two things of {name} at the same time: two publishers", CERTAIN)
            return False
        if kind.first and not self._watch.take(stamp, now):
            return False
        newer = stamp > self._stamps[kind.there]
        if not kind.first and not newer.all():
            return False
        self.positions[kind.there], self._stamps[kind.there] = values, stamp
        measured = np.asarray(velocities, float) if len(velocities) == kind.size else np.full(kind.size, np.nan)
        self.velocities[kind.there] = np.where(np.isfinite(measured), measured, np.nan)[kind.here]
        if not kind.first:
            return False
        if len(kind.missing):
            late = kind.missing[np.abs(stamp - self._stamps[kind.missing]) > _SPREAD]
            if len(late):
                lacking = ", ".join(sorted(self.joints[place] for place in late))
                self.evidence.against(f"{self._what} lack {lacking}", CERTAIN)
                return False
        self.stamp = stamp
        self.evidence.fine()
        return True

    def _objection(self, kind: _Names, positions: Sequence[float]) -> str:
        if len(positions) != kind.size:
            return f"{self._what} have {len(positions)} positions for {kind.size} names"
        return f"{self._what} name {kind.twice} twice" if kind.twice else ""

    def _pass(self, kind: _Names, names: tuple[str, ...], now: float | None) -> None:
        """A message without any joint that is wanted: another robot's, where there are no others for a while."""
        if not kind.strange or now is None:
            return
        self._strangers += 1
        if self._strangers >= _STRANGERS and (self._came is None or not 0 <= now - self._came <= _ALONE):
            heard = ", ".join(names[:3]) or "no joint at all"
            self.evidence.against(f"{self._what} are another robot's: {heard}; {self.joints[0]} was expected", CERTAIN)

    def _learn(self, names: tuple[str, ...]) -> _Names:
        pairs = [(here, self._places[name]) for here, name in enumerate(names) if name in self._places]
        here, there = (np.array([pair[side] for pair in pairs], int) for side in (0, 1))
        found = [names[place] for place in here]
        twice = next((name for name in found if found.count(name) > 1), "")
        missing = np.setdiff1d(np.arange(len(self.joints)), there)
        if len(self._kinds) >= _KINDS:
            self._kinds.clear()
        kind = _Names(len(names), here, there, 0 in there, missing, twice, self._ours.isdisjoint(names))
        self._kinds[names] = kind
        return kind
