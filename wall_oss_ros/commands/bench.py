# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks that make sense on any machine, one after the other, and compares with the last run.

Each has a time that it may take; what is not done by then is ended. All figures go into one JSON file, medians with
their 95 % intervals, in runs/bench of this checkout. Where two intervals overlap, there is no clear difference. Other
work on the machine spoils figures: the table says how busy it was.

exit status: 0 all ran, 1 one failed or took too long, 2 bad input

examples:
  wall-oss bench --list
  wall-oss bench --quick
  wall-oss bench --only chunk,control_cycle
  wall-oss bench --against runs/bench/2026-11-30T120000.json --output new.json
"""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from wall_oss_ros.commands.arguments import require_writable, text
from wall_oss_ros.errors import WallOSSError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--list", action="store_true", help="say what there is, and run nothing")
    add("--only", type=text, metavar="NAME,...", help="these benchmarks (default: all)")
    add("--quick", action="store_true", help="each fewer times, in a few minutes together")
    add("--against", type=text, metavar="FILE", help="compare with this run (default: the last one of the same folder"
        " that has one of these benchmarks)")  # fmt: skip
    add("--output", type=text, metavar="FILE", help="where the figures go (default: runs/bench/DATE.json)")


def main(args: argparse.Namespace) -> int:
    """Runs them and prints the tables.

    Returns:
        1 when a benchmark gave no figures though there was memory for it, else 0.

    Raises:
        WallOSSError: there are no benchmarks here, none of a name, or no such file to compare with.
    """
    from rich.console import Console

    from wall_oss_ros.commands.benching import catalogue, report, running
    from wall_oss_ros.commands.benching.checkout import ROOT, benchmarks

    console, wanted = Console(highlight=False), catalogue.chosen(args.only)
    if args.list:
        _list(wanted, console)
        return 0
    folder = benchmarks()
    file = Path(args.output) if args.output else ROOT / "runs" / "bench" / f"{datetime.now():%Y-%m-%dT%H%M%S}.json"
    if file.is_dir():
        raise WallOSSError(f"{file} is a folder.", "Give --output a file.")
    before = (Path(args.against), report.read(Path(args.against))) if args.against else None
    require_writable(file.parent)
    file.parent.mkdir(parents=True, exist_ok=True)
    before = before or report.last(file.parent, [one.name for one in wanted])
    found = report.Report(date=datetime.now().astimezone(), machine=report.this_machine(), quick=args.quick,
                          commit=report.this_code(), benchmarks={})  # fmt: skip
    for benchmark in wanted:
        console.print(f"{benchmark.name}: {benchmark.what} ...", markup=False)
        found.benchmarks[benchmark.name] = outcome = running.run(benchmark, folder, args.quick)
        report.write(found, file)  # what is there stays, should the rest be interrupted
        console.print(f"  {outcome.why or 'done'}, {outcome.seconds:.0f} s", markup=False, soft_wrap=True)
    show(found, before, console)
    console.print(f"\nwritten to {file}", markup=False, soft_wrap=True)
    return int(any(one.why and not one.why.startswith("left out") for one in found.benchmarks.values()))


def _list(wanted, console) -> None:
    from rich.table import Table

    table = Table("name", "measures", "at most", "quick", "memory", box=None)
    for one in wanted:
        times = f"{one.seconds:.0f} s", f"{one.quick_seconds:.0f} s"
        table.add_row(one.name, one.what, *times, f"{one.memory:g} GiB")
    console.print(table)


def show(found, before, console) -> None:
    """Args: found: a ``report.Report``; before: the file and report that it is compared with, or None."""
    from rich.markup import escape
    from rich.table import Table

    from wall_oss_ros.commands.benching.comparison import compare

    machine = found.machine
    console.print(f"\n{machine.processor}, {machine.cores} cores, torch {machine.torch}, load {machine.load:g}"
                  f" before, commit {found.commit or 'unknown'}", markup=False, soft_wrap=True)  # fmt: skip
    if machine.load > 0.5:
        console.print("The machine was busy: expect figures that are too long, and wide intervals.", style="yellow")
    columns = ["benchmark", "figure", "median", "95 % interval", "runs"]
    if before is not None:
        file, old = before
        console.print(f"against {file}, {old.date:%Y-%m-%d %H:%M}, commit {old.commit or 'unknown'}", markup=False,
                      soft_wrap=True)  # fmt: skip
        if other := machine.differences(old.machine):
            console.print(f"That was another machine: {'; '.join(other)}.", style="yellow", markup=False)
        columns += ["before", "new / old", ""]
    table = Table(*columns, box=None)
    for name, outcome in found.benchmarks.items():
        for title, figure in outcome.figures.items():
            row = [name, title, f"{figure.median:.4g} {figure.unit}", _span(figure.low, figure.high), str(figure.n)]
            earlier = old.benchmarks.get(name) if before is not None else None
            if earlier is not None and title in earlier.figures:
                change = compare(figure, earlier.figures[title])
                ratio = "" if change.ratio is None else f"{change.ratio:.3g}"
                span = _span(change.low, change.high)
                row += [f"{earlier.figures[title].median:.4g}", f"{ratio} ({span})" if span else ratio, change.verdict]
            table.add_row(*map(escape, row))
        if not outcome.figures:
            table.add_row(name, escape(outcome.why))
    console.print(table)


def _span(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.4g} to {high:.4g}"
