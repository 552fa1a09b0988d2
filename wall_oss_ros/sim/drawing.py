# SPDX-License-Identifier: Apache-2.0
"""What a viewer draws of a scene, from its ground truth. m, in the frame of the arms' base; needs no MuJoCo."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

Vector = tuple[float, float, float]


class Box(NamedTuple):
    size: Vector  # edges
    centre: Vector = (0.0, 0.0, 0.0)


class Thing(NamedTuple):
    """Something that moves: boxes in its own frame, by name."""

    name: str
    boxes: Mapping[str, Box]
    position: Vector
    wxyz: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    colour: str | None = None  # one of sim.goals.COLOURS; None: grey
    label: str = ""


@dataclass(frozen=True)
class Drawing:
    """One kind of scene.

    Attributes:
        table, legs: what never moves.
        things: all that a ground truth tells of.
        looked_from, looked_at: a good place for the camera, and what is in the middle of its picture.
    """

    table: Box
    legs: tuple[Box, ...]
    things: Callable[[Mapping], Iterable[Thing]]
    looked_from: Vector
    looked_at: Vector
