# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM end the contexts and wake the executors."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from wall_oss_ros.embedded.context import all_contexts
from wall_oss_ros.embedded.exceptions import NotInitializedException
from wall_oss_ros.embedded.executors import ExternalShutdownException, wake_all


class SignalHandlerOptions(IntEnum):
    NO = 0
    SIGINT = 1
    SIGTERM = 2
    ALL = 3


_previous: dict[int, Any] = {}
_pipe: list[int] = []


def install_signal_handlers(options: SignalHandlerOptions = SignalHandlerOptions.ALL) -> None:
    """Installs the handlers; only the main thread may, in others it does nothing.

    SIGINT shuts the contexts down and raises KeyboardInterrupt, SIGTERM only shuts them down.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGINT", "SIGTERM"):
        number, wanted = getattr(signal, name), SignalHandlerOptions[name]
        if options & wanted and number not in _previous:
            _previous[number] = signal.signal(number, _handle)
    if _previous and not _pipe:
        _start_waker()


def uninstall_signal_handlers() -> None:
    """Puts the former handlers back."""
    if threading.current_thread() is not threading.main_thread():
        return
    while _previous:
        number, handler = _previous.popitem()
        signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def get_current_signal_handlers_options() -> SignalHandlerOptions:
    value = (signal.SIGINT in _previous) * SignalHandlerOptions.SIGINT
    return SignalHandlerOptions(value | (signal.SIGTERM in _previous) * SignalHandlerOptions.SIGTERM)


def _quiet(hook: Callable, of_what: Callable[[Any], type]) -> Callable:
    """An exception hook that says nothing of what only follows from the signal, as where a node was just being made."""

    def show(*args: Any) -> None:
        if not issubclass(of_what(args), (NotInitializedException, ExternalShutdownException)):
            hook(*args)

    return show


def _handle(number: int, frame: Any) -> None:
    if sys.excepthook is sys.__excepthook__:  # nobody else's
        sys.excepthook = _quiet(sys.excepthook, lambda args: args[0])
        threading.excepthook = _quiet(threading.excepthook, lambda args: args[0].exc_type)
    for context in all_contexts():
        context.try_shutdown()
    former = _previous.get(number)
    if callable(former):  # for SIGINT this is Python's own, which raises KeyboardInterrupt
        former(number, frame)


def _start_waker() -> None:
    """Lets a thread wake the executors when a signal arrives.

    Python runs signal handlers between two of its own instructions, and a main thread that waits inside DDS has none.
    The interpreter's wake-up descriptor is written to at once; its reader makes the wait return.
    """
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    former = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    if former != -1:  # somebody else's event loop relies on it
        signal.set_wakeup_fd(former, warn_on_full_buffer=False)
    _pipe.extend((read_end, write_end))

    def wake() -> None:
        while os.read(read_end, 64):
            wake_all()

    threading.Thread(target=wake, name="signal_waker", daemon=True).start()
