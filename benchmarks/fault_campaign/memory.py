# SPDX-License-Identifier: Apache-2.0
"""Memory of processes over time: does it grow?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

_SETTLED = 60.0  # s after its start, from which on a process counts
_SHORTEST = 300.0  # s that a process must have lived to be judged
_PERIOD = 5.0  # s


class MemoryWatch:
    """Notes the memory of processes every few seconds. Use as a context manager.

    Args:
        memory: gives process id and memory (MB) by name.
    """

    def __init__(self, memory: Callable[[], dict[str, tuple[int, float]]]):
        self._memory, self._ends = memory, threading.Event()
        self._seen: dict[tuple[str, int], list[tuple[float, float]]] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_exception) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ends.wait(_PERIOD):
            try:
                found = self._memory()
            except Exception:  # a process has just ended
                continue
            for name, (pid, used) in found.items():
                self._seen.setdefault((name, pid), []).append((time.monotonic(), used))

    def figures(self) -> list[dict]:
        """Of each process that lived long enough: minutes, MB first, last and at most, growth in MB per hour."""
        return [growth(name, samples) for (name, _), samples in self._seen.items() if _life(samples) > _SHORTEST]


def growth(name: str, samples: list[tuple[float, float]]) -> dict:
    """Figures of one process from its (time s, memory MB); the first minute is left out."""
    times, used = np.array([one for one in samples if one[0] - samples[0][0] >= _SETTLED]).T
    slope = float(np.polyfit(times - times[0], used, 1)[0]) * 3600
    quarter = max(1, len(used) // 4)
    first, last = float(np.median(used[:quarter])), float(np.median(used[-quarter:]))
    return {
        "process": name, "minutes": round((times[-1] - times[0]) / 60, 1), "first_mb": round(first, 1),
        "last_mb": round(last, 1), "most_mb": round(float(used.max()), 1), "mb_per_hour": round(slope, 1),
        "flat": bool(last - first <= max(3.0, 0.03 * first)),
    }  # fmt: skip


def _life(samples: list[tuple[float, float]]) -> float:
    return samples[-1][0] - samples[0][0] if samples else 0.0
