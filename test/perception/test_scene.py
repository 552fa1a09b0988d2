# SPDX-License-Identifier: Apache-2.0
"""The observed scene as points, and pictures with what was pointed at."""

import numpy as np
import pytest

from wall_oss_ros.perception.annotation import Mark, annotated, readable
from wall_oss_ros.perception.scene import scene_points
from wall_oss_ros.policy.observation import Camera, Observation

K = np.array([[50.0, 0, 20], [0, 50, 15], [0, 0, 1]])


def looking_down(height: float = 1.0) -> np.ndarray:
    """A camera above the origin; its x is the base's x, its y the base's -y."""
    pose = np.diag([1.0, -1, -1, 1])
    pose[2, 3] = height
    return pose


def observe(depth, size=(30, 40), pose=None, matrix=K, **more) -> Observation:
    picture = np.zeros((*size, 3), np.uint8)
    picture[:, : size[1] // 2], picture[:, size[1] // 2 :] = (200, 10, 20), (30, 40, 250)
    camera = Camera(matrix, looking_down() if pose is None else pose)
    fields = {"cameras": {"face": camera}, "depths": {"face": depth}, **more}
    return Observation(0.0, {"face": picture}, np.zeros(1), np.zeros(1, bool), **fields)


def test_points_are_where_they_are_seen_in_the_colours_seen():
    depth = np.full((30, 40), 1000, np.uint16)
    depth[:10], depth[20, 20] = 0, 600
    places, colours = scene_points(observe(depth), voxel=0.001)
    assert len(places) == 20 * 40 == len(colours) and places.dtype == np.float32 and colours.dtype == np.uint8
    high = places[:, 2] > 0.3
    assert high.sum() == 1 and places[high][0] == pytest.approx([0.5 / 50 * 0.6, -5.5 / 50 * 0.6, 0.4], abs=1e-5)
    assert np.abs(places[~high, 2]).max() < 1e-5
    left = places[:, 0] < 0
    assert (colours[left] == (200, 10, 20)).all() and (colours[~left] == (30, 40, 250)).all()


def test_thinned_to_one_point_in_each_cube_of_space():
    depth = np.full((30, 40), 1000, np.uint16)
    places, _ = scene_points(observe(depth), voxel=0.1)
    cells = np.floor(places / 0.1)
    assert len(np.unique(cells, axis=0)) == len(places) and 8 * 6 <= len(places) <= 10 * 8
    coarse = np.full((15, 20), 1000, np.uint16)
    assert len(scene_points(observe(coarse), voxel=0.001)[0]) == 300, "depth of fewer pixels than the picture"


@pytest.mark.parametrize(
    "fields",
    [
        {"depths": {}},
        {"depths": {"elsewhere": np.full((30, 40), 1000, np.uint16)}},
        {"cameras": {}},
        {"depth": np.zeros((30, 40), np.uint16)},
        {"pose": np.full((4, 4), np.nan)},
        {"matrix": np.full((3, 3), np.inf)},
    ],
)
def test_where_something_is_lacking_there_are_no_points(fields):
    depth = fields.pop("depth", np.full((30, 40), 1000, np.uint16))
    places, colours = scene_points(observe(depth, **fields), voxel=0.01)
    assert places.shape == (0, 3) == colours.shape


PINK = (255, 77, 204)


def test_a_point_and_a_box_are_drawn_where_they_are_with_words():
    picture = np.full((112, 112, 3), 90, np.uint8)
    point, box = Mark("", np.array([[56.5, 30.5]]), PINK), Mark("", np.array([[20.0, 60], [40, 100]]), PINK)
    drawn = annotated(picture, [point, box])
    assert drawn.shape == (448, 448, 3) and drawn.dtype == np.uint8
    pink = (drawn == PINK).all(axis=-1)
    assert pink[122, 226] and pink[240:400, 80].all() and pink[400, 80:160].all() and not pink[300, 120]
    assert pink.sum() < 3000 and (drawn[~pink][:, 0] != 90).mean() < 0.05, "the rest of the picture is left as it is"
    labelled = annotated(
        picture, [point._replace(label="red cube")], ["Point to the red cube.", "<point>[56, 30]</point>"]
    )
    assert labelled.shape == (484, 448, 3)
    assert (labelled[:448] != drawn).any(axis=-1)[100:126, 230:330].sum() > 200, "words beside the point"
    assert (labelled[448:] > 200).any(), "and below"


@pytest.mark.parametrize(
    "pixels",
    [[[-500.0, 3]], [[1e300, 1e300]], [[np.nan, 3]], [[np.inf, 3]], [[50, 50], [20, 20]], [[-9, -9], [999, 999]]],
)
def test_what_lies_outside_is_no_failure(pixels):
    picture = np.full((20, 30, 3), 90, np.uint8)
    drawn = annotated(picture, [Mark("a thing that is far away " * 9, np.array(pixels, float), PINK)])
    assert drawn.shape == (300, 450, 3)


def test_large_pictures_keep_their_size():
    assert annotated(np.zeros((480, 640, 3), np.uint8), []).shape == (480, 640, 3)


def test_words_are_of_characters_that_can_be_drawn():
    assert readable("ein Würfel\n\tdort", 60) == "ein Würfel dort" and readable("\u7ea2 cube", 60) == "? cube"
    assert readable("x" * 99, 10) == "xxxxxxx..." and readable("\ud800", 9) == "?"
