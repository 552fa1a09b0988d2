# SPDX-License-Identifier: Apache-2.0
"""A stop, written down, so that it outlasts the process that obeys it."""

from __future__ import annotations

import json
import os
from pathlib import Path


class StopRecord:
    """A small file that is there while the robot is stopped.

    A new process reads it. It is written before anything else is done, and replaced as a whole; a loss of power alone
    may lose it, with which the robot's own supply is lost, too.

    Args:
        path: of the file; None keeps nothing.

    Attributes:
        problem: why the last stop could not be written down; empty when it was.
    """

    def __init__(self, path: Path | None):
        self._path = path
        self.problem = ""

    def read(self) -> str:
        """Why the robot is stopped; empty when it is not. What cannot be read counts as a stop."""
        if self._path is None:
            return ""
        try:
            reason = json.loads(self._path.read_text(encoding="utf-8"))["stopped"]
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, KeyError, TypeError):
            return f"stopped, as {self._path} says, which cannot be read"
        return str(reason) or "stopped"

    def write(self, reason: str) -> None:
        """The robot is stopped for that reason."""
        if self._path is None:
            return
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps({"stopped": reason}), encoding="utf-8")
            os.replace(draft, self._path)
        except OSError as error:
            self.problem = f"the stop cannot be written to {self._path} ({error.strerror}): a restart would forget it"
        else:
            self.problem = ""

    def clear(self) -> str:
        """A person lets the robot go on. Returns why that cannot be written down; empty when it was."""
        if self._path is None:
            return ""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            return f"{self._path} cannot be removed ({error.strerror}): the next start would be stopped"
        self.problem = ""
        return ""
