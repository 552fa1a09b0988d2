# SPDX-License-Identifier: Apache-2.0
"""Demonstrations of the scripted experts as episodes of a LeRobot dataset.

``action`` is what the expert would do for the episode's instruction, pushes not among it: where tools are to be at the
next frame, and how far open. Each frame has branches: what other instructions, and every other subtask, would call for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from wall_oss_ros.data.lerobot import Branches, Entry, EpisodeData, Feature, branch_features
from wall_oss_ros.policy import prompts
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.sim.goals import INSTRUCTED, Goal
from wall_oss_ros.sim.steps import DT, HORIZON
from wall_oss_ros.sim.task import Task
from wall_oss_ros.sim.world import IMAGE_SIZE

FPS = 1 / DT
LANGUAGE = ("subtask_index", "language_persistent", "language_events", "language_events.further")
_INSTRUCTIONS = 6
"""Instructions that are drawn for each frame, beside its own."""
_QUESTIONS = 4
"""Questions that are drawn for each frame; the same one is asked once."""
_FIRST, _LAST = prompts.ask_suffix("\0").split("\0")


@dataclass(frozen=True)
class Demonstration:
    """What was done for one goal.

    Attributes:
        goal: what for.
        images: (n, V, H, W, 3) uint8.
        records: (n,) of the task's frame type.
        success: whether the goal was reached in the end.
    """

    goal: Goal
    images: np.ndarray
    records: np.ndarray
    success: bool


def demonstrations(task: Task, rng: np.random.Generator) -> Iterator[Demonstration]:
    """Of one scene: one, or several one after the other, as the task demonstrates."""
    environment = task.environment(rng)
    frames: list[tuple[np.ndarray, np.void]] = []
    begun = 1

    def ended() -> Demonstration:
        goal = environment.goals[begun - 1]
        records = np.array([record for _, record in frames], task.frame)
        return Demonstration(goal, np.stack([one for one, _ in frames]), records, task.reached(environment, [goal]))

    for frame in environment.demonstrate(1):
        if len(environment.goals) > begun:
            yield ended()
            frames.clear()
            begun += 1
        frames.append(frame)
    yield ended()
    environment.simulator.close()


class EpisodeMaker:
    """Makes a task's demonstrations into episodes.

    Attributes:
        features: of the dataset.
    """

    def __init__(self, task: Task):
        self._task, profile = task, task.profile
        self._layout = Layout(profile)
        self._views = {view.name: f"observation.images.{view.name}" for view in profile.views}
        self._names = _entries(profile, self._layout)
        self._slots = np.array(list(self._names))
        numbers = Feature("float32", (len(self._names),), tuple(self._names.values()))
        picture = Feature("video", (IMAGE_SIZE, IMAGE_SIZE, 3), ("height", "width", "channels"))
        count = 1 + _INSTRUCTIONS + len(np.zeros((), task.frame)["chunks"])
        self.features: dict[str, Feature] = {
            **dict.fromkeys(self._views.values(), picture),
            "observation.state": numbers,
            "action": numbers,
            **branch_features(count, HORIZON, numbers),
        }

    def episode(self, shown: Demonstration, rng: np.random.Generator, extra: Mapping[str, Any]) -> EpisodeData:
        """An episode; ``rng`` draws instructions and questions."""
        states = self._task.states(shown.records)
        branches = [self._branches(record, state, shown.goal, rng) for record, state in zip(shown.records, states)]
        tasks, subtasks, motions, known, weights = zip(*branches)
        action = np.array(motions)
        columns = {"observation.state": states[:, self._slots], "action": action[:, 0, 0]}
        pictures = {column: shown.images[:, view] for view, column in enumerate(self._views.values())}
        plan = [Entry("assistant", "\n".join(shown.goal.subtasks()), "plan", 0.0)]
        events = [
            (row, entry)
            for row, record in enumerate(shown.records)
            for question, answer in self._questions(record, rng).items()
            for entry in self._asked(question, answer)
        ]
        return EpisodeData(
            columns, pictures, shown.goal.text(), [row[0] for row in subtasks], plan, events,
            Branches(tasks, subtasks, action, np.array(known), np.array(weights)),
            {"success": shown.success, **extra},
        )  # fmt: skip

    def _branches(self, record: np.void, state: np.ndarray, goal: Goal, rng: np.random.Generator) -> tuple[Any, ...]:
        """Of one frame: B instructions, the subtasks that they call for, their targets (B, H, A), which of them are
        known (B, H), and weights (B,)."""
        language = self._task.language
        names, shares = self._task.subtasks(record)
        drawn = [language.instruction(rng, record) for _ in range(_INSTRUCTIONS)]
        called = {goal.text(): language.active_subtask(record, [goal])}
        for text, goals in drawn:
            if len(language.phases(goals)) > 1:  # a frame does not tell which
                continue
            called.setdefault(text, language.active_subtask(record, goals))
        pairs: list[tuple[str | None, str]] = list(called.items())
        pairs += [(None, name) for name in names if name not in called.values()]
        count = self.features["branches.known"].shape[0]
        targets = np.zeros((count, HORIZON, len(self._slots)), np.float32)
        known, weights = np.zeros((count, HORIZON), bool), np.zeros(count, np.float32)
        for branch, (_, subtask) in enumerate(pairs):
            # Once all is done, hands go on with what they did last: they clear the cube, they hold the tray.
            doing = goal.subtasks()[-1] if branch == 0 and subtask == prompts.DONE else subtask
            if doing in names:
                which = names.index(doing)
                chunk = self._task.actions(record["chunks"][which])
                targets[branch] = self._layout.absolute(chunk, state)[:, self._slots]
                known[branch], weights[branch] = True, shares[which] * (subtask in names)
        instructions, subtasks = zip(*pairs, *[(None, None)] * (count - len(pairs)))
        return instructions, subtasks, targets, known, weights

    def _questions(self, record: np.void, rng: np.random.Generator) -> dict[str, str]:
        """Questions about a frame, with their answers."""
        language = self._task.language
        kinds = {kind: share for kind, (share, _) in language.material.items() if kind not in INSTRUCTED}
        drawn = [language.sample(rng, record, kinds) for _ in range(_QUESTIONS)]
        return {prompt.removeprefix(_FIRST).removesuffix(_LAST): answer for _, prompt, answer in drawn}

    def _asked(self, question: str, answer: str) -> tuple[Entry, Entry]:
        camera = self._views[_view_of(question, list(self._views))]
        return Entry("user", question, "vqa", None, camera), Entry("assistant", answer, "vqa", None, camera)

    def mapping(self) -> str:
        """The mapping (:mod:`wall_oss_ros.data.mapping`) that the episodes are read by, as YAML."""
        profile = self._task.profile
        arms: dict[str, dict[str, Any]] = {"observation.state": {}, "action": {}}
        for column, half in arms.items():
            for one in profile.arms:
                at = [[name for slot, name in self._names.items() if name.startswith(f"{dof}.")] for dof in _pose(one)]
                half[one.arm.name] = {
                    "position": {"column": column, "at": at[0]},
                    "rotation": {"column": column, "at": at[1], "form": "euler"},
                    "gripper": {"column": column, "at": [one.gripper.dof], "unit": "m"},
                }
        content = {
            "description": f"Demonstrations of {profile.full_name} in simulation",
            "views": self._views,
            "state": {"arms": arms["observation.state"]},
            "action": {"arms": arms["action"]},
            # Rotations are measured from the profile's tool_rotation, as a state's are.
            "frames": {one.arm.name: {"tool": {"rotation": list(one.arm.tool_rotation)}} for one in profile.arms},
            "language": {"subtask": "subtask", "plan": "plan", "acts_on": "subtask", "questions": True},
            "branches": True,
        }
        head = f"# Written by wall-oss data demonstrate: how this dataset is read for robot {profile.full_name}.\n"
        return head + yaml.safe_dump(content, sort_keys=False, width=110, default_flow_style=None)


def _pose(one: RobotProfile) -> tuple[str, str]:
    return one.arm.position_dof, one.arm.rotation_dof


def _entries(profile: RobotProfile, layout: Layout) -> dict[int, str]:
    """Names of the arms' entries, by their place in the layout."""
    found = {}
    for one in profile.arms:
        for dof, words in zip(_pose(one), (("x", "y", "z"), ("roll", "pitch", "yaw"))):
            found |= {layout.slots[dof].start + at: f"{dof}.{word}" for at, word in enumerate(words)}
        found[layout.slots[one.gripper.dof].start] = one.gripper.dof
    return dict(sorted(found.items()))


def _view_of(question: str, views: list[str]) -> str:
    """The view that a question names; the first where it names none."""
    if "wrist view" not in question:
        return views[0]
    wrists = [view for view in views if "wrist" in view]
    return next((view for view in wrists if view.replace("_", " ") in question), wrists[0])
