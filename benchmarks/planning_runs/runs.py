# SPDX-License-Identifier: Apache-2.0
"""Runs jobs in processes, and keeps their results."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from planning_runs.cases import NOTHING, UPSETS, Job, instruction, scene_seed
from wall_oss_ros.policy import Policy
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.sim.closed_loop import ClosedLoop
from wall_oss_ros.sim.cubes.upsets import CubeUpset
from wall_oss_ros.sim.datasets import in_processes
from wall_oss_ros.sim.directing import Director, FirstPlan, InstructionAlone, Reasoning
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.sim.results import Results
from wall_oss_ros.uni_cot.watching.monitor import FailureMonitor, WatchSettings


def about(model: str, robot: str, seed: int, subtask_s: float) -> dict:
    """What results depend on: of the model the name and a digest, and all settings."""
    profile = task_of(robot).profile
    checkpoint = Policy.from_pretrained(model, threads=1, profile=profile).checkpoint
    settings = asdict(WatchSettings())
    return {"checkpoint": checkpoint, "robot": robot, "seed": seed, "subtask_s": subtask_s, "watching": settings}


def run(results: Results, todo: Sequence[Job], model: str, robot: str, seed: int, subtask_s: float, workers: int,
        minutes: float | None) -> None:  # fmt: skip
    """Runs what has no result yet, by ``workers`` processes, until ``minutes`` are over."""
    left = [job for job in todo if job.key not in results.found]
    begun = time.monotonic()
    print(f"{len(todo) - len(left)} of {len(todo)} runs are there already; load {os.getloadavg()[0]:.1f}", flush=True)
    if not left:
        return
    work = [(job, seed, subtask_s) for job in left]
    for job, result in zip(left, in_processes(_run, work, min(workers, len(left)), _start, (model, robot))):
        results.add(result)
        print(f"{job.key}: {result['status']}, {'reached' if result['success'] else 'not reached'}", flush=True)
        if minutes is not None and time.monotonic() > begun + 60 * minutes:
            break  # what is under way is lost


_loop: ClosedLoop | None = None


def _start(model: str, robot: str) -> None:
    global _loop
    task = task_of(robot)
    environment = task.environment(np.random.default_rng(0))
    _loop = ClosedLoop(Policy.from_pretrained(model, threads=1, profile=task.profile), environment)


def _run(work: tuple[Job, int, float]) -> dict:
    job, seed, subtask_s = work
    assert _loop is not None
    return run_job(_loop, job, seed, subtask_s)


def run_job(loop: ClosedLoop, job: Job, seed: int, subtask_s: float) -> dict:
    """One run, and what came of it, for JSON."""
    scene = loop.task.scene(scene_seed(seed, job.number))
    said = instruction(seed, job.number, scene.colours)
    rng = np.random.default_rng([*scene_seed(seed, job.number), 2 + UPSETS.index(job.upset)])
    upset = None if job.upset == NOTHING else CubeUpset(job.upset, said.goals[0], rng)
    monitor = FailureMonitor(Layout(loop.environment.profile)) if job.mode in ("reasoning", "monitored") else None
    director = _director(loop, job.mode, subtask_s)
    heeded = job.mode == "monitored"
    episode = loop.run(scene, said.text, list(said.goals), 1000 * job.number, director, upset, monitor, heeded)
    found = episode.summary()
    cpu = {what: [round(one, 5) for one in times] for what, times in found.pop("cpu_seconds").items()}
    cpu["watch"] = [len(cpu["watch"]), round(sum(cpu["watch"]), 5), max(cpu["watch"])] if cpu.get("watch") else []
    cpu["judge"] = [round(float(np.median(cpu["judge"])), 5)] if cpu.get("judge") else []
    return {
        "key": job.key, **asdict(job), "trained": said.trained, "plan": director.reasoning.splitlines(), **found,
        "cpu_seconds": cpu,
    }  # fmt: skip


def _director(loop: ClosedLoop, mode: str, subtask_s: float) -> Director:
    if mode == "instruction":
        return InstructionAlone()
    if mode in ("clock", "truth"):
        return FirstPlan(loop.policy, subtask_s if mode == "clock" else None)
    return Reasoning(loop.policy, loop.settings.judge_every_s)
