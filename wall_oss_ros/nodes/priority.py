# SPDX-License-Identifier: Apache-2.0
"""Has the kernel run a node's process before others, where the system permits it.

On Linux this takes two steps. Where the kernel groups processes by session (autogroup, see sched(7)), a niceness weighs
a process against those of its own session only, and the group has a niceness of its own. That is changed where the
process leads its session, so that nobody else's share changes with it.
"""

from __future__ import annotations

import os
from pathlib import Path

from wall_oss_ros.nodes.parameters import Parameter

NICENESS = Parameter(
    "niceness", -10, "Niceness of the process, where the system permits it: below 0 it runs before other work. 0 leaves"
    " it as it is.", -20, 19,
)  # fmt: skip
_OWN = Path("/proc/self")


def take_priority(niceness: int, realtime: int = 0) -> str:
    """Gives all threads of this process a niceness, and a SCHED_FIFO priority above 0; in words what was refused."""
    refused = []
    threads = [int(entry.name) for entry in (_OWN / "task").iterdir()] if (_OWN / "task").is_dir() else [0]
    if niceness:
        try:
            for thread in threads:
                os.setpriority(os.PRIO_PROCESS, thread, niceness)
            if os.getsid(0) == os.getpid() and (_OWN / "autogroup").exists():
                (_OWN / "autogroup").write_text(str(niceness))
        except (AttributeError, OSError) as error:
            refused.append(f"niceness {niceness}: {error}")
    if realtime:
        try:
            for thread in threads:
                os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(realtime))
        except (AttributeError, OSError) as error:
            refused.append(f"SCHED_FIFO priority {realtime}: {error}")
    return ", ".join(refused)
