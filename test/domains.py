# SPDX-License-Identifier: Apache-2.0
"""DDS domains for tests: each process reserves its own, so that suites side by side do not hear each other."""

from __future__ import annotations

import fcntl
import os
import tempfile
from functools import cache
from pathlib import Path

# A domain's ports start at 7400 + 250 * domain. These stay clear of Linux's ephemeral ports (32768 to 60999), which any
# program may be given, and of the low domains that people choose by hand.
DOMAINS = (*range(40, 101), *range(215, 232))
_locks = []  # files; the system drops their locks when the process ends, however it ends


def reserve() -> int:
    """A domain that no other test process on this machine gets until this one has ended.

    Raises:
        RuntimeError: all of them are reserved.
    """
    start = os.getpid() % len(DOMAINS)  # not always the first, in which nodes of the last test may still be leaving
    for domain in DOMAINS[start:] + DOMAINS[:start]:
        try:
            lock = (Path(tempfile.gettempdir()) / f"wall_oss_ros_domain_{domain}.lock").open("w")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # reserved by another process, perhaps another user's
            continue
        _locks.append(lock)
        return domain
    raise RuntimeError(f"all {len(DOMAINS)} domains for tests are reserved")


@cache
def own_domain() -> int:
    """The domain of this process."""
    return reserve()
