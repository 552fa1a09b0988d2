# SPDX-License-Identifier: Apache-2.0
"""Jumps of a clock: when somebody wants to be told, and what of. With rclpy.clock's names."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from wall_oss_ros.embedded.time import Duration


class ClockChange(IntEnum):
    """What became of the source of the time."""

    ROS_TIME_NO_CHANGE = 1
    ROS_TIME_ACTIVATED = 2
    ROS_TIME_DEACTIVATED = 3
    SYSTEM_TIME_NO_CHANGE = 4


@dataclass(frozen=True)
class TimeJump:
    """A jump: what became of the source, and by how much the time changed."""

    clock_change: ClockChange
    delta: Duration


class JumpThreshold:
    """Which jumps count.

    Args:
        min_forward: from this much on; None for none. Above 0.
        min_backward: from this much on; None for none. Below 0.
        on_clock_change: when simulated time is turned on or off.

    Raises:
        ValueError: a span of the wrong sign, or nothing counts.
    """

    def __init__(self, *, min_forward: Duration | None, min_backward: Duration | None, on_clock_change: bool = True):
        if min_forward is not None and min_forward.nanoseconds <= 0:
            raise ValueError("min_forward must be a positive non-zero duration")
        if min_backward is not None and min_backward.nanoseconds >= 0:
            raise ValueError("min_backward must be a negative non-zero duration")
        if min_forward is None and min_backward is None and not on_clock_change:
            raise ValueError("At least one jump threshold must be enabled")
        self.min_forward, self.min_backward, self.on_clock_change = min_forward, min_backward, on_clock_change

    def counts(self, jump: TimeJump) -> bool:
        """Whether a jump is of those."""
        changed = jump.clock_change in (ClockChange.ROS_TIME_ACTIVATED, ClockChange.ROS_TIME_DEACTIVATED)
        return (
            (changed and self.on_clock_change)
            or (self.min_forward is not None and jump.delta >= self.min_forward)
            or (self.min_backward is not None and jump.delta <= self.min_backward)
        )


class JumpHandle(AbstractContextManager):
    """Callbacks before and after a jump, until `unregister` or the end of a ``with``."""

    def __init__(
        self, *, clock: Any, threshold: JumpThreshold, pre_callback: Callable[[], Any] | None,
        post_callback: Callable[[TimeJump], Any] | None,
    ):  # fmt: skip
        if pre_callback is None and post_callback is None:
            raise ValueError("One of pre_callback or post_callback must be callable")
        for name, callback in (("pre_callback", pre_callback), ("post_callback", post_callback)):
            if callback is not None and not callable(callback):
                raise ValueError(f"{name} must be callable if given")
        self._clock, self.threshold = clock, threshold
        self.pre_callback, self.post_callback = pre_callback, post_callback
        clock._jump_handles.append(self)

    def unregister(self) -> None:
        """Ends it."""
        if self in self._clock._jump_handles:
            self._clock._jump_handles.remove(self)

    def __exit__(self, *_: Any) -> None:
        self.unregister()


def announced(handles: list[JumpHandle], jump: TimeJump) -> Callable[[], None]:
    """Calls what is to be called before a jump; the result calls what comes after it."""
    concerned = [handle for handle in list(handles) if handle.threshold.counts(jump)]
    for handle in concerned:
        if handle.pre_callback is not None:
            handle.pre_callback()

    def after() -> None:
        for handle in concerned:
            if handle.post_callback is not None:
                handle.post_callback(jump)

    return after
