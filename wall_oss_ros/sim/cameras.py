# SPDX-License-Identifier: Apache-2.0
"""The simulated robot's cameras, in their own thread: OpenGL allows just one, and physics must not wait for it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.sim.engine import mujoco
from wall_oss_ros.sim.paced_thread import PacedThread
from wall_oss_ros.sim.render import Renderer


class SimulatedCameras:
    """Takes pictures of a running simulation.

    Args:
        simulator: a ``sim.world.World`` that another thread advances.
        lock: what that thread holds while it does.
        clock: gives the time of the simulation's present state, s; called with the lock held.
        views: names of the cameras.
        size: (height, width) of the pictures.
        period: wall time between two rounds of pictures, s.
        taken: called in the cameras' thread with (stamp, view, image (H, W, 3) uint8, depth (H, W) float32 m or None).
        failed: called in the cameras' thread with the exception that ended it.
        with_depth: whether somebody wants the depth of a view now; called in the cameras' thread before each picture.
    """

    def __init__(
        self,
        simulator,
        lock: threading.Lock,
        clock: Callable[[], float],
        views: Sequence[str],
        size: tuple[int, int],
        period: float,
        taken: Callable[[float, str, np.ndarray, np.ndarray | None], None],
        failed: Callable[[Exception], None],
        with_depth: Callable[[str], bool] = lambda _view: False,
    ):
        self._simulator, self._lock, self._clock = simulator, lock, clock
        self._views, self._size, self._taken, self._with_depth = tuple(views), size, taken, with_depth
        self._snapshot = mujoco.MjData(simulator.model)
        self._renderer: Renderer | None = None
        self._ready = threading.Event()
        self._error: Exception | None = None
        self._failed = failed
        self._thread = PacedThread("cameras", period, self._round, self._fail, self._finish)

    def start(self) -> None:
        """Begins to take pictures.

        Raises:
            WallOSSError: nothing on this machine can draw them.
        """
        self._thread.start()
        if not self._ready.wait(30.0):
            raise WallOSSError("The first picture took more than 30 s.", "See whether this machine is overloaded.")
        if isinstance(self._error, WallOSSError):
            raise self._error

    def stop(self) -> None:
        """Ends the thread."""
        self._thread.stop()

    @property
    def rounds(self) -> int:
        """Rounds of pictures taken."""
        return self._thread.steps

    def intrinsics(self, view: str) -> np.ndarray:
        """The camera matrix (3, 3) of a view, pixels."""
        height, width = self._size
        focal = height / 2 / math.tan(self._simulator.camera(view)["fov"] / 2)
        return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])

    def _round(self) -> None:
        if self._renderer is None:
            self._renderer = Renderer(self._simulator.model, *self._size)
        with self._lock:
            mujoco.mj_copyData(self._snapshot, self._simulator.model, self._simulator.data)
            stamp = self._clock()
        for view in self._views:
            if self._with_depth(view):
                self._taken(stamp, view, *self._renderer.render_with_depth(self._snapshot, view))
            else:
                self._taken(stamp, view, self._renderer.render(self._snapshot, view), None)
        self._ready.set()

    def _finish(self) -> None:
        if self._renderer is not None:
            self._renderer.close()  # OpenGL wants this from the thread that made it, too
            self._renderer = None

    def _fail(self, error: Exception) -> None:
        early = not self._ready.is_set()
        self._error = error
        self._ready.set()
        if not (early and isinstance(error, WallOSSError)):
            self._failed(error)
