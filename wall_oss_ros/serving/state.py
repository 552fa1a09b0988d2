# SPDX-License-Identifier: Apache-2.0
"""A client's numbers as the robot's state in the model's layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.rotation_forms import matrix_of
from wall_oss_ros.serving.keys import Keys, StatePart, spelled

_VECTORS = ("state", "observation/state", "observation.state")


def flat(message: Mapping[str, Any]) -> dict[str, Any]:
    """A dictionary of dictionaries as one, with keys such as ``images/face_view``."""
    found: dict[str, Any] = {}
    for key, value in message.items():
        if isinstance(value, Mapping):
            found |= {f"{key}/{inner}": one for inner, one in flat(value).items()}
        else:
            found[key] = value
    return found


def vector(name: str, value: Any) -> np.ndarray:
    """(n,) float64 of an array or a list of numbers.

    Raises:
        WallOSSError: it is no such thing, or not finite.
    """
    if isinstance(value, (list, tuple)) and all(type(one) in (int, float) for one in value):
        value = np.array(value, float)
    elif type(value) in (int, float):
        value = np.array([value], float)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or value.ndim > 1:
        found = f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else f"{value!r:.40}"
        raise WallOSSError(f"{name} is {found}; a vector of numbers was expected.", "Send a float32 array.")
    value = np.atleast_1d(value).astype(float)
    if not np.isfinite(value).all():
        raise WallOSSError(
            f"{name} holds {value[~np.isfinite(value)][0]} at place {int(np.argmin(np.isfinite(value)))}; finite "
            "numbers were expected.",
            "Look at the robot's readings.",
        )
    return value


class StateReader:
    """Reads the state out of a request.

    Args:
        layout: of the robot.
        keys: of the client.
    """

    def __init__(self, layout: Layout, keys: Keys):
        self._layout, self._parts = layout, keys.state

    def read(self, message: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """State (A,) float32 and its mask (A,) bool out of a flat dictionary.

        Raises:
            WallOSSError: what was expected is missing, of another size, or not finite.
        """
        state, mask = self._rest(), np.zeros(self._layout.size, bool)
        if self._parts is None:
            self._whole(message, state, mask)
        else:
            for part in self._parts:
                self._write(part, self._numbers(part, message), state)
                mask[self._layout.slots[part.dof]] = True
        with np.errstate(over="ignore"):
            single = state.astype(np.float32)
        if not np.isfinite(single).all():
            raise WallOSSError("The state holds a number that is too large.", "Send it in m and rad, or give a scale.")
        if fault := self._layout.fault(state):
            raise WallOSSError(f"The state cannot be read: {fault}.", "Send the tool's rotation.")
        return single, mask

    def describe(self) -> list[dict[str, Any]]:
        """What is expected, for the client's metadata."""
        if self._parts is None:
            return columns(self._layout)
        return [
            {"dof": part.dof, "key": part.key, "at": part.at and list(part.at), "form": part.form}
            for part in self._parts
        ]

    def _rest(self) -> np.ndarray:
        """A state (A,) of nothing, whose rotations are rotations."""
        rest = np.zeros(self._layout.size)
        for own in self._layout.arms:
            own.space.rest(rest)
        return rest

    def _whole(self, message: Mapping[str, Any], state: np.ndarray, mask: np.ndarray) -> None:
        layout, own = self._layout, self._layout.mask
        key = next((key for key in _VECTORS if key in message), None)
        if key is not None:
            values = vector(key, message[key])
            if len(values) not in (layout.size, int(own.sum())):
                parts = ", ".join(f"{part['dof']} ({part['numbers']})" for part in columns(layout))
                raise WallOSSError(
                    f"{key} has {len(values)} numbers; {int(own.sum())} were expected: {parts}; or {layout.size}, the "
                    "whole layout.",
                    "Send these, or serve by a mapping (docs/how-to/serve.md).",
                )
            state[own] = values[own] if len(values) == layout.size else values
            mask |= own
            return
        missing = []
        for dof, slot in layout.slots.items():
            if not own[slot].any():
                continue
            key = next((f"{prefix}/{dof}" for prefix in _VECTORS[:2] if f"{prefix}/{dof}" in message), None)
            if key is None:
                if not layout.optional[slot].all():
                    missing.append(dof)
                continue
            self._write(StatePart(dof=dof), _sized(key, vector(key, message[key]), slot.stop - slot.start), state)
            mask[slot] = True
        if missing:
            raise WallOSSError(
                f"The state is missing: there is no {_VECTORS[0]}, nor {_VECTORS[0]}/{missing[0]}; there are "
                f"{', '.join(message) or 'no keys'}.",
                f"Send {_VECTORS[0]} of {int(own.sum())} numbers, or serve by a mapping (docs/how-to/serve.md).",
            )

    def _numbers(self, part: StatePart, message: Mapping[str, Any]) -> np.ndarray:
        names = _VECTORS if part.key in _VECTORS else spelled(part.key)
        key = next((name for name in names if name in message), None)
        if key is None:
            raise WallOSSError(
                f"The state's {part.key} is missing; there are {', '.join(message) or 'no keys'}.",
                "Send it, or correct the mapping.",
            )
        values = vector(key, message[key])
        if part.at is None:
            return _sized(key, values, part.size(self._layout))
        if len(values) <= max(part.at):
            raise WallOSSError(
                f"{key} has {len(values)} numbers; {max(part.at) + 1} at least were expected.",
                "Send them, or correct the mapping.",
            )
        return values[list(part.at)]

    def _write(self, part: StatePart, values: np.ndarray, state: np.ndarray) -> None:
        slot = self._layout.slots[part.dof]
        values = values * np.asarray(part.scale) + np.asarray(part.offset)
        if part.form is None:
            state[slot] = values.mean() if slot.stop - slot.start == 1 else values  # two fingers are one opening
            return
        own = next(own for own in self._layout.arms if own.rotation == slot)
        own.space.write(state, state[own.position].copy(), matrix_of(values, part.form, part.order), None)


def columns(layout: Layout) -> list[dict[str, Any]]:
    """The robot's own entries of the layout, in order."""
    sizes = {dof: int(layout.mask[slot].sum()) for dof, slot in layout.slots.items()}
    return [{"dof": dof, "numbers": size, "unit": unit(layout, dof)} for dof, size in sizes.items() if size]


def unit(layout: Layout, dof: str) -> str:
    """The unit of a part of the layout, for people."""
    slot, profile = layout.slots[dof], layout.profile
    for own in layout.arms:
        if slot == own.position or own.gripper == slot.start:
            return "m"
        if slot == own.rotation:
            measured = "measured from tool_rotation"
            return f"rad, Euler x-y-z, {measured}" if slot.stop - slot.start == 3 else f"6-D rotation, {measured}"
    return "m, m, rad" if profile.base is not None and dof == profile.base.dof else "rad or m, by the joint"


def _sized(name: str, values: np.ndarray, size: int) -> np.ndarray:
    if len(values) != size:
        raise WallOSSError(f"{name} has {len(values)} numbers; {size} were expected.", "Send as many.")
    return values
