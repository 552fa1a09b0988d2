# SPDX-License-Identifier: Apache-2.0
"""What the policy is given besides words, as plain arrays: what the robot sees and feels, and what it is doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wall_oss_ros.errors import WallOSSError


@dataclass(frozen=True)
class Camera:
    """How a view's picture was taken.

    Attributes:
        matrix: (3, 3) camera matrix, in pixels of the picture as it is.
        pose: (4, 4) of the camera's optical axes (x right, y down, z forward) in the robot's base frame, m.
    """

    matrix: np.ndarray
    pose: np.ndarray


@dataclass(frozen=True)
class Observation:
    """One synchronised reading of all views and of the state.

    Attributes:
        stamp: seconds, of the oldest image.
        images: view name, such as ``face_view``, to (H, W, 3) uint8 RGB.
        state: (A,) float32, SI units, absolute, in the layout of the checkpoint's ``dof_config``.
        state_mask: (A,) bool, which entries of the state this robot has.
        cameras: view name to its camera, where both its matrix and its pose are known.
    """

    stamp: float
    images: dict[str, np.ndarray]
    state: np.ndarray
    state_mask: np.ndarray
    cameras: Mapping[str, Camera] = field(default_factory=dict)

    @classmethod
    def of(cls, images: Mapping[str, Any], state=(), state_mask=None, stamp: float = 0.0) -> Observation:
        """An observation from PIL images of any mode or uint8 RGB arrays.

        Args:
            state: (A,), SI units; may be left out where no motion is asked for.
            state_mask: (A,); every entry when None.

        Raises:
            WallOSSError: as :meth:`check`.
        """
        arrays = {
            name: np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)
            for name, image in images.items()
        }
        state = np.asarray(state, np.float32)
        mask = np.ones(state.shape, bool) if state_mask is None else np.asarray(state_mask, bool)
        return cls(stamp, arrays, state, mask).check()

    def check(self, state_size: int | None = None) -> Observation:
        """Returns itself.

        Args:
            state_size: numbers in the state that the checkpoint takes; any when None.

        Raises:
            WallOSSError: an image is not (H, W, 3) uint8, the state and its mask differ in shape or are not of
                ``state_size``, or an entry of the state that the robot has is not finite.
        """
        for name, image in self.images.items():
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                raise WallOSSError(
                    f"The view {name} is {image.dtype} of shape {image.shape}; "
                    "uint8 of shape (height, width, 3) was expected.",
                    "Convert it to RGB before it becomes an observation.",
                )
        if self.state.ndim != 1 or self.state.shape != self.state_mask.shape:
            raise WallOSSError(
                f"State {self.state.shape} and state mask {self.state_mask.shape} must be two vectors of one length.",
                "Fill both from the same robot profile.",
            )
        if not np.isfinite(self.state[np.asarray(self.state_mask, bool)]).all():
            raise WallOSSError(
                "The state contains a value that is not finite.",
                "Check the joint states and the gripper's feedback of the robot.",
            )
        if state_size is not None and len(self.state) != state_size:
            raise WallOSSError(
                f"The state has {len(self.state)} numbers, the checkpoint takes {state_size}.",
                "Use a profile with the checkpoint's dof_config.",
            )
        return self


@dataclass(frozen=True)
class PreviousChunk:
    """What is left of the chunk that the robot follows, told as the new chunk would tell it.

    Attributes:
        steps: (n, A) physical units, in the action mode and from the state of the new observation; step k is for the
            same time as step k of the new chunk. n may be less than the horizon.
        committed: steps that are over before the new chunk can come.
    """

    steps: np.ndarray
    committed: int
