# SPDX-License-Identifier: Apache-2.0
"""Standard streams that a command can use, whatever they are connected to: a closed pipe, a full disk, or nothing."""

from __future__ import annotations

import errno
import os
import sys

from wall_oss_ros.errors import out_of_room


def make_usable() -> None:
    """Puts something in the place of streams that are closed, and of signs that the output's encoding lacks."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # as after >&-
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  as long as the process
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # Latin-1 has no check mark, and nothing has half of a surrogate pair


def drop_output() -> None:
    """What has not been written yet is lost; or Python would try again at its end, and complain."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # no file behind it
        pass


def is_full(error: OSError) -> bool:
    """Whether something could not be written for want of room; such an error names no file where it is a stream's."""
    return out_of_room(error) or error.errno == errno.EIO
