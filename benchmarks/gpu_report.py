# SPDX-License-Identifier: Apache-2.0
"""Joins what the parts of gpu.sh have left into one file: gpu_report.py FOLDER DEVICE OUTPUT."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

PARTS = ("chunks", "training")


def joined(folder: Path, device: str) -> dict:
    """Machine, and each part: what it found, ``status`` (0: all; 124 or 137: its time was over) and ``seconds``."""
    report: dict = {"date": datetime.now().astimezone().isoformat(timespec="seconds"), "device": device}
    report |= {"torch": version("torch"), "machine": _gpu() if device == "cuda" else platform.machine()}
    for part in PARTS:
        file = folder / f"{part}.json"
        found = json.loads(file.read_text()) if file.is_file() else {}
        report[part] = {**json.loads((folder / f"{part}.end").read_text()), **found}
        if report[part]["status"]:
            report[part]["error"] = (folder / f"{part}.errors").read_text()[-2000:]
    return report


def _gpu() -> str:
    """Name, memory and driver."""
    asked = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def main() -> int:
    folder, device, output = sys.argv[1:]
    report = joined(Path(folder), device)
    Path(output).write_text(json.dumps(report, indent=1) + "\n")
    print(f"written to {output}")
    return int(any(report[part]["status"] for part in PARTS))


if __name__ == "__main__":
    sys.exit(main())
