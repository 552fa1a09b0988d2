# SPDX-License-Identifier: Apache-2.0
"""The machine that computes: its processor, and how busy it is."""

from __future__ import annotations

import os
import platform
import re
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def processor() -> str:
    """The processor's name, and by what its maker tells models of one name apart."""
    words = [_said(name) for name in ("cpu family", "model", "stepping", "CPU implementer", "CPU part")]
    return " ".join([processor_name(), *(word for word in words if word)])


def processor_name() -> str:
    """As its maker has it, where the system says."""
    return _said("model name") or platform.processor() or platform.machine()


def _said(name: str) -> str:
    """What the system says of the first processor; empty where it says nothing."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(rf"^{name}\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def cores() -> int:
    """How many this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def waiting() -> float | None:
    """Seconds for which this process's threads have stood ready without a core; None where the system does not say."""
    try:
        files = list(Path("/proc/self/task").iterdir())
    except OSError:
        return None
    total = 0
    for file in files:
        try:
            total += int((file / "schedstat").read_text().split()[1])
        except FileNotFoundError:  # a thread that has ended, or a system without
            continue
        except (OSError, ValueError, IndexError):
            return None
    return 1e-9 * total


def free_memory() -> float | None:
    """GiB that programs may still take; None where the system does not say."""
    try:
        found = re.search(r"^MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) / 2**20 if found else None
