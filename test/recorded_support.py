# SPDX-License-Identifier: Apache-2.0
"""Recordings that lie in memory, with the face of a LeRobot dataset; and a Franka that moves as it is told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from wall_oss_ros.data.mapping.spec import Mapping, load_mapping
from wall_oss_ros.robots.checked import checked
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import RobotProfile, load_profile


class Feature(NamedTuple):
    dtype: str
    shape: tuple
    names: tuple | None = None
    depth: bool = False


class Episode(NamedTuple):
    index: int
    length: int
    tasks: tuple = ()
    extra: dict = {}


class Recordings:
    """Episodes as tables of columns. A view named ``name`` has pictures whose red is the row, green the episode."""

    version, robot_type = "v3.0", None

    def __init__(self, tables, views=(("front", 48, 64),), fps=10.0, names=None, tasks=None, subtasks=None, extra=None):
        self.folder, self.fps, self._tables = Path("recordings"), fps, tables
        self.features = {name: Feature("video", (h, w, 3), ("height", "width", "channels")) for name, h, w in views}
        for name, values in tables[0].items():
            values = np.asarray(values)
            text = values.dtype.kind in "UO"
            shape = values.shape[1:] or (1,)
            self.features[name] = Feature("string" if text else str(values.dtype), shape, (names or {}).get(name))
        self.tasks = {0: "pick up the cup"} if tasks is None else tasks
        self.subtasks = subtasks or {}
        self.episodes = tuple(
            Episode(i, len(next(iter(table.values()))), tuple(self.tasks.values()), (extra or {}).get(i, {}))
            for i, table in enumerate(tables)
        )
        self.shown = []

    def columns(self, episode, names=None, rows=slice(None)):
        return {name: np.asarray(self._tables[episode][name])[rows] for name in names or self._tables[episode]}

    def pictures(self, key, episode, rows):
        self.shown.append((key, episode, tuple(rows)))
        height, width, _ = self.features[key].shape
        made = np.full((len(rows), height, width, 3), 200, np.uint8)
        made[..., 0], made[..., 1] = np.asarray(rows)[:, None, None], episode
        return made

    def language(self, episode):
        table, rows = self._tables[episode], self.episodes[episode].length
        numbers = table.get("subtask_index", [None] * rows)
        subtasks = [None if n is None else self.subtasks[int(n)] for n in numbers]
        return SimpleNamespace(subtasks=subtasks, persistent=(), events=())


def mapping(content: dict) -> Mapping:
    return checked(Mapping, {"views": {"face_view": "front"}, **content})


def profile_of(path: str, **changes) -> RobotProfile:
    return load_profile(path).model_copy(update=changes)


class Drive:
    """A Franka that drives along smooth joints: n rows at ``fps``, and what it does between them."""

    def __init__(self, rows: int = 40, fps: float = 10.0):
        self.arm = Arm(load_profile("franka"))
        self.rows, self.fps = rows, fps
        self.times = np.arange(rows) / fps

    def joints(self, times) -> np.ndarray:
        times = np.asarray(times, float)[..., None]
        speeds = np.linspace(0.3, 0.9, 7)
        return self.arm.home + 0.2 * np.sin(speeds * times + np.arange(7))

    def poses(self, times) -> tuple[np.ndarray, np.ndarray]:
        flat = self.joints(times).reshape(-1, 7)
        position, rotation = map(np.array, zip(*(self.arm.fk(q) for q in flat)))
        shape = np.shape(times)
        return position.reshape(*shape, 3), rotation.reshape(*shape, 3, 3)

    def opening(self, times) -> np.ndarray:
        return 0.04 + 0.04 * np.sin(np.asarray(times))


def quaternion(rotation) -> np.ndarray:
    flat = Rotation.from_matrix(np.reshape(rotation, (-1, 3, 3))).as_quat()
    return flat.reshape(*np.shape(rotation)[:-2], 4)


__all__ = ["Drive", "Recordings", "load_mapping", "mapping", "profile_of", "quaternion"]
