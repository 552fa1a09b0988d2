# SPDX-License-Identifier: Apache-2.0
"""Cameras' messages as pixels, and what is said of those that cannot be used."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from wall_oss_ros.embedded.cv_bridge import CvBridge
from wall_oss_ros.perception.pictures import PictureError, compressed_pixels, raw_pixels

RED = np.zeros((4, 6, 3), np.uint8)
RED[..., 0] = 200


def raw(encoding: str, data: bytes, width: int = 6, height: int = 4):
    step = len(data) // height
    return SimpleNamespace(encoding=encoding, data=data, width=width, height=height, step=step, is_bigendian=0)


def compressed(image: np.ndarray, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Picture.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def test_raw_pictures():
    assert np.array_equal(raw_pixels(raw("rgb8", RED.tobytes()), CvBridge()), RED)
    assert np.array_equal(raw_pixels(raw("bgr8", RED[..., ::-1].tobytes()), CvBridge()), RED)


def test_the_order_of_colours_is_never_guessed():
    data = RED[..., ::-1].tobytes()
    with pytest.raises(PictureError, match=r"8UC3 does not say .* set the view's encoding to bgr8 \(OpenCV's"):
        raw_pixels(raw("8UC3", data), CvBridge())
    assert np.array_equal(raw_pixels(raw("8UC3", data), CvBridge(), "bgr8"), RED)
    assert raw_pixels(raw("8UC1", RED[..., 0].tobytes()), CvBridge(), "bayer_rggb8").shape == RED.shape
    with pytest.raises(PictureError, match="8UC3, taken as bgra8 by the view's encoding: "):
        raw_pixels(raw("8UC3", data), CvBridge(), "bgra8")


@pytest.mark.parametrize(
    "encoding, size, said",
    [("16UC1", 2, "no colours"), ("32FC1", 4, "no colours"), ("8UC1", 1, "mono8"), ("nv12", 2, "encoding nv12"),
     ("rgb8", 2, "encoding rgb8: .*expected at least")],
)  # fmt: skip
def test_what_cannot_be_used_says_why(encoding, size, said):
    with pytest.raises(PictureError, match=said):
        raw_pixels(raw(encoding, bytes(24 * size)), CvBridge())


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_compressed_pictures(kind):
    data = compressed(RED, kind, **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {}))
    assert compressed_pixels(data) == pytest.approx(RED, abs=2)
    assert compressed_pixels(data, "bgr8") == pytest.approx(RED[..., ::-1], abs=2)


def test_compressed_grey_has_three_channels_and_exif_turns():
    assert compressed_pixels(compressed(RED[..., 0])).shape == (4, 6, 3)
    exif = Picture.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    assert compressed_pixels(compressed(RED, "JPEG", exif=exif)).shape == (6, 4, 3)


@pytest.mark.parametrize(
    "data, said",
    [(b"", "neither JPEG nor PNG"), (b"GIF89a" + bytes(40), "neither JPEG nor PNG"),
     (compressed(RED, "JPEG")[:200], "cannot be read"), (compressed(RED.astype(np.uint16)[..., 0]), "depth picture")],
)  # fmt: skip
def test_compressed_data_that_is_none(data, said):
    with pytest.raises(PictureError, match=said):
        compressed_pixels(data)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_broken_bytes_raise_nothing_else(seed, count):
    rng, data = np.random.default_rng(seed), bytearray(compressed(RED, ("PNG", "JPEG")[seed % 2]))
    for at in rng.integers(len(data), size=count):
        data[at] = rng.integers(256)
    try:
        assert compressed_pixels(data).dtype == np.uint8
    except PictureError:
        pass
