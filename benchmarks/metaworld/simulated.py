# SPDX-License-Identifier: Apache-2.0
"""One MetaWorld task in LeRobot's protocol, with the picture that the policy gets. Needs the package metaworld.

The protocol (huggingface/lerobot, src/lerobot/envs/metaworld.py): camera corner2 moved to (0.75, 0.075, 0.7), its
picture turned by 180 degrees; the state is the hand's position (m) and the fingers' opening (0 to 1), the action four
numbers from -1 to 1, the hand's displacement (1 is 1 cm) and the fingers' effort; 500 steps at most; success at any of
them counts. Two things are otherwise: shadows and anti-aliasing are off, which renders about 20 times faster; and only
that square of the picture is drawn in which all tasks take place, at a size at which a puck has ten pixels.
"""

from __future__ import annotations

import os
import warnings
from typing import NamedTuple

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("LP_NUM_THREADS", "1")  # of Mesa's software renderer: one process for each core is faster

import metaworld
import mujoco
import numpy as np
from metaworld.policies import ENV_POLICY_MAP
from suite import LONGEST, PIXELS

warnings.filterwarnings("ignore", message="Constant.s. may be too high")  # of the experts; actions are clipped here

CAMERA, CAMERA_POSITION = "corner2", (0.75, 0.075, 0.7)
LEFT, TOP, SIDE = 0.26, 0.2, 0.6
"""The square that is drawn, as shares of the turned picture. Hands, objects and goals of 10 episodes of each task lie
between 0.30 and 0.82 from the left, 0.26 and 0.72 from the top."""


class Step(NamedTuple):
    """What an action led to: the whole observation (39,), of which a policy gets ``state`` alone, and how it went."""

    observation: np.ndarray
    success: bool
    over: bool


class Task:
    """One task; scenes by seed.

    Args:
        name: MetaWorld's, such as ``reach-v3``.
        pixels: side of the pictures; 0 renders none.
    """

    def __init__(self, name: str, pixels: int = PIXELS):
        benchmark = metaworld.MT1(name, seed=42)
        self._env = benchmark.train_classes[name]()
        self._env.set_task(benchmark.train_tasks[0])
        self._env._freeze_rand_vec = False  # or all scenes would be the same
        self._env.seeded_rand_vec = True
        self._expert = ENV_POLICY_MAP[name]()
        model = self._env.model
        self._camera = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, CAMERA)
        model.cam_pos[self._camera] = CAMERA_POSITION
        model.light_castshadow[:] = False
        model.vis.quality.shadowsize = model.vis.quality.offsamples = 0
        self._focal = 0.5 / np.tan(np.radians(model.cam_fovy[self._camera]) / 2)  # in heights of the whole picture
        # The camera's window: before the picture is turned, what is left of its middle is right of it.
        model.cam_sensorsize[self._camera] = SIDE, SIDE
        middle = (0.5 - (LEFT + SIDE / 2), 0.5 - (TOP + SIDE / 2))
        model.cam_intrinsic[self._camera] = self._focal, self._focal, *middle
        self._pixels = pixels
        self._renderer = mujoco.Renderer(model, pixels, pixels) if pixels else None
        self._steps = 0

    def reset(self, seed: int) -> np.ndarray:
        """The scene of a seed; its observation (39,)."""
        self._env.seed(seed)
        self._steps = 0
        observation = self._env.reset()[0]
        # MetaWorld brings the goal's marker to its place with the first step: a picture before it showed another goal.
        mujoco.mj_forward(self._env.model, self._env.data)
        for site in self._env._target_site_config:
            self._env._set_pos_site(*site)
        return observation

    def step(self, action: np.ndarray) -> Step:
        """Goes on by an action (4,), which is clipped to -1 to 1."""
        observation, _, _, _, info = self._env.step(np.clip(np.asarray(action, np.float64), -1, 1))
        self._steps += 1
        return Step(observation, bool(info["success"]), self._steps >= LONGEST)

    def expert(self, observation: np.ndarray) -> np.ndarray:
        """What MetaWorld's scripted expert, who knows where everything is, would do (4,), -1 to 1."""
        return np.clip(np.asarray(self._expert.get_action(observation), np.float64), -1, 1)

    @staticmethod
    def state(observation: np.ndarray) -> np.ndarray:
        """What a policy may know beside the picture: the hand's position (m) and the fingers' opening (4,)."""
        return observation[:4].astype(np.float32)

    def picture(self) -> np.ndarray:
        """(pixels, pixels, 3) uint8 RGB."""
        self._renderer.update_scene(self._env.data, camera=self._camera)
        return np.ascontiguousarray(self._renderer.render()[::-1, ::-1])

    def points(self, observation: np.ndarray) -> dict[str, tuple[int, int] | None]:
        """Column and row of hand, object and goal in the picture, from the simulator's truth; None outside of it."""
        places = {
            "hand": observation[:3],
            "object": self._env._get_pos_objects()[:3],
            "goal": self._env._target_pos,
        }
        return {name: self._pixel(np.asarray(place, float)) for name, place in places.items()}

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
        self._env.close()

    def _pixel(self, place: np.ndarray) -> tuple[int, int] | None:
        data = self._env.data
        right, up, back = data.cam_xmat[self._camera].reshape(3, 3).T @ (place - data.cam_xpos[self._camera])
        if back >= 0:
            return None
        share = (0.5 - self._focal * right / -back, 0.5 + self._focal * up / -back)  # of the turned, whole picture
        at = (np.array(share) - (LEFT, TOP)) / SIDE * self._pixels
        return (int(at[0]), int(at[1])) if (at >= 0).all() and (at < self._pixels).all() else None
