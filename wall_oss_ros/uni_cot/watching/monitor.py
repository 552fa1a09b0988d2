# SPDX-License-Identifier: Apache-2.0
"""The failure monitor: told what the model asks for and what the robot does, it says when a subtask is failing."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np

from wall_oss_ros.policy.chunk import Chunk, Mixer
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.uni_cot.watching.chunks import Agreement, AgreementLimits, Convergence, ConvergenceLimits
from wall_oss_ros.uni_cot.watching.grip import GripLimits, GripWatch
from wall_oss_ros.uni_cot.watching.poses import PoseReader
from wall_oss_ros.uni_cot.watching.progress import ProgressLimits, ProgressWatch
from wall_oss_ros.uni_cot.watching.repetition import Place, Repetition, RepetitionLimits

WATCHES = ("agreement", "convergence", "progress", "grip", "repetition")
"""What is watched; a problem is named after it."""
_LEAP = 5.0  # s: a stamp this far ahead of the last is of another time
_BACK = 1.0  # s: one this far behind it, too; less is only late
_OVER = 0.5  # s after a chunk's end that fingers count as told what it said last


@dataclass(frozen=True)
class WatchSettings:
    """What is watched, and when it is alarming."""

    watches: tuple[str, ...] = WATCHES
    agreement: AgreementLimits = field(default_factory=AgreementLimits)
    convergence: ConvergenceLimits = field(default_factory=ConvergenceLimits)
    progress: ProgressLimits = field(default_factory=ProgressLimits)
    grip: GripLimits = field(default_factory=GripLimits)
    repetition: RepetitionLimits = field(default_factory=RepetitionLimits)


@dataclass(frozen=True)
class Problem:
    """Why a subtask seems to fail.

    Attributes:
        watch: one of ``WATCHES``.
        why: in words, a sentence without a full stop.
        stamp: of what showed it, s.
        about: the subtask that was watched, as it was handed to ``begin``.
    """

    watch: str
    why: str
    stamp: float
    about: Hashable


class FailureMonitor:
    """Watches one subtask after the other. Not thread-safe.

    What it is told may be late, doubled, out of order, empty, or not finite: that is left out. Stamps that leap make it
    start over. Once it has said something, it says the same again only after it has shown anew.

    Args:
        layout: the robot's.
    """

    def __init__(self, layout: Layout, settings: WatchSettings = WatchSettings()):
        self._layout, self._settings, self._reader = layout, settings, PoseReader(layout)
        self._mixer = Mixer.of(layout)
        self.agreement = Agreement(self._reader, settings.agreement)
        self.convergence = Convergence(settings.convergence)
        self.progress = ProgressWatch(settings.progress)
        self.grips = [GripWatch(settings.grip) for _ in layout.arms]
        self.repetition = Repetition(settings.repetition)
        self._repeated = ""  # why the present subtask is alarming, until it is said
        self._about: Hashable = None
        self._expert = ""
        self._judged = ""
        self._alarmed = False  # since it began
        self._works = True
        self._stamp: float | None = None  # of the newest observation, s
        self._chunk: Chunk | None = None

    def begin(self, about: Hashable, place: Place | None = None) -> None:
        """What is worked on from now on, told apart from all before, also where it is tried again; None for nothing.

        Args:
            place: where it stands in a plan; None where there is none. What is alarming in that is said with the next
                observation, since whoever tells how a plan stands may not be able to change it just then.
        """
        if about == self._about:
            return
        self._repeated = "" if place is None else self.repetition.take(place, self._works)
        self.agreement.over(well=not self._alarmed)
        self._about, self._judged, self._chunk, self._alarmed = about, "", None, False
        self.convergence.forget()
        self.progress.forget()

    def working(self, works: bool) -> None:
        """Whether the robot follows the model's actions: while it holds or is stopped, nothing is alarming."""
        if works != self._works:
            self._works, self._chunk = works, None
            self.agreement.forget()
            self.convergence.forget()
            self.progress.pause()
            for grip in self.grips:
                grip.pause()

    def judged(self, words: str) -> None:
        """The model has judged what is called for now, in these words."""
        self.progress.judged(words)
        if words != self._judged:  # it sees that something has changed
            self._judged = words
            self.convergence.forget()

    def chunk(self, chunk: Chunk, expert: str = "") -> Problem | None:
        """An action chunk for the present subtask, as absolute targets; ``expert`` tells from whom."""
        if not self._watches or not self._fits(chunk) or not self._in_time(chunk.stamp):
            return None
        if expert != self._expert:  # what two say is not compared
            self._expert, self._chunk = expert, None
            self.agreement.forget()
            self.convergence.forget()
        if self._chunk is not None and chunk.stamp <= self._chunk.stamp:
            return None  # doubled, or older than what has come before
        self._chunk = chunk
        poses = self._reader.read(chunk.targets)
        differs, converged = self.agreement.take(chunk, poses), self.convergence.take(chunk, poses)
        return self._problem("agreement", differs, chunk.stamp) or self._problem("convergence", converged, chunk.stamp)

    def observe(self, observation: Observation) -> Problem | None:
        """A new observation."""
        stamp, state = observation.stamp, np.asarray(observation.state, float)
        mask = np.asarray(observation.state_mask, bool)
        if state.shape != (self._layout.size,) or mask.shape != state.shape or not math.isfinite(stamp):
            return None
        needed = self._layout.mask & ~self._layout.optional
        if not self._in_time(stamp) or (self._stamp is not None and stamp <= self._stamp):
            return None
        self._stamp = stamp
        if not self._watches or not np.isfinite(state[mask]).all() or self._layout.fault(state):
            return None
        repeated, self._repeated = self._repeated, ""
        lost = self._problem("grip", self._grip(stamp, state, mask), stamp)
        found = lost or self._problem("repetition", repeated, stamp)
        if not (mask | ~needed | self._gripper_entries).all():
            return found  # where the arms are is not known
        stands = np.where(mask, state, 0.0)
        words = self.progress.take(stamp, self._reader.read(stands[None], mask), observation.images)
        if words and not self.convergence.still and self.convergence.asked is not None:
            words += f", and is told to go {self.convergence.asked[0]:.2f} m"
        return found or self._problem("progress", words, stamp)

    @property
    def _watches(self) -> bool:
        return self._works and self._about is not None

    @property
    def _gripper_entries(self) -> np.ndarray:
        entries = np.zeros(self._layout.size, bool)
        entries[[own.gripper for own in self._layout.arms]] = True
        return entries

    def _problem(self, watch: str, why: str, stamp: float) -> Problem | None:
        if not why or watch not in self._settings.watches:
            return None
        self._alarmed = True
        return Problem(watch, why, stamp, self._about)

    def _fits(self, chunk: Chunk) -> bool:
        targets, size = np.asarray(chunk.targets), self._layout.size
        shaped = (
            targets.ndim == 2 and targets.shape[1] == size and len(targets) > 0 and np.shape(chunk.start) == (size,)
        )
        finite = shaped and np.isfinite(targets).all() and np.isfinite(chunk.start).all() and math.isfinite(chunk.stamp)
        steps = math.isfinite(chunk.rate_hz) and chunk.rate_hz > 0
        return bool(finite and steps and not self._layout.fault(np.vstack([targets, chunk.start])))

    def _in_time(self, stamp: float) -> bool:
        """Whether a stamp is of the present. After a leap of the clock everything starts over."""
        last = self._stamp
        if last is None or -_BACK <= stamp - last <= _LEAP:
            return True
        self._stamp, self._chunk = None, None
        self.agreement.forget()
        self.convergence.forget()
        self.progress.forget()
        self.repetition.forget()
        self._repeated = ""
        for grip in self.grips:
            grip.forget()
        return True

    def _grip(self, stamp: float, state: np.ndarray, mask: np.ndarray) -> str:
        wanted: np.ndarray | list[None] = [None] * len(self.grips)
        chunk = self._chunk
        if chunk is not None and chunk.stamp <= stamp <= chunk.end + _OVER:
            wanted = self._reader.openings(self._mixer.at(chunk, stamp))
        said, openings, felt = "", self._reader.openings(state), self._reader.feels(mask)
        for arm, grip in enumerate(self.grips):
            if felt[arm] and (what := grip.take(stamp, _number(wanted[arm]), float(openings[arm]))) and not said:
                said = self._words(arm, *what)
        return said

    def _words(self, arm: int, what: str, share: float) -> str:
        own = self._layout.arms[arm].profile.arm
        gripper = f"the gripper of the {own.name}" if len(self.grips) > 1 else "the gripper"
        place = f"{self._reader.metres(arm, share):.3f} m"
        if what == "lost":
            return f"{gripper} has lost what it held: it was stopped at {place}, and has closed to its end since"
        return f"{gripper} has closed on nothing: told to close, its fingers went to {place}, their end"


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
