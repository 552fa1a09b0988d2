# SPDX-License-Identifier: Apache-2.0
"""The states of control: whether the arms may move now, and if not, why. The one place that decides it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from wall_oss_ros.control.stop_record import StopRecord
from wall_oss_ros.robots.profile import RobotProfile

_AHEAD = 0.5  # s: a stamp this far in the future means that two clocks disagree

_SLOW = 2.0  # s without an answer that are worth a word
_RESUME = "; call the service resume to go on"


class State(IntEnum):
    """As in wall_oss_msgs/ControlStatus."""

    IDLE = 0
    RUNNING = 1
    HOLDING = 2
    STOPPED = 3
    HOMING = 4


@dataclass(frozen=True)
class Limits:
    """How long each source may be silent, s. ``automatic``: a hold ends by itself when its cause is gone."""

    observation_age: float
    joint_state_age: float
    chunk_age: float
    planner_silence: float
    automatic: bool = True

    @classmethod
    def of(cls, profile: RobotProfile, planner_silence: float) -> Limits:
        """Those of a robot's profile; the planner is not part of the robot."""
        watchdog = profile.watchdog
        ages = watchdog.observation_age, watchdog.joint_state_age, watchdog.chunk_age
        return cls(*ages, planner_silence, automatic=profile.resume == "automatic")


@dataclass(frozen=True)
class Situation:
    """What is known at one moment. Ages and silences in s; None means never heard of.

    Attributes:
        subtask: the active one; None when there is none, and then ``plan`` says how the plan stands.
        chunk_age: since the observation that the present chunk was made from; None without a chunk.
        fault: what else is wrong.
        unanswered: since when the action expert has not answered, s.
        older: why the plan must not be followed before a person lets it go on; empty when it may.
        homing: how far the arms are on their way home; empty when they are not on it.
    """

    subtask: str | None
    plan: str
    planner_silence: float | None
    observation_age: float | None
    joint_state_age: float | None
    chunk_age: float | None
    chunk_used_up: bool
    fault: str = ""
    older: str = ""
    unanswered: float = 0.0
    homing: str = ""


class ControlStateMachine:
    """Finds the state for each situation, and remembers what a person or a fault has stopped.

    Args:
        limits: of silence.
        record: where stops are written down, so that they outlast this process; what it has from before counts.
    """

    def __init__(self, limits: Limits, record: StopRecord | None = None):
        self._limits, self._record = limits, StopRecord(None) if record is None else record
        self._stopped = self._record.read()
        self._latched = ""
        self._moved = False  # for the present plan: a hold before that interrupts nothing
        self._older = False  # whether a person must let an older plan go on
        self._pressed = False

    def emergency(self, pressed: bool) -> None:
        """The emergency stop is pressed or released. Released, the arm stays stopped until a person resumes."""
        again = pressed and self._pressed
        self._pressed = pressed
        if pressed and not again:
            self._stop("stopped by the emergency stop")

    def stop(self, reason: str) -> None:
        """A person, or what only a person can judge, stops the arm."""
        if not self._pressed and reason != self._stopped:
            self._stop(reason)

    def _stop(self, reason: str) -> None:
        self._stopped = reason
        self._record.write(reason)

    def resume(self, waits: bool = False) -> bool:
        """A person lets the arm go on. False when nothing was stopped, or the emergency stop is still pressed.

        Args:
            waits: whether readings wait for a person.
        """
        if self._pressed:
            return False
        was = bool(self._stopped or self._latched or self._older or waits)
        self._stopped = self._latched = ""
        self._older = False
        self._record.clear()
        return was

    @property
    def needs_resume(self) -> bool:
        """Whether only a person can let it go on, as of the last judgement."""
        return bool(self._stopped or self._latched or self._older)

    @property
    def problem(self) -> str:
        """Why a stop would not outlast a restart; empty when it would."""
        return self._record.problem

    def judge(self, now: Situation) -> tuple[State, str]:
        """The state to be in, and why; the reason is empty only when RUNNING."""
        if self._stopped:
            return State.STOPPED, self._stopped_words()
        self._older = bool(now.older)
        if now.subtask is None:
            self._latched, self._moved = "", False
            return (State.HOMING, now.homing) if now.homing else (State.IDLE, now.plan)
        if now.older:
            return State.HOLDING, f"{now.older}; call the service resume to go on"
        if self._latched:
            return State.HOLDING, f"{self._latched.removesuffix(_RESUME)}{_RESUME}"
        fault = self._fault(now)
        if fault:
            if self._moved and not self._limits.automatic:
                self._latched = fault
            return State.HOLDING, fault
        if now.chunk_age is None:
            return State.HOLDING, f"waiting for the first actions{_silent(now.unanswered)}"
        if now.chunk_used_up:
            return State.HOLDING, f"the actions are used up; waiting for the model{_silent(now.unanswered)}"
        self._moved = True
        return State.RUNNING, ""

    def against_homing(self, joint_state_age: float | None, fault: str) -> str:
        """Why the arms may not go home, which needs neither planner nor observations; empty when they may.

        Args:
            joint_state_age, fault: as in a :class:`Situation`.
        """
        if self._stopped:
            return self._stopped_words()
        return _silence(joint_state_age, self._limits.joint_state_age, "no joint states") or fault

    def _stopped_words(self) -> str:
        what = "release it, then call" if self._pressed else "call"
        return f"{self._stopped}; {what} the service resume to go on"

    def _fault(self, now: Situation) -> str:
        limits = self._limits
        checks = (
            (now.planner_silence, limits.planner_silence, "nothing from the planner"),
            (now.joint_state_age, limits.joint_state_age, "no joint states"),
            (now.observation_age, limits.observation_age, "no observations"),
        )
        if silence := next(filter(None, (_silence(*check) for check in checks)), ""):
            return silence
        if not now.fault and now.chunk_age is not None and now.chunk_age > limits.chunk_age:
            return f"the actions are {now.chunk_age:.1f} s old"
        return now.fault  # which may be why no newer ones are followed


def _silent(unanswered: float) -> str:
    """Words on an action expert that has not answered for that long, s."""
    return f", which has not answered for {unanswered:.0f} s" if unanswered >= _SLOW else ""


def _silence(age: float | None, limit: float, what: str) -> str:
    """What is wrong with the age (s) of something that is to come every ``limit`` s; empty when nothing is."""
    if age is None:
        return f"{what} yet"
    if not age <= limit:  # not a number counts as too old
        return f"{what} for {age:.1f} s"
    return f"{what} but some dated {-age:.1f} s ahead: clocks disagree" if age < -_AHEAD else ""
