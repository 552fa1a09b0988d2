# SPDX-License-Identifier: Apache-2.0
"""What the policy is given besides words, as plain arrays: what the robot sees and feels, and what it is doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.lenses import Distortion, rays

LEAST = 14
"""Side in pixels below which a picture shows nothing: the model takes it apart into patches of so many."""
_FROM_PROFILE = "Fill both from the same robot profile."


@dataclass(frozen=True)
class Camera:
    """How a view's picture was taken.

    Attributes:
        matrix: (3, 3) camera matrix, in pixels of the picture as it is.
        pose: (4, 4) of the camera's optical axes (x right, y down, z forward) in the robot's base frame, m.
        distortion: of the lens, by these axes; None of a picture without.
    """

    matrix: np.ndarray
    pose: np.ndarray
    distortion: Distortion | None = None

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """The directions (..., 3) in which pixels (..., 2) of the picture lie, by these axes; see ``rays``."""
        return rays(pixels, self.matrix, self.distortion)


@dataclass(frozen=True)
class Observation:
    """One synchronised reading of all views and of the state.

    Attributes:
        stamp: seconds, of the oldest image.
        images: view name, such as ``face_view``, to (H, W, 3) uint8 RGB.
        state: (A,) float32, SI units, absolute, in the layout of the checkpoint's ``dof_config``.
        state_mask: (A,) bool, which entries of the state this robot has.
        cameras: view name to its camera, where both its matrix and its pose are known.
        depths: view name to (h, w) uint16, how far away what it shows is along the camera's z, mm, 0 where not known;
            of the picture's field of view, and of as many pixels or fewer. Of views that have any.
        to_camera: view name to (3, 3), homogeneous: from pixels of the picture to those of the camera's own, before it
            was cut, turned and resized. A view that is not there is the camera's own.
    """

    stamp: float
    images: dict[str, np.ndarray]
    state: np.ndarray
    state_mask: np.ndarray
    cameras: Mapping[str, Camera] = field(default_factory=dict)
    depths: Mapping[str, np.ndarray] = field(default_factory=dict)
    to_camera: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, images: Mapping[str, Any], state=(), state_mask=None, stamp: float = 0.0) -> Observation:
        """An observation from PIL images or uint8 RGB arrays.

        Pictures are turned as their EXIF says. Those of more than 8 bits have no colours that are known: they are
        refused.

        Args:
            state: (A,), SI units; may be left out where no motion is asked for.
            state_mask: (A,); every entry when None.

        Raises:
            WallOSSError: a picture is none, or as :meth:`check`.
        """
        if not isinstance(images, Mapping):
            raise WallOSSError(
                f"The views are {type(images).__name__}; a dictionary of pictures by view name was expected.",
                "Give such as {'face_view': picture}.",
            )
        arrays = {name: _pixels(name, image) for name, image in images.items()}
        try:
            state = np.asarray(() if state is None else state, np.float32)
            mask = np.ones(state.shape, bool) if state_mask is None else np.asarray(state_mask, bool)
        except (TypeError, ValueError) as error:
            raise WallOSSError(f"The state or its mask is no vector of numbers: {error}.", _FROM_PROFILE) from None
        return cls(stamp, arrays, state, mask).check()

    def check(self, state_size: int | None = None) -> Observation:
        """Returns itself.

        Args:
            state_size: numbers in the state that the checkpoint takes; any when None.

        Raises:
            WallOSSError: an image is not (H, W, 3) uint8 of at least LEAST pixels on each side, the state and its mask
                differ in shape or are not of ``state_size``, or an entry of the state that the robot has is not finite.
        """
        if not isinstance(self.images, Mapping):
            raise WallOSSError(
                f"The views are {type(self.images).__name__}; a dictionary of pictures by view name was expected.",
                "Make the observation by Observation.of({'face_view': picture, ...}, state).",
            )
        for name, image in self.images.items():
            if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                found = f"{image.dtype} of shape {image.shape}" if isinstance(image, np.ndarray) else type(image)
                raise WallOSSError(
                    f"The view {name} is {found}; uint8 of shape (height, width, 3) was expected.",
                    "Convert it to RGB before it becomes an observation.",
                )
            if min(image.shape[:2]) < LEAST:
                raise WallOSSError(
                    f"The view {name} has {image.shape[1]} x {image.shape[0]} pixels; at least {LEAST} on each side "
                    "were expected.",
                    "Give the camera's whole picture.",
                )
        if not isinstance(self.state, np.ndarray) or not isinstance(self.state_mask, np.ndarray):
            raise WallOSSError("The state and its mask must be two arrays.", _FROM_PROFILE)
        if self.state.dtype.kind not in "fiu" or self.state_mask.dtype.kind not in "bfiu":
            raise WallOSSError(
                f"The state is {self.state.dtype}, its mask {self.state_mask.dtype}; numbers were expected.",
                _FROM_PROFILE,
            )
        if self.state.ndim != 1 or self.state.shape != self.state_mask.shape:
            raise WallOSSError(
                f"State {self.state.shape} and state mask {self.state_mask.shape} must be two vectors of one length.",
                _FROM_PROFILE,
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


def check_observation(observation: object, state_size: int | None = None) -> Observation:
    """The observation itself, once :meth:`Observation.check` is content with it.

    Raises:
        WallOSSError: it is none, or malformed.
    """
    if not isinstance(observation, Observation):
        raise WallOSSError(
            f"An observation is {type(observation).__name__}.", "Make one: Observation.of({view: picture, ...}, state)."
        )
    return observation.check(state_size)


def _pixels(name: str, image: Any) -> np.ndarray:
    """A picture of PIL's, or an array as it is."""
    if not hasattr(image, "convert"):
        try:
            return np.asarray(image)
        except ValueError:
            raise WallOSSError(f"The view {name} is no picture.", "Give an array or a picture of PIL.") from None
    from PIL import ImageOps  # whoever gives PIL's pictures has it

    if image.mode.startswith(("I", "F")):  # convert would cut off what is above 255: white, or black
        raise WallOSSError(
            f"The view {name} is a picture of mode {image.mode}, with more than 8 bits a pixel (a depth picture?).",
            "Give a colour picture, or scale it to 8 bits yourself.",
        )
    try:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except Exception as error:  # Pillow raises many kinds for data that is broken
        raise WallOSSError(
            f"The view {name} cannot be read: {' '.join(str(error).split())}.", "Give the whole picture."
        ) from None
