# SPDX-License-Identifier: Apache-2.0
"""Pictures, depth images and whole observations between messages and plain arrays."""

from __future__ import annotations

from array import array

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.conversions import pose_matrix, seconds
from wall_oss_ros.perception.depth import DepthError, depth_counts, millimetres
from wall_oss_ros.policy.observation import Camera, Observation
from wall_oss_ros.robots.lenses import NUMBERS, Distortion, distortion_of

from sensor_msgs.msg import Image

_PERCEPTION = "Let the perception node make the observations."


def image_message(image: np.ndarray, header) -> Image:
    """An image (H, W, 3) uint8 as an rgb8 message."""
    height, width = image.shape[:2]
    message = Image(header=header, height=height, width=width, encoding="rgb8", is_bigendian=0, step=3 * width)
    # An array of bytes is taken over as it is; a list or bytes would be checked value by value.
    message.data = array("B", np.ascontiguousarray(image).tobytes())
    return message


def image_array(message: Image) -> np.ndarray:
    """The pixels (H, W, 3) uint8 of an rgb8 message, without a copy.

    Raises:
        WallOSSError: another encoding, no pixels, or a number of bytes that does not match the size.
    """
    expected, narrow = message.height * message.step, message.step < 3 * message.width
    if message.encoding != "rgb8" or narrow or len(message.data) != expected or not message.height * message.width:
        raise WallOSSError(
            f"An image of {message.width} x {message.height} in {message.encoding!r} with {len(message.data)} bytes"
            " came where rgb8 was expected.",
            _PERCEPTION,
        )
    rows = np.frombuffer(message.data, dtype=np.uint8).reshape(message.height, message.step)
    return rows[:, : 3 * message.width].reshape(message.height, message.width, 3)


def depth_message(depth: np.ndarray | None, header) -> Image:
    """Distances (h, w) uint16, mm, as a 16UC1 message; None as an empty one."""
    if depth is None:
        return Image(header=header, encoding="16UC1")
    height, width = depth.shape
    message = Image(header=header, height=height, width=width, encoding="16UC1", is_bigendian=0, step=2 * width)
    message.data = array("B", np.ascontiguousarray(depth, "<u2").tobytes())
    return message


def observation_from(message) -> Observation:
    """A wall_oss_msgs/Observation as a plain observation.

    Raises:
        WallOSSError: an image or the state is not as the message's definition has it.
    """
    if len(message.view_names) != len(message.views):
        raise WallOSSError(
            f"An observation names {len(message.view_names)} views and has {len(message.views)} images.",
            _PERCEPTION,
        )
    return Observation(
        stamp=seconds(message.header.stamp),
        images={name: image_array(view) for name, view in zip(message.view_names, message.views)},
        state=np.asarray(message.state, dtype=np.float32),
        state_mask=np.asarray(message.state_mask, dtype=bool),
        cameras=_cameras(message),
        depths=_depths(message),
        to_camera=_to_camera(message),
    ).check()


def _depths(message) -> dict[str, np.ndarray]:
    """The depth of those of an observation's views that have it, by view, without a copy."""
    if message.depths and len(message.depths) != len(message.view_names):
        raise WallOSSError(
            f"An observation of {len(message.view_names)} views has {len(message.depths)} depth images.", _PERCEPTION
        )
    found = {}
    for view, depth in zip(message.view_names, message.depths):
        if not depth.height * depth.width:
            continue
        try:
            counts, scale = depth_counts(depth)
        except DepthError as error:
            raise WallOSSError(f"The depth of an observation's {view} is of no use: {error}.", _PERCEPTION) from error
        found[view] = counts if depth.encoding == "16UC1" else millimetres(counts, scale)
    return found


def _to_camera(message) -> dict[str, np.ndarray]:
    views, numbers = message.view_names, message.view_to_camera
    if not len(numbers):
        return {}
    if len(numbers) != 9 * len(views) or not np.isfinite(numbers).all():
        raise WallOSSError(
            f"An observation of {len(views)} views has {len(numbers)} numbers in view_to_camera, or some not finite.",
            _PERCEPTION,
        )
    return dict(zip(views, np.reshape(numbers, (-1, 3, 3))))


def _cameras(message) -> dict[str, Camera]:
    """The calibrated ones of an observation's cameras, by view."""
    views, matrices, poses = message.view_names, message.camera_matrices, message.camera_poses
    if not poses:
        return {}
    if len(poses) != len(views) or len(matrices) != 9 * len(views):
        raise WallOSSError(
            f"An observation of {len(views)} views has {len(poses)} camera poses and {len(matrices)} numbers of camera"
            " matrices.",
            _PERCEPTION,
        )
    found = {}
    for view, matrix, pose, bends in zip(views, np.reshape(matrices, (-1, 3, 3)), poses, _distortions(message)):
        q = pose.orientation
        if matrix[0, 0] > 0 and matrix[1, 1] > 0 and any((q.x, q.y, q.z, q.w)):
            found[view] = Camera(matrix, pose_matrix(pose.position, q), bends)
    return found


def distortion_numbers(distortion: Distortion | None) -> tuple[str, tuple[float, ...]]:
    """An observation's distortion model of a view, and its numbers."""
    return ("", (0.0,) * NUMBERS) if distortion is None else (distortion.model, distortion.numbers)


def _distortions(message) -> list[Distortion | None]:
    """Of each of an observation's views."""
    views, models, numbers = message.view_names, message.distortion_models, message.distortions
    if not models and not len(numbers):
        return [None] * len(views)
    if len(models) != len(views) or len(numbers) != NUMBERS * len(views):
        raise WallOSSError(
            f"An observation of {len(views)} views has {len(models)} distortion models and {len(numbers)} numbers of"
            " distortion.",
            _PERCEPTION,
        )
    found = []
    for view, model, own in zip(views, models, np.reshape(numbers, (-1, NUMBERS)).tolist()):
        distortion, fault = distortion_of(model, tuple(own))
        if fault:
            raise WallOSSError(f"The lens of an observation's {view} is of no use: {fault}.", _PERCEPTION)
        found.append(distortion)
    return found
