# SPDX-License-Identifier: Apache-2.0
"""Clocks: the system's, a steady one, and ROS time, which follows /clock while a node uses simulated time."""

from __future__ import annotations

import threading
import time as system_time
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded.callback_groups import MutuallyExclusiveCallbackGroup
from wall_oss_ros.embedded.context import get_default_context
from wall_oss_ros.embedded.exceptions import NotInitializedException
from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.parameter import Parameter
from wall_oss_ros.embedded.qos import QoSProfile, ReliabilityPolicy
from wall_oss_ros.embedded.time import ClockType, Duration, Time
from wall_oss_ros.embedded.time_jumps import ClockChange, JumpHandle, JumpThreshold, TimeJump, announced

__all__ = ["Clock", "ClockChange", "ClockType", "Duration", "JumpHandle", "JumpThreshold", "ROSClock", "Time",
           "TimeJump", "TimeSource"]  # fmt: skip

_USE_SIM_TIME = "use_sim_time"


class Clock:
    """A clock of one of the kinds in `ClockType`; ROS_TIME gives a `ROSClock`."""

    def __new__(cls, *, clock_type: ClockType = ClockType.SYSTEM_TIME):
        if not isinstance(clock_type, ClockType):
            raise TypeError("Clock type must be a ClockType enum")
        return super().__new__(ROSClock if clock_type == ClockType.ROS_TIME else cls)

    def __init__(self, *, clock_type: ClockType = ClockType.SYSTEM_TIME):
        self.clock_type = clock_type
        self._simulated: int | None = None  # ns; only a `ROSClock` has it
        self._changed = threading.Condition()
        self._listeners: list[Callable[[], None]] = []  # called when the time is set
        self._jump_handles: list[JumpHandle] = []

    def __repr__(self) -> str:
        return f"Clock(clock_type={self.clock_type.name})"

    def _nanoseconds(self) -> int:
        if (simulated := self._simulated) is not None:
            return simulated
        return system_time.monotonic_ns() if self.clock_type == ClockType.STEADY_TIME else system_time.time_ns()

    @property
    def _follows_messages(self) -> bool:
        """Whether time only advances when a message says so, so that waiting for it by the wall clock is no use."""
        return self._simulated is not None

    def now(self) -> Time:
        """The present time of this clock."""
        return Time(nanoseconds=self._nanoseconds(), clock_type=self.clock_type)

    def create_jump_callback(
        self, threshold: JumpThreshold, *, pre_callback: Callable[[], Any] | None = None,
        post_callback: Callable[[TimeJump], Any] | None = None,
    ) -> JumpHandle:  # fmt: skip
        """Has callbacks called before and after jumps of the time; `post_callback` is given the `TimeJump`."""
        return JumpHandle(clock=self, threshold=threshold, pre_callback=pre_callback, post_callback=post_callback)

    def sleep_until(self, until: Time, context: Any = None) -> bool:
        """Sleeps until a time of this clock.

        Returns:
            True when the time has come, False when the context was shut down or the clock changed between real and
            simulated time.

        Raises:
            ValueError: the time is of another kind of clock.
            NotInitializedException: the context is not initialised.
        """
        if until.clock_type != self.clock_type:
            raise ValueError("until's clock type does not match this clock's type")
        context = context or get_default_context()
        if not context.ok():
            raise NotInitializedException()
        simulated = self._follows_messages
        context.on_shutdown(self._wake)
        try:
            with self._changed:
                while context.ok():
                    remaining = until.nanoseconds - self._nanoseconds()
                    if remaining <= 0:
                        return True
                    if self._follows_messages != simulated:
                        return False
                    self._changed.wait(None if simulated else remaining / 1e9)
            return False
        finally:
            context.remove_on_shutdown(self._wake)

    def sleep_for(self, rel_time: Duration, context: Any = None) -> bool:
        """Sleeps for a span of this clock's time; see `sleep_until`."""
        return self.sleep_until(self.now() + rel_time, context)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


class ROSClock(Clock):
    """ROS time: the system's time, or that of /clock once the node's ``use_sim_time`` is true."""

    def __new__(cls):
        return object.__new__(cls)

    def __init__(self, *, clock_type: ClockType = ClockType.ROS_TIME):
        super().__init__(clock_type=ClockType.ROS_TIME)
        self._override = 0  # ns; the simulated time, also while it is not in use

    @property
    def ros_time_is_active(self) -> bool:
        """Whether the time is that of /clock."""
        return self._simulated is not None

    def _set_ros_time_is_active(self, enabled: bool) -> None:
        """Turns simulated time on, at 0 until it is set, or off."""
        if enabled != self.ros_time_is_active:
            change = ClockChange.ROS_TIME_ACTIVATED if enabled else ClockChange.ROS_TIME_DEACTIVATED
            self._set(self._override if enabled else None, TimeJump(change, Duration()))

    def set_ros_time_override(self, time: Time) -> None:
        """Sets the simulated time, which counts once that is in use."""
        if not isinstance(time, Time):
            raise TypeError("Time must be specified as rclpy.time.Time")
        before, self._override = self._simulated, time.nanoseconds
        if before is not None:
            delta = Duration(nanoseconds=time.nanoseconds - before)
            self._set(time.nanoseconds, TimeJump(ClockChange.ROS_TIME_NO_CHANGE, delta))

    def _set(self, nanoseconds: int | None, jump: TimeJump) -> None:
        tell = announced(self._jump_handles, jump)
        with self._changed:
            self._simulated = nanoseconds
            self._changed.notify_all()
        tell()
        for listener in list(self._listeners):
            listener()


class TimeSource:
    """Lets a node's clock follow /clock while its parameter ``use_sim_time`` is true."""

    def __init__(self, node: Any):
        self._node = node
        self._subscription: Any = None
        self._group = MutuallyExclusiveCallbackGroup()  # so that a busy node still sees time pass
        if not node.has_parameter(_USE_SIM_TIME):
            node.declare_parameter(_USE_SIM_TIME, False)
        self._use(node.get_parameter(_USE_SIM_TIME).value is True)
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._changed)

    def _check(self, parameters: list[Parameter]) -> Any:
        result = get_interface("rcl_interfaces", "msg", "SetParametersResult")(successful=True)
        for parameter in parameters:
            if parameter.name == _USE_SIM_TIME and parameter.type_ is not Parameter.Type.BOOL:
                result.successful, result.reason = False, f"{_USE_SIM_TIME} parameter must be a boolean"
        return result

    def _changed(self, parameters: list[Parameter]) -> None:
        for parameter in parameters:
            if parameter.name == _USE_SIM_TIME:
                self._use(parameter.value)

    def _use(self, simulated: bool) -> None:
        clock = self._node.get_clock()
        clock._set_ros_time_is_active(simulated)
        if simulated and self._subscription is None:
            profile = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            self._subscription = self._node.create_subscription(
                get_interface("rosgraph_msgs", "msg", "Clock"), "/clock", self._on_clock, profile,
                callback_group=self._group,
            )  # fmt: skip
        elif not simulated and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _on_clock(self, message: Any) -> None:
        self._node.get_clock().set_ros_time_override(Time.from_msg(message.clock))
