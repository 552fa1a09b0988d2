# SPDX-License-Identifier: Apache-2.0
"""Points and boxes in texts: from the many ways to write them to the one that prompts use.

That is ``<point>[x, y]</point>`` and ``<box>[x1, y1, x2, y2]</box>``, in pixels of the picture as the model takes it,
as released weights have seen them. Read are these, Qwen's ``bbox_2d``, ``point_2d`` and ``<|box_start|>``, lists of
tuples, and plain brackets of two or four numbers. A box is given by two corners.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

Space = Literal["pixels", "0 to 1", "0 to 1000"]

_N = r"\s*(-?\d+(?:\.\d+)?)\s*"
_TWO, _FOUR = rf"{_N},{_N}", rf"{_N},{_N},{_N},{_N}"
_MARKED = (
    rf"<\|box_start\|>\s*\({_TWO}\)\s*,\s*\({_TWO}\)\s*<\|box_end\|>"
    rf"|<\|point_start\|>\s*\({_TWO}\)\s*<\|point_end\|>"
    rf"|<box>\s*[\[(]{_FOUR}[\])]\s*</box>"
    rf"|<point>\s*[\[(]{_TWO}[\])]\s*</point>"
)
_LIST = r"\[\s*\((?:[\d.,\s-]+)\)(?:\s*,\s*\((?:[\d.,\s-]+)\))*\s*,?\s*\]"
_PLAIN = rf"\[{_FOUR}\]|\({_FOUR}\)|\[{_TWO}\]|\({_TWO}\)"
_MARKS = re.compile(_MARKED)
_ANY = re.compile(rf"{_MARKED}|(?P<list>{_LIST})|{_PLAIN}")
_TUPLE = re.compile(r"\(([\d.,\s-]+)\)")
_FENCE = re.compile(r"^```(?:json)?\s*(.*?)\s*```$", re.DOTALL)
_KEYS = {"bbox_2d": 4, "bbox": 4, "point_2d": 2, "point": 2}
_UNDECLARED = "it has points or boxes, and the recipe does not say in which coordinates"


class Spot(NamedTuple):
    """A point (x, y) or a box (x1, y1, x2, y2), in shares of the picture's sides."""

    shares: tuple[float, ...]

    def said(self, width: int, height: int) -> str:
        """In pixels of a picture of this size."""
        sides = (width, height) * (len(self.shares) // 2)
        if len(self.shares) == 2:  # the pixel that it lies in
            x, y = (min(math.floor(share * side + 1e-6), side - 1) for share, side in zip(self.shares, sides))
            return f"<point>[{x}, {y}]</point>"
        return (
            f"<box>[{', '.join(str(math.floor(share * side + 0.5)) for share, side in zip(self.shares, sides))}]</box>"
        )


Pieces = tuple[str | Spot, ...]
"""A text, with what it points to."""


def in_pieces(text: str, space: Space | None, size: tuple[int, int] | None) -> Pieces:
    """A text taken apart.

    Args:
        space: the coordinates that its points and boxes are in; None where it has none.
        size: width and height of the picture that they are about; None where that is not known.

    Raises:
        ValueError: coordinates are not declared, are not those that were, or lie outside of the picture.
    """
    listed = _json(text)
    if space is None:
        if listed is not None or _MARKS.search(text):
            raise ValueError(_UNDECLARED)
        return (text,)
    if listed is not None:
        return _labelled(listed, space, size)
    found: list[str | Spot] = []
    at = 0
    for match in _ANY.finditer(text):
        found.append(text[at : match.start()])
        at = match.end()
        if match["list"]:
            for number, one in enumerate(_TUPLE.findall(match["list"])):
                found += [", "] if number else []
                found.append(_spot([part for part in one.split(",") if part.strip()], space, size))
        else:
            found.append(_spot([number for number in match.groups() if number is not None], space, size))
    return tuple(piece for piece in (*found, text[at:]) if piece != "")


def has_spots(text: str) -> bool:
    """Whether a text may point to something."""
    return _json(text) is not None or _ANY.search(text) is not None


def joined(pieces: Pieces, size: tuple[int, int]) -> str:
    """The text, in pixels of a picture of this width and height."""
    return "".join(piece if isinstance(piece, str) else piece.said(*size) for piece in pieces)


def _json(text: str) -> list[dict[str, Any]] | None:
    """The objects of an answer that is nothing but JSON with points or boxes; None where it is none."""
    body = fenced[1] if (fenced := _FENCE.match(text.strip())) else text.strip()
    if body[:1] not in ("[", "{") or not any(f'"{key}"' in body for key in _KEYS):
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    objects = value if isinstance(value, list) else [value]
    if objects and all(isinstance(one, dict) and any(key in one for key in _KEYS) for one in objects):
        return objects
    return None


def _labelled(objects: list[dict[str, Any]], space: Space, size: tuple[int, int] | None) -> Pieces:
    """One object as it is; of several each with its label, where it has one."""
    found: list[str | Spot] = []
    for number, one in enumerate(objects):
        key = next(key for key in _KEYS if key in one)
        numbers, label = one[key], one.get("label")
        if not isinstance(numbers, list) or len(numbers) != _KEYS[key]:
            raise ValueError(f"its {key} is no list of {_KEYS[key]} numbers")
        found += [", "] if number else []
        found += [f"{label} "] if len(objects) > 1 and isinstance(label, str) and label else []
        found.append(_spot(numbers, space, size))
    return tuple(found)


def _spot(given: Sequence[Any], space: Space, size: tuple[int, int] | None) -> Spot:
    try:
        numbers = [float(number) for number in given if not isinstance(number, bool)]
    except (TypeError, ValueError):
        numbers = []
    what = f"{'box' if len(given) == 4 else 'point'} [{', '.join(str(number).strip() for number in given)}]"
    if len(numbers) != len(given) or len(numbers) not in (2, 4) or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{what} is neither a point nor a box")
    if space == "0 to 1":
        most: tuple[float, float] = (1, 1)
    elif space == "0 to 1000":
        most = (1000, 1000)
    elif size is None:
        raise ValueError(f"{what} is in pixels of a picture whose size is not known")
    else:
        most = size
    if space != "0 to 1" and max(numbers) <= 1 and any(number != int(number) for number in numbers):
        raise ValueError(f"{what} is from 0 to 1 by the look of it, not {_of(space)}")
    shares = tuple(number / side for number, side in zip(numbers, most * 2))
    if min(shares) < 0 or max(shares) > 1:
        where = f"a picture of {most[0]:g} x {most[1]:g} pixels" if space == "pixels" else f"what is {_of(space)}"
        raise ValueError(f"{what} lies outside of {where}")
    if len(shares) == 4 and (shares[0] > shares[2] or shares[1] > shares[3]):
        raise ValueError(f"{what} has its second corner left of or above its first")
    return Spot(shares)


def _of(space: Space) -> str:
    return "in pixels" if space == "pixels" else f"from {space}"
