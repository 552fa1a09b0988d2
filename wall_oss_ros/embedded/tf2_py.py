# SPDX-License-Identifier: Apache-2.0
"""Transforms between coordinate frames, with tf2_py's names and rules.

A frame's transforms are those to its parent, kept for a time by their stamps, or one for good if it is static. Between
two stamps positions are interpolated linearly and rotations along the shortest arc. Time 0 means the latest at which
the whole chain is known.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import yaml

from wall_oss_ros.embedded.exceptions import NotOfferedFeature
from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.logging import get_logger
from wall_oss_ros.embedded.quaternions import (
    quaternion_conjugate,
    quaternion_multiply,
    quaternion_slerp,
    rotated,
    unit_vector,
)
from wall_oss_ros.embedded.time import Duration, Time

TransformStamped = get_interface("geometry_msgs", "msg", "TransformStamped")


class TransformException(Exception):
    """Base of what the buffer raises."""


class LookupException(TransformException):
    """A frame does not exist."""


class ConnectivityException(TransformException):
    """Two frames are not in the same tree."""


class ExtrapolationException(TransformException):
    """The time lies outside the transforms that are kept."""


class InvalidArgumentException(TransformException):
    """Not the name of a frame."""


class TimeoutException(TransformException):
    """Here because tf2 has it; nothing raises it."""


class _Link(NamedTuple):
    """A frame in its parent: v_parent = rotation * v + translation. The rotation is a quaternion of length 1."""

    parent: str
    rotation: np.ndarray
    translation: np.ndarray

    def after(self, other: _Link) -> _Link:
        """This link with `other` below it."""
        translation = rotated(self.rotation, other.translation) + self.translation
        return _Link(self.parent, np.array(quaternion_multiply(self.rotation, other.rotation)), translation)

    def inverse(self) -> _Link:
        turned = quaternion_conjugate(self.rotation)
        return _Link("", turned, -rotated(turned, self.translation))


_IDENTITY = _Link("", np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3))


class _History:
    """The links of one frame to its parent, by stamps in ns."""

    def __init__(self, keep: int):
        self._keep, self._stamps, self._links = keep, [], []

    @property
    def latest(self) -> tuple[int, str]:
        """Stamp and parent; no parent after it was cleared."""
        return (self._stamps[-1], self._links[-1].parent) if self._stamps else (0, "")

    def insert(self, stamp: int, link: _Link) -> bool:
        """Keeps a link; False if it is older than what is kept."""
        oldest = (self._stamps[-1] if self._stamps else stamp) - self._keep
        if stamp < oldest:
            return False
        index = bisect.bisect_right(self._stamps, stamp)
        self._stamps.insert(index, stamp)
        self._links.insert(index, link)
        outdated = bisect.bisect_left(self._stamps, self._stamps[-1] - self._keep)
        del self._stamps[:outdated], self._links[:outdated]
        return True

    def at(self, time: int) -> _Link:
        stamps = self._stamps
        if time == 0 and stamps:
            return self._links[-1]
        if not stamps or not stamps[0] <= time <= stamps[-1]:
            known = f"data from {stamps[0] / 1e9:.6f} to {stamps[-1] / 1e9:.6f} is" if stamps else "no data is"
            where = "the past" if stamps and time < stamps[0] else "the future"
            raise ExtrapolationException(
                f"Lookup would require extrapolation into {where}. Requested time {time / 1e9:.6f} but {known} "
                "in the buffer"
            )
        after = bisect.bisect_left(stamps, time)
        if stamps[after] == time:
            return self._links[after]
        older, newer = self._links[after - 1], self._links[after]
        if older.parent != newer.parent:
            return older
        share = (time - stamps[after - 1]) / (stamps[after] - stamps[after - 1])
        turn = quaternion_slerp(older.rotation, newer.rotation, share)
        return _Link(older.parent, turn, older.translation + share * (newer.translation - older.translation))

    def clear(self) -> None:
        self._stamps, self._links = [], []


class _Static(_History):
    """A link that holds at all times."""

    @property
    def latest(self) -> tuple[int, str]:
        return 0, self._links[0].parent

    def insert(self, stamp: int, link: _Link) -> bool:
        self._links = [link]
        return True

    def at(self, time: int) -> _Link:
        return self._links[0]

    def clear(self) -> None:
        pass


class BufferCore:
    """Keeps transforms for `cache_time` and answers where one frame is in another."""

    def __init__(self, cache_time: Duration = Duration(seconds=10)):
        self._keep = cache_time.nanoseconds
        self._frames: dict[str, _History | None] = {}  # None: known as a parent only
        self._authorities: dict[str, str] = {}
        self._lock = threading.RLock()

    def set_transform(self, transform: Any, authority: str) -> None:
        """Keeps a geometry_msgs/TransformStamped for its stamp; an invalid one is logged and ignored."""
        self._set(transform, authority, _History)

    def set_transform_static(self, transform: Any, authority: str) -> None:
        """Keeps a geometry_msgs/TransformStamped for all times."""
        self._set(transform, authority, _Static)

    def _set(self, message: Any, authority: str, kind: type[_History]) -> None:
        parent, child = message.header.frame_id.removeprefix("/"), message.child_frame_id.removeprefix("/")
        turn, place = message.transform.rotation, message.transform.translation
        turn, place = np.array([turn.x, turn.y, turn.z, turn.w]), np.array([place.x, place.y, place.z])
        problem = (
            "its frame_id and child_frame_id are the same" if parent == child
            else "it has no child_frame_id" if not child
            else "it has no frame_id" if not parent
            else "it has a NaN" if np.isnan([*turn, *place]).any()
            else "its quaternion is all zeros" if not turn.any()
            else ""
        )  # fmt: skip
        if problem:
            get_logger("tf2").error(f"Ignoring the transform of {child!r} from {authority!r}: {problem}")
            return
        stamp = message.header.stamp
        with self._lock:
            if type(self._frames.get(child)) is not kind:
                self._frames[child] = kind(self._keep)
            link = _Link(parent, unit_vector(turn), place)
            if not self._frames[child].insert(stamp.sec * 10**9 + stamp.nanosec, link):
                get_logger("tf2").warning(f"Ignoring old data of frame {child!r} from {authority!r}")
                return
            self._frames.setdefault(parent, None)
            self._authorities[child] = authority

    def clear(self) -> None:
        """Forgets all transforms but the static ones."""
        with self._lock:
            for history in self._frames.values():
                if history is not None:
                    history.clear()

    def lookup_transform_core(self, target_frame: str, source_frame: str, time: Any) -> TransformStamped:
        """The pose of the source frame in the target frame, which takes points from source to target.

        Args:
            target_frame, source_frame: names without a leading slash.
            time: rclpy Time or builtin_interfaces/Time; 0 for the latest.

        Raises:
            TransformException: one of its kinds above, as their names say.
        """
        with self._lock:
            return _message(target_frame, source_frame, *self._look_up(target_frame, source_frame, _nanoseconds(time)))

    def lookup_transform_full_core(
        self, target_frame: str, target_time: Any, source_frame: str, source_time: Any, fixed_frame: str
    ) -> TransformStamped:
        """The pose of the source frame at one time in the target frame at another, while `fixed_frame` stood still."""
        with self._lock:
            source, _ = self._look_up(fixed_frame, source_frame, _nanoseconds(source_time))
            target, stamp = self._look_up(target_frame, fixed_frame, _nanoseconds(target_time))
            return _message(target_frame, source_frame, target.after(source), stamp)

    def can_transform_core(self, target_frame: str, source_frame: str, time: Any) -> tuple[bool, str]:
        """Whether `lookup_transform_core` would answer, and why not."""
        return _succeeds(self.lookup_transform_core, target_frame, source_frame, time)

    def can_transform_full_core(
        self, target_frame: str, target_time: Any, source_frame: str, source_time: Any, fixed_frame: str
    ) -> tuple[bool, str]:
        asked = target_frame, target_time, source_frame, source_time, fixed_frame
        return _succeeds(self.lookup_transform_full_core, *asked)

    def get_latest_common_time(self, target_frame: str, source_frame: str) -> Time:
        """The latest time at which one is known in the other; 0 when only static transforms lie between them."""
        with self._lock:
            return Time(nanoseconds=self._latest_common(target_frame, source_frame))

    def all_frames_as_yaml(self) -> str:
        """Every frame with its parent, authority and the span of its transforms (s)."""
        with self._lock:
            frames = {
                name: {
                    "parent": history.latest[1],
                    "broadcaster": self._authorities[name],
                    "most_recent_transform": history.latest[0] / 1e9,
                    "oldest_transform": (history._stamps[0] if history._stamps else 0) / 1e9,
                }
                for name, history in self._frames.items()
                if history is not None and history.latest[1]
            }
        return yaml.safe_dump(frames) if frames else "[]"

    def all_frames_as_string(self) -> str:
        """A line for each frame with its parent."""
        with self._lock:
            parents = {name: history.latest[1] for name, history in self._frames.items() if history is not None}
        return "".join(f"Frame {name} exists with parent {parent}.\n" for name, parent in parents.items() if parent)

    def _no_velocities(self, *_: Any, **__: Any) -> Any:
        raise NotOfferedFeature("velocities of frames")

    lookupVelocityCore = lookupVelocityFullCore = _no_velocities

    # How it is found

    def _look_up(self, target: str, source: str, time: int) -> tuple[_Link, int]:
        """The source in the target, and the time for which that holds."""
        if target == source:
            history = self._frames.get(target)
            return _IDENTITY, time or (history.latest[0] if history else 0)
        for role, frame in (("target", target), ("source", source)):
            if not frame or frame.startswith("/"):
                raise InvalidArgumentException(
                    f'Invalid argument "{frame}" passed to lookupTransform argument {role}_frame - in tf2 frame_ids '
                    f"cannot {'start with a /' if frame else 'be empty'}"
                )
            if frame not in self._frames:
                raise LookupException(f'"{frame}" passed to lookupTransform argument {role}_frame does not exist.')
        time = time or self._latest_common(target, source)
        above_source, source_error = self._ancestors(source, time)
        above_target, target_error = self._ancestors(target, time)
        for frame, link in above_target.items():
            if frame in above_source:
                return link.inverse().after(above_source[frame]), time
        if target_error or source_error:
            raise ExtrapolationException(
                f"{target_error or source_error}, when looking up transform from frame [{source}] to frame [{target}]"
            )
        raise _unconnected(target, source)

    def _ancestors(self, frame: str, time: int) -> tuple[dict[str, _Link], str]:
        """A frame and those above it, with its pose in each; and why it goes no further, other than for the root."""
        found, link = {frame: _IDENTITY}, _IDENTITY
        while (history := self._frames.get(frame)) is not None:
            try:
                step = history.at(time)
            except ExtrapolationException as error:
                return found, str(error)
            frame, link = step.parent, step.after(link)
            if frame in found:
                raise LookupException("The tf tree is invalid because it contains a loop.")
            found[frame] = link
        return found, ""

    def _latest_common(self, target: str, source: str) -> int:
        def stamps_above(frame: str) -> dict[str, list[int]]:
            found, stamps = {frame: []}, []
            while (history := self._frames.get(frame)) is not None and history.latest[1]:
                stamp, frame = history.latest
                if frame in found:
                    raise LookupException("The tf tree is invalid because it contains a loop.")
                stamps = [*stamps, stamp] if stamp else stamps
                found[frame] = stamps
            return found

        above_source = stamps_above(source)
        for frame, stamps in stamps_above(target).items():
            if frame in above_source:
                return min([*stamps, *above_source[frame]], default=0)
        raise _unconnected(target, source)


def _nanoseconds(time: Any) -> int:
    return time.nanoseconds if hasattr(time, "nanoseconds") else time.sec * 10**9 + time.nanosec


def _unconnected(target: str, source: str) -> ConnectivityException:
    return ConnectivityException(
        f"Could not find a connection between '{target}' and '{source}' because they are not part of the same tree. "
        "Tf has two or more unconnected trees."
    )


def _succeeds(look_up: Callable, *asked: Any) -> tuple[bool, str]:
    try:
        look_up(*asked)
    except TransformException as error:
        return False, str(error)
    return True, ""


def _message(target: str, source: str, link: _Link, stamp: int) -> TransformStamped:
    message = TransformStamped(child_frame_id=source)
    message.header.frame_id = target
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
    for part, names, values in (
        (message.transform.translation, "xyz", link.translation.tolist()),
        (message.transform.rotation, "xyzw", link.rotation.tolist()),
    ):
        for name, value in zip(names, values):
            setattr(part, name, value)
    return message
