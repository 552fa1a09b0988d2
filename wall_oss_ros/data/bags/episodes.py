# SPDX-License-Identifier: Apache-2.0
"""Frames over a recording: at a constant rate, each with the pictures, state, action and words of its moment.

The action of a frame is what the robot was told to be at the next one: the command in force at that time, followed to
that time. That is what chunks mean by their first row, and what the next state is to the present one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from wall_oss_ros.data.bags import arms
from wall_oss_ros.data.bags.events import Event, History
from wall_oss_ros.data.bags.reading import Recording, span
from wall_oss_ros.data.bags.samples import Samples
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.perception.robot_state import StateComposer
from wall_oss_ros.robots.profile import RobotProfile

CORRECTED = "corrected"  # the column that is 1 while the robot does what a person has corrected
SHORTEST = 1.0  # s: of what gaps leave over, pieces that are shorter are left out


class Gap(NamedTuple):
    """Nothing of a stream from ``begin`` to ``end``, s after the first frame."""

    where: str
    begin: float
    end: float

    def __str__(self) -> str:
        return f"{self.where}: nothing from {self.begin:.2f} to {self.end:.2f} s"


@dataclass
class Frames:
    """N frames of a recording, one after the other without a gap.

    Attributes:
        columns: by the dataset's name, (N, n) float32.
        numbers: by view, which picture of the bag each frame has, (N,).
        tasks: the instruction of each frame.
        subtasks: of each frame, empty where none is being carried out; None where nobody says any.
        plans: of each frame, the subtasks of the plan that is being carried out, in lines; likewise.
        success: None where it was not said.
        events: what happened meanwhile.
        begin: s after the recording's first frame.
    """

    columns: dict[str, np.ndarray]
    numbers: dict[str, np.ndarray]
    tasks: list[str]
    subtasks: list[str] | None
    plans: list[str] | None
    success: bool | None
    begin: float
    events: list[Event]

    def __len__(self) -> int:
        return len(self.tasks)


class Names(NamedTuple):
    """What the entries of columns are called, by the dataset's name of the column."""

    columns: Mapping[str, tuple[str, ...]]
    live: np.ndarray  # (A,) bool, entries of the layout that state and action have


def lay_out(
    recording: Recording, profile: RobotProfile, composer: StateComposer, fps: float, task: str | None
) -> tuple[list[Frames], Names, list[Gap]]:
    """The frames of a recording: one piece, or, where there are gaps, those between them.

    Args:
        fps: frames a second.
        task: the instruction, whatever was said.

    Raises:
        WallOSSError: it is too short, or nobody says what was to be done.
    """
    sources, path = recording.sources, recording.bag.path
    begin, end = span(sources)
    count = math.floor((end - begin) * fps + 1e-6)
    if count < 2:
        raise WallOSSError(
            f"{path}: there are only {max(end - begin, 0):.2f} s of which all views and joints were recorded.",
            "Leave it out.",
        )
    times, lead = begin + np.arange(count + 1) / fps, 1 / fps
    track = arms.measured(sources, profile, times)
    now, following = track.cut(slice(None, -1)), track.cut(slice(1, None))
    told = arms.told(sources, profile, times[:-1], lead, now, following)
    names = _names(profile, composer, now, told, sources.told_base is not None)
    live = names.live
    columns = {
        "observation.state": now.rows(composer)[:, live],
        "action": told.rows(composer)[:, live],
        "observation.joints": now.joints(),
        "observation.poses": now.poses(),
        "action.joints": told.joints(),
        "action.poses": told.poses(),
    }
    if sources.told_base is not None:
        columns["action.base_velocity"] = arms.velocities(sources, times[:-1], lead)
    happened = History() if sources.happened is None else sources.happened.history
    columns[CORRECTED] = happened.corrected_at(times[:-1])[:, None]
    columns = {name: np.asarray(values, np.float32) for name, values in columns.items() if values is not None}
    streams: dict[str, Samples] = {each.where: each.samples for each in sources.state}
    known = {where: seen[:-1] & seen[1:] for where, seen in arms.knowledge(sources.state, times).items()}
    numbers = {}
    for view, pictures in sources.views.items():
        values, seen = pictures.samples.at(times[:-1])
        numbers[view], known[pictures.where] = values[:, 0].astype(int), seen
        streams[pictures.where] = pictures.samples
    gaps = [gap for where, seen in known.items() for gap in _gaps(where, seen, streams[where], times, begin)]
    tasks, subtasks, plans = _words(recording, times[:-1], task)
    said = [] if sources.success is None else sources.success.said
    success = said[-1][1] if said else None
    pieces = []
    for rows in _runs(np.all(list(known.values()), axis=0), fps if gaps else 0):
        pieces.append(
            Frames(
                {name: values[rows] for name, values in columns.items()},
                {view: values[rows] for view, values in numbers.items()},
                tasks[rows],
                None if subtasks is None else subtasks[rows],
                None if plans is None else plans[rows],
                success,
                float(times[rows.start] - begin),
                [one for one in happened.events if times[rows.start] <= one.time < times[rows.stop]],
            )
        )
    return pieces, names, gaps


def _names(profile: RobotProfile, composer: StateComposer, now, told, driven: bool) -> Names:
    layout, live = composer.layout, np.zeros(composer.layout.size, bool)
    entries = [""] * layout.size
    for one, own in zip(profile.arms, layout.arms):
        live |= own.arm_mask
        if (joints := one.arm.joints_dof) is not None:
            suffixes = {joints: one.arm.joints}
        else:
            turns = ("roll", "pitch", "yaw") if profile.dof_config[one.arm.rotation_dof] == 3 else None
            suffixes = {one.arm.position_dof: ("x", "y", "z"), one.arm.rotation_dof: turns}
        for dof, words in suffixes.items():
            _call(entries, layout.slots[dof], dof, words)
        _call(entries, layout.slots[one.gripper.dof], one.gripper.dof, None)
    for part in profile.parts:
        if part.dof in now.parts:
            live[layout.slots[part.dof]] = True
            _call(entries, layout.slots[part.dof], part.dof, part.joints)
    if profile.base is not None and profile.base.dof in now.parts:
        live[layout.slots[profile.base.dof]] = True
        _call(entries, layout.slots[profile.base.dof], profile.base.dof, ("x", "y", "yaw"))
    names = {"observation.state": tuple(np.array(entries)[live].tolist())}
    names["action"] = names["observation.state"]
    for prefix, track in (("observation", now), ("action", told)):
        by_joints = [one for one, arm in zip(profile.arms, track.arms) if arm.joints is not None]
        by_pose = [one for one, arm in zip(profile.arms, track.arms) if arm.joints is None]
        names[f"{prefix}.joints"] = tuple(joint for one in by_joints for joint in one.arm.joints)
        axes = ("x", "y", "z", "qx", "qy", "qz", "qw")
        names[f"{prefix}.poses"] = tuple(f"{one.arm.name}.{axis}" for one in by_pose for axis in axes)
    if driven:
        names["action.base_velocity"] = ("x", "y", "yaw")
    names[CORRECTED] = (CORRECTED,)
    return Names({name: words for name, words in names.items() if words}, live)


def _call(entries: list[str], slot: slice, dof: str, words: tuple[str, ...] | None) -> None:
    size = slot.stop - slot.start
    words = words or tuple(map(str, range(size)))
    entries[slot] = [dof] if size == 1 else [f"{dof}.{word}" for word in words]


def _words(
    recording: Recording, times: np.ndarray, task: str | None
) -> tuple[list[str], list[str] | None, list[str] | None]:
    """The instruction, the subtask and the plan of each frame."""
    sources = recording.sources
    plan = None if sources.plan is None else sources.plan.at(times)
    tasks: list[str | None] = [task] * len(times)
    if task is None:
        said = [] if sources.instruction is None else list(sources.instruction.said)
        said += [] if sources.plan is None else [(time, one[0]) for time, one in sources.plan.said if one[0]]
        said.sort(key=lambda one: one[0])
        if not said:
            raise WallOSSError(
                f"{recording.bag.path}: nobody says what was to be done: there is no instruction, and no plan.",
                "Give --task 'what was done', or say where it is in a mapping of topics (instruction).",
            )
        places = np.searchsorted([time for time, _ in said], times, side="right") - 1
        tasks = [said[max(place, 0)][1] for place in places]
    plans = None if plan is None else [one[2] if one else "" for one in plan]
    if sources.subtask is not None:
        return tasks, [words or "" for words in sources.subtask.at(times)], plans
    if plan is None or not any(one and one[1] for one in plan):
        return tasks, None, plans
    return tasks, [one[1] if one else "" for one in plan], plans


def _gaps(where: str, seen: np.ndarray, samples: Samples, times: np.ndarray, begin: float) -> Iterator[Gap]:
    for rows in _runs(~seen, 0):
        first, last = times[rows.start], times[rows.stop - 1]
        own = samples.times
        before, after = np.searchsorted(own, first, side="right") - 1, np.searchsorted(own, last, side="left")
        since = own[before] if before >= 0 else first
        until = own[after] if after < len(own) else last
        yield Gap(where, float(since - begin), float(until - begin))


def _runs(wanted: np.ndarray, least: float) -> list[slice]:
    """The runs of True of at least ``SHORTEST`` s at ``least`` frames a second, and of two frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]]).astype(int)))
    shortest = max(math.ceil(least * SHORTEST), 1)
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2]) if b - a >= shortest]
