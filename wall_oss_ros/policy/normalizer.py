# SPDX-License-Identifier: Apache-2.0
"""Physical units to the model's and back, by the statistics of each degree of freedom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wall_oss_ros.errors import WallOSSError

if TYPE_CHECKING:
    from wall_oss_ros.model.statistics import Statistics


class Normalizer:
    """By range, x' = clamp(2 * (x - min) / delta - 1, -1, 1); by deviation, x' = (x - mean) / std, without bounds.

    A degree of freedom whose range or deviation is zero carries no information: it becomes 0 and comes back as its
    least value or mean.
    """

    def __init__(self, first: np.ndarray, second: np.ndarray, kind: str = "min_max"):
        """Args: first, second: (A,) in physical units: min and delta, or, with the kind ``mean_std``, mean and std.

        Raises:
            WallOSSError: they are not two finite vectors of one length with no negative range or deviation.
        """
        self.kind = kind
        self.offset = np.asarray(first, np.float32)
        self.scale = np.asarray(second, np.float32)
        fits = self.offset.ndim == 1 and self.offset.shape == self.scale.shape
        if not fits or not np.isfinite(self.offset).all() or not (np.isfinite(self.scale) & (self.scale >= 0)).all():
            raise WallOSSError(
                "Normalisation needs two finite vectors of one length, and no negative range or deviation.",
                "Compute the statistics over the dataset again.",
            )
        self.varies = self.scale > 0
        self._divisor = np.where(self.varies, self.scale, 1).astype(np.float32)

    @classmethod
    def from_statistics(cls, statistics: Statistics, robot: str) -> Normalizer:
        """Raises WallOSSError when the checkpoint does not know the robot."""
        first, second = statistics.get(robot)
        return cls(first.cpu().numpy(), second.cpu().numpy(), statistics.kind(robot))

    def __eq__(self, other: object) -> bool:
        """Whether both say the same of every number."""
        if not isinstance(other, Normalizer):
            return NotImplemented
        same = np.array_equal(self.offset, other.offset) and np.array_equal(self.scale, other.scale)
        return self.kind == other.kind and same

    __hash__ = None

    def store(self, statistics: Statistics, robot: str) -> None:
        """Puts these statistics into a model, to be saved with it."""
        import torch

        statistics.set_kind(robot, self.kind, torch.from_numpy(self.offset), torch.from_numpy(self.scale))

    def placed(self, size: int, where: slice) -> Normalizer:
        """The same as part of a vector of ``size`` numbers, of which all others carry no information."""
        first, second = np.zeros((2, size), np.float32)
        first[where], second[where] = self.offset, self.scale
        return Normalizer(first, second, self.kind)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """(A,) each: least and greatest value in physical units; three deviations around the mean where only these are
        known."""
        if self.kind == "mean_std":
            return self.offset - 3 * self.scale, self.offset + 3 * self.scale
        return self.offset, self.offset + self.scale

    def mask(self, dof_mask: np.ndarray | None = None) -> np.ndarray:
        """(A,) bool: the degrees of freedom that the model is told of, those of ``dof_mask`` that vary."""
        return self.varies if dof_mask is None else self.varies & np.asarray(dof_mask, bool)

    def normalize(self, values: np.ndarray, dof_mask: np.ndarray | None = None) -> np.ndarray:
        """(..., A) in physical units -> (..., A) float32; 0 where the mask says no."""
        values = np.asarray(values, np.float32)
        if self.kind == "mean_std":
            return np.where(self.mask(dof_mask), (values - self.offset) / self._divisor, np.float32(0))
        scaled = 2 * (values - self.offset) / self._divisor - 1
        return np.where(self.mask(dof_mask), np.clip(scaled, -1, 1), np.float32(0))

    def denormalize(self, values: np.ndarray) -> np.ndarray:
        """(..., A) -> (..., A) float32 in physical units.

        By range, never outside what the model was trained on; by deviation there is no such bound.
        """
        values = np.asarray(values, np.float32)
        if self.kind == "mean_std":
            return values * self.scale + self.offset
        return (np.clip(values, -1, 1) + 1) / 2 * self.scale + self.offset


def default_robot(actions: Statistics, states: Statistics) -> str | None:
    """Whose statistics serve a robot that is not named: the only ones, or the first of several that say the same."""
    known = actions.names()
    for table in (actions, states):
        if any(
            Normalizer.from_statistics(table, name) != Normalizer.from_statistics(table, known[0]) for name in known
        ):
            return None
    return known[0] if known else None
