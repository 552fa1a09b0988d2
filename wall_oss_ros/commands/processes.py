# SPDX-License-Identifier: Apache-2.0
"""Processes that end together: with their parent, however it ends, and with the first of them that fails."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from wall_oss_ros.commands.copies import Copy, can_copy

_PR_SET_PDEATHSIG = 1
_PATIENCE = (signal.SIGINT, 5.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)


class Processes:
    """Starts Python modules as processes and stops all of them.

    Use as a context manager; leaving it stops what still runs.

    Args:
        log_directory: gets one ``<name>.log`` with the output of each process.
        copies: start them as copies of this process, which has imported what they all need and has no thread yet, where
            the system can do that: it saves each of them the time to import it again. Otherwise each is a new Python.
    """

    def __init__(self, log_directory: Path, copies: bool = False):
        self.logs = log_directory
        self._copies = copies and can_copy()
        self._running: dict[str, subprocess.Popen | Copy] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_exception) -> None:
        self.stop()

    def start(self, name: str, module: str, arguments: Sequence[str] = ()) -> None:
        """Starts ``python -m module arguments...``; or runs the module's ``main`` in a copy, to the same effect."""
        begin = _end_with(os.getpid())
        with open(self.logs / f"{name}.log", "wb") as log:
            if self._copies:
                self._running[name] = Copy(name, module, arguments, log, begin)
                return
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches a terminal's whole process group; in groups of their own, they are stopped in order.
                start_new_session=True,
                preexec_fn=begin,
            )

    def wait(self, name: str, seconds: float) -> None:
        """Returns when a copy works, when it has ended, or after that time; for a new Python at once."""
        if isinstance(process := self._running[name], Copy):
            process.wait(seconds)

    def pid(self, name: str) -> int:
        """Process id of one of them."""
        return self._running[name].pid

    def ended(self) -> tuple[str, int] | None:
        """Name and exit status of a process that has ended, or None while all run."""
        for name, process in self._running.items():
            if process.poll() is not None:
                return name, process.returncode
        return None

    def complaint(self, name: str) -> str:
        """What a process gave as the reason of its end: its ``error:`` line, or else its last line."""
        text = (self.logs / f"{name}.log").read_text(errors="replace")
        lines = [line for line in text.splitlines() if line.strip()][-200:]
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return (errors or lines or ["it said nothing"])[-1]

    def stop(self) -> None:
        """Asks all processes to end, insists, and at last kills them. Ends at once where none runs."""
        for signal_number, patience in _PATIENCE:
            for process in self._running.values():
                if process.poll() is None:
                    _signal_session(process.pid, signal_number)
            deadline = time.monotonic() + patience
            while any(process.poll() is None for process in self._running.values()):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02)
        self._running.clear()


def _signal_session(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)  # with what it may have started itself
    except ProcessLookupError:
        pass


def _end_with(parent: int):
    """For preexec_fn: has the kernel kill the process when its parent is gone, even by SIGKILL (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return arrange
