# SPDX-License-Identifier: Apache-2.0
"""Cameras that are not as the profile has them: by preset, file or mapping."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.cameras import (
    Cameras,
    camera_nodes,
    load_camera_driver,
    presets,
    read_cameras,
    with_cameras,
    with_devices,
)
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.profile import load_profile

UR = load_profile("ur")
FACE, WRIST = (view.name for view in UR.views)
DEVICES = f"{FACE}=0123 {WRIST}=/dev/video2"


def test_nothing_said_changes_nothing():
    assert with_cameras(UR, "") is UR and with_cameras(UR, "  {}") is UR
    assert camera_nodes(UR, Cameras()) == []


def test_a_mapping_changes_what_it_names():
    changed = with_cameras(
        UR, f"{{{FACE}: {{image_topic: /front/image_raw/compressed, rotate: 180, crop: {{left: 0.2}}}}}}"
    )
    face, wrist = changed.views
    assert face.image_topic == "/front/image_raw/compressed" and face.rotate == 180 and face.crop.left == 0.2
    assert face.prompt == UR.views[0].prompt and wrist == UR.views[1]
    assert robot_identity(changed) == robot_identity(UR), "cameras do not make another robot"


def test_another_picture_is_another_camera_and_takes_the_depth_of_the_former_one_away():
    assert UR.views[0].depth_topic and UR.views[0].depth_info_topic
    turned = with_cameras(UR, f"{{{FACE}: {{rotate: 180}}}}").views[0]
    assert turned.depth_topic == UR.views[0].depth_topic, "the same camera, hung otherwise"
    other = with_cameras(UR, f"{{{FACE}: {{image_topic: /front/image_raw}}}}").views[0]
    assert other.depth_topic is None and other.depth_info_topic is None
    straight = with_cameras(UR, f"{{{FACE}: {{rectified: true}}}}")
    assert straight.views[0].rectified
    assert with_cameras(straight, f"{{{FACE}: {{image_topic: /front/image_raw}}}}").views[0].rectified is None
    own = with_cameras(UR, f"{{{FACE}: {{image_topic: /front/image_raw, depth_topic: /front/depth}}}}").views[0]
    assert own.depth_topic == "/front/depth" and own.depth_info_topic is None
    assert with_cameras(UR, with_devices(read_cameras("usb_cam"), DEVICES)).views[0].depth_topic is None
    realsense = with_cameras(UR, with_devices(read_cameras("realsense"), DEVICES)).views[1]
    assert realsense.depth_topic == f"/{WRIST}/aligned_depth_to_color/image_raw"
    for wrong in (
        "depth_topic: 'no topic'",
        "depth_topic: 3",
        "depth_info_topic: /x",
        "image_topic: /a, depth_topic: /a",
    ):
        with pytest.raises(WallOSSError, match="depth|both"):
            with_cameras(UR, f"{{{WRIST}: {{{wrong}}}}}")


def test_a_file_says_the_same(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"driver: usb_cam\nviews:\n  {FACE}: {{device: /dev/video4, fit: crop, parameters: {{gain: 3}}}}\n")
    face, wrist = with_cameras(UR, str(path)).views
    assert face.image_topic == f"/{FACE}/image_raw" and face.fit == "crop" and wrist.fit == "pad"
    nodes = camera_nodes(UR, with_devices(read_cameras(str(path)), f"{WRIST}=/dev/video0"))
    assert nodes[0].parameters["video_device"] == "/dev/video4" and nodes[0].parameters["gain"] == 3
    assert (nodes[1].namespace, nodes[1].node) == (WRIST, "usb_cam")


@pytest.mark.parametrize("preset", presets())
def test_a_presets_nodes_publish_where_the_views_look(preset):
    """Topics as the drivers make them: of realsense below the node's name, of usb_cam in its namespace."""
    cameras = with_devices(read_cameras(preset), DEVICES)
    for view, node in zip(with_cameras(UR, cameras).views, camera_nodes(UR, cameras), strict=True):
        place = {"realsense": f"/{node.node}/color/", "usb_cam": f"/{node.namespace}/"}[preset]
        assert view.image_topic == place + "image_raw" and view.camera_info_topic == place + "camera_info"
        frame = {"realsense": f"{node.node}_color_optical_frame", "usb_cam": node.parameters.get("frame_id")}[preset]
        assert view.optical_frame == frame
    serial = [node.parameters.get("serial_no") for node in camera_nodes(UR, cameras)]
    assert preset != "realsense" or serial == ["_0123", "_/dev/video2"], "digits stay a text"
    driver = load_camera_driver(preset)
    assert driver.package in driver.install.replace("-", "_") and driver.list_devices


def test_a_single_camera_needs_no_name():
    alone = UR.model_copy(update={"views": UR.views[:1]})
    assert camera_nodes(alone, Cameras(driver="usb_cam"))[0].parameters["video_device"] == "/dev/video0"
    assert "serial_no" not in camera_nodes(alone, Cameras(driver="realsense"))[0].parameters


@pytest.mark.parametrize(
    "text, said",
    [
        ("kinect", "There are no cameras 'kinect'.*realsense, usb_cam"),
        ("missing.yaml", "missing.yaml cannot be read"),
        ("{face_view: {rotate: 45}}", "view face_view is not valid: field rotate: Input should be 0, 90, 180 or 270"),
        ("{face_view: {rotation: 90}}", "field rotation"),
        ("{face_view: {name: other}}", "name of view face_view cannot be changed"),
        ("{face_view: 3}", "does not describe cameras"),
        ("{left_view: {rotate: 90}}", "left_view, which robot ur does not have.*Its views are face_view"),
        ("{driver: kinect}", "no camera driver 'kinect'"),
        ("{face_view: {image_topic: 3}}", "field image_topic"),
        ("{face_view: [", "given for the cameras is not YAML"),
        ("{face_view: {rotate: 90, rotate: 0}}", "the key .rotate. is there already"),
        ("{face_view: {rotate: true}}", "field rotate"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, said):
    with pytest.raises(WallOSSError, match=said):
        with_cameras(UR, text)


def test_which_camera_is_which_must_be_said():
    with pytest.raises(WallOSSError, match=f"{WRIST} is not known.*camera_devices:=.*rs-enumerate-devices"):
        camera_nodes(UR, with_devices(read_cameras("realsense"), f"{FACE}=1"))
    with pytest.raises(WallOSSError, match="One camera was given for two views"):
        camera_nodes(UR, with_devices(read_cameras("realsense"), f"{FACE}=1 {WRIST}=1"))
    with pytest.raises(WallOSSError, match="camera_devices has 'one'"):
        with_devices(Cameras(), "one")


@settings(deadline=None, max_examples=60)
@given(st.one_of(st.text(max_size=40), st.text(max_size=40).map(lambda text: "{" + text)))
def test_any_text_is_read_or_refused(text):
    try:
        with_cameras(UR, text)
    except WallOSSError:
        pass
