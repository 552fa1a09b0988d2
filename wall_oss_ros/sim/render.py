# SPDX-License-Identifier: Apache-2.0
"""Off-screen pictures of a MuJoCo scene, about a millisecond for a 112 x 112 view."""

from __future__ import annotations

import importlib
import os
import weakref

import numpy as np

from wall_oss_ros.sim.engine import mujoco
from wall_oss_ros.sim.opengl import no_rendering


class Renderer:
    """Draws any camera of one model at one size. All calls must come from the thread that made it (OpenGL's rule).

    Args:
        model: the compiled scene.
        height, width: of the pictures, in pixels.

    Raises:
        WallOSSError: no OpenGL library works here.
    """

    def __init__(self, model: mujoco.MjModel, height: int, width: int):
        backend = os.environ.get("MUJOCO_GL", "disabled").lower()
        if backend not in ("egl", "osmesa", "glfw"):
            raise no_rendering(f"MUJOCO_GL is {backend!r}")
        model.vis.global_.offheight = max(model.vis.global_.offheight, height)
        model.vis.global_.offwidth = max(model.vis.global_.offwidth, width)
        try:
            # MuJoCo's own back-ends without its Renderer: one context is kept current, none is made for a frame.
            self._gl = importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
            self._gl.make_current()
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        except Exception as error:
            raise no_rendering(f"{backend}: {error}") from error
        # Runs when this object goes, and before Python takes its modules apart, when OSMesa could not free any more.
        self._release = weakref.finalize(self, _free, self._gl, self._context)
        self._release.atexit = False  # by then the display is gone, and the process takes the rest with it
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR  # does not round what is far
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._model = model
        self._rectangle = mujoco.MjrRect(0, 0, width, height)
        self._scene = mujoco.MjvScene(model, maxgeom=200)
        for flag in (
            mujoco.mjtRndFlag.mjRND_SHADOW,
            mujoco.mjtRndFlag.mjRND_REFLECTION,
            mujoco.mjtRndFlag.mjRND_SKYBOX,
        ):
            self._scene.flags[flag] = 0
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = 0
        self._option.geomgroup[1:3] = 1  # 1 robot's visual shapes, 2 table and objects; 0 are collision shapes
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED

    def render(self, data: mujoco.MjData, camera: str, depth: np.ndarray | None = None) -> np.ndarray:
        """The view of a named camera, (height, width, 3) uint8 RGB.

        Args:
            depth: (height, width) float32; gets OpenGL's depth buffer, lowest row first.
        """
        self._camera.fixedcamid = self._model.camera(camera).id
        self._gl.make_current()
        mujoco.mjv_updateScene(
            self._model, data, self._option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        mujoco.mjr_render(self._rectangle, self._scene, self._context)
        pixels = np.empty((self._rectangle.height, self._rectangle.width, 3), np.uint8)
        mujoco.mjr_readPixels(pixels, depth, self._rectangle, self._context)
        return np.ascontiguousarray(pixels[::-1])  # OpenGL's first row is the lowest

    def render_with_depth(self, data: mujoco.MjData, camera: str) -> tuple[np.ndarray, np.ndarray]:
        """As ``render``, drawn once, and how far away it is along the camera's z, (height, width) float32 m.

        Where nothing is, that is the far end of what is drawn.
        """
        shares = np.empty((self._rectangle.height, self._rectangle.width), np.float32)
        pixels = self.render(data, camera, shares)
        near, far = (one * self._model.stat.extent for one in (self._model.vis.map.znear, self._model.vis.map.zfar))
        # OpenGL's depth buffer is linear in 1 / z; 1 is near and 0 is far, as it was asked for.
        return pixels, near * far / (near + np.ascontiguousarray(shares[::-1]) * (far - near))

    def close(self) -> None:
        """Frees the OpenGL context; further calls do nothing."""
        self._release()


def _free(gl, context: mujoco.MjrContext) -> None:
    gl.make_current()
    context.free()
    gl.free()
