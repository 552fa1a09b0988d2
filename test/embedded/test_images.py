# SPDX-License-Identifier: Apache-2.0
"""The stand-in for cv_bridge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wall_oss_ros.embedded.cv_bridge import CvBridge, CvBridgeError
from wall_oss_ros.embedded.interfaces import get_message

Image = get_message("sensor_msgs/msg/Image")
bridge = CvBridge()


@given(
    st.sampled_from([("rgb8", np.uint8, 3), ("bgra8", np.uint8, 4), ("mono8", np.uint8, 1), ("mono16", np.uint16, 1),
                     ("16UC1", np.uint16, 1), ("32FC1", np.float32, 1)]),
    st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_pixels_survive_both_ways(kind, height, width, seed):
    encoding, dtype, channels = kind
    shape = (height, width) if channels == 1 else (height, width, channels)
    pixels = (np.random.default_rng(seed).random(shape) * 250).astype(dtype)
    message = bridge.cv2_to_imgmsg(pixels, encoding)
    assert (message.height, message.width, message.encoding) == (height, width, encoding)
    back = bridge.imgmsg_to_cv2(message)
    assert back.dtype == dtype and np.array_equal(back, pixels)


def test_colours_are_reordered_and_greyed():
    red = np.zeros((1, 1, 3), np.uint8)
    red[..., 0] = 200
    message = bridge.cv2_to_imgmsg(red, "rgb8")
    assert bridge.imgmsg_to_cv2(message, "bgr8").tolist() == [[[0, 0, 200]]]
    assert bridge.imgmsg_to_cv2(message, "rgba8").tolist() == [[[200, 0, 0, 255]]]
    assert bridge.imgmsg_to_cv2(message, "mono8").tolist() == [[60]]
    grey = bridge.cv2_to_imgmsg(np.full((1, 1), 7, np.uint8), "mono8")
    assert bridge.imgmsg_to_cv2(grey, "rgb8").tolist() == [[[7, 7, 7]]]


def test_padded_rows_and_other_byte_order_are_read():
    padded = Image(height=2, width=1, encoding="rgb8", step=4, data=bytes([1, 2, 3, 0, 4, 5, 6, 0]))
    assert bridge.imgmsg_to_cv2(padded).tolist() == [[[1, 2, 3]], [[4, 5, 6]]]
    big = Image(height=1, width=1, encoding="16UC1", step=2, is_bigendian=1, data=bytes([1, 2]))
    assert bridge.imgmsg_to_cv2(big).tolist() == [[258]]


def test_bad_images_are_refused_with_the_reason():
    with pytest.raises(CvBridgeError, match="yuv422"):
        bridge.imgmsg_to_cv2(Image(encoding="yuv422"))
    with pytest.raises(CvBridgeError, match="expected at least 6 and 12"):
        bridge.imgmsg_to_cv2(Image(height=2, width=2, encoding="rgb8", step=6, data=bytes(8)))
    with pytest.raises(CvBridgeError, match="32FC1 to rgb8"):
        bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(np.zeros((1, 1), np.float32), "32FC1"), "rgb8")
    with pytest.raises(CvBridgeError, match="float64"):
        bridge.cv2_to_imgmsg(np.zeros((1, 1, 3)), "rgb8")
