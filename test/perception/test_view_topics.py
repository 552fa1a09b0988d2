# SPDX-License-Identifier: Apache-2.0
"""What is published on a view's topic, and what is said when the view expects something else."""

import re

import pytest

from wall_oss_ros.perception.view_topics import Publisher, complaints, kind_of
from wall_oss_ros.robots.components import View

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"


def view(**fields) -> View:
    base = {"name": "face", "prompt": "face", "image_topic": "/cam/image_raw", "camera_info_topic": "/cam/camera_info"}
    return View(optical_frame="lens", **{**base, **fields})


def on(kind: str, node: str = "/driver", reliable: bool = True) -> Publisher:
    return Publisher(node, kind, reliable)


@pytest.mark.parametrize(
    "fields, publishers, kind",
    [
        ({}, [], "raw"),
        ({}, [on(RAW)], "raw"),
        ({}, [on(COMPRESSED)], "compressed"),
        ({}, [on(RAW), on(COMPRESSED)], "raw"),
        ({"image_topic": "/cam/image_raw/compressed"}, [], "compressed"),
        ({"image_topic": "/cam/image_raw/compressed"}, [on(RAW)], "raw"),
        ({"transport": "raw"}, [on(COMPRESSED)], "raw"),
        ({"transport": "compressed"}, [], "compressed"),
    ],
)
def test_the_type_is_what_is_there_unless_the_view_says(fields, publishers, kind):
    assert kind_of(view(**fields), publishers) == kind


@pytest.mark.parametrize(
    "fields, publishers, beside, said",
    [
        ({}, [], [], "nobody publishes face at /cam/image_raw"),
        ({}, [], [on(COMPRESSED)], "/cam/image_raw/compressed is there: set the view's image_topic"),
        ({"transport": "raw"}, [on(COMPRESSED)], [], f"{COMPRESSED} is published, {RAW} was expected; set the view's"
         " transport to compressed"),
        ({"transport": "compressed"}, [on(RAW)], [], f"{RAW} is published, {COMPRESSED} was expected; set the view's"
         " transport to raw"),
        ({}, [on("std_msgs/msg/String")], [], "std_msgs/msg/String is published, .* name another topic"),
        ({}, [on(RAW), on(COMPRESSED)], [], f"{COMPRESSED} is published"),
        ({"reliability": "reliable"}, [on(RAW, reliable=False)], [], "/driver publishes best effort"),
        ({}, [on(RAW), on(RAW, "/other")], [], "has 2 publishers: /driver, /other"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_view_and_topic(fields, publishers, beside, said):
    (complaint,) = complaints(view(**fields), "/cam/image_raw", publishers, beside)
    assert "face at /cam/image_raw" in complaint
    assert re.search(said, complaint), complaint


def test_what_fits_is_not_spoken_of():
    assert not complaints(view(), "/cam/image_raw", [on(RAW, reliable=False)], [])
    assert not complaints(view(reliability="reliable"), "/cam/image_raw", [on(COMPRESSED)], [])
