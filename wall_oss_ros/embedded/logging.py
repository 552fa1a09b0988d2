# SPDX-License-Identifier: Apache-2.0
"""Logging with rclpy's levels, format and filters; lines go to standard error and, for nodes, to /rosout."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from functools import partialmethod
from typing import Any


class LoggingSeverity(IntEnum):
    UNSET = 0
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40
    FATAL = 50


_COLOURS = {LoggingSeverity.DEBUG: "\033[32m", LoggingSeverity.WARN: "\033[33m", LoggingSeverity.ERROR: "\033[31m"}
_COLOURS[LoggingSeverity.FATAL] = _COLOURS[LoggingSeverity.ERROR]
_Caller = tuple[str, int, int]  # file, line, and which call in it
_levels: dict[str, LoggingSeverity] = {"": LoggingSeverity.INFO}
_loggers: dict[str, RcutilsLogger] = {}
_handlers: dict[str, Callable[[LoggingSeverity, str, str, Any], None]] = {}
_lock = threading.RLock()


class RcutilsLogger:
    """A named logger; ``parent.child`` inherits its parent's level.

    Every method takes the filters of rclpy: ``once=True``, ``throttle_duration_sec=2.0`` and ``skip_first=True``,
    each applied per call in the source. As with rclpy, such a call keeps its severity and its filters.
    """

    def __init__(self, name: str = ""):
        self.name = name
        self._calls: dict[_Caller, tuple[LoggingSeverity, dict[str, Any]]] = {}
        self._seen: dict[_Caller, float] = {}

    def get_child(self, name: str) -> RcutilsLogger:
        if not name:
            raise ValueError("Child logger name must not be empty.")
        return get_logger(f"{self.name}.{name}" if self.name else name)

    def set_level(self, level: int) -> None:
        set_logger_level(self.name, level)

    def get_effective_level(self) -> LoggingSeverity:
        return get_logger_effective_level(self.name)

    def is_enabled_for(self, severity: int) -> bool:
        return severity >= self.get_effective_level()

    def log(self, message: Any, severity: int, **filters: Any) -> bool:
        """Logs at a severity; returns whether the message came through level and filters.

        Raises:
            ValueError: the same call has had another severity, or other filters.
        """
        severity = LoggingSeverity(severity)
        if not self.is_enabled_for(severity):
            return False
        frame = sys._getframe(1)
        caller = frame.f_code.co_filename, frame.f_lineno, frame.f_lasti
        before = self._calls.setdefault(caller, (severity, filters))
        for what, old, new in zip(("Logger severity", "Requested logging filters"), before, (severity, filters)):
            if old != new:
                raise ValueError(f"{what} cannot be changed between calls: {old!r} became {new!r}.")
        if filters and not self._passes(caller, **filters):
            return False
        _emit(self.name, severity, str(message), frame)
        return True

    def _passes(
        self,
        caller: _Caller,
        once: bool = False,
        throttle_duration_sec: float | None = None,
        skip_first: bool = False,
        throttle_time_source_type: Any = None,
    ) -> bool:
        clock = throttle_time_source_type
        now = clock.now().nanoseconds / 1e9 if hasattr(clock, "now") else time.monotonic()
        with _lock:
            last = self._seen.get(caller)
            if last is None and skip_first:
                self._seen[caller] = float("-inf") if throttle_duration_sec is None else now
                return False
            if once and last is not None and last != float("-inf"):
                return False
            if throttle_duration_sec is not None and last is not None and now - last < throttle_duration_sec:
                return False
            self._seen[caller] = now
        return True

    # Bound by partialmethod, which adds no frame of its own, so that `log` sees who called.
    debug = partialmethod(log, severity=LoggingSeverity.DEBUG)
    info = partialmethod(log, severity=LoggingSeverity.INFO)
    warning = warn = partialmethod(log, severity=LoggingSeverity.WARN)
    error = partialmethod(log, severity=LoggingSeverity.ERROR)
    fatal = partialmethod(log, severity=LoggingSeverity.FATAL)


def _emit(name: str, severity: LoggingSeverity, message: str, frame: Any) -> None:
    line = f"[{severity.name}] [{time.time():.9f}] [{name}]: {message}"
    wanted = os.environ.get("RCUTILS_COLORIZED_OUTPUT", "")
    if severity in _COLOURS and (wanted == "1" or (wanted != "0" and sys.stderr.isatty())):
        line = f"{_COLOURS[severity]}{line}\033[0m"
    with _lock:
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):  # nobody is listening any more, which must not stop a robot
            pass
    handler = _handlers.get(name) or _handlers.get(name.split(".")[0])
    if handler is not None:
        handler(severity, name, message, frame)


def get_logger(name: str = "") -> RcutilsLogger:
    """The logger of that name."""
    with _lock:
        return _loggers.setdefault(name, RcutilsLogger(name))


def set_logger_level(name: str, level: int, detailed_error: bool = False) -> None:
    """Sets a logger's level; UNSET makes it inherit again."""
    _levels[name] = LoggingSeverity(level)


def get_logger_level(name: str) -> LoggingSeverity:
    return _levels.get(name, LoggingSeverity.UNSET)


def get_logger_effective_level(name: str) -> LoggingSeverity:
    """The level that decides: the logger's own, or that of the nearest ancestor which has one."""
    while name and not get_logger_level(name):
        name = name.rpartition(".")[0]
    return get_logger_level(name) or LoggingSeverity.INFO


def get_logging_severity_from_string(name: str) -> LoggingSeverity:
    """A level by its name, in any case.

    Raises:
        RuntimeError: there is none of that name.
    """
    try:
        return LoggingSeverity["WARN" if name.upper() == "WARNING" else name.upper()]
    except KeyError:
        names = ", ".join(level.name.lower() for level in LoggingSeverity)
        raise RuntimeError(f"Unknown log level {name!r}, expected one of {names}") from None


def add_handler(name: str, handler: Callable[[LoggingSeverity, str, str, Any], None]) -> None:
    """Also sends the lines of a logger and its children to a function (severity, logger, message, caller's frame)."""
    _handlers[name] = handler


def remove_handler(name: str) -> None:
    _handlers.pop(name, None)


def initialize() -> None:
    """Here because rclpy has it: nothing needs to be set up."""


shutdown = clear_config = initialize
