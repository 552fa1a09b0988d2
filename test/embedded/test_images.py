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
    with pytest.raises(CvBridgeError, match="nv12"):
        bridge.imgmsg_to_cv2(Image(encoding="nv12"))
    with pytest.raises(CvBridgeError, match="expected at least 6 and 12"):
        bridge.imgmsg_to_cv2(Image(height=2, width=2, encoding="rgb8", step=6, data=bytes(8)))
    with pytest.raises(CvBridgeError, match="32FC1. is not a color format"):
        bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(np.zeros((1, 1), np.float32), "32FC1"), "rgb8")
    with pytest.raises(CvBridgeError, match="float64"):
        bridge.cv2_to_imgmsg(np.zeros((1, 1, 3)), "rgb8")


def test_packed_yuv_is_what_opencv_makes_of_it():
    """Values of OpenCV 4's cvtColor, with COLOR_YUV2RGB_YUY2 and COLOR_YUV2RGB_UYVY."""
    pairs = np.array([[[81, 90], [145, 240]]], np.uint8)
    orders = {"yuv422_yuy2": pairs, "yuyv": pairs, "yuv422": pairs[..., ::-1], "uyvy": pairs[..., ::-1]}
    for encoding, data in orders.items():
        message = Image(height=1, width=2, encoding=encoding, step=4, data=data.tobytes())
        assert bridge.imgmsg_to_cv2(message, "rgb8").tolist() == [[[254, 0, 0], [255, 74, 73]]]
        assert bridge.imgmsg_to_cv2(message, "mono8").tolist() == [[81, 145]]


def test_bayer_is_what_opencv_makes_of_it():
    """Values of OpenCV 4's cvtColor, with COLOR_BayerBG2RGB (its name for rggb) and COLOR_BayerGR2RGB (for gbrg)."""
    pattern = np.array([[10, 200, 30, 40], [50, 60, 170, 80], [90, 100, 110, 220], [130, 40, 150, 160]], np.uint8)
    message = bridge.cv2_to_imgmsg(pattern, "bayer_rggb8")
    assert bridge.imgmsg_to_cv2(message, "rgb8")[1:3, 1:3].tolist() == [
        [[60, 130, 60], [70, 170, 70]],
        [[100, 100, 50], [110, 160, 85]],
    ]
    message.encoding = "bayer_gbrg8"
    assert bridge.imgmsg_to_cv2(message, "rgb8")[1:3, :2].tolist() == [
        [[110, 60, 150], [110, 60, 150]],
        [[125, 75, 100], [125, 75, 100]],
    ]
    with pytest.raises(CvBridgeError, match="Unsupported conversion"):
        bridge.imgmsg_to_cv2(message, "rgba8")


def test_sixteen_bits_become_eight_in_proportion():
    message = bridge.cv2_to_imgmsg(np.array([[[65535, 257, 128]]], np.uint16), "bgr16")
    assert bridge.imgmsg_to_cv2(message, "rgb8").tolist() == [[[0, 1, 255]]]
    assert bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(np.array([[255]], np.uint8), "mono8"), "mono16") == 65535


@pytest.mark.parametrize("encoding", ["8UC1", "8UC3", "16UC1", "32FC1", "8UC4"])
def test_what_says_nothing_of_colours_becomes_none(encoding):
    """As cv_bridge: OpenCV users publish BGR as 8UC3, and it must not be taken for RGB."""
    message = Image(height=2, width=2, encoding=encoding, step=16, data=bytes(32))
    assert bridge.imgmsg_to_cv2(message).shape[:2] == (2, 2)
    for target in ("rgb8", "mono8", "mono16"):
        with pytest.raises(CvBridgeError, match="is not a color format"):
            bridge.imgmsg_to_cv2(message, target)
    assert bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(np.zeros((2, 2, 3), np.uint8), "bgr8"), "8UC3").shape == (2, 2, 3)
