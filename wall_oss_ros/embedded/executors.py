# SPDX-License-Identifier: Apache-2.0
"""Executors wait for messages, requests, timers and tasks, and run their callbacks.

Waiting is one call into DDS for everything at once; a guard condition wakes it for what does not come from DDS.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from cyclonedds.core import DDSException

from wall_oss_ros.embedded.context import get_default_context
from wall_oss_ros.embedded.exceptions import NotInitializedException, NotOfferedFeature
from wall_oss_ros.embedded.task import Future, Task
from wall_oss_ros.embedded.waiter import Waiter

_executors: weakref.WeakSet = weakref.WeakSet()


class TimeoutException(Exception):
    """Nothing became ready in time."""


class ShutdownException(Exception):
    """The executor was shut down."""


class ExternalShutdownException(Exception):
    """The context was shut down from outside, such as by a signal."""

    def __init__(self, *args):
        super().__init__("The context has been shut down", *args)


class ConditionReachedException(Exception):
    """What was waited for has come."""


def wake_all() -> None:
    """Wakes every executor; from any thread."""
    for executor in list(_executors):
        executor.wake()


class Executor(AbstractContextManager):
    """Base of the executors; the shutdown of its context, the default one if none is given, ends spinning."""

    def __init__(self, *, context: Any = None):
        self.context = context or get_default_context()
        self._nodes: list[Any] = []
        self._lock = threading.RLock()
        self._tasks: deque[Task] = deque()
        self._turns = 0
        self._ready: deque[Any] = deque()  # entities to be asked for work before the next wait
        self._is_shutdown = False
        self._work: dict[int, int | None] = {}  # what has begun, and the thread that runs it, if one does already
        self._work_done = threading.Condition()
        self._waiter: Waiter | None = None
        self.context.on_shutdown(self.wake)
        _executors.add(self)

    # Nodes

    def add_node(self, node: Any) -> bool:
        """Looks after a node from now on; False if it already did."""
        with self._lock:
            if node in self._nodes:
                return False
            if node.executor is not None:
                node.executor.remove_node(node)
            self._nodes.append(node)
            node._executor = self
        self.wake()
        return True

    def remove_node(self, node: Any) -> None:
        with self._lock:
            if node in self._nodes:
                self._nodes.remove(node)
                self._ready.clear()  # whatever of the others was ready is found so again
                if node.executor is self:
                    node._executor = None
        self.wake()

    def get_nodes(self) -> list[Any]:
        return list(self._nodes)

    # Tasks

    def create_task(self, callback: Any, *args: Any, **kwargs: Any) -> Task:
        """Runs a function or coroutine in this executor; returns its future."""
        task = Task(callback, args, kwargs, executor=self)
        self._schedule(task)
        return task

    def _schedule(self, task: Task) -> None:
        with self._lock:
            self._tasks.append(task)
        self.wake()

    def wake(self) -> None:
        """Makes the wait return, from any thread."""
        if self._waiter is not None:
            self._waiter.wake()

    # Life

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Ends spinning, and waits for the callbacks that have begun, other than one that calls this.

        Args:
            timeout_sec: s to wait; None or less than 0 for as long as it takes.

        Returns:
            Whether they are done.
        """
        self._is_shutdown = True
        self.wake()
        done = self._wait_for_work(timeout_sec)
        for node in self.get_nodes():
            self.remove_node(node)
        self.context.remove_on_shutdown(self.wake)
        return done

    def _wait_for_work(self, timeout_sec: float | None) -> bool:
        own, limit = threading.get_ident(), None if timeout_sec is None or timeout_sec < 0 else timeout_sec
        with self._work_done:
            return self._work_done.wait_for(lambda: all(thread == own for thread in list(self._work.values())), limit)

    def _run(self, task: Task) -> None:
        """Runs a task as work that `shutdown` waits for."""
        self._work[id(task)] = threading.get_ident()
        try:
            task()
        finally:
            with self._work_done:
                del self._work[id(task)]
                self._work_done.notify_all()

    def __exit__(self, *_: Any) -> None:
        self.shutdown()

    # Spinning

    def spin(self) -> None:
        """Runs callbacks until the executor or the context is shut down."""
        while self.context.ok() and not self._is_shutdown:
            self.spin_once()

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Runs at most one callback, waiting for it up to `timeout_sec` (None: forever); each kind in its way."""
        raise NotImplementedError

    def spin_until_future_complete(self, future: Future, timeout_sec: float | None = None) -> None:
        """Runs callbacks until a future is done, at most for `timeout_sec`."""
        deadline = None if timeout_sec is None or timeout_sec < 0 else time.monotonic() + timeout_sec
        future._add_immediate_callback(lambda _: self.wake())
        while self.context.ok() and not future.done() and not self._is_shutdown:
            remaining = None if deadline is None else deadline - time.monotonic()
            if remaining is not None and remaining < 0:
                return
            self._spin_once_until(future, remaining)

    def spin_once_until_future_complete(self, future: Future, timeout_sec: float | None = None) -> None:
        future._add_immediate_callback(lambda _: self.wake())
        self._spin_once_until(future, timeout_sec)

    def _spin_once_until(self, future: Future, timeout_sec: float | None) -> None:
        self.spin_once(timeout_sec)

    def can_execute(self, entity: Any) -> bool:
        """Whether the entity's callback group allows it to run now."""
        return entity.callback_group.can_execute(entity)

    def wait_for_ready_callbacks(
        self, timeout_sec: float | None = None, nodes: list[Any] | None = None,
        condition: Callable[[], bool] = lambda: False,
    ) -> tuple[Task, Any, Any]:  # fmt: skip
        """The next piece of work, for custom executors: to be called, with its entity and node; None for a task's.

        Raises:
            TimeoutException: there is none after `timeout_sec`.
            ConditionReachedException: `condition` became true.
            ShutdownException, ExternalShutdownException: the executor or its context ended.
        """
        if nodes is not None:
            raise NotOfferedFeature("waiting for the callbacks of some of an executor's nodes")
        task = self._wait_for_task(timeout_sec, condition)
        if task is None:
            raise ConditionReachedException() if condition() else TimeoutException()
        node = next((node for node in self._nodes if task.entity in node._executable), None)
        return task, task.entity, node

    def _wait_for_task(self, timeout_sec: float | None, until: Callable[[], bool] = lambda: False) -> Task | None:
        """The next piece of work; None when the time is up or `until` became true.

        Raises:
            ShutdownException, ExternalShutdownException: the executor or its context ended.
        """
        deadline = None if timeout_sec is None or timeout_sec < 0 else time.monotonic() + timeout_sec
        try:
            while True:
                waiter = self._get_waiter()
                if self._is_shutdown:
                    raise ShutdownException()
                if not self.context.ok():
                    raise ExternalShutdownException()
                if until():
                    return None
                task = self._pop()
                if task is not None:
                    return task
                ready = waiter.wait(self._entities(), deadline)
                if ready is None:
                    return None
                # Each is asked once, who waits longest first: otherwise a busy topic would starve the others of its
                # callback group, which can only be asked when its callback has ended.
                with self._lock:
                    self._ready.extend(sorted(ready, key=lambda entity: entity.turn))
        except (DDSException, NotInitializedException):
            if self.context.ok():
                raise
            raise ExternalShutdownException() from None  # the participant was closed with the context

    def _get_waiter(self) -> Waiter:
        with self._lock:
            if self._waiter is None:
                self._waiter = Waiter(self.context.participant)
            return self._waiter

    def _entities(self) -> list[Any]:
        with self._lock:
            return [entity for node in self._nodes for entity in node._executable]

    def _pop(self) -> Task | None:
        with self._lock:
            if self._tasks:
                return self._tasks.popleft()
            while self._ready:
                task = self._begin(self._ready.popleft())
                if task is not None:
                    return task
        return None

    def _begin(self, entity: Any) -> Task | None:
        """A task for what the entity has to do now, or None."""
        group = entity.callback_group
        if not group.beginning_execution(entity):
            return None
        try:
            work = entity.next_call()
        except BaseException:
            group.ending_execution(entity)
            raise
        if work is None:
            group.ending_execution(entity)
            return None
        self._turns += 1
        entity.turn = self._turns
        task = Task(work, executor=self)
        task.entity = entity

        def finish(_: Future) -> None:
            group.ending_execution(entity)
            self.wake()  # others of the group may now run

        task._add_immediate_callback(finish)
        return task


class SingleThreadedExecutor(Executor):
    """Runs callbacks one after the other in the thread that spins; their exceptions come out of spin."""

    def spin_once(self, timeout_sec: float | None = None) -> None:
        self._spin_once(timeout_sec, lambda: False)

    def _spin_once_until(self, future: Future, timeout_sec: float | None) -> None:
        self._spin_once(timeout_sec, future.done)

    def _spin_once(self, timeout_sec: float | None, until: Callable[[], bool]) -> None:
        try:
            task = self._wait_for_task(timeout_sec, until)
        except ShutdownException:  # by another thread, and no error
            return
        if task is not None:
            self._run(task)
            if task.done() and task.exception() is not None:
                raise task.exception()


class MultiThreadedExecutor(SingleThreadedExecutor):
    """Runs callbacks in a pool of threads as their groups allow; by default one for each CPU, and at least two."""

    def __init__(self, num_threads: int | None = None, *, context: Any = None):
        super().__init__(context=context)
        threads = num_threads if num_threads is not None else max(2, os.cpu_count() or 2)
        if threads < 1:
            raise ValueError(f"num_threads must be at least 1, not {threads}")
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="executor")
        self._failed: deque[BaseException] = deque()

    def _spin_once(self, timeout_sec: float | None, until: Callable[[], bool]) -> None:
        try:
            task = self._wait_for_task(timeout_sec, lambda: bool(self._failed) or until())
        except (ShutdownException, ExternalShutdownException):  # neither is an error, as in rclpy
            return
        if task is not None:
            self._work[id(task)] = None
            try:
                self._pool.submit(self._run, task)
            except RuntimeError:  # the executor was shut down meanwhile
                self._work.pop(id(task), None)
        if self._failed:
            raise self._failed.popleft()

    def _run(self, task: Task) -> None:
        super()._run(task)
        if task.done() and task.exception() is not None:
            self._failed.append(task.exception())
            self.wake()

    def shutdown(self, timeout_sec: float | None = None, *, wait_for_threads: bool = True) -> bool:
        done = super().shutdown(timeout_sec if wait_for_threads else 0)
        self._pool.shutdown(wait=False)
        return done
