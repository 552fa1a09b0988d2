# SPDX-License-Identifier: Apache-2.0
"""What the verbs have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wall_oss_ros.commands.arguments import folder, text

NAMED = 8
"""Files that did not go along, in a message."""


def add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=text, metavar="DATASET", help="its folder, or owner/name on the hub")


def add_output(parser: argparse.ArgumentParser, what: str = "for the new dataset; it must not be there yet") -> None:
    parser.add_argument("--output", type=folder, required=True, metavar="DIR", help=what)
    parser.add_argument("--link", action="store_true", help="hard links to videos that stay whole, instead of copies")


def survey_of(name: str):
    """The dataset of that name.

    Raises:
        WallOSSError: there is none, or its tables cannot be read.
    """
    from wall_oss_ros.data.checks.survey_tables import open_survey
    from wall_oss_ros.data.lerobot.hub import locate_dataset

    return open_survey(locate_dataset(name))


@contextmanager
def telling(text: str, wanted: bool = True) -> Iterator[Callable[[str], None]]:
    """Gives a function that shows what is being done, where a person looks on; where not, it does nothing."""
    if not (wanted and sys.stderr.isatty()):
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status(text) as status:
        yield status.update


def write(parts, args: argparse.Namespace, output) -> None:
    """Writes the parts as one dataset, and says what came of it."""
    from wall_oss_ros.data.edits.compose import compose

    with telling("writing") as tell:
        made = compose(parts, output, args.link, tell)
    print(f"written to {made.folder} and verified: {made.episodes} episodes, {made.frames} frames, {made.tasks} tasks")
    if made.videos_copied or made.videos_cut:
        print(
            f"videos: {made.videos_copied} taken whole, {made.videos_cut} cut at keyframes; nothing was encoded again"
        )
    if made.unused_frames:
        print(f"{made.unused_frames} frames of episodes left out are still in the videos, and no table names them")
    if made.left:
        more = f" and {len(made.left) - NAMED} more" if len(made.left) > NAMED else ""
        print(f"left behind, as nothing says whether it still holds: {', '.join(made.left[:NAMED])}{more}")
    if made.rank_error:
        print(f"quantiles are off by at most {made.rank_error:.3%} of the rows")
