# SPDX-License-Identifier: Apache-2.0
"""Finds in a dataset's features what a mapping names, and says what there is where it is not there."""

from __future__ import annotations

import re
from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wall_oss_ros.data.mapping.spec import UNITS, Numbers, Opening
from wall_oss_ros.errors import WallOSSError

_RANGE = re.compile(r"(\d*):(\d*)")
PICTURES, TEXT = ("video", "image"), ("string", "language")


@dataclass(frozen=True)
class Picked:
    """Numbers of a column: where they are, and what brings them into SI units."""

    column: str
    at: np.ndarray  # (k,) int
    scale: np.ndarray  # (k,)
    offset: np.ndarray  # (k,)
    field: str  # of the mapping, for messages

    def read(self, columns: Table[str, np.ndarray]) -> np.ndarray:
        """(n, k) float64."""
        values = np.asarray(columns[self.column], float)
        return values.reshape(len(values), -1)[:, self.at] * self.scale + self.offset


def optional(columns: Columns, field: str, numbers: Numbers | None, count: int | Sequence[int] | None) -> Picked | None:
    """As :meth:`Columns.pick`; None where a mapping has no such field."""
    return None if numbers is None else columns.pick(field, numbers, count)


class Columns:
    """The columns of one dataset, for one mapping's file.

    Args:
        features: as of a LeRobot dataset: each with dtype, shape and names.
        file: the mapping's, for messages.
        source: the dataset's name, for messages.
    """

    def __init__(self, features: Table[str, Any], file: Path | str, source: Path | str):
        self.features, self._file, self._source = features, file, source

    def error(self, field: str, problem: str, hint: str) -> WallOSSError:
        """What is wrong with a field of the mapping."""
        return WallOSSError(f"The mapping {self._file}, field {field}: {problem}.", hint)

    def pick(self, field: str, numbers: Numbers | Opening, count: int | Sequence[int] | None) -> Picked:
        """The numbers that a field names.

        Args:
            count: how many there must be; any of several; None for any.

        Raises:
            WallOSSError: there is no such column, it holds no numbers, or not these.
        """
        at = self._places(field, numbers)
        wanted = () if count is None else (count,) if isinstance(count, int) else tuple(count)
        if wanted and len(at) not in wanted:
            raise self.error(
                field,
                f"{len(at)} number{'s' * (len(at) != 1)} of {numbers.column} where "
                f"{' or '.join(map(str, wanted))} {'was' if wanted == (1,) else 'were'} expected",
                f"Say which in {field}.at; {self._content(numbers.column)}.",
            )
        scale, offset = np.ones(len(at)), np.zeros(len(at))
        if isinstance(numbers, Numbers):
            unit = 1.0 if numbers.unit is None else UNITS[numbers.unit]
            scale = self._each(f"{field}.scale", numbers.scale, len(at)) * unit
            offset = self._each(f"{field}.offset", numbers.offset, len(at)) * unit
        return Picked(numbers.column, at, scale, offset, field)

    def _each(self, field: str, given: float | tuple[float, ...], count: int) -> np.ndarray:
        values = np.atleast_1d(np.asarray(given, float))
        if len(values) not in (1, count):
            raise self.error(
                field, f"{len(values)} values for {count} numbers", "Give one for all, or one for each number."
            )
        return np.broadcast_to(values, count).copy()

    def opening(self, field: str, gripper: Opening) -> tuple[Picked, np.ndarray | None, np.ndarray | None]:
        """The numbers of a gripper, and what they are where it is closed and open, (k,) each."""
        picked = self.pick(field, gripper, 1 if gripper.closed is None else None)
        if gripper.closed is None:
            unit = np.full(1, UNITS[gripper.unit])
            return Picked(picked.column, picked.at, unit, np.zeros(1), field), None, None
        shut, wide = (
            self._each(f"{field}.{name}", getattr(gripper, name), len(picked.at)) for name in ("closed", "open")
        )
        if (shut == wide).any():
            raise self.error(field, "closed and open are the same for one of its numbers", "Leave that number out.")
        return picked, shut, wide

    def picture(self, field: str, column: str) -> str:
        """The column itself, once it is one of pictures."""
        return self._of_kind(field, column, PICTURES, "pictures")

    def text(self, field: str, column: str) -> str:
        """The column itself, once it is one of text."""
        return self._of_kind(field, column, TEXT, "text")

    def _of_kind(self, field: str, column: str, dtypes: tuple[str, ...], kind: str) -> str:
        there = [name for name, feature in self.features.items() if feature.dtype in dtypes and not feature.depth]
        if column not in there:
            what = "is no column of" if column in self.features else "is not in"
            problem = f"{column} {what} {kind}" if column in self.features else f"{column} {what} {self._source}"
            raise self.error(field, problem, f"Its columns of {kind}: {', '.join(there) or 'none'}.")
        return column

    def _places(self, field: str, numbers: Numbers | Opening) -> np.ndarray:
        feature = self.features.get(numbers.column)
        plain = {
            name: one for name, one in self.features.items() if one.dtype not in PICTURES and one.dtype not in TEXT
        }
        if feature is None or numbers.column not in plain:
            why = "is not in" if feature is None else "holds no numbers in"
            listed = ", ".join(f"{name} ({int(np.prod(one.shape))})" for name, one in plain.items())
            raise self.error(
                f"{field}.column", f"{numbers.column} {why} {self._source}", f"Its columns of numbers: {listed}."
            )
        size, names = int(np.prod(feature.shape)), list(feature.names or ())
        if numbers.at is None:
            return np.arange(size)
        if isinstance(numbers.at, str) and (span := _RANGE.fullmatch(numbers.at)) and numbers.at not in names:
            first, last = int(span[1] or 0), int(span[2] or size)
            places = list(range(first, last)) if first < last <= size else []
            if not places:
                raise self.error(f"{field}.at", f"{numbers.at} is no range of it", self._content(numbers.column) + ".")
            return np.array(places)
        places = []
        for one in (numbers.at,) if isinstance(numbers.at, str) else numbers.at:
            found = [one] if isinstance(one, int) else [i for i, name in enumerate(names) if name == one]
            if len(found) != 1 or found[0] >= size:
                problem = f"{one!r} is there {len(found)} times" if len(found) > 1 else f"there is no {one!r} in it"
                raise self.error(f"{field}.at", problem, self._content(numbers.column) + ".")
            places += found
        if len(set(places)) < len(places):
            raise self.error(f"{field}.at", "one of the numbers is there twice", "Name each once.")
        if not places:
            raise self.error(f"{field}.at", "it names no number", self._content(numbers.column) + ".")
        return np.array(places)

    def _content(self, column: str) -> str:
        feature = self.features[column]
        size = int(np.prod(feature.shape))
        named = f", named {', '.join(map(str, feature.names))}" if feature.names else ", without names"
        return f"{column} has {size} number{'s' * (size != 1)}{named}"
