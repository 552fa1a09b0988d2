# SPDX-License-Identifier: Apache-2.0
"""Asks a model about scenes that training never saw, in several looks and wordings, and keeps its answers."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import numpy as np

from vqa_runs.judging import HAND, NEAR, OVERLAP, Truth, judge
from vqa_runs.questions import Asked, questions
from wall_oss_ros.policy import Policy, prompts
from wall_oss_ros.sim.appearance import KINDS as LOOKS
from wall_oss_ros.sim.appearance import PLAIN, Appearance
from wall_oss_ros.sim.datasets import in_processes
from wall_oss_ros.sim.evaluate import SEED_SPACE
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.sim.results import Results

PLAIN_SCENES, OTHER_WORDS = "plain", "other words"
CONDITIONS = (PLAIN_SCENES, *LOOKS, OTHER_WORDS)
"""Scenes in the plain look; in other light, by a camera that was moved, with clutter; asked in other words."""


def about(checkpoint: str, robot: str, seed: int) -> dict:
    """What answers, and verdicts on them, depend on."""
    return {
        "vqa": 1, "checkpoint": checkpoint, "robot": robot, "seed": seed, "near_px": NEAR, "hand_px": HAND,
        "overlap": OVERLAP,
    }  # fmt: skip


def run(
    results: Results, model: str, robot: str, seed: int, frames: int, conditions: Sequence[str], workers: int,
    minutes: float | None = None,
) -> None:  # fmt: skip
    """Asks about what has no result yet, scene by scene, until ``minutes`` are over."""
    jobs = [(condition, number, seed) for number in range(frames) for condition in conditions]
    left = [job for job in jobs if f"{job[0]}/{job[1]}" not in results.found]
    print(f"{len(jobs) - len(left)} of {len(jobs)} are there already; load {os.getloadavg()[0]:.1f}", flush=True)
    if not left:
        return
    begun = time.monotonic()
    for found in in_processes(_work, left, min(workers, len(left)), _start, (model, robot)):
        results.add(found)
        right = [right for answer in found["answers"] for right in answer["right"].values()]
        print(f"{found['key']}: {sum(right)} of {len(right)} right", flush=True)
        if minutes is not None and time.monotonic() > begun + 60 * minutes:
            return  # what is under way is lost


class Scenes:
    """Scenes of held-out seeds: every second one as a run begins, the others as runs, and long tasks, come by."""

    def __init__(self, robot: str):
        self.task = task_of(robot)
        self.environment = self.task.environment(np.random.default_rng(0))

    def pose(self, seed: int, number: int, condition: str) -> None:
        """Sets one up. It is the same in all conditions, but for how it looks."""
        environment, rng = self.environment, np.random.default_rng([SEED_SPACE + seed, number, 3])
        environment.rng = rng
        environment.new_scene()
        while number % 2 and not environment.pose():
            pass
        look, cameras = PLAIN, environment.simulator.standing_cameras
        if condition in LOOKS:
            rng = np.random.default_rng([SEED_SPACE + seed, number, 4])
            look = Appearance.random(rng, cameras, self.task.spec.free, [condition])
        environment.simulator.dress(look)

    def asked(self, seed: int, number: int, condition: str) -> list[Asked]:
        """What is asked about the scene that is set up: the same in all looks."""
        rng = np.random.default_rng([SEED_SPACE + seed, number, 5])
        return [*questions(rng, self.environment.truth()[()], condition == OTHER_WORDS)]

    def answer(self, policy: Policy, seed: int, number: int, condition: str) -> dict:
        """Sets a scene up, asks, and judges; for JSON."""
        self.pose(seed, number, condition)
        environment = self.environment
        front, wrist = environment.views
        truth, obs = (
            Truth(environment.simulator, (front, wrist)),
            environment.simulator.observation(environment.profile),
        )
        told = []
        for one in self.asked(seed, number, condition):
            thought, said = "", ""
            if one.kind == "thought":
                if not policy.thinks:
                    continue  # it was never shown what a thought is
                answer = policy.reason(obs, one.text, thought=True)
                thought, said = answer.thought, prompts.thoughtful(answer.thought, answer)
            else:
                answer = getattr(policy, one.how)(obs, one.text)
            right = judge(one, str(answer), truth, thought)
            told.append({"asked": one.text, "truth": one.truth, "said": said or str(answer), "right": right})
        return {"key": f"{condition}/{number}", "condition": condition, "number": number, "answers": told}


_scenes: Scenes | None = None
_policy: Policy | None = None


def _start(model: str, robot: str) -> None:
    global _scenes, _policy
    _scenes = Scenes(robot)
    _policy = Policy.from_pretrained(model, threads=1, profile=_scenes.task.profile)


def _work(job: tuple[str, int, int]) -> dict:
    condition, number, seed = job
    assert _scenes is not None and _policy is not None
    return _scenes.answer(_policy, seed, number, condition)
