# SPDX-License-Identifier: Apache-2.0
"""What every node says of itself in /diagnostics, and how long ago it said so."""

from __future__ import annotations

from typing import Any

from wall_oss_ros.page.status_text import printable
from wall_oss_ros.perception.ages import LastHeard

FRESH = 3.0  # s; nodes report every second
MOST_NODES, MOST_VALUES = 60, 40
_LEVELS = {0: ("ok", "good"), 1: ("warning", "busy"), 2: ("error", "bad"), 3: ("stale", "quiet")}


class NodeReports:
    """The newest report of each node. Others than ours report there, too."""

    def __init__(self) -> None:
        self._reports: dict[str, tuple[Any, LastHeard]] = {}

    def hear(self, message: Any, steady: float) -> None:
        """Takes in a diagnostic_msgs/DiagnosticArray."""
        for status in message.status:
            if status.name not in self._reports and len(self._reports) >= MOST_NODES:
                continue
            heard = self._reports.get(status.name, (None, LastHeard(FRESH)))[1]
            heard.hear(steady)
            self._reports[status.name] = status, heard

    def shown(self, steady: float) -> list[dict[str, Any]]:
        """What is wrong first, then by name."""
        rows = []
        for name, (status, heard) in self._reports.items():
            number = status.level[0] if isinstance(status.level, bytes) else int(status.level)
            level, tone = _LEVELS.get(number, ("unknown", "bad"))
            silence = heard.silence(steady)
            rows.append(
                {
                    "name": printable(name, 100),
                    "level": silence or level,
                    "tone": "bad" if silence else tone,
                    "message": printable(status.message, 300),
                    "values": [[printable(v.key, 60), printable(v.value, 200)] for v in status.values[:MOST_VALUES]],
                    "rank": 3 if silence else number if number in (0, 1, 2) else 2,
                }
            )
        return sorted(rows, key=lambda row: (-row["rank"], row["name"]))
