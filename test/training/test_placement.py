# SPDX-License-Identifier: Apache-2.0
"""Moved pictures: what is said about places in them goes on pointing to the same things."""

import re

import numpy as np
import pytest

from wall_oss_ros.training.placement import STILL, Placement, place, spots_of

SIZES = [(56, 56), (168, 168), (84, 56), (28, 252)]
RED, GREY = np.array([250, 10, 10]), np.array([100, 100, 100])


def dotted(size: tuple[int, int], x: float, y: float, radius: float) -> np.ndarray:
    """A grey picture with a red disc in the middle of a pixel."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    return np.where(inside[..., None], RED, GREY).astype(np.uint8)


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"-?\d+", text)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [1.0, 0.7, 1.3])
def test_moved_points_hit_the_thing_that_they_hit_before(size, scale):
    rng, moved = np.random.default_rng(0), 0
    for _ in range(60):
        x, y = (int(rng.integers(side)) for side in size)
        found = place(size, [(x, y)], 0.2, scale, tuple(rng.random(2)))
        text = found.text(f"red <point>[{x}, {y}]</point>, seen", size)
        a, b = numbers(text)
        assert text == f"red <point>[{a}, {b}]</point>, seen" and 0 <= a < size[0] and 0 <= b < size[1]
        picture = found.picture(dotted(size, x, y, 3 if scale != 1 else 0))
        assert picture.shape == (size[1], size[0], 3) and picture.dtype == np.uint8
        assert np.abs(picture[b, a].astype(int) - RED).max() < (1 if scale == 1 else 60)
        moved += (a, b) != (x, y)
    assert moved > 30


@pytest.mark.parametrize("scale, within", [(1.0, 0), (0.8, 1), (1.25, 1)])
def test_moved_boxes_are_drawn_around_the_same_thing(scale, within):
    rng, size = np.random.default_rng(1), (168, 112)
    for _ in range(60):
        left, top = int(rng.integers(0, 100)), int(rng.integers(0, 60))
        right, bottom = left + int(rng.integers(20, 60)), top + int(rng.integers(20, 50))
        picture = np.full((size[1], size[0], 3), 100, np.uint8)
        picture[top:bottom, left:right] = RED
        found = place(size, [(left, top, right, bottom)], 0.15, scale, tuple(rng.random(2)))
        corners = numbers(found.text(f"<box>[{left}, {top}, {right}, {bottom}]</box>", size))
        red = found.picture(picture)[..., 0] > 175
        rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
        seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        assert np.abs(np.subtract(corners, seen)).max() <= within, (found, corners, seen)


def test_what_is_spoken_of_stays_in_sight_and_its_shift_is_drawn_evenly():
    rng, size = np.random.default_rng(2), (56, 56)
    corner = [place(size, [(0, 55)], 0.2, 1.0, tuple(rng.random(2))) for _ in range(300)]
    assert {one.left for one in corner} == set(range(12)) and {one.top for one in corner} == set(range(-11, 1))
    assert max(sum(one.left == left for one in corner) for left in range(12)) < 60, "none piles up at the border"
    assert {one.left for one in (place(size, [(0, 5), (55, 5)], 0.2, 1.0, (u, u)) for u in rng.random(20))} == {0}
    both = place(size, [(0, 0), (55, 55)], 0.2, 1.3, (0.5, 0.5))
    assert both == STILL and both.scale == 1, "no zoom keeps both corners"
    assert place(size, [(0, 0, 56, 56)], 0.2, 1.0, (0.9, 0.1)) == STILL
    assert place(size, [(20, 20)], 0.2, 1.3, (0.5, 0.5)).scale == 1.3
    assert place(size, [(60, 5)], 0.2, 1.0, (0.5, 0.5)) is None and place(size, [(5, 5, 57, 9)], 0.2, 1, (0, 0)) is None


def test_edges_fill_what_gets_free_and_nothing_comes_in_from_the_other_side():
    picture = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    moved = Placement(1.0, 2, -1).picture(picture)
    np.testing.assert_array_equal(moved[:3, 2:], picture[1:, :4])
    np.testing.assert_array_equal(moved[:3, 0], picture[1:, 0])
    np.testing.assert_array_equal(moved[3], moved[2])
    flat = np.full((28, 56, 3), 37, np.uint8)
    np.testing.assert_array_equal(Placement(0.5, 30, -4).picture(flat), flat)
    far = Placement(1.0, 100, 100).picture(picture)
    np.testing.assert_array_equal(far, np.broadcast_to(picture[0, 0], picture.shape))
    assert STILL.picture(picture) is picture and STILL.text("<point>[1,2]</point>", (6, 4)) == "<point>[1,2]</point>"


def test_both_corners_given_the_wrong_way_round_are_moved_and_kept_all_the_same():
    found = place((56, 56), [(50, 50, 3, 3)], 0.2, 1.0, (0.0, 0.0))
    assert (found.left, found.top) == (-3, -3)
    assert found.text("<box>[50, 50, 3, 3]</box>", (56, 56)) == "<box>[47, 47, 0, 0]</box>"


@pytest.mark.parametrize("text, found", [
    ("put 2 cups into the 3 trays", []),
    ("1 of 2 done, 12:30, version 0.5", []),
    ("1. pick up the cup\n2. place it", []),
    ("red <point>[3, 4]</point>, blue <point>[5, 6]</point>; 2 <box>[1, 2, 3.5, 4]</box> 5",
     [(3, 4), (5, 6), (1, 2, 3.5, 4)]),
    ("<point>[ 3,4 ]</point>", [(3, 4)]),
    ("on the table [12, 40]", None),
    ("at 40, 60", None),
    ("at (40 60)", None),
    ("x=40, y=60", None),
    ('{"x": 40, "y": 60}', None),
    ("0.25,.5", None),
    ("[-3, -4]", None),
    ("40 px from the left", None),
    ("12 pixels", None),
    ("<loc0123><loc0456> cup", None),
    ("<point>[3, 4, 5]</point>", None),
    ("<point>(3, 4)</point>", None),
    ("<point>[-3, 4]</point>", None),
    ("<box>[1, 2, 3]</box>", None),
    ("<|box_start|>(1,2),(3,4)<|box_end|>", None),
    ("<point>[999999, 4]</point>", None),
])  # fmt: skip
def test_places_are_found_or_found_to_be_said_in_another_way(text, found):
    assert spots_of([text, "none here"]) == found
