#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Figures that the documentation quotes, and the files of docs/results that they come from.

A page quotes a figure between two comments that nobody sees in the rendered page; the first says where it comes from:

    <!-- result: metaworld_mt10.json#all -->69 of 100<!-- /result -->
    <!-- result: metaworld_mt10.json#mean_of_tasks percent -->69 %<!-- /result -->
    <!-- result: metaworld_mt10.json#tasks/push-v3+tasks/reach-v3 -->6 of 20<!-- /result -->

Behind the file stands the way to the figure, a key a level; counts of several ways are added. The last word says how it
is written: ``of`` (the default of counts), ``percent``, ``interval``, ``share`` (all three), a format of Python's such
as ``.1f`` or ``,d`` (the default of numbers is ``g``), or ``lines``, which stands for a text in lines of its own.

python benchmarks/published.py            writes what the files say between the comments, in all pages
python benchmarks/published.py --check    only says what differs; exit status 1 if anything does
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wall_oss_ros.commands.benching.checkout import commit
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import read_json
from wall_oss_ros.robots.checked import checked as validated
from wall_oss_ros.robots.checked import explain
from wall_oss_ros.training.record import machine

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "results"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"
"""What stands around a benchmark's tables in a page."""
QUOTED = "<!-- /result -->"
_OPENED = re.compile(r"<!--\s*result:\s*(.*?)\s*-->")
_SPEC = re.compile(r"([\w.-]+\.json)#(\S+?)(?:\s+(\S+))?")
_HINT = "The head of benchmarks/published.py says what such a file, and such a comment, look like."
_NEAR = 1e-3  # shares are written with a few digits
Text = Annotated[str, Field(min_length=1, strict=True)]


class Machine(BaseModel):
    """What computed."""

    model_config = ConfigDict(extra="forbid")

    processor: Text
    cores: int = Field(gt=0, strict=True)
    python: Text
    load: float | None = Field(default=None, ge=0, description="of the machine when it was written, over a minute")


class Head(BaseModel):
    """What every file of results begins with; the figures are the keys behind it, as each benchmark has them.

    Attributes:
        what: was measured, in words.
        command: that gives the figures again.
        commit: of the code that gave them.
        checkpoints: name and digest of each, as ``Policy.checkpoint`` has it.
        n: of what the figures count.
    """

    model_config = ConfigDict(extra="allow")

    what: Text
    command: Text
    commit: str = Field(pattern=r"^[0-9a-f]{7,40}(\+changes)?$")
    date: date
    machine: Machine
    checkpoints: tuple[Text, ...] | None = None
    n: int | None = Field(default=None, gt=0)


def head(what: str, command: str, **more: Any) -> dict[str, Any]:
    """The head of a file that is about to be written here and now, from this checkout.

    Raises:
        WallOSSError: this is no checkout of git, so nobody could say which code gave the figures.
    """
    about = Head(
        what=what,
        command=command,
        commit=commit(ROOT),
        date=date.today(),
        machine=Machine(**machine(), load=round(os.getloadavg()[0], 1)),
        **more,
    )
    return about.model_dump(mode="json", exclude_none=True)


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a file of results.

    Raises:
        WallOSSError: it would not be read again.
    """
    checked(json.loads(json.dumps(content)), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


def read(path: Path) -> dict[str, Any]:
    """A file of results.

    Raises:
        WallOSSError: it is none: the head is not complete, a number is not finite, a count or an interval contradicts
            itself.
    """
    return checked(read_json(path, _HINT), str(path))


def checked(content: Any, name: str) -> dict[str, Any]:
    """The same, if it is what a file of results holds.

    Raises:
        WallOSSError: see :func:`read`.
    """
    if not isinstance(content, dict):
        raise WallOSSError(f"{name} holds {type(content).__name__} instead of an object.", _HINT)
    for way, value in _walk(content):
        if isinstance(value, float) and not math.isfinite(value):
            raise WallOSSError(f"{name}: {way} is {value}.", "Write null where there is no figure.")
        if isinstance(value, dict) and (wrong := _contradiction(value)):
            raise WallOSSError(f"{name}: {way or 'it'} contradicts itself: {wrong}.", "Write it anew with its command.")
    try:
        validated(Head, content)
    except ValidationError as error:
        raise WallOSSError(f"{name}: {'; '.join(explain(one) for one in error.errors())}.", _HINT) from None
    return content


def _walk(value: Any, way: str = "") -> Iterator[tuple[str, Any]]:
    yield way, value
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from _walk(inner, f"{way}/{key}" if way else str(key))


def counts(value: Any) -> tuple[int, int] | None:
    """Hits and of how many; None where the value is no count."""
    if not isinstance(value, Mapping):
        return None
    for names in (("hits", "of"), ("successes", "episodes")):
        if all(isinstance(value.get(name), int) for name in names):
            return value[names[0]], value[names[1]]
    return None


def shares(value: Any) -> tuple[float, float, float] | None:
    """A share or mean from 0 to 1 with the ends of its interval; None where the value is none."""
    if not isinstance(value, Mapping):
        return None
    found, ends = counts(value), value.get("interval", [value.get("low"), value.get("high")])
    middle = value.get("share", value.get("mean", found[0] / found[1] if found and found[1] else None))
    if (
        not isinstance(ends, list)
        or len(ends) != 2
        or not all(isinstance(one, (int, float)) for one in (middle, *ends))
    ):
        return None
    return float(middle), float(ends[0]), float(ends[1])


def _contradiction(value: Mapping) -> str:
    found, about = counts(value), shares(value)
    if found is not None and not 0 <= found[0] <= found[1]:
        return f"{found[0]} of {found[1]}"
    if about is None:
        return ""
    share, low, high = about
    if not (-_NEAR <= low <= share + _NEAR and share <= high + _NEAR and high <= 1 + _NEAR):
        return f"{share:g} is said to be between {low:g} and {high:g}"
    if found and found[1] and abs(share - found[0] / found[1]) > _NEAR:
        return f"{found[0]} of {found[1]} is said to be {share:g}"
    return ""


# Pages


def pages() -> list[Path]:
    """Those that may quote."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").rglob("*.md")])


def filled(text: str, name: str, folder: Path = FOLDER) -> str:
    """A page with what the files say.

    Raises:
        WallOSSError: a comment is not of the form, or names what is not there; the page and the line are said.
    """
    parts, at = [], 0
    while (found := _OPENED.search(text, at)) is not None:
        place = f"{name}, line {text.count(chr(10), 0, found.start()) + 1}"
        end = text.find(QUOTED, found.end())
        following = _OPENED.search(text, found.end())
        if end < 0 or (following is not None and following.start() < end):
            raise WallOSSError(f"{place}: the figure has no end.", f"Write {QUOTED} behind it.")
        try:
            said = quoted(found[1], folder)
        except WallOSSError as error:
            raise WallOSSError(f"{place}: {error.message}", error.hint) from None
        parts += [text[at : found.end()], said]
        at = end
    return "".join([*parts, text[at:]])


def quoted(spec: str, folder: Path = FOLDER) -> str:
    """What is written for a comment's ``FILE#WAY[+WAY...] [FORMAT]``.

    Raises:
        WallOSSError: there is no such file or figure, or it cannot be written so.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise WallOSSError(f'"{spec}" does not say FILE#WAY.', _HINT)
    name, ways, form = match.groups()
    content = read(folder / name)
    values = [_at(content, way, name) for way in ways.split("+")]
    value = values[0]
    if len(values) > 1:
        found = [counts(one) for one in values]
        if None in found:
            raise WallOSSError(f"{spec}: only counts are added.", _HINT)
        value = {"hits": sum(one[0] for one in found if one), "of": sum(one[1] for one in found if one)}
    try:
        return _said(value, form)
    except (ValueError, TypeError, ArithmeticError):
        shown = json.dumps(value)[:100]
        raise WallOSSError(f"{spec}: {shown} cannot be written so.", _HINT) from None


def _at(content: Any, way: str, name: str) -> Any:
    value = content
    for key in way.split("/"):
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (KeyError, IndexError, ValueError, TypeError):
            raise WallOSSError(f"{name} has no {way}: {key} is not there.", "Correct the way to the figure.") from None
    return value


def _said(value: Any, form: str | None) -> str:
    if form == "lines":
        return "\n" + "\n".join(value if isinstance(value, list) else value.splitlines()) + "\n"
    found, about = counts(value), shares(value)
    if form is None:
        form = "of" if found else "text" if isinstance(value, str) else "g"
    if form == "text" and isinstance(value, str):
        return value
    if form == "of" and found:
        return f"{found[0]} of {found[1]}"
    if form == "percent":
        return f"{100 * (about[0] if about else found[0] / found[1] if found else value):.0f} %"
    if form in ("interval", "share") and about:
        interval = f"{100 * about[1]:.0f} to {100 * about[2]:.0f} %"
        return interval if form == "interval" else f"{100 * about[0]:.0f} % ({_said(value, 'of')}; {interval})"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    return format(value, form)


def write_tables(path: Path, text: str) -> None:
    """Writes a benchmark's tables into a page, between ``BEGIN`` and ``END``.

    Raises:
        WallOSSError: the page has no place for them.
    """
    page = path.read_text()
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise WallOSSError(f"{path} has no place for tables.", f"Write {BEGIN} and {END} where they belong.")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    args = parser.parse_args()
    try:
        for file in sorted(FOLDER.glob("*.json")):
            read(file)
        texts = {page: page.read_text() for page in pages()}
        stale = {page: new for page, text in texts.items() if (new := filled(text, str(page))) != text}
    except WallOSSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for page, text in stale.items():
        print(f"{page.relative_to(ROOT)} {'is out of date' if args.check else 'written'}")
        if not args.check:
            page.write_text(text)
    return int(args.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
