# SPDX-License-Identifier: Apache-2.0
"""What reasoning is good for: plans, completion, and recovery, against the same policy with reasoning off.

Runs the shipped model in simulation on scenes that training never saw, with instructions of one cube or two, every
second one in a phrasing that training never showed. In four of five runs something goes wrong (see failure_monitor.py,
which shares its runs with this). The same scene, instruction and upset go to:

    reasoning    the model plans, judges every 0.5 s what is called for, and goes back
    monitored    the same, and a failure that the monitor names is tried again, planned anew or given up
    truth        the first plan, whose subtasks end when the simulator's truth says so, and never begin again
    clock        the first plan, whose subtasks get 6 s each
    instruction  no plan: the policy acts on the instruction itself until time is over

Each result is a line of JSON in OUTPUT/runs.jsonl at once; the same command goes on where it was interrupted.

    python benchmarks/planning.py                     # 1250 runs
    python benchmarks/planning.py --scenes 4 --minutes 10
    python benchmarks/planning.py --report --plot docs/images/planning.png --write docs/planning.md
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from planning_runs import figures
from planning_runs.cases import MODES, UPSETS
from planning_runs.command import add_arguments, gather, tell

from wall_oss_ros.errors import WallOSSError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, scenes=50)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES), help="(default: all)")
    parser.add_argument("--plot", type=Path, help="draw success and delays there")
    args = parser.parse_args()
    try:
        runs, wanted = gather(args, args.modes, UPSETS)
        judging = [one for one in runs if one.result["mode"] in ("reasoning", "monitored")]
        plans, completion = figures.planning(runs), figures.completion(judging)
        tell(args, runs, wanted, (plans, completion, figures.outcomes(runs), figures.replanning(runs)))
    except WallOSSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if args.plot:
        from planning_runs.plots import draw

        draw(runs, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
