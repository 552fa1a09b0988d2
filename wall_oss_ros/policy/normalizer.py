# SPDX-License-Identifier: Apache-2.0
"""Physical units to the model's and back, by the statistics of each degree of freedom.

Statistics come from a checkpoint; where it has none for a robot, from a dataset (:func:`from_values`) or from the
robot's profile (:func:`from_profile`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.urdf import position_limits

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
        if kind not in ("min_max", "mean_std"):
            raise WallOSSError(f"Statistics of kind {kind!r} are unknown.", "The kinds are min_max and mean_std.")
        self.kind = kind
        self.offset = np.asarray(first, np.float32)
        self.scale = np.asarray(second, np.float32)
        fits = self.offset.ndim == 1 and self.offset.shape == self.scale.shape
        if not fits or not np.isfinite(self.offset).all() or not (np.isfinite(self.scale) & (self.scale >= 0)).all():
            raise WallOSSError(
                "Normalisation needs two finite vectors of one length, and no negative range or deviation.",
                "Compute the statistics over the dataset again.",
            )
        self._prepare()

    def _prepare(self) -> None:
        self.varies = self.scale != 0
        self._divisor = np.where(self.varies, self.scale, 1).astype(np.float32)

    @classmethod
    def from_statistics(cls, statistics: Statistics, robot: str) -> Normalizer:
        """Raises WallOSSError when the checkpoint does not know the robot."""
        first, second = statistics.get(robot)
        return cls(first.cpu().numpy(), second.cpu().numpy(), statistics.kind(robot))

    def __eq__(self, other: object) -> bool:
        """Whether both normalise every number alike."""
        if not isinstance(other, Normalizer):
            return NotImplemented
        same = np.array_equal(self.offset, other.offset) and np.array_equal(self.scale, other.scale)
        return self.kind == other.kind and same

    __hash__ = None

    def store(self, statistics: Statistics, robot: str) -> None:
        """Puts these statistics into a model, to be saved with it."""
        import torch

        statistics.set(robot, torch.from_numpy(self.offset), torch.from_numpy(self.scale), self.kind)

    def placed(self, size: int, where: slice) -> Normalizer:
        """The same as part of a vector of ``size`` numbers, of which all others carry no information."""
        first, second = np.zeros((2, size), np.float32)
        first[where], second[where] = self.offset, self.scale
        return Normalizer(first, second, self.kind)

    def without(self, entries: np.ndarray) -> Normalizer:
        """The same, but for entries (A,) bool that carry no information here: 0 into the model and out of it."""
        return self._changed(np.where(entries, 0, self.offset), np.where(entries, 0, self.scale))

    def rescaled(self, entry: int, factor: float, shift: float) -> Normalizer:
        """The same for an entry that comes in another unit: what was x is x * factor + shift."""
        offset, scale = self.offset.copy(), self.scale.copy()
        offset[entry], scale[entry] = offset[entry] * factor + shift, scale[entry] * factor
        return self._changed(offset, scale)

    def _changed(self, offset: np.ndarray, scale: np.ndarray) -> Normalizer:
        other = Normalizer(np.zeros(0), np.zeros(0), self.kind)
        other.offset, other.scale = offset.astype(np.float32), scale.astype(np.float32)
        other._prepare()
        return other

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """(A,) each: least and greatest value in physical units; three deviations around the mean where only these are
        known."""
        if self.kind == "mean_std":
            return self.offset - 3 * np.abs(self.scale), self.offset + 3 * np.abs(self.scale)
        ends = self.offset, self.offset + self.scale  # the wrong way round where a share counts what is closed
        return np.minimum(*ends), np.maximum(*ends)

    def mask(self, dof_mask: np.ndarray | None = None) -> np.ndarray:
        """(A,) bool: the degrees of freedom that the model is told of, those of ``dof_mask`` that vary."""
        return self.varies if dof_mask is None else self.varies & self._fitting(np.asarray(dof_mask, bool))

    def _fitting(self, values: np.ndarray) -> np.ndarray:
        """Raises WallOSSError unless the values are (..., A)."""
        if values.shape[-1:] != self.offset.shape:
            raise WallOSSError(
                f"Numbers of shape {values.shape} came for statistics of {len(self.offset)} degrees of freedom.",
                "Give as many numbers as the checkpoint's layout has.",
            )
        return values

    def normalize(self, values: np.ndarray, dof_mask: np.ndarray | None = None) -> np.ndarray:
        """(..., A) in physical units -> (..., A) float32; 0 where the mask says no."""
        values = self._fitting(np.asarray(values, np.float32))
        if self.kind == "mean_std":
            return np.where(self.mask(dof_mask), (values - self.offset) / self._divisor, np.float32(0))
        scaled = 2 * (values - self.offset) / self._divisor - 1
        return np.where(self.mask(dof_mask), np.clip(scaled, -1, 1), np.float32(0))

    def denormalize(self, values: np.ndarray) -> np.ndarray:
        """(..., A) -> (..., A) float32 in physical units.

        By range, never outside what the model was trained on; by deviation there is no such bound.
        """
        values = self._fitting(np.asarray(values, np.float32))
        if self.kind == "mean_std":
            return values * self.scale + self.offset
        return (np.clip(values, -1, 1) + 1) / 2 * self.scale + self.offset


def default_robot(actions: Statistics, states: Statistics) -> str | None:
    """Whose statistics serve a robot that is not named: the only ones, or the first of several that are equal."""
    known = actions.names()
    for table in (actions, states):
        if any(
            Normalizer.from_statistics(table, name) != Normalizer.from_statistics(table, known[0]) for name in known
        ):
            return None
    return known[0] if known else None


def from_values(
    values: np.ndarray,
    kind: str = "min_max",
    quantile: float = 0.0,
    least: np.ndarray | float = 0.0,
    dof_mask: np.ndarray | None = None,
) -> Normalizer:
    """Statistics of a dataset's states, or of the rows of its action chunks.

    Args:
        values: (N, A), physical units; columns that the robot does not have hold a constant, such as 0.
        kind: ``min_max`` or ``mean_std``.
        quantile: for a range, the share of values to leave out at each end, so that a few wild recordings do not
            squeeze all others together; the public WALL-OSS code takes 0.01.
        least: range, in physical units, that a degree of freedom which moved less is widened to, around its middle, so
            that noise is not blown up; (A,) or one number.
        dof_mask: (A,) bool, the degrees of freedom that the robot has; those that moved when None. No other is widened.

    Raises:
        WallOSSError: there are no values, or one is not finite.
    """
    values = np.asarray(values)
    if values.ndim != 2 or not len(values):
        raise WallOSSError(
            f"Statistics were asked for of values of shape {values.shape}; (rows, degrees of freedom) was expected.",
            "Give all frames of the dataset as one array.",
        )
    if not np.isfinite(values).all():
        column = int(np.argmin(np.isfinite(values).all(0)))
        raise WallOSSError(
            f"Column {column} of the dataset has values that are not finite.",
            "Leave those frames out; put 0 where the robot has no such degree of freedom.",
        )
    if not 0 <= quantile < 0.5:
        raise WallOSSError(f"A quantile of {quantile} leaves no range.", "Use 0, or 0.01 as the public code does.")
    if kind == "mean_std":
        return Normalizer(values.mean(0, np.float64), values.std(0, np.float64), kind)
    low, high = (edge.astype(np.float64) for edge in (values.min(0), values.max(0)))
    dof_mask = high > low if dof_mask is None else np.asarray(dof_mask, bool)
    if quantile:
        low, high = np.quantile(values, [quantile, 1 - quantile], axis=0)
    spare = np.where(dof_mask, np.maximum(0, least - (high - low)), 0) / 2
    return Normalizer(low - spare, high - low + 2 * spare, kind)


def from_profile(profile: RobotProfile) -> tuple[Normalizer, Normalizer]:
    """Ranges of states and of actions that cover all the robot may do, for fine-tuning before there is a dataset.

    Positions span the workspace, Euler angles a full turn, numbers of a 6-D rotation -1 to 1, a gripper its stroke,
    joints of arms, head and lift the URDF's limits. Displacements (``action_mode: relative``, and a base's always) go
    as far as the tool, the arm's joints or the base may travel within one chunk, those of rotations as far as rotations
    do. A base's place is no part of the state. Coarser than a dataset's ranges: prefer those.

    Raises:
        WallOSSError: the URDF lacks a joint of the profile.
    """
    layout, duration = Layout(profile), profile.horizon * profile.dt
    low, high = np.zeros(layout.size), np.zeros(layout.size)
    for own, one in zip(layout.arms, profile.arms):
        if own.joints is not None:
            low[own.joints], high[own.joints] = position_limits(profile, one.arm.joints)
        else:
            low[own.position], high[own.position] = one.arm.workspace.min, one.arm.workspace.max
            most = np.pi if own.space.angles else 1.0
            low[own.rotation], high[own.rotation] = -most, most
        low[own.gripper], high[own.gripper] = one.gripper.closed, one.gripper.open
    for part in profile.parts:
        slot = layout.slots[part.dof]
        low[slot], high[slot] = position_limits(profile, part.joints)
    states = Normalizer(low, high - low)
    if profile.action_mode == "relative":
        for own, one in zip(layout.arms, profile.arms):
            where = own.position if own.joints is None else own.joints
            fastest = one.arm.max_tcp_speed if own.joints is None else np.array(one.arm.limits.velocity)
            reach = np.minimum(high[where] - low[where], fastest * duration)
            low[where], high[where] = -reach, reach
    if profile.base is not None:
        slot, sideways = layout.slots[profile.base.dof], float(profile.base.holonomic)
        reach = np.multiply(profile.base.limits.velocity, duration) * (1.0, sideways, 1.0)
        low[slot], high[slot] = -reach, reach
    return states, Normalizer(low, high - low)
