# SPDX-License-Identifier: Apache-2.0
"""The robot's cell: table, cameras and mock hardware. What reads xacro needs ROS 2, though no workspace of ours."""

from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.robots.rotations import matrix_from_euler

ROBOTS = ["franka", "ur:ur10e", "dual_arm"]


@pytest.fixture
def description(tmp_path, monkeypatch):
    """The module, with its files in a folder of the test's."""
    pytest.importorskip("xacro")
    pytest.importorskip("launch_ros")
    from wall_oss_ros.bringup import launch_robot_description as ros_description

    monkeypatch.setattr(ros_description, "launch_config", SimpleNamespace(log_dir=str(tmp_path)))
    return ros_description


def joints(urdf):
    return {joint.get("name"): joint for joint in ElementTree.fromstring(urdf).iter("joint")}


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_table_is_the_simulated_one(robot):
    import mujoco

    from wall_oss_ros.sim.cubes import simulator as cubes
    from wall_oss_ros.sim.lifting import simulator as lifting  # before MuJoCo, whose back-end it chooses

    profile = load_profile(robot)
    table = yaml.safe_load(data_path("urdf/cells/tables.yaml").read_text())[profile.simulation.scene]
    if profile.simulation.scene == "trays":
        model = lifting.build_model(profile)
    else:
        model = cubes.build_model(cubes.CubeSpec.random(np.random.default_rng(0)), profile)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    body = data.body(profile.arm.base_frame if table["frame"] == "world" else table["frame"])
    assert body.xmat == pytest.approx(np.eye(3).ravel())
    assert data.geom("table").xpos - body.xpos == pytest.approx(table["centre"], abs=1e-6)
    assert 2 * model.geom("table").size == pytest.approx(table["size"])


@pytest.mark.parametrize("robot", ROBOTS)
def test_cameras_stand_where_the_simulated_ones_do(description, robot):
    from wall_oss_ros.sim.cell import mount

    profile = load_profile(robot)
    urdf, notes = description.described(profile, "own")
    frames = {view.name: view.optical_frame for view in profile.views}
    for camera in profile.simulation.cameras:
        joint = joints(urdf)[f"{frames[camera.view]}_joint"]
        origin, pose = joint.find("origin"), mount(camera)
        parent = profile.arm.base_frame if camera.link == "world" else camera.link
        assert (joint.get("type"), joint.find("parent").get("link")) == ("fixed", parent)
        assert np.array(origin.get("xyz").split(), float) == pytest.approx(pose[:3, 3])
        assert matrix_from_euler(np.array(origin.get("rpy").split(), float)) == pytest.approx(pose[:3, :3], abs=1e-9)
    assert "table" in {link.get("name") for link in ElementTree.fromstring(urdf).iter("link")} and not notes


def test_a_robot_that_is_not_simulated_has_no_cameras(description):
    urdf, _ = description.described(load_profile("ur:ur3"), "own")
    assert "table_joint" not in joints(urdf) and "wrist_3_joint" in joints(urdf)


def test_mock_hardware_has_every_joint_that_trajectories_move(description):
    profile = load_profile("dual_arm")
    urdf, _ = description.described(profile, "own", mock="true")
    (hardware,) = ElementTree.fromstring(urdf).iter("ros2_control")
    starts = {
        joint.get("name"): float(joint.find("state_interface/param").text)
        for joint in hardware.iter("joint") if joint.find("command_interface").get("name") == "position"
    }  # fmt: skip
    expected = {}
    for one in profile.arms:
        expected |= dict(zip(one.arm.joints, one.arm.home))
        expected |= dict.fromkeys(one.gripper.joints, one.gripper.joint_positions.open)
    for part in profile.parts:
        expected |= dict(zip(part.joints, part.home))
    assert starts == expected and len(starts) == 19
    hand = description.described(load_profile("franka"), "own", mock="true")[0]
    assert "fr3_finger_joint1" not in {
        joint.get("name") for joint in next(ElementTree.fromstring(hand).iter("ros2_control"))
    }


def test_the_vendors_description_is_taken_where_it_is_the_profiles_robot(description, tmp_path, monkeypatch):
    profile = load_profile("franka")
    share = tmp_path / "share/franka_description"
    file = share / "robots/fr3/fr3.urdf.xacro"
    file.parent.mkdir(parents=True)
    index = tmp_path / "share/ament_index/resource_index/packages"
    index.mkdir(parents=True)
    with monkeypatch.context() as without:
        without.setattr(description, "is_installed", lambda package: package == "xacro")
        with pytest.raises(WallOSSError, match="needs franka_description, not installed here.*sudo apt install ros-"):
            description.described(profile, "vendor")
    (index / "franka_description").touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path), prepend=":")
    text = profile.urdf_path.read_text().replace('robot name="fr3"', 'robot name="theirs"')
    file.write_text(text.replace("</robot>", '<link name="theirs"/></robot>'))
    urdf, notes = description.described(profile)
    assert '<link name="theirs"/>' in urdf and "face_camera_color_optical_frame_joint" in joints(urdf) and not notes
    file.write_text(text.replace("fr3_hand_tcp", "another_name"))
    urdf, notes = description.described(profile)
    assert "another_name" not in urdf and len(notes) == 1
    with pytest.raises(WallOSSError, match="lacks fr3_hand_tcp"):
        description.described(profile, "vendor")
