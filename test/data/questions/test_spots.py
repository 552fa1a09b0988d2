# SPDX-License-Identifier: Apache-2.0
"""Points and boxes of other people's texts become pixels of the picture as the model takes it."""

import pytest

from wall_oss_ros.data.questions.spots import Spot, has_spots, in_pieces, joined
from wall_oss_ros.uni_cot.spots import spots_in

WIDE = (640, 480)


@pytest.mark.parametrize("text, space, expected", [
    ("[(0.461, 0.527)]", "0 to 1", "<point>[118, 101]</point>"),  # RoboPoint
    ("[(0.25, 0.5), (0.75, 0.5)]", "0 to 1", "<point>[64, 96]</point>, <point>[192, 96]</point>"),
    ('{"bbox_2d": [64, 48, 320, 240], "label": "cup"}', "pixels", "<box>[26, 19, 128, 96]</box>"),  # Qwen2.5
    ('```json\n[{"bbox_2d": [64, 48, 320, 240], "label": "cup"}, {"point_2d": [639, 479], "label": "lid"}]\n```',
     "pixels", "cup <box>[26, 19, 128, 96]</box>, lid <point>[255, 191]</point>"),
    ("<|object_ref_start|>a cup<|object_ref_end|><|box_start|>(100,200),(500,1000)<|box_end|>", "0 to 1000",
     "<|object_ref_start|>a cup<|object_ref_end|><box>[26, 38, 128, 192]</box>"),  # Qwen2
    ("It is at [0.1, 0.2, 0.3, 0.4].", "0 to 1", "It is at <box>[26, 38, 77, 77]</box>."),  # LLaVA
    ("<point>[320, 240]</point>", "pixels", "<point>[128, 96]</point>"),  # this project's, wall-x's
    ("<box>(0, 0, 1000, 1000)</box>", "0 to 1000", "<box>[0, 0, 256, 192]</box>"),
    ("at (320, 240), left of [480, 240]", "pixels", "at <point>[128, 96]</point>, left of <point>[192, 96]</point>"),
    ("three cups, [see below] (left)", "pixels", "three cups, [see below] (left)"),
    ("no brackets, 3 cups", None, "no brackets, 3 cups"),
    ("between 1 and [2, 3]", None, "between 1 and [2, 3]"),
])  # fmt: skip
def test_each_way_to_write_them(text, space, expected):
    assert joined(in_pieces(text, space, WIDE), (256, 192)) == expected


def test_a_picture_that_is_not_resized_keeps_its_pixels_to_the_last():
    for x in range(0, 640, 7):
        text = f"<point>[{x}, {x % 480}]</point>"
        assert joined(in_pieces(text, "pixels", WIDE), WIDE) == text
    box = "<box>[3, 5, 640, 480]</box>"
    assert joined(in_pieces(box, "pixels", WIDE), WIDE) == box


def test_a_point_is_what_the_planner_reads():
    said = joined(in_pieces("[(0.999, 1.0)]", "0 to 1", None), (112, 112))
    (spot,) = spots_in(said)
    assert spot.numbers == (111, 111), "within the picture, though it is at its very edge"


@pytest.mark.parametrize("text, space, words", [
    ("<point>[3, 5]</point>", None, "the recipe does not say in which coordinates"),
    ('{"bbox_2d": [1, 2, 3, 4]}', None, "the recipe does not say"),
    ("<|box_start|>(1,2),(3,4)<|box_end|>", None, "the recipe does not say"),
    ("[(0.4, 1.2)]", "0 to 1", r"point \[0.4, 1.2\] lies outside of what is from 0 to 1"),
    ("[812, 400]", "pixels", r"point \[812, 400\] lies outside of a picture of 640 x 480 pixels"),
    ("[-1, 400]", "pixels", "lies outside"),
    ("[0.4, 0.5]", "pixels", r"is from 0 to 1 by the look of it, not in pixels"),
    ("[0.4, 0.5]", "0 to 1000", "from 0 to 1 by the look of it, not from 0 to 1000"),
    ("[300, 20, 100, 90]", "pixels", "its second corner left of or above its first"),
    ('{"bbox_2d": [1, 2, 3]}', "pixels", "its bbox_2d is no list of 4 numbers"),
    ('{"point_2d": [true, null]}', "pixels", "neither a point nor a box"),
    ("[(1, 2, 3)]", "pixels", "neither a point nor a box"),
    ("[(1.2.3, 4)]", "pixels", "neither a point nor a box"),
    ('[{"point_2d": [1e400, 2]}]', "pixels", "neither a point nor a box"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(text, space, words):
    with pytest.raises(ValueError, match=words):
        in_pieces(text, space, WIDE)


def test_pixels_of_an_unknown_picture():
    with pytest.raises(ValueError, match="size is not known"):
        in_pieces("[3, 4]", "pixels", None)
    assert has_spots("see [3, 4]") and not has_spots("see [the cup]")
    assert in_pieces("[0.5, 0.5]", "0 to 1", None) == (Spot((0.5, 0.5)),)
