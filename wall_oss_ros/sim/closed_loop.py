# SPDX-License-Identifier: Apache-2.0
"""One instruction carried out in simulation: the model plans, judges and acts; the simulator tells the truth.

The same planner, policy and motion code runs as in the ROS nodes, in one process and in simulated time: an action chunk
takes effect ``latency_s`` after its observation, as it does where inference runs beside control. Something may be upset
on the way, and the failure monitor may watch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.model.fast import NotAChunk
from wall_oss_ros.policy import Policy
from wall_oss_ros.policy.chunk import Chunk, make_chunk, previous_chunk
from wall_oss_ros.policy.observation import Observation, PreviousChunk
from wall_oss_ros.sim.course import Course
from wall_oss_ros.sim.directing import Director, Reasoning
from wall_oss_ros.sim.environment import Environment
from wall_oss_ros.sim.goals import Goal
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.uni_cot.watching.monitor import FailureMonitor, Problem

TRUTH_EVERY = 0.1  # s between two looks at what the simulator's truth calls for


class Upset(Protocol):
    """Something that goes wrong in the scene, once."""

    def step(self, environment: Environment, called: str) -> str:
        """Does it when its moment has come. Returns what was done; empty for nothing.

        Args:
            called: the subtask that the truth calls for.
        """


@dataclass(frozen=True)
class Settings:
    """How the loop runs; times in s."""

    latency_s: float = 0.1
    joining: str = "real_time"  # of chunks, as the control node's parameter chunk_joining
    judge_every_s: float = 0.5
    replan_every: int = 5  # steps of a chunk that pass before the next observation is taken
    denoising_steps: int | None = None
    time_limit_s: float = 25.0  # for each goal
    settle_s: float = 1.0  # simulated after the plan's end, before the truth is read


@dataclass
class Episode:
    """What happened."""

    instruction: str
    goals: list[Goal]
    success: bool = False
    taken: str | None = None  # colour of the first thing that was lifted
    placed: str | None = None  # where it was put, as it lies at the end
    changed: dict[str, str] = field(default_factory=dict)  # things that lie elsewhere at the end, and where, in words
    plan: str = ""  # as the model wrote it; empty where it was asked for none
    plan_right: bool | None = False  # None where the model was asked for no plan
    judgements: int = 0
    judgements_right: int = 0
    status: str = ""
    message: str = ""
    seconds: float = 0.0  # simulated
    chunks: int = 0
    faults: int = 0
    greatest_force: float = 0.0  # N, of what touched arm and gripper, as its sensor would feel it 50 times a second
    events: list[tuple[float, str, str]] = field(default_factory=list)  # simulated s, who, what
    cpu_seconds: dict[str, list[float]] = field(default_factory=dict)  # each time, by what for
    pictures: list[np.ndarray] = field(default_factory=list, repr=False)

    def summary(self) -> dict:
        """All but the pictures, for JSON."""
        values = asdict(replace(self, pictures=[]))
        del values["pictures"]
        return values


class ClosedLoop:
    """Runs episodes on one simulated robot, with one arm or several.

    Attributes:
        task: what the robot's scene is for.
    """

    def __init__(
        self,
        policy: Policy,
        environment: Environment,
        settings: Settings = Settings(),
        on_look: Callable[[], None] = lambda: None,
    ):
        """``on_look`` is called whenever the model looks at the table, to judge or to act."""
        self.policy, self.environment, self.settings, self.on_look = policy, environment, settings, on_look
        self.task = task_of(environment.profile)
        self.dt = 1.0 / environment.profile.command.rate_hz

    def run(
        self,
        scene: Any,
        instruction: str,
        goals: list[Goal],
        seed: int,
        director: Director | None = None,
        upset: Upset | None = None,
        monitor: FailureMonitor | None = None,
        heeded: bool = True,
    ) -> Episode:
        """One episode from the robot's home, in a scene that ``Task.scene`` made.

        Args:
            seed: decides the flow's noise.
            director: says what to act on; None is the model's reasoning.
            upset: what goes wrong on the way.
            monitor: watches; ``heeded`` says whether the director is told.
        """
        environment, simulator, settings = self.environment, self.environment.simulator, self.settings
        simulator.reset(scene)
        episode = Episode(instruction, goals)
        motion = RobotMotion(environment.profile, environment.arms, joining=settings.joining)
        director = director or Reasoning(self.policy, settings.judge_every_s)
        watch, course = _Watch(episode, director, monitor, heeded), Course(self.task.language, goals)
        before = self._places()
        director.begin(self._observe(), instruction)
        episode.plan = director.reasoning
        plan = self.task.language.plan_text(environment.truth()[()], goals)
        episode.plan_right = director.reasoning == plan if director.plans else None
        pending, ends, doing, looked, silent_until = None, None, "", -TRUTH_EVERY, 0.0
        limit = settings.time_limit_s * max(1, len(goals))
        while simulator.time < limit and (ends is None or simulator.time < ends):
            now = simulator.time
            if now >= looked + TRUTH_EVERY - 1e-9:
                looked, called = now, self._called(course)
                watch.say(now, "truth", called)
                if upset is not None and (what := upset.step(environment, called)):
                    watch.say(now, "upset", what)
            if not director.over and now >= director.next_look:
                obs = self._observe()
                director.look(obs, self._called(course))
                if director.judges:
                    episode.judgements += 1
                    episode.judgements_right += director.judgement == self._called(course)
                    self._snap(episode)
                watch.looked(obs)
            watch.plan(now)
            if director.over and ends is None:
                ends = now + settings.settle_s
            text = "" if director.over else director.text
            if doing and not text:
                motion.drop()
                doing = ""
            if text and pending is None and now >= silent_until and self._wants_chunk(motion, now):
                obs = self._observe()
                previous = self._previous(motion, obs) if text == doing else None
                doing = text
                try:
                    actions = self.policy.act(obs, doing, settings.denoising_steps, seed + episode.chunks, previous)
                    pending = (now + settings.latency_s, obs, actions, director.about)
                except NotAChunk as problem:  # the arm holds; the same picture would give the same tokens
                    motion.fail(str(problem))
                    episode.faults, silent_until = episode.faults + 1, now + settings.judge_every_s
                episode.chunks += 1
                watch.observed(obs)
            if pending is not None and now >= pending[0]:
                chunk, reason = make_chunk(motion.layout, pending[1].stamp, pending[1].state, pending[2])
                if chunk is None:
                    motion.fail(reason)
                else:
                    motion.follow_chunk(now, chunk, self._joints())
                    watch.chunk(chunk, pending[3])
                episode.faults += bool(motion.fault)
                pending = None
            episode.greatest_force = max(episode.greatest_force, self._move(motion, now, bool(text)))
            simulator.step(self.dt)
            if episode.taken is None:
                episode.taken = self.task.lifted(environment)
        self._snap(episode, last=True)
        self._called(course)
        episode.success = course.last and self.task.reached(environment, course.goals)
        episode.placed = self.task.placed(environment, episode.taken) if episode.taken else None
        episode.changed = {thing: place for thing, place in self._places().items() if before.get(thing) != place}
        episode.greatest_force = round(episode.greatest_force, 2)
        episode.status, episode.message = director.status, director.message
        episode.seconds, episode.cpu_seconds = round(simulator.time, 2), dict(director.seconds)
        return episode

    def _called(self, course: Course) -> str:
        """The subtask that the simulator's truth calls for now."""
        return course.called(self.environment.truth()[()])

    def _joints(self) -> np.ndarray:
        """(n,) of all arms, in the profile's order."""
        return np.concatenate([arm.q for arm in self.environment.simulator.arms])

    def _places(self) -> dict[str, str]:
        """Where everything is that carries a colour, in words."""
        truth = self.task.truth(self.environment.simulator)
        return {colour: self.task.where(colour, truth) for colour in self.environment.simulator.spec.colours}

    def _move(self, motion: RobotMotion, now: float, running: bool) -> float:
        """Gives each arm and gripper what it is to do in this cycle. Returns the greatest force on one of them, N."""
        openings = motion.openings(now)
        forces = [float(np.linalg.norm(arm.external_wrench[0])) for arm in self.environment.simulator.arms]
        for one, newtons in zip(self.environment.profile.arms, forces):
            if one.arm.force is not None:
                motion.feel(one.arm.name, newtons)
        for arm, setpoints, opening in zip(
            self.environment.simulator.arms, motion.step(now, running, self._joints()), openings
        ):
            if setpoints:
                arm.set_joint_targets(setpoints[0].position, setpoints[0].velocity)
            if opening is not None and running:
                arm.set_gripper(opening)
        return max(forces)

    def _wants_chunk(self, motion: RobotMotion, now: float) -> bool:
        queue = motion.queue
        return queue.stamp is None or queue.steps_done(now) >= self.settings.replan_every

    def _previous(self, motion: RobotMotion, obs: Observation) -> PreviousChunk | None:
        """What the next chunk has to continue, where chunks are joined in real time."""
        if self.settings.joining != "real_time":
            return None
        until = obs.stamp + self.settings.latency_s
        return previous_chunk(motion.layout, motion.queue.followed(), until, obs.stamp, obs.state)

    def _observe(self) -> Observation:
        self.on_look()
        return self.environment.simulator.observation(self.environment.profile)

    def _snap(self, episode: Episode, last: bool = False) -> None:
        if last or episode.judgements % 6 == 1:
            views = [self.environment.simulator.render(view) for view in self.environment.views]
            episode.pictures.append(np.concatenate(views, axis=1))


class _Watch:
    """Notes in an episode what happens, and lets the monitor see it."""

    def __init__(self, episode: Episode, director: Director, monitor: FailureMonitor | None, heeded: bool):
        self._episode, self._director, self._monitor, self._heeded = episode, director, monitor, heeded
        self._said: dict[str, str] = {}
        self._stands: tuple | None = None

    def say(self, now: float, who: str, what: str) -> None:
        """Notes what is not the same as before."""
        if self._said.get(who) != what:
            self._said[who] = what
            self._episode.events.append((round(now, 2), who, what))

    def plan(self, now: float) -> None:
        """Notes how the plan stands, and has what is being done watched."""
        stands = self._director.about, self._director.words
        if stands != self._stands:
            self._stands = stands
            self._episode.events.append((round(now, 2), "plan", stands[1]))
        if self._monitor is not None:
            self._monitor.begin(stands[0], self._director.place)

    def looked(self, obs: Observation) -> None:
        """The director has looked at an observation."""
        if self._director.judges:
            self.say(obs.stamp, "model", self._director.judgement)
            if self._monitor is not None:
                self._monitor.judged(self._director.judgement)
        self.observed(obs)

    def observed(self, obs: Observation) -> None:
        if self._monitor is not None:
            self._tell(self._timed(self._monitor.observe, obs))

    def chunk(self, chunk: Chunk, about: Hashable) -> None:
        if self._monitor is not None and about == self._director.about:
            self._tell(self._timed(self._monitor.chunk, chunk))

    def _timed(self, watch: Callable, seen) -> Problem | None:
        begun = time.thread_time()
        problem = watch(seen)
        self._director.seconds["watch"].append(time.thread_time() - begun)
        return problem

    def _tell(self, problem: Problem | None) -> None:
        if problem is None:
            return
        self._episode.events.append((round(problem.stamp, 2), "monitor", f"{problem.watch}: {problem.why}"))
        if self._heeded and problem.about == self._director.about:
            self._director.fail(problem.why, problem.watch, problem.stamp)
