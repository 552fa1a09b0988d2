# SPDX-License-Identifier: Apache-2.0
"""Timers, and rates built on them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded.clock import Clock, ROSClock
from wall_oss_ros.embedded.exceptions import ROSInterruptException

_FOREVER = 2**63 - 1


class Timer:
    """Calls a function every period of its clock; missed calls are skipped, not made up for.

    Args:
        callback: called without arguments.
        callback_group: which callbacks exclude it.
        timer_period_ns: period in ns, not negative.
        clock: whose time it follows.
        context: accepted for rclpy's sake.
        autostart: False makes it wait for `reset`.
    """

    condition = None  # of DDS: none
    is_timer = True

    def __init__(
        self,
        callback: Callable | None,
        callback_group: Any,
        timer_period_ns: int,
        clock: Clock,
        *,
        context: Any = None,
        autostart: bool = True,
    ):
        if timer_period_ns < 0:
            raise ValueError("timer period must be non-negative")
        self.callback = callback
        self.callback_group = callback_group
        self._period = int(timer_period_ns)
        self._clock = clock
        self._lock = threading.Lock()
        self._cancelled = not autostart
        self._destroyed = False
        self._wake: Callable[[], None] = lambda: None
        self._last_call = clock.now().nanoseconds
        self._next_call = self._last_call + self._period
        if isinstance(clock, ROSClock):
            clock._listeners.append(self._on_clock)
        callback_group.add_entity(self)

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def timer_period_ns(self) -> int:
        return self._period

    @timer_period_ns.setter
    def timer_period_ns(self, value: int) -> None:
        with self._lock:
            self._period = int(value)
            self._next_call = self._last_call + self._period
        self._wake()

    def is_ready(self) -> bool:
        with self._lock:
            return not self._cancelled and not self._destroyed and self._clock.now().nanoseconds >= self._next_call

    def is_canceled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        """Stops it until `reset`."""
        self._cancelled = True

    def reset(self) -> None:
        """Starts it, or starts its period anew."""
        with self._lock:
            self._next_call = self._clock.now().nanoseconds + self._period
            self._cancelled = False
        self._wake()

    def time_since_last_call(self) -> int:
        """ns of the clock since the last call, or since it was made."""
        return self._clock.now().nanoseconds - self._last_call

    def time_until_next_call(self) -> int | None:
        """ns of the clock until the next call, negative when it is late; None when cancelled."""
        return None if self._cancelled else self._next_call - self._clock.now().nanoseconds

    def destroy(self) -> None:
        self._destroyed = self._cancelled = True
        if isinstance(self._clock, ROSClock) and self._on_clock in self._clock._listeners:
            self._clock._listeners.remove(self._on_clock)

    def wait_ns(self) -> int:
        """How long an executor may wait on its account; forever when only a message can advance the clock."""
        if self._cancelled or self._clock._follows_messages:
            return _FOREVER
        return max(0, self._next_call - self._clock.now().nanoseconds)

    def take(self) -> Callable | None:
        """For the executor: the callback when it is due, after moving on to the next period."""
        with self._lock:
            now = self._clock.now().nanoseconds
            if self._cancelled or self._destroyed or now < self._next_call:
                return None
            self._last_call = now
            self._next_call += self._period
            if self._next_call < now:
                if self._period == 0:
                    self._next_call = now
                else:
                    self._next_call += -(-(now - self._next_call) // self._period) * self._period
        return self.callback

    def _on_clock(self) -> None:
        """The clock was set: a jump backwards, or from real to simulated time, starts the period anew."""
        with self._lock:
            now = self._clock.now().nanoseconds
            if now < self._last_call or self._next_call - now > self._period:
                self._last_call, self._next_call = now, now + self._period
        self._wake()


class Rate:
    """Sleeps so as to keep a rate; for threads that do not spin the node. Made by Node.create_rate."""

    def __init__(self, timer: Timer, *, context: Any):
        self._timer, self._context = timer, context
        self._tick = threading.Condition()
        self._count = 0
        self._destroyed = False
        timer.callback = self._on_timer
        context.on_shutdown(self._on_timer)

    def _on_timer(self) -> None:
        with self._tick:
            self._count += 1
            self._tick.notify_all()

    def sleep(self) -> None:
        """Sleeps until the timer's next call.

        Raises:
            ROSInterruptException: the context was shut down or the rate destroyed meanwhile.
        """
        with self._tick:
            before = self._count
            while self._count == before and not self._destroyed and self._context.ok():
                self._tick.wait()
        if self._destroyed or not self._context.ok():
            raise ROSInterruptException()

    def destroy(self) -> None:
        self._destroyed = True
        self._context.remove_on_shutdown(self._on_timer)
        self._on_timer()
