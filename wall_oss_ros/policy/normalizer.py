"""Physical units to the model's [-1, 1] and back, by the least value and the range of each degree of freedom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wall_oss_ros.errors import WallOSSError

if TYPE_CHECKING:
    from wall_oss_ros.model.flow import Statistics


class Normalizer:
    """x' = clamp(2 * (x - min) / delta - 1, -1, 1).

    A degree of freedom whose range is zero carries no information: it becomes 0 and comes back as its least value.
    """

    def __init__(self, minimum: np.ndarray, delta: np.ndarray):
        """Args: minimum, delta: (A,) in physical units.

        Raises:
            WallOSSError: they are not two finite vectors of one length with no negative range.
        """
        self.minimum = np.asarray(minimum, np.float32)
        self.delta = np.asarray(delta, np.float32)
        fits = self.minimum.ndim == 1 and self.minimum.shape == self.delta.shape
        if not fits or not np.isfinite(self.minimum).all() or not (np.isfinite(self.delta) & (self.delta >= 0)).all():
            raise WallOSSError(
                "Normalisation needs two finite vectors of one length, and no negative range.",
                "Compute min and delta over the dataset again.",
            )
        self.varies = self.delta > 0
        self._divisor = np.where(self.varies, self.delta, 1).astype(np.float32)

    @classmethod
    def from_statistics(cls, statistics: Statistics, robot: str) -> Normalizer:
        """Raises WallOSSError when the checkpoint does not know the robot."""
        minimum, delta = statistics.get(robot)
        return cls(minimum.cpu().numpy(), delta.cpu().numpy())

    def mask(self, alive: np.ndarray | None = None) -> np.ndarray:
        """(A,) bool: the degrees of freedom that the model is told of, those alive that vary."""
        return self.varies if alive is None else self.varies & np.asarray(alive, bool)

    def normalize(self, values: np.ndarray, alive: np.ndarray | None = None) -> np.ndarray:
        """(..., A) in physical units -> (..., A) float32 in [-1, 1]; 0 where not alive."""
        scaled = 2 * (np.asarray(values, np.float32) - self.minimum) / self._divisor - 1
        return np.where(self.mask(alive), np.clip(scaled, -1, 1), np.float32(0))

    def denormalize(self, values: np.ndarray) -> np.ndarray:
        """(..., A) -> (..., A) float32 in physical units, never outside the range that the model was trained on."""
        clipped = np.clip(np.asarray(values, np.float32), -1, 1)
        return (clipped + 1) / 2 * self.delta + self.minimum
