# SPDX-License-Identifier: Apache-2.0
"""Looks a LeRobot dataset over: tables against rows and videos, timestamps, numbers, state against action, pictures,
words, statistics. Nothing in it is changed.

exit status: 0 nothing wrong (notes do not count), 1 findings, 2 it cannot be read

examples:
  wall-oss data check datasets/mine
  wall-oss data check owner/name --report runs/check
  wall-oss data check datasets/mine --json --sample 0
"""

from __future__ import annotations

import argparse
import json
import sys

from wall_oss_ros.commands.arguments import folder, require_writable, text, whole
from wall_oss_ros.commands.data.editing import add_source, telling

SHOWN = 4
"""Findings of one check and column that the table shows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    parser.add_argument(
        "--report", type=folder, metavar="DIR", help="write a page with pictures and plots into this folder"
    )
    parser.add_argument(
        "--sample",
        type=whole(0, 10_000),
        default=8,
        metavar="N",
        help="pictures looked at in each episode and view; 0 for none (default: %(default)s)",
    )
    parser.add_argument("--only", nargs="+", type=text, metavar="CHECK", help="tell only of these checks")
    parser.add_argument("--skip", nargs="+", type=text, default=[], metavar="CHECK", help="do not tell of these checks")
    parser.add_argument("--all", action="store_true", help="a line for each finding, however many are alike")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def main(args: argparse.Namespace) -> int:
    """Prints what was found.

    Returns:
        1 where more than notes were found, else 0.

    Raises:
        WallOSSError: there is no dataset, none of it can be read, or there is no such check.
    """
    from wall_oss_ros.data.checks.findings import require_checks, unsound
    from wall_oss_ros.data.checks.report import write_report
    from wall_oss_ros.data.checks.run import check
    from wall_oss_ros.data.lerobot.hub import locate_dataset

    require_checks([*(args.only or ()), *args.skip])
    if args.report:
        require_writable(args.report)
    place = locate_dataset(args.dataset)
    with telling("looking it over", wanted=not args.json) as tell:
        result = check(place, args.sample, lambda text: tell(f"looking at {text}"))
    found = [f for f in result.findings if f.check not in args.skip and (not args.only or f.check in args.only)]
    result = result._replace(findings=found)
    page = write_report(result, args.report) if args.report else None
    if args.json:
        print(json.dumps(summary(result), indent=1, default=float))
    else:
        from rich.console import Console

        width = None if sys.stdout.isatty() else 160
        show(result, Console(highlight=False, width=width), args.all)
        if page is not None:
            print(f"pictures and plots: {page}")
    return 1 if unsound(found) else 0


def summary(result) -> dict:
    """The result as one JSON object."""
    return {
        "dataset": str(result.survey.folder),
        "version": result.survey.info.version,
        "fps": result.survey.fps,
        "episodes": len(result.survey.table),
        "frames": result.frames,
        "pictures": result.pictures,
        "seconds": round(result.seconds, 3),
        "findings": [finding.as_json() for finding in result.findings],
    }


def show(result, console, everything: bool = False) -> None:
    """Args: result: of ``data.checks.run``; console: rich's."""
    from rich.markup import escape
    from rich.table import Table

    from wall_oss_ros.data.checks.findings import grouped, told

    survey = result.survey
    console.print(f"[bold]{escape(str(survey.folder))}[/]", soft_wrap=True)
    rate = result.frames / max(result.seconds, 1e-9)
    console.print(
        f"{survey.info.version}, {len(survey.table)} episodes, {result.frames:,} frames at {survey.fps:g} Hz; "
        f"{result.pictures:,} pictures looked at; {result.seconds:.1f} s, {rate:,.0f} frames a second",
        soft_wrap=True,
    )
    if not result.findings:
        console.print("\nNothing was found.", style="green")
        return
    table = Table(box=None, pad_edge=False, title_justify="left")
    for name in ("level", "check", "episode", "frame", "column", "what, and what to do"):
        table.add_column(
            name,
            justify="right" if name in ("episode", "frame") else "left",
            overflow="fold",
            no_wrap=name in ("level", "episode"),
        )
    colours = {"error": "bold red", "warning": "yellow", "note": "dim"}
    for group in grouped(result.findings):
        shown = group if everything else group[:SHOWN]
        for at, f in enumerate(shown):
            said = f"{f.what} {f.todo}" if at == 0 else f.what
            frame = "" if f.frame is None else str(f.frame) if f.last is None else f"{f.frame}-{f.last}"
            table.add_row(
                f"[{colours[f.level]}]{f.level}[/]",
                f.check,
                "" if f.episode is None else str(f.episode),
                frame,
                escape(f.column or ""),
                escape(said),
            )
        if len(group) > len(shown):
            episodes = sorted({f.episode for f in group if f.episode is not None})
            table.add_row(
                "", "", "", "", "", f"and {len(group) - len(shown)} more like it, in {len(episodes)} episodes: --all"
            )
    console.print()
    console.print(table)
    console.print("\n" + ", ".join(told(result.findings)))
