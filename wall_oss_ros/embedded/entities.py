# SPDX-License-Identifier: Apache-2.0
"""What an executor looks after: the base of all of it, guard conditions, timers, and rates built on timers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from wall_oss_ros.embedded.clock import Clock
from wall_oss_ros.embedded.exceptions import NamesWhatIsMissing, ROSInterruptException

_FOREVER = 2**63 - 1


class Entity(NamesWhatIsMissing):
    """Something that belongs to a node and gives an executor work.

    Attributes:
        condition: the DDS condition that is true while there is work; None where it does not come from DDS.
        callback_group: which other callbacks exclude its own.
        turn: when its executor began a callback of it last, counted; the longer ago, the sooner it is its turn.
    """

    condition: Any = None
    turn = 0

    def __init__(self, callback_group: Any):
        self.callback_group = callback_group
        self._wake: Callable[[], None] = lambda: None  # wakes the node's executor; the node sets it
        callback_group.add_entity(self)

    def next_call(self) -> Callable | None:
        """What is to be called now, or None; the executor asks only when the callback group allows it."""
        raise NotImplementedError

    def wait_ns(self) -> int:
        """How long an executor may wait before it asks again, where neither DDS nor `_wake` will tell it."""
        return _FOREVER


class GraphEntity(Entity, AbstractContextManager):
    """One that others in the graph see: it has DDS readers and writers, which the node announces.

    Its callback group is the node's default one if None is given.
    """

    def __init__(self, node: Any, callback_group: Any, readers: tuple = (), writers: tuple = ()):
        self._node, self.readers, self.writers = node, readers, writers
        self._closed = False
        self._leave: Callable[[], None] = lambda: None  # what waits for its events
        if readers:
            self.condition = readers[0].condition
        super().__init__(callback_group or node.default_callback_group)

    def _handlers(self, event_callbacks: Any, end: Any, kind: Any) -> list[Entity]:
        """The handlers of the events that its DDS reader or writer tells of; ``kind``: what event_callbacks are."""
        if event_callbacks is None:
            warnings = self._node.context.participant.qos_warnings
            self._leave = kind.warn_by_default(warnings, end.entity, self.topic, self.logger_name)
            return []
        return event_callbacks.create_event_handlers(self.callback_group, end.entity, self.topic, self.logger_name)

    event_handlers: Sequence[Entity] = ()

    @property
    def logger_name(self) -> str:
        return self._node.get_logger().name

    def destroy(self) -> None:
        """Takes it out of the graph."""
        self._node._destroy(self)

    def close(self) -> None:
        """For the node: closes its readers and writers."""
        self._closed = True
        self._leave()
        for endpoint in (*self.readers, *self.writers):
            endpoint.close()

    def __exit__(self, *_: Any) -> None:
        self.destroy()


class GuardCondition(Entity):
    """Runs its callback in the executor after `trigger`, once for any number of calls before it runs."""

    def __init__(self, callback: Callable | None, callback_group: Any, context: Any = None):
        super().__init__(callback_group)
        self.callback = callback
        self._triggered = threading.Event()

    def trigger(self) -> None:
        """Has the callback run; from any thread."""
        self._triggered.set()
        self._wake()

    def next_call(self) -> Callable | None:
        if not self._triggered.is_set():
            return None
        self._triggered.clear()
        return self.callback or (lambda: None)

    def destroy(self) -> None:
        self._triggered.clear()


class Timer(Entity):
    """Calls a function every period of its clock; missed calls are skipped, not made up for.

    With `autostart` false it waits for `reset`. `context` is accepted because rclpy has it.
    """

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
        super().__init__(callback_group)
        self.callback = callback
        self._period = int(timer_period_ns)
        self.clock = clock
        self._lock = threading.Lock()
        self._cancelled = not autostart
        self._last_call = clock.now().nanoseconds
        self._due = self._last_call + self._period
        clock._listeners.append(self._on_clock)

    @property
    def timer_period_ns(self) -> int:
        return self._period

    @timer_period_ns.setter
    def timer_period_ns(self, value: int) -> None:
        with self._lock:
            self._period = int(value)
            self._due = self._last_call + self._period
        self._wake()

    def is_ready(self) -> bool:
        with self._lock:
            return not self._cancelled and self.clock.now().nanoseconds >= self._due

    def is_canceled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        """Stops it until `reset`."""
        self._cancelled = True

    def reset(self) -> None:
        """Starts it, or starts its period anew."""
        with self._lock:
            self._due = self.clock.now().nanoseconds + self._period
            self._cancelled = False
        self._wake()

    def time_since_last_call(self) -> int:
        """ns of the clock since the last call, or since it was made."""
        return self.clock.now().nanoseconds - self._last_call

    def time_until_next_call(self) -> int | None:
        """ns of the clock until the next call, negative when it is late; None when cancelled."""
        return None if self._cancelled else self._due - self.clock.now().nanoseconds

    def destroy(self) -> None:
        self._cancelled = True
        if self._on_clock in self.clock._listeners:
            self.clock._listeners.remove(self._on_clock)

    def wait_ns(self) -> int:
        """Forever when only a message can advance the clock."""
        if self._cancelled or self.clock._follows_messages:
            return _FOREVER
        return max(0, self._due - self.clock.now().nanoseconds)

    def next_call(self) -> Callable | None:
        """The callback when it is due, after moving on to the next period."""
        with self._lock:
            now = self.clock.now().nanoseconds
            if self._cancelled or now < self._due:
                return None
            self._last_call = now
            self._due += self._period
            if self._due < now:  # calls were missed: the next one in step with them
                self._due = now + ((self._due - now) % self._period if self._period else 0)
        return self.callback

    def _on_clock(self) -> None:
        """The clock was set: a jump backwards, or from real to simulated time, starts the period anew."""
        with self._lock:
            now = self.clock.now().nanoseconds
            if now < self._last_call or self._due - now > self._period:
                self._last_call, self._due = now, now + self._period
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
