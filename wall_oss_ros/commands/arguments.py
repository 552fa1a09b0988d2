# SPDX-License-Identifier: Apache-2.0
"""What the commands' arguments may be; whatever else is given ends in one line, as all bad input does."""

from __future__ import annotations

import argparse
import importlib
import math
import os
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from wall_oss_ros.errors import WallOSSError

SEED_LIMIT = 2**31 - 1
"""The greatest seed: a ROS parameter of the simulated robot takes no greater one."""


class Parser(argparse.ArgumentParser):
    """argparse's parser, which says in a WallOSSError what is wrong, in place of usage, error and exit."""

    def error(self, message: str) -> NoReturn:
        message = message.removeprefix("argument ").replace("\n", " ")
        raise WallOSSError(f"{message}.", f"See {self.prog} --help")


def add_commands(parser: argparse.ArgumentParser, package: str, summaries: Mapping[str, str], kind: str) -> None:
    """Adds subcommands: each name is a module of ``package`` with add_arguments(parser) and main(args) -> exit status.

    Args:
        summaries: by the names of the subcommands, a hyphen where the module has an underscore.
        kind: what these are called, such as "command"; then ``args.command_main`` is the main of the chosen one.
    """
    subparsers = parser.add_subparsers(title=f"{kind}s", metavar=kind.upper(), required=True)
    for name, summary in summaries.items():
        module = importlib.import_module(f"{package}.{name.replace('-', '_')}")
        subparser = subparsers.add_parser(
            name,
            help=summary,
            description=(module.__doc__ or "").strip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(subparser)
        subparser.set_defaults(**{f"{kind}_main": module.main})


def whole(least: int, most: int) -> Callable[[str], int]:
    """An argument's type: a whole number in decimal digits, both ends included."""

    def convert(text: str) -> int:
        digits = text.removeprefix("-")
        value = int(text) if digits.isascii() and digits.isdigit() and len(digits) < 30 else None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{_shown(text)} is no whole number from {least} to {most}")
        return value

    return convert


def number(least: float, most: float) -> Callable[[str], float]:
    """An argument's type: a number, both ends included."""

    def convert(text: str) -> float:
        try:
            value = float(text) if text.isascii() and "_" not in text else math.nan
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{_shown(text)} is no number from {least:.7g} to {most:.7g}")
        return value

    return convert


def text(value: str) -> str:
    """An argument's type: anything but nothing."""
    if not value.strip():
        raise argparse.ArgumentTypeError("the text is empty")
    return value


def folder(value: str) -> Path:
    """An argument's type: a folder that may have to be made."""
    return Path(text(value)).expanduser() if value.startswith("~/") else Path(text(value))


def require_writable(path: Path) -> None:
    """Makes sure, before work begins, that its results can be written.

    Raises:
        WallOSSError: the folder cannot be made, or is no folder, or cannot be written to.
    """
    try:
        there = path
        while not there.exists() and there != there.parent:
            there = there.parent
        if not there.is_dir():
            reason = f"{there} is no folder"
        elif not os.access(there, os.W_OK | os.X_OK):
            reason = f"{there} may not be written to"
        else:
            return
    except (OSError, ValueError) as error:  # too long, or a zero in it
        reason = getattr(error, "strerror", None) or str(error)
    raise WallOSSError(f"{_shown(str(path))} cannot be made: {reason}.", "Name another folder.") from None


def _shown(value: str) -> str:
    return reprlib.repr(value)
