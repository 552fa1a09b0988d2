# SPDX-License-Identifier: Apache-2.0
"""Futures, and tasks: functions and coroutines that an executor runs."""

from __future__ import annotations

import asyncio
import inspect
import threading
import warnings
from collections.abc import Callable
from typing import Any
from weakref import ref


class Future:
    """The outcome of something that runs elsewhere; ``await`` it in a callback that is a coroutine."""

    def __init__(self, *, executor: Any = None):
        self._lock = threading.RLock()
        self._done = False
        self._cancelled = False
        self._result: Any = None
        self._exception: BaseException | None = None
        self._exception_fetched = False
        self._callbacks: list[Callable] = []
        self._immediate_callbacks: list[Callable] = []
        self._executor = ref(executor) if executor is not None else lambda: None

    def __del__(self) -> None:
        if getattr(self, "_exception", None) is not None and not self._exception_fetched:
            warnings.warn(f"The following exception was never retrieved: {self._exception}", stacklevel=2)

    def __await__(self):
        while not self._done:
            # Our own tasks are told what to wait for; asyncio takes nothing but None, and asks again in its next turn.
            yield self if _resumed_here() else None
        return self.result()

    def cancel(self) -> None:
        self._settle(cancelled=True)

    def cancelled(self) -> bool:
        return self._cancelled

    def done(self) -> bool:
        return self._done

    def result(self) -> Any:
        """The result, None if there is none yet; raises the exception if it failed."""
        if self._exception is not None:
            raise self.exception()
        return self._result

    def exception(self) -> BaseException | None:
        self._exception_fetched = True
        return self._exception

    def set_result(self, result: Any) -> None:
        self._settle(result=result)

    def set_exception(self, exception: BaseException) -> None:
        self._settle(exception=exception)

    def _settle(self, result: Any = None, exception: BaseException | None = None, cancelled: bool = False) -> None:
        """Ends it, once; whatever comes later changes nothing."""
        with self._lock:
            if self._done:
                return
            self._result, self._exception, self._exception_fetched = result, exception, False
            self._cancelled, self._done = cancelled, True
            callbacks, self._callbacks = self._callbacks, []
            immediate, self._immediate_callbacks = self._immediate_callbacks, []
        for callback in immediate:
            callback(self)
        for callback in callbacks:
            try:
                self._call(callback)
            except Exception as error:  # there may be more of them
                warnings.warn(f"Unhandled exception in done callback: {error}", stacklevel=2)

    def add_done_callback(self, callback: Callable[[Future], None]) -> None:
        """Calls it with this future once it is done: in the executor, if there is one, otherwise here and now."""
        with self._lock:
            if not self._done:
                self._callbacks.append(callback)
                return
        self._call(callback)

    def remove_done_callback(self, callback: Callable[[Future], None]) -> bool:
        with self._lock:
            known = callback in self._callbacks
            if known:
                self._callbacks.remove(callback)
            return known

    def _call(self, callback: Callable) -> None:
        executor = self._executor()
        if executor is not None:
            executor.create_task(callback, self)
        else:
            callback(self)

    def _add_immediate_callback(self, callback: Callable[[Future], None]) -> None:
        """Calls it as soon as the future is done, in whichever thread that happens: for what is cheap and safe."""
        with self._lock:
            if not self._done:
                self._immediate_callbacks.append(callback)
                return
        callback(self)

    def _wait(self, timeout_sec: float | None = None) -> bool:
        """Blocks until it is done, for which another thread must spin the node; False when the time ran out."""
        done = threading.Event()
        self._add_immediate_callback(lambda _: done.set())
        return done.wait(timeout_sec)


_NO_TASK = object()
_current = threading.local()  # loop: the asyncio loop, or None, in which a task was resumed by this thread


def _resumed_here() -> bool:
    """Whether the coroutine that runs now was resumed by a `Task`, rather than by an asyncio loop within one."""
    return getattr(_current, "loop", _NO_TASK) is asyncio._get_running_loop()


class Task(Future):
    """A function or coroutine to run; the future of its result.

    Args:
        handler: called with the arguments; may be a coroutine function or a coroutine.
        executor: wakes it again when what it awaits is done.
    """

    def __init__(self, handler: Any, args: tuple = (), kwargs: dict | None = None, executor: Any = None):
        super().__init__(executor=executor)
        self._handler, self._args, self._kwargs = handler, args, kwargs or {}
        self._coroutine = handler if inspect.iscoroutine(handler) else None
        self._running = threading.Lock()
        self.entity: Any = None  # whose callback it is

    def executing(self) -> bool:
        return self._running.locked()

    def __call__(self) -> None:
        """Runs it to its end, or until it awaits something that is not done."""
        if self._done or not self._running.acquire(blocking=False):
            return
        awaited = None
        try:
            if self._coroutine is None:
                result = self._handler(*self._args, **self._kwargs)
                if not inspect.iscoroutine(result):
                    self.set_result(result)
                    return
                self._coroutine = result
            former, _current.loop = getattr(_current, "loop", _NO_TASK), asyncio._get_running_loop()
            try:
                awaited = self._coroutine.send(None)
            finally:
                _current.loop = former
        except StopIteration as stop:
            self.set_result(stop.value)
            return
        except Exception as error:
            self.set_exception(error)
            return
        finally:
            self._running.release()
        self._resume_after(awaited)

    def _resume_after(self, awaited: Any) -> None:
        executor = self._executor()
        if executor is None:
            return
        if isinstance(awaited, Future):
            awaited._add_immediate_callback(lambda _: executor._schedule(self))
        else:
            executor._schedule(self)
