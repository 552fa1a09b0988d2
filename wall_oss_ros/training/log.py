# SPDX-License-Identifier: Apache-2.0
"""What a training says of its steps: log.csv, the curves; and log.jsonl, all that is known of each step."""

from __future__ import annotations

import csv
import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import torch

from wall_oss_ros.training.events import Events


class TrainingLog:
    """Lines for steps, each on disk as soon as it is said.

    A run that was killed has said more than it had saved: of the lines that are there, those behind ``step``, from
    which it goes on, are dropped first.

    Attributes:
        events: where the same is shown to TensorBoard, if anywhere.
    """

    events: Events | None = None

    def __init__(self, folder: Path, fields: Sequence[str], step: int):
        self._csv, self._json, self._fields = folder / "log.csv", folder / "log.jsonl", list(fields)
        self._files: list[IO[str]] = []
        self._keep(step)

    def _keep(self, step: int) -> None:
        if not step:
            self._csv.unlink(missing_ok=True)
            self._json.unlink(missing_ok=True)
        if self._csv.exists():
            with open(self._csv, newline="") as file:
                rows = [
                    row for row in csv.DictReader(file) if (row["step"] or "").isdigit() and None not in row.values()
                ]
            with open(self._csv, "w", newline="") as file:
                writer = csv.DictWriter(file, self._fields, extrasaction="ignore")
                writer.writeheader()
                writer.writerows(row for row in rows if int(row["step"]) <= step)
        if self._json.exists():
            lines = [line for line in self._json.read_text().splitlines() if (_step(line) or step + 1) <= step]
            self._json.write_text("".join(f"{line}\n" for line in lines))

    def __enter__(self) -> TrainingLog:
        new = not self._csv.exists()
        self._files = [open(self._csv, "a", newline=""), open(self._json, "a")]
        self._writer = csv.DictWriter(self._files[0], self._fields)
        if new:
            self._writer.writeheader()
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()
        self._files = []

    def write(self, row: dict[str, Any], more: dict[str, Any]) -> None:
        """Says a step: ``row`` in both files, ``more`` in log.jsonl alone."""
        self._writer.writerow(row)
        self._say({**row, **more})

    def validated(
        self, step: int, losses: dict[str, list[float]], kinds: dict[str, float], subtasks: dict[str, dict]
    ) -> None:
        """Says what is found on held-out samples: by dataset the losses of language, flow and FAST, and how often the
        annotated subtask is answered; by kind of language the losses."""
        if self._files:
            more = {"subtasks": subtasks} if subtasks else {}
            self._say({"step": step, "held_out": losses, "held_out_kinds": kinds, **more})

    def _say(self, content: dict[str, Any]) -> None:
        self._files[1].write(json.dumps(content) + "\n")
        if self.events is not None:
            self.events.say(content)
        for file in self._files:
            file.flush()


class NoLog:
    """Of a process for which another one speaks."""

    def __enter__(self) -> NoLog:
        return self

    def __exit__(self, *_: object) -> None: ...

    def write(self, row: dict[str, Any], more: dict[str, Any]) -> None: ...

    def validated(self, *_: object) -> None: ...


def _step(line: str) -> int | None:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):  # a line that a kill has cut
        return None


def peak_memory(device: torch.device) -> int:
    """The most memory that was in use so far, MB: of the GPU, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) >> 20
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes on Linux, bytes on macOS
    return used >> (20 if sys.platform == "darwin" else 10)
