# SPDX-License-Identifier: Apache-2.0
"""Chunks of absolute targets as a client wants its actions, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.rotation_forms import matrix_of, numbers_of
from wall_oss_ros.serving.keys import ActionPart, Keys
from wall_oss_ros.serving.state import unit


class ActionForm:
    """Turns targets (n, A) in the layout into actions (n, D) and back.

    Args:
        layout: of the robot.
        keys: of the client.
    """

    def __init__(self, layout: Layout, keys: Keys):
        self._layout, self.mode = layout, keys.action_mode
        # Displacements, whatever the profile's own mode is.
        self._moves = Layout(layout.profile.model_copy(update={"action_mode": "relative"}))
        own = [dof for dof, slot in layout.slots.items() if layout.mask[slot].any()]
        self._parts = keys.actions or tuple(ActionPart(dof=dof) for dof in own)
        self._columns: list[list[int]] = []
        for part in self._parts:
            begin = sum(map(len, self._columns))
            self._columns.append([*range(begin, begin + part.size(layout))] if part.at is None else [*part.at])
        self.size = sum(map(len, self._columns))

    def describe(self) -> list[dict[str, Any]]:
        """The columns, for the client's metadata."""
        found = []
        for part, where in zip(self._parts, self._columns):
            plain = part.form is None and (part.scale, part.offset) == (1.0, 0.0)
            words = unit(self._layout, part.dof) if plain else part.form or "the client's own"
            found.append({"dof": part.dof, "at": where, "unit": words})
        return found

    def actions(self, targets: np.ndarray, state: np.ndarray) -> np.ndarray:
        """(n, D) float32.

        Args:
            targets: (n, A) absolute.
            state: (A,) that was observed.
        """
        before = self._before(np.asarray(targets, float), np.asarray(state, float))
        moves = targets if before is None else self._displacements(targets, before)
        found = np.zeros((len(targets), self.size))
        for part, where in zip(self._parts, self._columns):
            if part.form is None:
                values = (moves[:, self._layout.slots[part.dof]] - np.asarray(part.offset)) / np.asarray(part.scale)
            else:
                values = np.array([self._rotation(part, k, targets, before) for k in range(len(targets))])
                values = (values - np.asarray(part.offset)) / np.asarray(part.scale)
            found[:, where] = values if part.clip is None else np.clip(values, *part.clip)
        return found.astype(np.float32)

    def targets(self, actions: np.ndarray, state: np.ndarray) -> np.ndarray:
        """(n, A) absolute targets: the inverse of :meth:`actions`; what a client does not move stays at ``state``.

        Raises:
            WallOSSError: a rotation is none.
        """
        found = np.zeros((len(actions), self._layout.size))
        last = np.asarray(state, float)
        for k, row in enumerate(np.asarray(actions, float)):
            start = last if self.mode == "step" else np.asarray(state, float)
            one = start.copy()
            if self.mode != "absolute":
                one = self._moves.relative(one[None], start)[0]  # no displacement
            for part, where in zip(self._parts, self._columns):
                if part.form is None:
                    slot, values = self._layout.slots[part.dof], self._ours(part, row[where])
                    one[slot] = values.mean() if slot.stop - slot.start == 1 else values
            if self.mode != "absolute":
                one = self._moves.absolute(one[None], start)[0]
            for part, where in zip(self._parts, self._columns):
                if part.form is not None:
                    self._turn(part, matrix_of(self._ours(part, row[where]), part.form, part.order), one, start)
            found[k] = last = one
        return found

    @staticmethod
    def _ours(part: ActionPart, values: np.ndarray) -> np.ndarray:
        return values * np.asarray(part.scale) + np.asarray(part.offset)

    def _before(self, targets: np.ndarray, state: np.ndarray) -> np.ndarray | None:
        """(n, A) what each step's displacements are counted from; None for absolute actions."""
        if self.mode == "absolute":
            return None
        return np.tile(state, (len(targets), 1)) if self.mode == "relative" else np.vstack([state, targets[:-1]])

    def _displacements(self, targets: np.ndarray, before: np.ndarray) -> np.ndarray:
        moves = np.array([self._moves.relative(one[None], start)[0] for one, start in zip(targets, before)])
        for part in self._moves.angles:
            moves[:, part] = (moves[:, part] + np.pi) % (2 * np.pi) - np.pi
        return moves

    def _arm(self, part: ActionPart):
        slot = self._layout.slots[part.dof]
        return next(own for own in self._layout.arms if own.rotation == slot)

    def _rotation(self, part: ActionPart, k: int, targets: np.ndarray, before: np.ndarray | None) -> np.ndarray:
        space = self._arm(part).space
        matrix = space.pose(targets[k])[1]
        if before is not None:
            matrix = matrix @ space.pose(before[k])[1].T
        return numbers_of(matrix, part.form, part.order)

    def _turn(self, part: ActionPart, matrix: np.ndarray, row: np.ndarray, start: np.ndarray) -> None:
        own = self._arm(part)
        if self.mode != "absolute":
            matrix = matrix @ own.space.pose(start)[1]
        own.space.write(row, row[own.position].copy(), matrix, None)


def previous_rows(name: str, value: Any, size: int) -> np.ndarray:
    """(n, D) of what a client says that it still does.

    Raises:
        WallOSSError: it is no such thing, or not finite.
    """
    if isinstance(value, list):
        try:
            value = np.array(value, float)
        except (ValueError, TypeError, OverflowError):
            raise WallOSSError(f"{name} is no list of rows of numbers.", f"Send (steps, {size}).") from None
    good = isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.ndim == 2 and value.shape[1] == size
    if not good or len(value) > 1024:
        found = f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else f"{value!r:.40}"
        raise WallOSSError(f"{name} is {found}; numbers of shape (steps, {size}) were expected.", "Send such.")
    if not np.isfinite(value).all():
        raise WallOSSError(f"{name} holds a number that is not finite.", "Send what was answered before.")
    return value.astype(float)
