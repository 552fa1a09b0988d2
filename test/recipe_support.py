# SPDX-License-Identifier: Apache-2.0
"""Recipes on recordings of two robots that lie in memory: one that talks and one that is silent."""

import numpy as np
import torch
import yaml
from arm_space_support import content, save
from recorded_support import Drive, Recordings
from training_support import SMALL

from wall_oss_ros.training import sources
from wall_oss_ros.training.recipe import Recipe, load_recipe

DRIVE = Drive(24)
TASKS, SUBTASKS = {0: "pick up the cup", 1: "wipe the table"}, {0: "reach the cup", 1: "lift it"}
ARM = {"joints": {"column": "q"}, "gripper": {"column": "hand", "unit": "m"}}
MAPS = {
    "talking.yaml": {
        "views": {"face_view": "front"}, "language": {"subtask": "subtask"},
        "state": {"arms": {"arm": ARM}}, "action": "next_state",
    },
    "silent.yaml": {  # two views; nothing is told but what the arm does, and that not by its gripper
        "views": {"face_view": "front", "right_wrist_view": "side"},
        "state": {"arms": {"arm": {"joints": ARM["joints"]}}}, "action": "next_state",
    },
}  # fmt: skip


def recordings(side: bool, offset: float) -> Recordings:
    tables = []
    for episode in range(4):
        times = DRIVE.times[: 16 + episode] + offset + 0.5 * episode
        n = len(times)
        tables.append({
            "q": DRIVE.joints(times), "hand": DRIVE.opening(times), "task_index": np.full(n, episode % 2),
            "frame_index": np.arange(n), "subtask_index": np.repeat([0, 1], [8, n - 8]),
        })  # fmt: skip
    views = (("front", 40, 56), ("side", 56, 56)) if side else (("front", 40, 56),)
    return Recordings(tables, views=views, tasks=TASKS, subtasks=SUBTASKS)


STAGE = {
    "name": "all", "steps": 6, "trains": "all", "learning_rate": 3e-3, "vision_rate": 1.0, "warmup": 2, "batch": 4,
    "language_branches": 2, "acting_branches": 2, "draws": 2,
}  # fmt: skip
ONE = {"source": "talking", "mapping": "talking.yaml", "robot": "one.yaml", "held_out": 0.25}
OTHER = {"source": "silent", "mapping": "silent.yaml", "robot": "other.yaml", "held_out": 0.25}


def lay_out(tmp_path, monkeypatch):
    """A folder in which recipes, mappings and profiles lie; its datasets are in memory."""
    made = {"talking": recordings(False, 0.0), "silent": recordings(True, 3.0)}
    monkeypatch.setattr(sources, "open_dataset", made.__getitem__)
    for name, mapping in MAPS.items():
        (tmp_path / name).write_text(yaml.safe_dump(mapping))
    for name in ("one", "other"):
        fields = content("euler", "relative") | {"name": name, "horizon": 4}
        save(tmp_path, fields)
        (tmp_path / "mine.yaml").rename(tmp_path / f"{name}.yaml")
    torch.set_num_threads(1)
    return tmp_path


def recipe(folder, stage=(), **changes) -> Recipe:
    values = {
        "name": "mine", "seed": 5, "vocab_size": 400, "datasets": [ONE, OTHER],
        "model": {**load_recipe("tiny").model, **SMALL, "image_size": 56}, "stages": [STAGE | dict(stage)],
        "validate_every": 3, "save_every": 2, "open_loop_episodes": 1, **changes,
    }  # fmt: skip
    values["model"] = {key: one for key, one in (values["model"] or {}).items() if not key.startswith("action_")}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in values.items() if value is not None}))
    return load_recipe(path)
