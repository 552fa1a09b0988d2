# SPDX-License-Identifier: Apache-2.0
"""How drivers are started, as data: what their launch files are given, and names in namespaces. Needs no ROS 2."""

import pytest

from wall_oss_ros.bringup.drivers import load_driver
from wall_oss_ros.bringup.remappings import profile_names, recorded_topics, remapped, remappings
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.profile import load_profile

VALUES = {
    "robot": "ur:ur10e", "robot_ip": "10.0.0.2", "use_mock_hardware": "false", "namespace": "",
    "variant": "ur10e", "controller": "its_controller",
}  # fmt: skip
# What the launch files declare, as their repositories had it in mid-2026.
FRANKA = ("robot_type arm_prefix namespace robot_ip load_gripper use_fake_hardware fake_sensor_commands "
          "joint_state_rate controllers_yaml").split()  # fmt: skip
UR = "ur_type robot_ip use_mock_hardware headless_mode initial_joint_controller launch_rviz tf_prefix".split()
FFW = "start_rviz use_sim use_fake_hardware fake_sensor_commands port_name launch_cameras init_position model".split()


def test_a_real_franka_gets_an_effort_controller_and_its_hand():
    driver = load_driver("franka")
    given = driver.launch_arguments(FRANKA, VALUES)
    assert given["robot_ip"] == "10.0.0.2" and given["load_gripper"] == "true" and given["use_fake_hardware"] == "false"
    assert driver.needs_address and driver.controllers.endswith("franka_effort.yaml") and not driver.remap_driver
    assert data_path(driver.controllers).is_file()


def test_a_mock_franka_gets_a_position_controller_and_its_own_mock_gripper_is_put_aside():
    driver = load_driver("franka", mock=True)
    assert not driver.needs_address and driver.controllers.endswith("franka_position.yaml")
    assert data_path(driver.controllers).is_file()
    assert "franka_gripper:~/joint_states" in driver.remap_driver
    assert driver.gripper_joint_states == "/franka_gripper/joint_states"


@pytest.mark.parametrize(
    "distribution, controller",
    [(name, "scaled_joint_trajectory_controller") for name in ("humble", "jazzy", "kilted", "")]
    + [("lyrical", "joint_trajectory_controller")],
)
def test_the_ur_controllers_name_goes_by_distribution(distribution, controller):
    driver = load_driver("ur", distribution, "ur10e")
    assert driver.controller == controller
    given = driver.launch_arguments(UR, VALUES)
    assert given["initial_joint_controller"] == "its_controller" and given["ur_type"] == "ur10e"
    assert given["launch_rviz"] == "false"


def test_mock_hardware_goes_by_the_name_that_the_drivers_version_has():
    driver, values = load_driver("ur", mock=True), {**VALUES, "use_mock_hardware": "true"}
    older = [{"use_mock_hardware": "use_fake_hardware"}.get(name, name) for name in UR]
    assert driver.launch_arguments(UR, values)["use_mock_hardware"] == "true"
    assert driver.launch_arguments(older, values)["use_fake_hardware"] == "true"


def test_a_driver_that_would_ignore_mock_hardware_is_refused():
    with pytest.raises(WallOSSError, match="has no argument use_mock_hardware nor use_fake_hardware; it has"):
        load_driver("ur", mock=True).launch_arguments([name for name in UR if "mock" not in name], VALUES)


def test_the_dual_arm_does_not_move_by_being_launched():
    given = load_driver("dual_arm").launch_arguments(FFW, VALUES)
    assert given["init_position"] == "false" and given["launch_cameras"] == "true" and "model" not in given
    assert given["use_fake_hardware"] == "false"


def test_mock_hardware_of_the_dual_arm_is_ours():
    """The vendor's names a plugin that ros2_control no longer has."""
    driver = load_driver("dual_arm", variant="ffw", mock=True)
    assert (driver.package, driver.takes_namespace) == ("wall_oss_bringup", True)
    assert data_path(driver.launch_file, "wall_oss_bringup").is_file() and "controller_manager" in driver.needs
    given = driver.launch_arguments(
        ["robot", "ur_type", "namespace", "controllers"], {**VALUES, "robot": "dual_arm:ffw"}
    )
    assert given.keys() == {"robot", "namespace", "controllers"} and given["robot"] == "dual_arm:ffw"
    assert data_path(given["controllers"]).is_file()


@pytest.mark.parametrize("mock", [False, True])
def test_tiago_brings_its_own_driver(mock):
    driver = load_driver("dual_arm", variant="tiago_dual", mock=mock)
    assert driver.package is None and driver.instead.startswith("TIAGo's own computer") and driver.description == ()


@pytest.mark.parametrize("mock", [False, True])
def test_mobile_aloha_brings_its_own_driver_also_where_mock_hardware_is_asked_for(mock):
    driver = load_driver("dual_arm", variant="mobile_aloha", mock=mock)
    assert driver.package is None and "aloha_bringup.launch.py launch_leaders:=false" in driver.instead
    assert driver.description == ()


def test_only_some_drivers_take_a_namespace():
    assert load_driver("franka").takes_namespace and not load_driver("ur").takes_namespace


@pytest.mark.parametrize(
    "text, message",
    [
        ("[1, 2]", "does not describe a driver"),
        ("package: a\nlaunch_file: b\ninstall: c\npakage: d", "does not describe a driver: .*pakage"),
        ("package: [", "is not YAML that can be used: line 2"),
        ("package: a\nlaunch_file: b\npackage: c", "line 3: the key 'package' is there already, on line 1"),
        ("package: a\nlaunch_file: b\ninstall: c\nneeds_address: 1", "needs_address: .* boolean, not 1"),
    ],
)
def test_a_description_that_is_none_is_refused(text, message, tmp_path):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(WallOSSError, match=message):
        load_driver(str(tmp_path / "mine.yaml"))


def test_an_unknown_robot_is_told_how_to_go_on():
    with pytest.raises(WallOSSError, match="not known; it is for .*franka.*driver_file:=<path>"):
        load_driver("hexapod")
    with pytest.raises(WallOSSError, match="cannot be read"):
        load_driver("hexapod.yaml")


# Names.


def test_nothing_is_renamed_where_nothing_was_asked_for():
    profile = load_profile("franka")
    assert remappings(profile) == remappings(profile, controller=profile.command.controller) == []


def test_another_controller_takes_its_topics_and_action_along():
    profile = load_profile("ur")
    renamed = dict(remappings(profile, controller="other"))
    assert renamed[profile.command.topic] == "/other/joint_trajectory"
    assert renamed[profile.command.state_topic] == "/other/controller_state"
    assert renamed[f"{profile.command.action}/_action/send_goal"] == "/other/follow_joint_trajectory/_action/send_goal"
    assert profile.joint_states not in renamed


def test_where_there_is_no_controller_nothing_is_renamed_by_one():
    profile = load_profile("dual_arm:mobile_aloha")
    assert remappings(profile, controller="other") == []
    renamed = dict(remappings(profile, "cell"))
    topics, actions = profile_names(profile)
    assert actions == [] and set(topics) >= {
        *profile.joint_sources,
        profile.gripper.joint_single,
        profile.base.odometry,
    }
    assert all(renamed[topic] == f"/cell{topic}" for topic in topics)


def test_a_driving_base_may_listen_elsewhere():
    profile = load_profile("dual_arm:tiago_dual")
    assert remappings(profile, base_topic="") == []
    assert (
        dict(remappings(profile, "pal", base_topic="twist_mux/cmd_vel"))[profile.base.topic] == "/pal/twist_mux/cmd_vel"
    )
    assert remappings(load_profile("ur"), base_topic="/anything") == []


@pytest.mark.parametrize("robot", ["franka", "ur"])
def test_a_namespace_comes_before_every_name(robot):
    profile = load_profile(robot)
    renamed = dict(remappings(profile, "cell_1"))
    assert (
        renamed["/tf"] == "/cell_1/tf" and renamed["/tf_static"] == "/cell_1/tf_static"
    )  # of cameras on the hand, too
    topics, actions = profile_names(profile)
    assert set(topics) >= {profile.joint_states, profile.command.topic, *(view.image_topic for view in profile.views)}
    assert set(actions) == {profile.command.action, profile.gripper.action}
    assert all(renamed[topic] == f"/cell_1{topic}" for topic in [*topics, "/clock"])
    assert renamed[f"{profile.gripper.action}/_action/status"] == f"/cell_1{profile.gripper.action}/_action/status"
    assert remapped(profile.command.topic, profile, "a/b", "c") == "/a/b/c/joint_trajectory"


@pytest.mark.parametrize("name", ["two words", "1st", "a//b", "a-b"])
def test_a_namespace_that_ros_forbids_is_refused(name):
    with pytest.raises(WallOSSError, match="is no namespace"):
        remappings(load_profile("franka"), name)


def test_depth_images_move_with_their_camera_and_are_not_recorded():
    profile = load_profile("franka")
    view = profile.views[0]
    assert dict(remappings(profile, "cell"))[view.depth_topic] == f"/cell{view.depth_topic}"
    recorded = recorded_topics(profile, "cell")
    assert {f"/cell{view.image_topic}", "/cell/wall_oss/pointed_at", "/cell/wall_oss/observation"} <= set(recorded)
    assert not [topic for topic in recorded if "depth" in topic]
