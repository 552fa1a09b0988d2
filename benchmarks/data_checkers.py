# SPDX-License-Identifier: Apache-2.0
"""Who finds which fault: plants those of data_check in a sound dataset, runs ``wall-oss data check`` over it
and, where they are installed in environments of their own, lerobot-doctor and lerobot-lint, and tabulates.

A tool has found a fault if it warns of something that it does not say of the sound set, in words about the fault
(``Fault.words``); of ours the check's name and the episode must be right. A tool that ends with an error of its own
before it has looked is told as such.

  python benchmarks/data_checkers.py --doctor doctor/bin/lerobot-doctor --lint lint/bin/lelint
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from data_check.fault import Fault
from data_check.faults import FAULTS
from data_check.sets import Content, sound, write

from wall_oss_ros.data.checks.run import check
from wall_oss_ros.errors import WallOSSError

SEED = 1


def ours(folder: Path) -> set[tuple[str, int | None, str]]:
    return {(f.check, f.episode, f.what) for f in check(folder).findings if f.level != "note"}


def doctor(program: str, folder: Path) -> list[str] | None:
    """What lerobot-doctor warns of; None if it ended without a report."""
    ended = _run([program, "check", str(folder), "--json"])
    try:
        report = json.loads(ended.stdout[ended.stdout.index("{") :])
    except ValueError:
        return None
    return [m["message"] for c in report["checks"] for m in c["messages"] if m["severity"] in ("WARN", "FAIL")]


def lint(program: str, folder: Path) -> list[str] | None:
    """The same of lerobot-lint; what a check of its own crashed on is no finding."""
    path = folder.with_suffix(".json")
    path.unlink(missing_ok=True)
    _run([program, "check", str(folder), "--json", str(path)])
    if not path.exists():
        return None
    found = json.loads(path.read_text())["findings"]
    return [
        f"{f['check']}: {f['message']}"
        for f in found
        if f["severity"] in ("warning", "error") and "CRASHED" not in f["check"]
    ]


def _run(words: list[str]) -> subprocess.CompletedProcess:
    """A program of another environment, which must not find our modules."""
    others = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(words, capture_output=True, text=True, timeout=300, env=others)


def content() -> Content:
    """The sound set."""
    return sound(np.random.default_rng(SEED))


def judged(fault: Fault, said: list[str] | None, before: list[str] | None) -> str:
    if said is None:
        return "error"
    known = {re.sub(r"[\d.]+", "#", message) for message in before or []}
    new = [message.lower() for message in said if re.sub(r"[\d.]+", "#", message) not in known]
    hit = any(re.search(rf"(?<![a-z]){re.escape(word)}", message) for message in new for word in fault.words)
    return "found" if hit else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--doctor", help="lerobot-doctor's program")
    parser.add_argument("--lint", help="lerobot-lint's program, lelint")
    args = parser.parse_args()
    tools = {"lerobot-doctor": (doctor, args.doctor), "lerobot-lint": (lint, args.lint)}
    tools = {name: tool for name, tool in tools.items() if tool[1]}
    counts = dict.fromkeys(("wall-oss", *tools), 0)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        before: dict[tuple[str, str], list[str] | None] = {}
        for version in sorted({fault.version for fault in FAULTS}):
            folder = write(content(), root / f"sound_{version}", version)
            print(f"sound set, {version}: wall-oss {len(ours(folder))} findings", end="")
            for name, (run, program) in tools.items():
                before[name, version] = run(program, folder)
                said = before[name, version]
                print(f"; {name} {'error' if said is None else f'{len(said)} warnings'}", end="")
            print()
        print(f"\n| fault | {' | '.join(counts)} |\n|---|{'---|' * len(counts)}")
        for number, fault in enumerate(FAULTS):
            folder = fault.plant(content(), root / f"fault_{number}")
            try:
                hits = [f for f in ours(folder) if f[0] in fault.check]
                mine = "found" if any(fault.episode is None or f[1] == fault.episode for f in hits) else ""
            except WallOSSError:
                mine = "error"
            row = {"wall-oss": mine}
            for name, (run, program) in tools.items():
                row[name] = judged(fault, run(program, folder), before[name, fault.version])
            for name, result in row.items():
                counts[name] += result == "found"
            version = "" if fault.version == "v3.0" else f" ({fault.version})"
            print(f"| {fault.name}{version} | {' | '.join(row.values())} |")
            sys.stdout.flush()
        print(f"| of {len(FAULTS)} | {' | '.join(map(str, counts.values()))} |")


if __name__ == "__main__":
    main()
