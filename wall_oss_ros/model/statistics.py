# SPDX-License-Identifier: Apache-2.0
"""What a robot's numbers are normalised by, kept with the weights: ``normalizer_action.min.franka`` and so on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wall_oss_ros.errors import WallOSSError

KINDS = {"min_max": ("min", "delta"), "mean_std": ("mean", "std")}
"""The two vectors of each kind. Released WALL-OSS checkpoints have ranges; LeRobot's port has mean and deviation."""


class RobotTensors(nn.Module):
    """One float32 vector for each robot, saved with the weights under the robot's name."""

    def __setitem__(self, robot: str, value: Tensor) -> None:
        if not robot or "." in robot or (robot not in self._buffers and hasattr(self, robot)):
            raise WallOSSError(
                f"{robot!r} cannot name a robot in a checkpoint.", "Use letters, digits and underscores."
            )
        self.register_buffer(robot, value.detach().float().clone())

    def __getitem__(self, robot: str) -> Tensor:
        return self._buffers[robot]

    def __delitem__(self, robot: str) -> None:
        del self._buffers[robot]

    def names(self) -> list[str]:
        return sorted(self._buffers)


class Statistics(nn.Module):
    """Statistics of states or actions, for each robot that the checkpoint knows: one kind of :data:`KINDS` each."""

    def __init__(self) -> None:
        super().__init__()
        self.min, self.delta = RobotTensors(), RobotTensors()
        self.mean, self.std = RobotTensors(), RobotTensors()

    def set(self, robot: str, minimum: Tensor, delta: Tensor) -> None:
        """Args: minimum, delta: (A,) in physical units; delta 0 where a degree of freedom never moved."""
        self.set_kind(robot, "min_max", minimum, delta)

    def set_kind(self, robot: str, kind: str, first: Tensor, second: Tensor) -> None:
        """Replaces what is known of a robot.

        Args:
            kind: of :data:`KINDS`.
            first, second: (A,) in physical units; min and delta, or mean and std.

        Raises:
            WallOSSError: they are not two finite vectors of one length, or one of the second is negative.
        """
        names = KINDS[kind]
        if first.shape != second.shape or first.ndim != 1:
            raise WallOSSError(
                f"Statistics of {robot}: {names[0]} {tuple(first.shape)} and {names[1]} {tuple(second.shape)} must be "
                "two vectors of one length.",
                "Compute both over the same dataset.",
            )
        if not (torch.isfinite(first).all() and torch.isfinite(second).all() and (second >= 0).all()):
            raise WallOSSError(
                f"Statistics of {robot}: {names[0]} and {names[1]} must be finite, and {names[1]} not negative.",
                "Compute them over the dataset again.",
            )
        for name in (part for parts in KINDS.values() for part in parts):
            table: RobotTensors = getattr(self, name)
            if name in names:
                table[robot] = first if name == names[0] else second
            elif robot in table.names():
                del table[robot]

    def names(self) -> list[str]:
        """The robots that are known."""
        return sorted({*self.min.names(), *self.mean.names()})

    def kind(self, robot: str) -> str:
        """Which of :data:`KINDS` the robot has.

        Raises:
            WallOSSError: the checkpoint has none for this robot; the message lists those it has.
        """
        for kind, (first, _) in KINDS.items():
            if robot in getattr(self, first).names():
                return kind
        known = ", ".join(self.names()) or "none"
        raise WallOSSError(
            f"This checkpoint has no statistics for the robot {robot!r}; it has: {known}.",
            "Name one of these, or fine-tune on this robot's data first.",
        )

    def get(self, robot: str) -> tuple[Tensor, Tensor]:
        """The two vectors (A,) of the robot's kind.

        Raises:
            WallOSSError: the checkpoint has none for this robot.
        """
        first, second = KINDS[self.kind(robot)]
        return getattr(self, first)[robot], getattr(self, second)[robot]
