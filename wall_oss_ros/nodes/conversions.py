"""Between messages and the plain objects that the logic works with."""

from __future__ import annotations

from array import array

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.observation import Observation


def seconds(stamp) -> float:
    """A time or duration message in seconds."""
    return stamp.sec + stamp.nanosec * 1e-9


def to_stamp(time: float) -> Time:
    """Seconds as a time message."""
    nanoseconds = max(round(time * 1e9), 0)
    return Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def image_message(image: np.ndarray, header) -> Image:
    """An rgb8 message of an image (H, W, 3) uint8."""
    height, width = image.shape[:2]
    message = Image(header=header, height=height, width=width, encoding="rgb8", is_bigendian=0, step=3 * width)
    # An array of bytes is taken over as it is; a list or bytes would be checked value by value.
    message.data = array("B", np.ascontiguousarray(image).tobytes())
    return message


def image_array(message: Image) -> np.ndarray:
    """The pixels (H, W, 3) uint8 of an rgb8 message, without a copy.

    Raises:
        WallOSSError: another encoding, or fewer bytes than the size says.
    """
    expected = message.height * message.step
    if message.encoding != "rgb8" or message.step < 3 * message.width or len(message.data) != expected:
        raise WallOSSError(
            f"An image of {message.width} x {message.height} in {message.encoding!r} with {len(message.data)} bytes came"
            " where rgb8 was expected.",
            "Let the perception node make the observations.",
        )
    rows = np.frombuffer(message.data, dtype=np.uint8).reshape(message.height, message.step)
    return rows[:, : 3 * message.width].reshape(message.height, message.width, 3)


def observation_from(message) -> Observation:
    """The plain observation of a wall_oss_msgs/Observation.

    Raises:
        WallOSSError: an image or the state is not what the message's definition says.
    """
    if len(message.view_names) != len(message.views):
        raise WallOSSError(
            f"An observation names {len(message.view_names)} views and has {len(message.views)} images.",
            "Let the perception node make the observations.",
        )
    return Observation(
        stamp=seconds(message.header.stamp),
        images={name: image_array(view) for name, view in zip(message.view_names, message.views)},
        state=np.asarray(message.state, dtype=np.float32),
        state_mask=np.asarray(message.state_mask, dtype=bool),
    ).check()
