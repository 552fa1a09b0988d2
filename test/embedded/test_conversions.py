# SPDX-License-Identifier: Apache-2.0
"""tf_transformations and sensor_msgs_py: numbers worked out by hand. On ROS 2 these tests are of its own packages."""

import math

import numpy as np
import pytest

from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

tft = pytest.importorskip("tf_transformations")
point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2")
HALF = math.sqrt(0.5)
QUARTER = math.pi / 2


def test_euler_angles_to_quaternions():
    assert tft.quaternion_from_euler(0, 0, QUARTER) == pytest.approx((0, 0, HALF, HALF))
    assert tft.quaternion_from_euler(QUARTER, 0, 0) == pytest.approx((HALF, 0, 0, HALF))
    # Roll by 90 degrees, then yaw by 90 degrees about the fixed z: the turn by 120 degrees about (1, 1, 1).
    assert tft.quaternion_from_euler(QUARTER, 0, QUARTER) == pytest.approx((0.5, 0.5, 0.5, 0.5))
    # About axes that turn along, the order is the other one.
    assert tft.quaternion_from_euler(QUARTER, 0, QUARTER, "rzyx") == pytest.approx((0.5, 0.5, 0.5, 0.5))
    assert tft.quaternion_from_euler(QUARTER, 0, QUARTER, "rxyz") == pytest.approx((0.5, -0.5, 0.5, 0.5))


def test_quaternions_and_matrices_to_euler_angles():
    assert tft.euler_from_quaternion((0, 0, HALF, HALF)) == pytest.approx((0, 0, QUARTER))
    assert tft.euler_from_quaternion((0.5, 0.5, 0.5, 0.5)) == pytest.approx((QUARTER, 0, QUARTER))
    assert tft.euler_from_matrix(tft.euler_matrix(0.1, -0.2, 0.3)) == pytest.approx((0.1, -0.2, 0.3))
    # Where pitch is 90 degrees, only yaw - roll counts; the last angle is 0.
    assert tft.euler_from_matrix(tft.euler_matrix(0.1, QUARTER, 0.4)) == pytest.approx((-0.3, QUARTER, 0), abs=1e-6)
    for axes in ("szyx", "rxyz", "sxyx", "rzxz", "szyz", "rxzx"):  # many triples would do
        matrix = tft.euler_matrix(0.3, -1.2, 2.0, axes)
        assert np.allclose(tft.euler_matrix(*tft.euler_from_matrix(matrix, axes), axes), matrix)


def test_quaternions_multiply_invert_and_interpolate():
    assert tuple(tft.quaternion_multiply([1, -2, 3, 4], [-5, 6, 7, 8])) == (-44, -14, 48, 28)
    assert tft.quaternion_inverse([0, 0, 2, 2]).tolist() == [0, 0, -0.25, 0.25]
    assert tft.quaternion_conjugate([1, 2, 3, 4]).tolist() == [-1, -2, -3, 4]
    quarter_of_the_way = tft.quaternion_slerp([0, 0, 0, 1], [0, 0, HALF, HALF], 0.25)
    assert quarter_of_the_way == pytest.approx([0, 0, math.sin(math.pi / 16), math.cos(math.pi / 16)])
    shorter = tft.quaternion_slerp([0, 0, 0, 1], [0, 0, -HALF, -HALF], 0.5)
    assert shorter == pytest.approx([0, 0, math.sin(math.pi / 8), math.cos(math.pi / 8)])
    assert tft.quaternion_about_axis(math.pi, (0, 2, 0)) == pytest.approx((0, 1, 0, 0))
    assert tft.vector_norm(tft.random_quaternion()) == pytest.approx(1)


def test_matrices_of_rotations_and_translations():
    turn = tft.quaternion_matrix((0, 0, HALF, HALF))
    assert turn @ (1, 0, 0, 1) == pytest.approx([0, 1, 0, 1])
    assert tft.quaternion_from_matrix(turn) == pytest.approx((0, 0, HALF, HALF))
    about = tft.rotation_matrix(math.pi, (0, 0, 1), point=(1, 0, 0))
    assert about @ (0, 0, 5, 1) == pytest.approx([2, 0, 5, 1])
    angle, axis, point = tft.rotation_from_matrix(about)
    assert tft.is_same_transform(tft.rotation_matrix(angle, axis, point), about)
    moved = tft.concatenate_matrices(tft.translation_matrix((1, 2, 3)), turn)
    assert tft.translation_from_matrix(moved).tolist() == [1, 2, 3]
    assert moved @ (1, 0, 0, 1) == pytest.approx([1, 3, 3, 1])
    assert tft.is_same_transform(tft.inverse_matrix(moved) @ moved, tft.identity_matrix())


def test_matrices_are_composed_and_taken_apart():
    # A point (1, 1, 0) sheared to (1.5, 1, 0), scaled to (3, 3, 0), turned to (-3, 3, 0), moved to (-2, 3, 0).
    matrix = tft.compose_matrix((2, 3, 1), (0.5, 0, 0), (0, 0, QUARTER), (1, 0, 0))
    assert matrix @ (1, 1, 0, 1) == pytest.approx([-2, 3, 0, 1])
    scale, shear, angles, translate, _ = tft.decompose_matrix(matrix)
    assert list(scale) == pytest.approx([2, 3, 1]) and list(shear) == pytest.approx([0.5, 0, 0])
    assert list(angles) == pytest.approx([0, 0, QUARTER]) and list(translate) == pytest.approx([1, 0, 0])


def test_clouds_of_points_survive_both_ways():
    cloud = point_cloud2.create_cloud_xyz32(Header(frame_id="camera"), [(1, 2, 3), (4.5, 5, 6)])
    assert (cloud.width, cloud.height, cloud.point_step, cloud.row_step) == (2, 1, 12, 24)
    assert [(field.name, field.offset, field.datatype) for field in cloud.fields] == [
        ("x", 0, 7),
        ("y", 4, 7),
        ("z", 8, 7),
    ]
    assert bytes(cloud.data[:12]) == np.array([1, 2, 3], "<f4").tobytes() and cloud.header.frame_id == "camera"
    points = point_cloud2.read_points(cloud)
    assert points.dtype.names == ("x", "y", "z") and points["x"].tolist() == [1, 4.5]
    assert point_cloud2.read_points_numpy(cloud, ("z", "x")).tolist() == [[3, 1], [6, 4.5]]
    assert point_cloud2.read_points_numpy(cloud, uvs=[1]).tolist() == [[4.5, 5, 6]]
    assert point_cloud2.read_points_list(cloud)[0] == (1, 2, 3)


def test_points_with_nan_are_skipped_on_request():
    cloud = point_cloud2.create_cloud_xyz32(Header(), np.array([[1, 2, math.nan], [4, 5, 6]], np.float32))
    assert len(point_cloud2.read_points(cloud)) == 2
    assert point_cloud2.read_points_numpy(cloud, skip_nans=True).tolist() == [[4, 5, 6]]


def test_fields_may_have_types_and_counts_of_their_own():
    fields = [PointField(name="range", offset=0, datatype=PointField.FLOAT64, count=1),
              PointField(name="rgb", offset=8, datatype=PointField.UINT8, count=3)]  # fmt: skip
    cloud = point_cloud2.create_cloud(Header(), fields, [(1.5, 10, 20, 30)], point_step=16)
    assert (cloud.point_step, len(cloud.data)) == (16, 16)
    assert point_cloud2.read_points(cloud).dtype.names == ("range", "rgb_0", "rgb_1", "rgb_2")
    assert point_cloud2.read_points(cloud).tolist() == [(1.5, 10, 20, 30)]
    with pytest.raises(AssertionError, match="same datatype"):
        point_cloud2.read_points_numpy(cloud)
    assert point_cloud2.read_points_numpy(cloud, ["rgb_1"]).tolist() == [[20]]


def test_byte_order_and_rows_are_minded():
    cloud = PointCloud2(width=1, height=1, is_bigendian=True, point_step=4, row_step=4, data=bytes([0x3F, 0x80, 0, 0]))
    cloud.fields = [PointField(name="x", offset=0, datatype=PointField.FLOAT32, count=1)]
    assert point_cloud2.read_points(cloud)["x"].tolist() == [1.0]
    grid = point_cloud2.create_cloud_xyz32(Header(), np.arange(18, dtype=np.float32).reshape(2, 3, 3))
    assert (grid.width, grid.height) == (2, 3)
    assert point_cloud2.read_points(grid, reshape_organized_cloud=True)["x"].tolist() == [[0, 3, 6], [9, 12, 15]]


def test_mirrors_scales_projections_and_shears_do_what_they_say():
    point, normal = [0.3, -0.2, 1.0], [0.0, 0.0, 2.0]
    mirrored = tft.reflection_matrix(point, normal) @ [1.0, 2.0, 4.0, 1.0]
    assert mirrored == pytest.approx([1.0, 2.0, -2.0, 1.0])
    again = tft.reflection_matrix(*tft.reflection_from_matrix(tft.reflection_matrix(point, normal)))
    assert again == pytest.approx(tft.reflection_matrix(point, normal))

    stretched = tft.scale_matrix(3.0, [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]) @ [1.0, 2.0, 4.0, 1.0]
    assert stretched == pytest.approx([1.0, 2.0, 10.0, 1.0])
    factor, origin, direction = tft.scale_from_matrix(tft.scale_matrix(-2.0, [1.0, 2.0, 3.0]))
    assert factor == pytest.approx(-2.0) and origin == pytest.approx([1.0, 2.0, 3.0, 1.0]) and direction is None

    onto = tft.projection_matrix([0, 0, 0], [0, 0, 1], direction=[1, 0, 1]) @ [1.0, 2.0, 4.0, 1.0]
    assert onto == pytest.approx([-3.0, 2.0, 0.0, 1.0])
    seen = tft.projection_matrix([0, 0, 0], [0, 0, 1], perspective=[0, 0, 8]) @ [1.0, 2.0, 4.0, 1.0]
    assert (seen / seen[3])[:3] == pytest.approx([2.0, 4.0, 0.0])
    for how in ({}, {"direction": [0.3, 0.1, 0.9]}, {"perspective": [0.5, 0.2, 6.0]}):
        made = tft.projection_matrix([0.3, -0.2, 1.0], [0.1, 0.2, 1.0], **how)
        assert tft.projection_matrix(*tft.projection_from_matrix(made)) == pytest.approx(made)

    sheared = tft.shear_matrix(np.pi / 4, [1, 0, 0], [0, 0, 1], [0, 0, 1]) @ [1.0, 2.0, 4.0, 1.0]
    assert sheared == pytest.approx([4.0, 2.0, 4.0, 1.0])
    made = tft.shear_matrix(0.7, [0.0, 2.0, 0.0], [0.1, 0.2, 0.3], [1.0, 0.0, 0.5])
    assert tft.shear_matrix(*tft.shear_from_matrix(made)) == pytest.approx(made)
    with pytest.raises(ValueError, match="not orthogonal"):
        tft.shear_matrix(0.7, [0, 1, 0], [0, 0, 0], [0, 1, 1])


def test_clipping_maps_the_frustum_to_a_cube():
    edges = (0.2, 1.2, -0.5, 0.7, 0.4, 1.5)
    matrix = tft.clip_matrix(*edges)
    assert matrix @ [0.2, -0.5, 0.4, 1.0] == pytest.approx([-1.0, -1.0, -1.0, 1.0])
    assert matrix @ [1.2, 0.7, 1.5, 1.0] == pytest.approx([1.0, 1.0, 1.0, 1.0])
    near = tft.clip_matrix(*edges, perspective=True) @ [0.2, -0.5, 0.4, 1.0]
    assert near / near[3] == pytest.approx([-1.0, -1.0, -1.0, 1.0])
    with pytest.raises(ValueError, match="frustum"):
        tft.clip_matrix(1.0, 0.0, 0.0, 1.0, 0.0, 1.0)


def test_points_are_laid_on_points():
    points = np.random.default_rng(0).normal(size=(3, 7))
    turn = tft.compose_matrix(angles=(0.3, -1.2, 2.0), translate=(1.0, 2.0, 3.0), scale=(1.5, 1.5, 1.5))
    moved = turn[:3, :3] @ points + turn[:3, 3:]
    assert tft.superimposition_matrix(points, moved, scaling=True) == pytest.approx(turn)
    mirrored = points * [[1.0], [1.0], [-1.0]]
    found = tft.superimposition_matrix(points, mirrored)
    assert np.linalg.det(found[:3, :3]) == pytest.approx(1.0), "a rotation, never a mirror"
    assert tft.orthogonalization_matrix([10.0, 20.0, 30.0], [90.0] * 3) == pytest.approx(np.diag([10, 20, 30, 1]))


def test_the_arcball_turns_as_far_as_it_is_dragged():
    ball = tft.Arcball()
    assert ball.matrix() == pytest.approx(np.eye(4))
    ball.place([100, 100], 100)
    ball.down([100, 100])
    ball.drag([200, 100])  # from the middle to the right edge: a quarter turn in quaternions of twice the arc
    half_turn = tft.rotation_matrix(np.pi, [0, 1, 0])
    assert ball.matrix() == pytest.approx(half_turn, abs=1e-12)
    ball = tft.Arcball(tft.rotation_matrix(0.4, [0, 0, 1]))
    ball.place([100, 100], 100)
    ball.setaxes([1, 0, 0], [0, 1, 0])
    ball.setconstrain(True)
    ball.down([100, 100])
    ball.drag([130, 140])
    assert ball.getconstrain()
    angle, axis, _ = tft.rotation_from_matrix(ball.matrix() @ tft.rotation_matrix(-0.4, [0, 0, 1]))
    assert abs(axis) == pytest.approx([1.0, 0.0, 0.0], abs=1e-6) and angle > 0.1
