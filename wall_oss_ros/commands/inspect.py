# SPDX-License-Identifier: Apache-2.0
"""Shows what a checkpoint is: architecture, sizes, views, degrees of freedom, statistics, tokens, files; and what in it
looks wrong, such as units of another robot, statistics that were never set, or weights that are not finite.

Reads headers first and each weight once, a block at a time: a checkpoint of any size fits. Nothing in it is run. How
nodes compute with it on this machine is measured, or remembered, on layers of its sizes with random weights.

exit status: 0 nothing suspicious, 1 something is, 2 no checkpoint

examples:
  wall-oss inspect models/wall-oss-tiny
  wall-oss inspect x-square-robot/wall-oss-flow --robot config/robots/mine.yaml
  wall-oss inspect runs/mine --quick --json
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from wall_oss_ros.commands.arguments import text

UNITS = ("B", "kB", "MB", "GB", "TB")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=text, metavar="CHECKPOINT", help="its folder, or owner/name on the hub")
    parser.add_argument("--robot", type=text, metavar="PROFILE", help="compare with this profile, by name or path"
                        " (default: the profiles that have the names of the checkpoint's statistics)")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="leave the weights unread and nothing measured:"
                        " headers and statistics only")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")


def main(args: argparse.Namespace) -> int:
    """Prints the report.

    Returns:
        1 when something is suspicious, else 0.

    Raises:
        WallOSSError: there is no such checkpoint, or it cannot be read.
    """
    from wall_oss_ros.commands.inspection.report import inspect
    from wall_oss_ros.policy.checkpoints import model_directory

    report = inspect(model_directory(args.checkpoint), args.robot, not args.quick)
    if args.json:
        print(json.dumps(asdict(report), indent=1))
    else:
        from rich.console import Console

        show(report, Console(highlight=False))
    return 1 if report.suspicious else 0


def show(report, console) -> None:
    """Args: report: of ``inspection.report``; console: rich's."""
    console.print(f"[bold]{report.folder}[/]")
    _table(console, "Architecture", ("", ""), report.architecture.items())
    total = sum(part.parameters for part in report.parts)
    rows = [(p.name, f"{p.parameters:,}", f"{p.parameters / total:.1%}", _size(p.bytes), p.types, str(p.tensors))
            for p in report.parts]  # fmt: skip
    rows.append(("all", f"{total:,}", "", _size(sum(part.bytes for part in report.parts)), "", ""))
    _table(console, "Parameters", ("part", "numbers", "share", "size", "type", "tensors"), rows)
    _table(console, "Views", ("name", "in the prompt"), report.views.items())
    rows = [(kind, one) for kind, templates in report.sentences.items() for one in templates]
    if rows:
        _table(console, "Understood, and nothing else", ("kind", "sentence"), rows)
    _table(console, "Degrees of freedom", ("name", "numbers"), report.degrees_of_freedom.items())
    for name, robot in report.robots.items():
        _statistics(console, name, robot)
    special = report.tokenizer.get("special", {})
    rows = [*((token, "missing" if number is None else number) for token, number in special.items())]
    rows += [(key, report.tokenizer[key]) for key in ("tokens", "FAST action tokens") if key in report.tokenizer]
    _table(console, "Tokenizer", ("token", "id"), rows)
    _table(console, "Files", ("name", "size"), [(name, _size(size)) for name, size in report.files.items()])
    if report.computing:
        console.print(f"\nOn this machine, with one thread: {report.computing}", markup=False, soft_wrap=True)
    if not report.suspicious:
        console.print("\nNothing suspicious was found.", style="green")
        return
    console.print(f"\n{len(report.suspicious)} suspicious:", style="bold yellow")
    for line in report.suspicious:
        console.print(f"- {line}", markup=False, soft_wrap=True)


def _statistics(console, name: str, robot: dict) -> None:
    state, action = ({entry.name: entry for entry in robot.get(what, [])} for what in ("state", "action"))
    rows, silent = [], []
    for label in dict.fromkeys([*state, *action]):
        pair = [table.get(label) for table in (state, action)]
        if any(entry is not None and entry.used for entry in pair):
            unit = next(entry.unit for entry in pair if entry is not None)
            rows.append((label, unit, *("" if e is None else _span(e) if e.used else e.note for e in pair)))
        else:
            silent.append(label.partition("[")[0])
    kinds = sorted({robot[key] for key in ("state kind", "action kind") if key in robot})
    shown = "mean ± 3 deviations" if kinds == ["mean_std"] else "least to greatest"
    _table(console, f"Statistics of {name} ({shown})", ("number", "unit", "state", "action"), rows)
    if silent:
        names = ", ".join(dict.fromkeys(silent))
        console.print(f"  without a range: {names}", style="dim", markup=False, soft_wrap=True)


def _span(entry) -> str:
    return f"{entry.low:.4g} to {entry.high:.4g}"


def _size(count: float) -> str:
    """Bytes in the largest unit that leaves at least 1."""
    for unit in UNITS:
        if count < 1000 or unit == UNITS[-1]:
            return f"{count:.3g} {unit}"
        count /= 1000


def _table(console, title: str, columns: tuple[str, ...], rows) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", show_header=any(columns), box=None)
    for index, column in enumerate(columns):
        side = "right" if column in ("numbers", "share", "size", "tensors", "id") else "left"
        table.add_column(column, style="cyan" if index == 0 else "", justify=side, no_wrap=index == 0)
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    console.print()
    console.print(table)
