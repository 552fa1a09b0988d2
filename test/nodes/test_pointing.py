# SPDX-License-Identifier: Apache-2.0
"""What the model pointed at, as messages, markers and a picture; and the scene as a point cloud."""

import numpy as np
import pytest

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.conversions import pose_message
from wall_oss_ros.nodes.grounding_messages import boxes_of, grounding_message, points_of
from wall_oss_ros.nodes.observation_messages import (
    depth_message,
    distortion_numbers,
    image_array,
    image_message,
    observation_from,
)
from wall_oss_ros.nodes.pointing import annotated_message, pointing_markers
from wall_oss_ros.nodes.scene_points import cloud_message
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.robots.lenses import distortion_of
from wall_oss_ros.uni_cot.grounding import Grounded, Grounding, Method, Place

from sensor_msgs.msg import Image
from sensor_msgs_py import point_cloud2
from std_msgs.msg import Header
from visualization_msgs.msg import Marker
from wall_oss_msgs.msg import GroundedPoint
from wall_oss_msgs.msg import Observation as ObservationMessage

TO_CAMERA = np.array([[4.0, 0, 80], [0, 4, 0], [0, 0, 1]])


def pointed() -> Grounding:
    """A cube by depth, one that has no place, and a box on the floor, in a picture cut from one of 640 x 480."""
    picture = np.full((120, 120, 3), 90, np.uint8)
    obs = Observation(12.5, {"face": picture}, np.zeros(1), np.zeros(1, bool), to_camera={"face": TO_CAMERA})
    cube = Grounded("red cube", "face", np.array([[322.0, 82.0]]), Place(Method.DEPTH, np.array([0.5, 0.1, 0.04])))
    lost = Grounded("blue", "face", np.array([[82.0, 2.0]]), Place(Method.UNPLACED, None, "no depth there"))
    corners = np.array([[0.1, 0, 0], [0.2, 0, 0], [0.2, 0.1, 0], [0.1, 0.1, 0]])
    floor = Place(Method.FLOOR, np.array([0.15, 0.05, 0.01]), "there is no depth image of that moment")
    tray = Grounded("tray", "face", np.array([[200.0, 200], [400, 400]]), floor, corners)
    return Grounding(obs, "Where?", "here", "face", (cube, tray, lost))


def test_points_and_boxes_are_typed():
    cube, lost = points_of(pointed())
    assert (cube.label, cube.view, cube.x, cube.y) == ("red cube", "face", 322.0, 82.0)
    assert cube.method == GroundedPoint.DEPTH and cube.has_position and cube.message == ""
    assert (cube.position.x, cube.position.y, cube.position.z) == (0.5, 0.1, 0.04)
    assert lost.method == GroundedPoint.UNPLACED and not lost.has_position and lost.message == "no depth there"
    (tray,) = boxes_of(pointed())
    assert (tray.x_min, tray.y_min, tray.x_max, tray.y_max) == (200.0, 200.0, 400.0, 400.0)
    assert tray.middle.method == GroundedPoint.FLOOR and (tray.middle.x, tray.middle.y) == (300.0, 300.0)
    assert [corner.x for corner in tray.corners] == [0.1, 0.2, 0.2, 0.1] and "no depth image" in tray.middle.message
    assert {name: getattr(GroundedPoint, name) for name in Method.__members__} == dict(Method.__members__)


def test_in_space_each_has_a_ball_words_and_an_outline():
    markers = pointing_markers(grounding_message(pointed(), "base"))
    words = {marker.text for marker in markers if marker.type == Marker.TEXT_VIEW_FACING}
    assert words == {"red cube", "tray (on the floor)"}, "how it was found; nothing of what has no place"
    balls = [marker.pose.position.x for marker in markers if marker.type == Marker.SPHERE]
    assert balls == [0.5, 0.15] and {marker.header.frame_id for marker in markers} == {"base"}
    (outline,) = (marker for marker in markers if marker.type == Marker.LINE_STRIP)
    assert [point.x for point in outline.points] == [0.1, 0.2, 0.2, 0.1, 0.1], "closed"
    assert len({(marker.ns, marker.id) for marker in markers}) == len(markers)
    assert len({(marker.color.r, marker.color.g) for marker in markers}) == 2


def test_in_the_picture_they_are_where_the_model_gave_them():
    message = grounding_message(pointed(), "base")
    assert message.header.stamp.sec == 12 and message.header.frame_id == "base" and message.view == "face"
    drawn = image_array(annotated_message(message)).astype(int)
    scale = 4  # of 120 pixels to at least 448
    assert drawn.shape[1] == 120 * scale and drawn.shape[0] > 120 * scale, "question and answer are below"
    assert np.ptp(drawn[82, (322 - 80)]) > 50, "the cross of the cube, coloured"
    assert np.ptp(drawn[300, 200 - 80]) > 50 and np.ptp(drawn[300, 400 - 80]) > 50, "the box's edges"
    assert drawn[300, 300 - 80].tolist() == [90, 90, 90]


@pytest.mark.parametrize("matrix", [np.zeros(9), np.full(9, np.nan)])
def test_a_grounding_that_makes_no_sense_is_shown_without_marks(matrix):
    message = grounding_message(pointed(), "base")
    message.to_camera = matrix.tolist()
    message.points[0].method = 77
    drawn = image_array(annotated_message(message))
    assert (drawn[: 4 * 120] == 90).all() and pointing_markers(message)


def test_a_picture_that_is_none_or_narrow_is_refused_or_shown_in_bounds():
    """As anybody may publish it; drawing goes on with the next."""
    message = grounding_message(pointed(), "base")
    message.picture = image_message(np.zeros((999, 1, 3), np.uint8), Header())
    assert annotated_message(message).height < 2100
    message.picture = Image(encoding="rgb8")
    with pytest.raises(WallOSSError, match="An image of 0 x 0"):
        annotated_message(message)


def test_a_point_cloud_has_places_and_colours():
    places = np.array([[0.5, 0.1, 0.04], [-1, 2, 3]], np.float32)
    cloud = cloud_message(places, np.array([[255, 128, 1], [0, 2, 3]], np.uint8), Header(frame_id="base"))
    assert cloud.header.frame_id == "base" and (cloud.width, cloud.height, cloud.point_step) == (2, 1, 16)
    assert [field.name for field in cloud.fields] == ["x", "y", "z", "rgb"]
    assert point_cloud2.read_points_numpy(cloud, ("x", "y", "z")).tolist() == places.tolist()
    packed = np.ascontiguousarray(point_cloud2.read_points(cloud)["rgb"]).view(np.uint32)
    assert [hex(value) for value in packed] == ["0xff8001", "0x203"]
    empty = cloud_message(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), Header())
    assert empty.width == 0 and len(empty.data) == 0


def observation(**fields) -> ObservationMessage:
    message = ObservationMessage(view_names=["face", "wrist"], state=[0.0], state_mask=[True])
    message.views = [image_message(np.zeros((28, 28, 3), np.uint8), Header())] * 2
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def test_an_observations_depth_and_the_way_to_its_cameras_pictures():
    depth = np.arange(28 * 28, dtype=np.uint16).reshape(28, 28)
    message = observation(depths=[depth_message(None, Header()), depth_message(depth, Header())])
    message.view_to_camera = [*np.eye(3).ravel().tolist(), *TO_CAMERA.ravel().tolist()]
    read = observation_from(message)
    assert list(read.depths) == ["wrist"] and np.array_equal(read.depths["wrist"], depth)
    assert np.array_equal(read.to_camera["wrist"], TO_CAMERA)
    assert observation_from(observation()).depths == {} == observation_from(observation()).to_camera


def test_an_observations_lenses_come_as_they_went():
    fish, _ = distortion_of("equidistant", (0.1, 0.2, 0.3, 0.4))
    message = observation(camera_matrices=[*np.eye(3).ravel().tolist()] * 2, camera_poses=[pose_message(np.eye(4))] * 2)
    for bends in (None, fish):
        model, numbers = distortion_numbers(bends)
        message.distortion_models.append(model)
        message.distortions.extend(numbers)
    assert {view: camera.distortion for view, camera in observation_from(message).cameras.items()} == {
        "face": None, "wrist": fish,
    }  # fmt: skip
    message.distortion_models, message.distortions = [], []
    assert {camera.distortion for camera in observation_from(message).cameras.values()} == {None}, (
        "of who knows of none"
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"distortion_models": ["plumb_bob"]},
        {"distortion_models": ["plumb_bob", ""], "distortions": [0.1] * 12},
        {"distortion_models": ["", "what"], "distortions": [0.0] * 12 + [0.1] * 12},
        {"distortion_models": ["", "plumb_bob"], "distortions": [0.0] * 12 + [float("nan")] * 12},
        {"distortions": [0.1] * 24},
    ],
)
def test_an_observation_with_lenses_of_no_kind_is_refused(fields):
    known = {"camera_matrices": [1.0] * 18, "camera_poses": [pose_message(np.eye(4))] * 2}
    with pytest.raises(WallOSSError, match="perception node"):
        observation_from(observation(**known, **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"depths": [Image()]},
        {"depths": [Image(height=2, width=2, step=4, encoding="rgb8", data=[0] * 8), Image()]},
        {"depths": [Image(height=9, width=2, step=4, encoding="16UC1", data=[0] * 8), Image()]},
        {"view_to_camera": [1.0] * 9},
        {"view_to_camera": [float("nan")] * 18},
    ],
)
def test_an_observation_that_contradicts_itself_is_refused(fields):
    with pytest.raises(WallOSSError, match="perception node"):
        observation_from(observation(**fields))
