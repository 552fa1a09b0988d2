# SPDX-License-Identifier: Apache-2.0
"""How a client names and writes what it sends and wants back: by the robot's own names, or as a mapping says.

A mapping (:mod:`wall_oss_ros.data.mapping.spec`) is what recordings are read by. Its columns are a client's keys here:
what training makes of a number, the server makes of a state's, and undoes for an action's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.rotation_forms import FORMS

ActionMode = Literal["absolute", "relative", "step"]
Factors = float | tuple[float, ...]


@dataclass(frozen=True)
class Part:
    """Numbers of a client's that are one part of the robot's layout; ours are theirs times ``scale`` plus ``offset``.

    Attributes:
        dof: of the profile's ``dof_config``.
        at: which numbers of the client's vector; None for all of it, or, of actions, for those behind the parts before.
        form: how a rotation is written, that of the tool itself; None as the checkpoint has it, measured from the
            profile's ``tool_rotation``.
        order: of Euler angles.
        scale, offset: to the profile's units (m, rad); one for all numbers, or one for each.
    """

    dof: str
    at: tuple[int, ...] | None = None
    form: str | None = None
    order: str = "xyz"
    scale: Factors = 1.0
    offset: Factors = 0.0

    def size(self, layout: Layout) -> int:
        """Its numbers."""
        slot = layout.slots[self.dof]
        if self.at is not None:
            return len(self.at)
        return slot.stop - slot.start if self.form is None else FORMS[self.form]


@dataclass(frozen=True)
class StatePart(Part):
    """A part of the state; ``key``: what the client calls the vector that it is in."""

    key: str = "state"


@dataclass(frozen=True)
class ActionPart(Part):
    """A part of the actions; ``clip``: where the client's numbers end, below and above."""

    clip: tuple[Factors, Factors] | None = None


@dataclass(frozen=True)
class Keys:
    """What a client calls things.

    Attributes:
        views: the client's keys, of which one must be there, for each view of the robot's that it calls otherwise.
        framing: by view, crop, rotate and fit where they are not the profile's.
        instruction: keys of the instruction; the first that is there counts.
        state: parts; None for the robot's whole layout in one vector, or its own entries.
        actions: parts, in order; None for the robot's own entries of the layout.
        action_mode: whether actions are absolute targets, displacements from the observed state, or from one step of
            the chunk to the next. Grippers, heads and lifts are always absolute.
    """

    views: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    framing: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    instruction: tuple[str, ...] = ("prompt", "instruction")
    state: tuple[StatePart, ...] | None = None
    actions: tuple[ActionPart, ...] | None = None
    action_mode: ActionMode = "absolute"


def spelled(name: str) -> tuple[str, ...]:
    """A column's name as clients may write it: with dots, as LeRobot does, or with slashes, as openpi does."""
    return tuple(dict.fromkeys((name, name.replace(".", "/"))))
