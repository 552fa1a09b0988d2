# SPDX-License-Identifier: Apache-2.0
"""Where a camera is: by tf through any chain, or by the link that it is mounted on and our own kinematics."""

import numpy as np
import pytest

from wall_oss_ros.perception.calibration import Calibration, Transform
from wall_oss_ros.perception.lens import Lens
from wall_oss_ros.robots.frames import Frames
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import load_profile

PROFILE = load_profile("franka")
VIEW, BASE = PROFILE.views[0], PROFILE.arm.base_frame
JOINTS = dict(zip(PROFILE.arm.joints, PROFILE.arm.home))
K = np.array([[600.0, 0, 320], [0, 610, 240], [0, 0, 1]])


def at(x=0.0, y=0.0, z=0.0, turn=0.0) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = x, y, z
    pose[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    return pose


def calibration(known: dict[tuple[str, str], Transform], lens: Lens | None = Lens(K, 480, 640)) -> Calibration:
    asked = []

    def look_up(target, source, stamp):
        asked.append((target, source, stamp))
        return known.get((target, source))

    made = Calibration(Frames(PROFILE), BASE, look_up)
    if lens is not None:
        made.hear(VIEW.name, lens)
    return made


def camera(made: Calibration, frame: str = "", size=(480, 640)):
    return made.camera(VIEW, frame, 12.0, JOINTS, *size)


def hand() -> np.ndarray:
    """The tool's pose at home."""
    position, rotation = Arm(PROFILE).fk(np.array(PROFILE.arm.home))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, position
    return pose


def test_a_camera_on_the_table_is_where_tf_says():
    known = {(BASE, VIEW.optical_frame): Transform(at(1, 0, 0.6), True)}
    made = calibration(known)
    lens, pose = camera(made)
    assert np.array_equal(lens.matrix, K) and lens.distortion is None and np.array_equal(pose, at(1, 0, 0.6))
    assert not made.absent and not made.doubts


def test_a_camera_on_the_hand_is_found_by_our_own_kinematics():
    """Its driver says where it is on the hand; nobody publishes the robot's own frames."""
    known = {(PROFILE.arm.tcp_frame, VIEW.optical_frame): Transform(at(0.05), True)}
    made = calibration(known)
    assert camera(made)[1] == pytest.approx(hand() @ at(0.05))
    known[PROFILE.arm.tcp_frame, VIEW.optical_frame] = Transform(at(0.06), True)
    assert camera(made)[1] == pytest.approx(hand() @ at(0.06)), "a new calibration counts"
    del known[PROFILE.arm.tcp_frame, VIEW.optical_frame]
    assert camera(made)[1] is None and "tf does not lead" in made.absent[VIEW.name], "tf was cleared"


def test_a_transform_that_is_no_number_is_none():
    lost = Transform(at(np.nan), True)
    known = {(BASE, VIEW.optical_frame): lost, (PROFILE.arm.tcp_frame, VIEW.optical_frame): lost}
    assert camera(calibration(known))[1] is None


def test_what_moves_on_tf_is_no_mount():
    known = {(PROFILE.arm.tcp_frame, VIEW.optical_frame): Transform(at(0.05), False)}
    assert camera(calibration(known))[1] is None


def test_tf_and_kinematics_that_disagree():
    known = {
        (BASE, VIEW.optical_frame): Transform(hand() @ at(0.15), False),
        (PROFILE.arm.tcp_frame, VIEW.optical_frame): Transform(at(0.05), True),
    }
    made = calibration(known)
    assert camera(made)[1] == pytest.approx(hand() @ at(0.15))
    assert "10 cm and 0 degrees apart" in made.doubts[VIEW.name]
    known[BASE, VIEW.optical_frame] = Transform(hand() @ at(0.05, turn=0.2), False)
    camera(made)
    assert "0 cm and 11 degrees apart" in made.doubts[VIEW.name]
    known[BASE, VIEW.optical_frame] = Transform(hand() @ at(0.051), False)
    camera(made)
    assert not made.doubts


def test_pictures_of_another_frame():
    known = {(BASE, "lens"): Transform(at(1), True)}
    made = calibration(known)
    assert np.array_equal(camera(made, "lens")[1], at(1)), "the picture's own frame, where the profile's is unknown"
    known[BASE, VIEW.optical_frame] = Transform(at(1.5), True)
    assert np.array_equal(camera(made, "lens")[1], at(1.5))
    assert "its pictures are of frame lens" in made.doubts[VIEW.name] and "50 cm" in made.doubts[VIEW.name]


@pytest.mark.parametrize(
    "lens, said",
    [
        (None, f"nothing on {VIEW.camera_info_topic}"),
        (Lens(np.zeros((3, 3)), 480, 640), "not calibrated"),
        (Lens(K * np.nan, 480, 640), "not calibrated"),
    ],
)
def test_a_matrix_that_is_not_there_is_named(lens, said):
    made = calibration({}, lens)
    assert camera(made) == (None, None)
    assert said in made.absent[VIEW.name] and "tf does not lead" in made.absent[VIEW.name]


def test_pictures_of_another_size():
    made = calibration({}, Lens(K, 480, 640))
    assert camera(made, size=(960, 1280))[0].matrix == pytest.approx(np.diag([2, 2, 1]) @ K)
    assert camera(made, size=(720, 1280))[0] is None
    assert "is for 640 x 480, the pictures are 1280 x 720" in made.doubts[VIEW.name]
