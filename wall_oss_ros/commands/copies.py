# SPDX-License-Identifier: Apache-2.0
"""A process that begins as a copy of this one: what this one has imported, it need not import again."""

from __future__ import annotations

import atexit
import ctypes
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import BinaryIO, NoReturn

from wall_oss_ros import starting

_PR_SET_NAME = 15
_SIGNALS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}


def can_copy() -> bool:
    """Whether this system copies a process that has loaded libraries (Linux; macOS' own libraries do not bear it)."""
    return sys.platform.startswith("linux")


class Copy:
    """Runs ``main`` of a module in a copy of this process, in a session of its own.

    A copy has only the thread that made it, so there must be no other one that could hold a lock: no node, no DDS and
    no OpenGL in this process yet. Of the copy nothing returns here: its end is the process's.

    Args:
        name: of the process, as ``top`` shows it.
        module: has ``main() -> int``.
        arguments: ``sys.argv`` behind the first.
        log: gets all that it prints.
        begin: called in the copy, first of all.

    Attributes:
        pid: its process id.
        returncode: its exit status, or minus the signal that ended it; None until :meth:`poll` has seen its end.

    Raises:
        RuntimeError: there is another thread of Python's.
    """

    def __init__(
        self, name: str, module: str, arguments: Sequence[str], log: BinaryIO, begin: Callable[[], None] | None = None
    ):
        if threading.active_count() > 1:
            raise RuntimeError("A process with threads is not copied: one of them may hold a lock.")
        self._works, told = os.pipe()
        sys.stdout.flush()  # or what waits to be written would be written twice
        sys.stderr.flush()
        self.returncode: int | None = None
        # No handler of ours may run in the copy: it would end what this process has started.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self.pid = os.fork()
            if self.pid == 0:
                starting.tell_by(told)
                _be(name, module, arguments, log, begin, before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(told)

    def wait(self, seconds: float) -> None:
        """Returns when it says that it works (``starting.works``), when it has ended, or after that time."""
        select.select([self._works], [], [], seconds)

    def poll(self) -> int | None:
        """``returncode``, after a look whether it has ended."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                self.returncode = 0
            else:
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


def _be(name, module, arguments, log, begin, mask) -> NoReturn:
    """The copy's whole life. Left by os._exit alone: nothing that this process has begun may be ended by the copy."""
    status = 1
    try:
        os.setsid()
        if begin is not None:
            begin()
        for number, handler in _SIGNALS.items():
            signal.signal(number, handler)
        _call(name)
        _redirect(log)
        sys.argv = [module, *arguments]
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        status = starting.start(module)
    except SystemExit as end:
        status = _status(end.code)
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        _flush()
        os._exit(status)


def _redirect(log: BinaryIO) -> None:
    """Input from nowhere, and output to the log, whatever this process's own streams are."""
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nowhere, 0), (log.fileno(), 1), (log.fileno(), 2)):
        os.dup2(source, target)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout, sys.stderr = (
        os.fdopen(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
        for number in (1, 2)
    )


def _call(name: str) -> None:
    """Gives the process a name, of which the kernel keeps 15 characters."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def _status(code: object) -> int:
    """The exit status of what was given to sys.exit."""
    if code is None or isinstance(code, int):
        return int(code or 0) & 0xFF
    print(code, file=sys.stderr)
    return 1


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # a full disk
            pass
