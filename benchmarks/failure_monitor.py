# SPDX-License-Identifier: Apache-2.0
"""How well failures are noticed: by the failure monitor, and by the model's judgement alone.

Runs the shipped model in simulation on scenes that training never saw. Once in a run something goes wrong with the cube
that it is to put away: it is knocked away, changes places with another, is lost from the grip, or its tray is moved;
of every five runs one goes undisturbed. The monitor watches without being heeded, so both are judged on the same runs.
Each result is a line of JSON in OUTPUT/runs.jsonl at once; the same command goes on where it was interrupted.
Everything random follows from ``--seed``.

    python benchmarks/failure_monitor.py                       # 200 runs with faults, 50 without
    python benchmarks/failure_monitor.py --scenes 4 --minutes 5
    python benchmarks/failure_monitor.py --report --write docs/watching.md       # only the tables, of what is there
"""

from __future__ import annotations

import argparse
import sys

from planning_runs import figures
from planning_runs.cases import UPSETS
from planning_runs.command import add_arguments, gather, tell

from wall_oss_ros.errors import WallOSSError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, scenes=50)
    args = parser.parse_args()
    try:
        runs, wanted = gather(args, ("reasoning",), UPSETS)
        tell(args, runs, wanted, (figures.detection(runs), figures.alarms(runs), figures.watching(runs)))
    except WallOSSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
