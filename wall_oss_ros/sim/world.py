# SPDX-License-Identifier: Apache-2.0
"""A robot in a scene: physics, sensors and cameras. Subclasses say what stands in the scene."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.sim import cell
from wall_oss_ros.sim.appearance import PLAIN, Appearance, Look
from wall_oss_ros.sim.engine import mujoco
from wall_oss_ros.sim.render import Renderer
from wall_oss_ros.sim.servos import ServoArm, ServoJoints

IMAGE_SIZE = 112  # pixels


class World(ABC):
    """Positions in the base frame of the robot's arms (m), joints in rad or m, openings in m, time in s.

    Rendering must happen in one thread (see ``render.Renderer``); physics may run in another if the caller locks.
    A robot's base stands still: driving is not simulated.

    Attributes:
        model, data: MuJoCo's.
        profile: the robot's.
        arms: its arms, in the order of the profile's.
        parts: the profile's parts (head, lift) by name.
        spec: what stands in the scene.
    """

    def __init__(self, model: mujoco.MjModel, profile: RobotProfile, spec):
        self.model, self.data, self.profile, self.spec = model, mujoco.MjData(model), profile, spec
        self.arms = tuple(ServoArm(model, self.data, arm) for arm in profile.arms)
        self.parts = {
            part.name: ServoJoints(model, self.data, part.joints, profile.simulation.parts[part.name], part.home)
            for part in profile.parts
        }
        self._base = cell.base_body(model, profile)
        self._views = tuple(view.name for view in profile.views)
        self._renderers: dict[tuple[int, int], Renderer] = {}
        self._look = Look(model)
        self.reset()

    def reset(self, spec=None) -> None:
        """Robot at home, grippers open, objects where ``spec`` says, time 0. Without a spec, the same scene again."""
        if spec is not None:
            if len(spec.colours) != len(self.spec.colours):
                raise ValueError(f"the model has {len(self.spec.colours)} objects, the scene has {len(spec.colours)}")
            self.spec = spec
        mujoco.mj_resetData(self.model, self.data)
        self._lay_out()
        for arm in self.arms:
            arm.place(arm.home, arm.open)
        for part in self.parts.values():
            part.place_joints(part.home)
        mujoco.mj_forward(self.model, self.data)

    def dress(self, appearance: Appearance = PLAIN) -> None:
        """Makes the scene look otherwise, or plain again; a reset leaves that as it is."""
        self._look.put_on(appearance)
        mujoco.mj_forward(self.model, self.data)

    @property
    def standing_cameras(self) -> tuple[str, ...]:
        """Cameras that no arm carries."""
        return self._look.cameras

    @abstractmethod
    def _lay_out(self) -> None:
        """Writes ``self.spec`` into model and data."""

    def step(self, dt: float) -> None:
        """Advances physics by ``dt``, rounded to whole timesteps (at least one)."""
        for _ in range(max(1, round(dt / self.model.opt.timestep))):
            for arm in self.arms:
                arm.advance(self.model.opt.timestep)
            mujoco.mj_step(self.model, self.data)
        # mj_step leaves poses one step behind the joints; what is read or drawn next should agree with them.
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    @property
    def time(self) -> float:
        """Simulated time since the reset."""
        return float(self.data.time)

    # Cameras

    def render(self, view: str, height: int = IMAGE_SIZE, width: int = IMAGE_SIZE) -> np.ndarray:
        """A camera's picture, (height, width, 3) uint8 RGB. Views: those of the profile."""
        return self._renderer(view, height, width).render(self.data, view)

    def render_with_depth(
        self, view: str, height: int = IMAGE_SIZE, width: int = IMAGE_SIZE
    ) -> tuple[np.ndarray, np.ndarray]:
        """As ``render``, and how far away it is along the camera's z, (height, width) float32 m."""
        return self._renderer(view, height, width).render_with_depth(self.data, view)

    def _renderer(self, view: str, height: int, width: int) -> Renderer:
        if view not in self._views:
            raise WallOSSError(
                f"The simulation has no view {view!r}; it has {', '.join(self._views)}.", "Correct the name."
            )
        if (height, width) not in self._renderers:
            self._renderers[height, width] = Renderer(self.model, height, width)
        return self._renderers[height, width]

    def camera(self, view: str) -> dict:
        """``fov`` (vertical, rad); ``position`` (3,), ``rotation`` (3, 3) in the base frame; z is forward."""
        index = self.model.camera(view).id
        rotation = self.data.cam_xmat[index].reshape(3, 3) * (1, -1, -1)  # MuJoCo looks along -z with y up
        base = self.data.xmat[self._base].reshape(3, 3)
        return {
            "fov": math.radians(self.model.cam_fovy[index]),
            "position": base.T @ (self.data.cam_xpos[index] - self.data.xpos[self._base]),
            "rotation": base.T @ rotation,
        }

    def project(self, view: str, point, height: int = IMAGE_SIZE, width: int = IMAGE_SIZE) -> np.ndarray:
        """Where a point (3,) of the base frame appears in a view: (2,) pixels, x right and y down from the upper left.

        It may lie outside the picture or behind something; a point behind the camera gives NaN.
        """
        camera = self.camera(view)
        x, y, z = camera["rotation"].T @ (np.asarray(point, float) - camera["position"])
        if z <= 0:
            return np.full(2, np.nan)
        focal = height / 2 / math.tan(camera["fov"] / 2)
        return np.array([width / 2 + focal * x / z, height / 2 + focal * y / z])

    def observation(self, profile: RobotProfile) -> Observation:
        """What the robot's sensors say now, in a profile's views and state layout, with pictures of ``IMAGE_SIZE``."""
        images = {view.name: self.render(view.name) for view in profile.views}
        state, mask = self.state(profile)
        return Observation(stamp=self.time, images=images, state=state, state_mask=mask)

    def state(self, profile: RobotProfile) -> tuple[np.ndarray, np.ndarray]:
        """State (A,) float32 and its mask (A,) bool in a profile's layout. The base's place is not measured here."""
        poses = [(*arm.tcp, arm.gripper_width, arm.q) for arm in self.arms]
        parts = {part.dof: self.parts[part.name].q for part in profile.parts}
        return Layout(profile).pack_all(poses, parts)

    def close(self) -> None:
        """Frees the renderers."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()
