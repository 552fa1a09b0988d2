# SPDX-License-Identifier: Apache-2.0
"""What recording costs beside a running robot: processor time of the recorder, bytes, and how evenly control commands.

Runs `wall-oss run --headless` with and without --record by turns, on the same scene, and prints a line for each run and
the median of each kind. Processor time is counted from the system's own figures for each process.

python benchmarks/recording_cost.py --runs 3
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

_RATE = re.compile(r"commands (\d+) Hz ±([\d.]+) ms")


def processor(command: psutil.Process, spent: dict[str, float]) -> None:
    """Notes what each process has used so far, s."""
    for child in command.children(recursive=True):
        try:
            name, times = child.name(), child.cpu_times()
        except psutil.Error:
            continue
        spent[name] = max(spent.get(name, 0.0), times.user + times.system)


def run(folder: Path, domain: int, seed: int, speed: float, recorded: bool) -> dict[str, float]:
    """One run, in a folder of its own."""
    words = ["run", "--headless", "--seed", str(seed), "--speed", str(speed), "--timeout", "30"]
    words += ["--record", "run.mcap"] if recorded else []
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "wall_oss_ros.commands.main", *words], cwd=folder, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    spent: dict[str, float] = {}
    lines: list[str] = []
    listener = threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True)
    listener.start()
    command = psutil.Process(process.pid)
    while process.poll() is None:
        processor(command, spent)
        time.sleep(0.2)
    listener.join()
    took = time.monotonic() - begun
    rates = [(float(rate), float(jitter)) for rate, jitter in _RATE.findall("\n".join(lines)) if float(rate) > 0]
    file = folder / "run.mcap"
    return {
        "seconds": took,
        "recorder_cpu_s": spent.get("record", 0.0),
        "others_cpu_s": sum(value for name, value in spent.items() if name != "record"),
        "megabytes": file.stat().st_size / 1e6 if file.exists() else 0.0,
        "command_hz": statistics.median(rate for rate, _ in rates) if rates else 0.0,
        "jitter_ms": statistics.median(jitter for _, jitter in rates) if rates else 0.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="of each kind (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=3, help="of the scene (default: %(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="of simulated time (default: %(default)s)")
    parser.add_argument("--domain", type=int, default=71, help="ROS domain (default: %(default)s)")
    args = parser.parse_args()
    found: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    for _ in range(args.runs):
        for recorded in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                one = run(Path(folder), args.domain, args.seed, args.speed, recorded)
            found[recorded].append(one)
            told = "  ".join(f"{name} {value:.2f}" for name, value in one.items())
            print(f"{'recorded' if recorded else 'plain':9} {told}", flush=True)
    for recorded, runs in found.items():
        told = "  ".join(f"{name} {statistics.median(one[name] for one in runs):.2f}" for name in runs[0])
        print(f"median of {'recorded' if recorded else 'plain':9} {told}")


if __name__ == "__main__":
    main()
