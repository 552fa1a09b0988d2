# SPDX-License-Identifier: Apache-2.0
"""One instruction carried out in simulation: the model plans, judges and acts; the simulator tells the truth.

The same planner, policy and motion code runs as in the ROS nodes, in one process and in simulated time: an action chunk
takes effect ``latency_s`` after its observation, as it does where inference runs beside control.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.policy import Policy
from wall_oss_ros.policy.chunk import make_chunk, previous_chunk
from wall_oss_ros.policy.observation import Observation, PreviousChunk
from wall_oss_ros.sim.environment import Environment
from wall_oss_ros.sim.goals import Goal
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.uni_cot.plan import PlanStatus
from wall_oss_ros.uni_cot.planner import UniCoTPlanner


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
    plan_right: bool = False
    judgements: int = 0
    judgements_right: int = 0
    status: str = ""
    message: str = ""
    seconds: float = 0.0  # simulated
    chunks: int = 0
    faults: int = 0
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

    def run(self, scene: Any, instruction: str, goals: list[Goal], seed: int) -> Episode:
        """One episode from the robot's home, in a scene that ``Task.scene`` made; ``seed`` decides the flow's noise."""
        environment, simulator, settings, task = self.environment, self.environment.simulator, self.settings, self.task
        simulator.reset(scene)
        episode = Episode(instruction, goals)
        motion = RobotMotion(environment.profile, environment.arms, joining=settings.joining)
        planner = UniCoTPlanner(self.policy)
        obs = self._observe()
        plan = planner.start(obs, instruction)
        truth = environment.truth()[()]
        episode.plan_right = plan.reasoning == task.language.plan_text(truth, goals)
        judge_at, pending, ends, doing = settings.judge_every_s, None, None, ""
        limit = settings.time_limit_s * len(goals)
        while simulator.time < limit and (ends is None or simulator.time < ends):
            now = simulator.time
            if plan.running and now >= judge_at:
                judge_at = now + settings.judge_every_s
                truth = environment.truth()[()]
                plan = planner.update(self._observe())
                episode.judgements += 1
                episode.judgements_right += planner.judgement == task.language.active_subtask(truth, goals)
                self._snap(episode)
            if not plan.running and ends is None:
                ends = now + settings.settle_s
            if plan.active_text and pending is None and self._wants_chunk(motion, now):
                obs = self._observe()
                previous = self._previous(motion, obs) if plan.active_text == doing else None
                doing = plan.active_text
                actions = self.policy.act(obs, doing, settings.denoising_steps, seed + episode.chunks, previous)
                pending = (now + settings.latency_s, obs, actions)
                episode.chunks += 1
            if pending is not None and now >= pending[0]:
                chunk, reason = make_chunk(motion.layout, pending[1].stamp, pending[1].state, pending[2])
                if chunk is None:
                    motion.fail(reason)
                else:
                    motion.follow_chunk(now, chunk, self._joints())
                episode.faults += bool(motion.fault)
                pending = None
            self._move(motion, now, plan.running)
            simulator.step(self.dt)
            if episode.taken is None:
                episode.taken = task.lifted(environment)
        self._snap(episode, last=True)
        episode.success = task.reached(environment, goals)
        episode.placed = task.placed(environment, episode.taken) if episode.taken else None
        episode.status = PlanStatus(plan.status).name.lower()
        episode.message, episode.seconds = plan.message, round(simulator.time, 2)
        return episode

    def _joints(self) -> np.ndarray:
        """(n,) of all arms, in the profile's order."""
        return np.concatenate([arm.q for arm in self.environment.simulator.arms])

    def _move(self, motion: RobotMotion, now: float, running: bool) -> None:
        """Gives each arm and gripper what it is to do in this cycle."""
        openings = motion.openings(now)
        for one, arm in zip(self.environment.profile.arms, self.environment.simulator.arms):
            if one.arm.force is not None:
                motion.feel(one.arm.name, float(np.linalg.norm(arm.external_wrench[0])))
        for arm, setpoints, opening in zip(
            self.environment.simulator.arms, motion.step(now, running, self._joints()), openings
        ):
            if setpoints:
                arm.set_joint_targets(setpoints[0].position, setpoints[0].velocity)
            if opening is not None and running:
                arm.set_gripper(opening)

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
