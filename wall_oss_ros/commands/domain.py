# SPDX-License-Identifier: Apache-2.0
"""The ROS domain that a command works on, and that a simulated system has for itself."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

from wall_oss_ros.errors import WallOSSError


def set_domain(domain: int | None) -> None:
    """Puts this process and those it starts on a ROS domain.

    Raises:
        WallOSSError: no such domain.
    """
    text = str(domain) if domain is not None else os.environ.get("ROS_DOMAIN_ID") or "0"
    if not (text.isascii() and text.isdecimal() and len(text) < 10) or int(text) > 232:
        raise WallOSSError(f"{text} is no ROS domain.", "Use a number from 0 to 232: --domain N, or ROS_DOMAIN_ID.")
    os.environ["ROS_DOMAIN_ID"] = text


class ClaimedDomain:
    """The right of one ``wall-oss run`` on this machine to simulate a robot on ROS_DOMAIN_ID.

    Use as a context manager. The system takes it back when the process ends, too, however it ends.

    Raises:
        WallOSSError: another one has it.
    """

    def __enter__(self) -> ClaimedDomain:
        domain = os.environ["ROS_DOMAIN_ID"]
        path = Path(tempfile.gettempdir()) / f"wall_oss_run_domain_{domain}.lock"
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CREAT, 0o444)  # to read is enough, if it is another user's
        except OSError:  # no place for locks: what is running is then found once the nodes hear it
            self._file = None
            return self
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise WallOSSError(
                f"Another simulated robot runs on ROS domain {domain}.", "Stop it, or choose another with --domain N."
            ) from None
        return self

    def __exit__(self, *_exception) -> None:
        if self._file is not None:
            os.close(self._file)
