# SPDX-License-Identifier: Apache-2.0
"""Pictures in every way that clients send them."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from serving_support import picture as noise

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.serving.pictures import picture

IMAGE = noise(3, 40, 60)


def encoded(kind: str = "PNG", image=IMAGE, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "value",
    [
        IMAGE,
        IMAGE[None],
        IMAGE.transpose(2, 0, 1),
        IMAGE.astype(np.float32) / 255,
        (IMAGE / 255).transpose(2, 0, 1),
        encoded(),
        base64.b64encode(encoded()).decode(),
        "data:image/png;base64," + base64.encodebytes(encoded()).decode(),
    ],
    ids=["HWC", "1HWC", "CHW", "floats", "floats CHW", "bytes", "base64", "data URL"],
)
def test_all_forms_are_the_same_picture(value):
    assert np.array_equal(picture("v", value), IMAGE)


def test_jpeg_is_nearly_the_same():
    smooth = np.broadcast_to(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], (48, 64, 3))
    assert np.abs(picture("v", encoded("JPEG", smooth)).astype(int) - smooth).max() < 12


BAD = {
    "none": (None, "is NoneType"),
    "a list": ([[1, 2], [3, 4]], "is list"),
    "grey": (IMAGE[..., 0], r"uint8 of shape \(40, 60\)"),
    "four channels": (np.zeros((40, 60, 4), np.uint8), r"\(40, 60, 4\)"),
    "two pictures": (np.stack([IMAGE, IMAGE]), r"\(2, 40, 60, 3\)"),
    "ints": (IMAGE.astype(np.int64), "int64"),
    "nothing": (np.zeros((0, 0, 3), np.uint8), "0 x 0 pixels"),
    "empty floats": (np.zeros((0, 0, 3), np.float32), "nothing"),
    "thin": (np.zeros((1, 60, 3), np.uint8), "60 x 1 pixels"),
    "long": (np.zeros((20, 9000, 3), np.uint8), "9000 x 20 pixels"),
    "floats to 255": (IMAGE.astype(np.float32), "0 to 1 were expected"),
    "NaN": (np.full((40, 60, 3), np.nan), "nan to nan"),
    "no base64": ("front.jpg", "no base64"),
    "other letters": ("bild€", "no base64"),
    "no picture": (b"hello", "neither"),
    "empty bytes": (b"", "neither"),
    "cut off": (encoded("JPEG")[:300], "cannot be read"),
    "a GIF": (encoded("GIF"), "neither"),
    "depth": (encoded("PNG", np.zeros((40, 60), np.uint16)), "more than 8 bits"),
    "a bomb": (encoded("PNG", np.zeros((9000, 9000), np.uint8), compress_level=1), "9000 x 9000 pixels"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_what_is_no_picture_is_refused_in_words(case):
    value, words = case
    with pytest.raises(WallOSSError, match=words) as error:
        picture("front", value)
    assert "front" in str(error.value) and len(str(error.value)) < 300
