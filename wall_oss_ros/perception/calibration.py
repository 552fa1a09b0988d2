# SPDX-License-Identifier: Apache-2.0
"""Where a view's camera was and how it projects: by what drivers and tf say, checked against our own kinematics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from wall_oss_ros.perception.lens import Lens
from wall_oss_ros.robots.components import View
from wall_oss_ros.robots.frames import Frames

_DISTANCE, _ANGLE = 0.03, np.radians(3.0)  # m, rad: beyond these, two ways to find a camera disagree


class Transform(NamedTuple):
    """pose: (4, 4), m. static: whether it is fixed all the way."""

    pose: np.ndarray
    static: bool


LookUp = Callable[[str, str, float | None], Transform | None]
"""The pose of the second frame in the first at a time (s), or the newest one for None, by tf; None if unknown."""


class Calibration:
    """Finds the cameras of one robot's views.

    Args:
        frames: the robot's.
        base: its base frame.
        look_up: asks tf.

    Attributes:
        absent: by view, what is not known.
        doubts: by view, what contradicts something else.
    """

    def __init__(self, frames: Frames, base: str, look_up: LookUp):
        self._frames, self._base, self._look_up = frames, base, look_up
        self._in_urdf = frozenset(frames.links)
        self._lenses: dict[str, Lens] = {}
        self._links: dict[str, str] = {}  # by camera frame: the link that it was last found to be mounted on
        self.absent: dict[str, str] = {}
        self.doubts: dict[str, str] = {}

    def hear(self, view: str, lens: Lens) -> None:
        """A CameraInfo has come."""
        self._lenses[view] = lens

    def camera(
        self, view: View, frame: str, stamp: float, joints: Mapping[str, float], height: int, width: int
    ) -> tuple[Lens | None, np.ndarray | None]:
        """The lens for a picture as it came, and the camera's pose (4, 4) in the base frame; None if unknown.

        Args:
            frame: what the picture itself says that it was taken in; may be empty.
            stamp: when, s.
            joints: positions by name then, rad or m.
            height, width: of the picture, pixels.
        """
        self.absent.pop(view.name, None)
        self.doubts.pop(view.name, None)
        return self._lens(view, height, width), self._pose(view, frame, stamp, joints)

    def _lens(self, view: View, height: int, width: int) -> Lens | None:
        lens = self._lenses.get(view.name)
        if lens is None:
            return self._lacks(view, f"nothing on {view.camera_info_topic}")
        if not lens.calibrated:
            return self._lacks(view, f"{view.camera_info_topic} says that it is not calibrated")
        if lens.fault:
            return self._lacks(view, f"{view.camera_info_topic}: {lens.fault}")
        if not lens.fits(height, width):
            self.doubts[view.name] = (
                f"{view.camera_info_topic} is for {lens.words}, the pictures are {width} x {height}"
            )
            return None
        return lens.resized(height, width)

    def _pose(self, view: View, frame: str, stamp: float, joints: Mapping[str, float]) -> np.ndarray | None:
        pose = self._of_frame(view, view.optical_frame, stamp, joints)
        if frame in ("", view.optical_frame):
            return pose if pose is not None else self._lacks(view, self._unknown(view.optical_frame))
        other = self._of_frame(view, frame, stamp, joints)
        if pose is None and other is None:
            return self._lacks(view, self._unknown(f"{view.optical_frame} nor {frame}"))
        if pose is None:
            return other
        if other is not None and (apart := _apart(pose, other)):
            self.doubts[view.name] = (
                f"its pictures are of frame {frame}, its profile says {view.optical_frame}: {apart}"
            )
        return pose

    def _of_frame(self, view: View, camera: str, stamp: float, joints: Mapping[str, float]) -> np.ndarray | None:
        """By tf at that time; else by the link that it is mounted on and our own forward kinematics."""
        by_tf = self._look_up(self._base, camera, stamp)
        if by_tf is not None and not np.isfinite(by_tf.pose).all():
            by_tf = None
        own = self._by_kinematics(camera, joints)
        if by_tf is None:
            return own
        if own is not None and (apart := _apart(by_tf.pose, own)):
            self.doubts[view.name] = f"tf and the profile's kinematics do not agree on {camera}: {apart}"
        return by_tf.pose

    def _by_kinematics(self, camera: str, joints: Mapping[str, float]) -> np.ndarray | None:
        if camera in self._in_urdf:
            return self._frames.pose(camera, self._base, joints)
        known = self._links.get(camera)
        for link in [known] if known else self._frames.links:
            mount = self._look_up(link, camera, None)
            if mount is not None and mount.static and np.isfinite(mount.pose).all():
                self._links[camera] = link
                self._frames.mount(link, camera, mount.pose)
                return self._frames.pose(camera, self._base, joints)
        self._links.pop(camera, None)
        return None

    def _unknown(self, frames: str) -> str:
        return f"tf does not lead from {self._base} to {frames}"

    def _lacks(self, view: View, what: str) -> Any:
        """None, which is then known to be lacking."""
        self.absent[view.name] = "; ".join(filter(None, (self.absent.get(view.name), what)))
        return None


def _apart(one: np.ndarray, other: np.ndarray) -> str:
    """How far two poses are apart, in words; empty if they are as good as one."""
    distance = float(np.linalg.norm(one[:3, 3] - other[:3, 3]))
    angle = float(np.arccos(np.clip((np.trace(one[:3, :3].T @ other[:3, :3]) - 1) / 2, -1, 1)))
    if distance <= _DISTANCE and angle <= _ANGLE:
        return ""
    return f"{100 * distance:.0f} cm and {np.degrees(angle):.0f} degrees apart"
