# SPDX-License-Identifier: Apache-2.0
"""Profiles: the shipped ones load, and a bad one is refused in words that name the file and the field."""

import json
from functools import cache

import pytest
import yaml

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.components import Stroke
from wall_oss_ros.robots.profile import available_profiles, load_profile


@cache
def _text(name: str) -> str:
    """A shipped profile as JSON, without the file's aliases, so that a change is one of one place."""
    return json.dumps(yaml.safe_load((data_path("config/robots") / f"{name}.yaml").read_text()))


def _franka() -> dict:
    return json.loads(_text("franka"))


def _dual() -> dict:
    return json.loads(_text("dual_arm"))


def _saved(tmp_path, content) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(content if isinstance(content, str) else json.dumps(content))  # which is YAML
    return str(path)


@pytest.mark.parametrize("name", available_profiles())
def test_every_shipped_profile_loads_and_its_urdf_exists(name):
    profile = load_profile(name)
    assert profile.name == name
    assert profile.urdf_path.is_file()
    assert sum(profile.dof_config.values()) == 20


def test_a_profile_can_be_a_file_of_ones_own(tmp_path):
    assert load_profile(_saved(tmp_path, _franka() | {"horizon": 16})).horizon == 16


def test_unknown_robot_names_the_known_ones():
    with pytest.raises(WallOSSError, match="no robot 'frank'.*franka"):
        load_profile("frank")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"horzon": 10}, "horzon"),
        ({"rate_hz": 0}, "rate_hz"),
        ({"rate_hz": "fast"}, "rate_hz"),
        ({"action_mode": "delta"}, "action_mode"),
        ({"views": []}, "views"),
        ({"dof_config": {"height": 1}}, "arm.position_dof"),
    ],
)
def test_a_bad_field_is_named_with_its_file(tmp_path, change, words):
    with pytest.raises(WallOSSError) as error:
        load_profile(_saved(tmp_path, _franka() | change))
    assert "mine.yaml" in str(error.value) and words in str(error.value)


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("arm", {"home": [0.0, 0.0]}, "home has 2 entries"),
        ("arm", {"tool_rotation": [1, 1, 0, 0]}, "unit quaternion"),
        ("arm", {"workspace": {"min": [0, 0, 1], "max": [1, 1, 0]}}, "must be below max"),
        ("arm", {"max_tcp_speed": float("nan")}, "arm.max_tcp_speed"),
        ("gripper", {"dof": "hand"}, "gripper.dof"),
        ("gripper", {"open": 0.0}, "gripper.open"),
        ("gripper", {"action_positions": {"closed": 0.5, "open": 0.5}}, "must differ"),
        ("watchdog", {"chunk_age": -1}, "watchdog.chunk_age"),
        ("simulation", {"start": [0.0]}, "simulation.start has 1 entries"),
        ("simulation", {"cameras": _franka()["simulation"]["cameras"][:1]}, "simulation.cameras must show each"),
    ],
)
def test_a_bad_field_inside_a_part_is_named(tmp_path, part, change, words):
    content = _franka()
    content[part] |= change
    with pytest.raises(WallOSSError, match=words):
        load_profile(_saved(tmp_path, content))


def _set(content, path: str, value) -> None:
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in way:
        content = content[step]
    content[last] = value


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("more_arms.0.arm.position_dof", "follow_right_ee_cartesian_pos", "which something else has already"),
        ("more_arms.0.arm.home", [0.0], "more_arms.0.arm: .*home has 1 entries"),
        ("more_arms.0.arm.name", "right arm", "arm.name and parts.name must all differ, but right arm"),
        ("more_arms.0.command.controller", "arm_r_controller", "command.controller must all differ"),
        ("more_arms.0.arm.joints.0", "arm_r_joint1", "joints must all differ, but arm_r_joint1 is there twice"),
        ("parts.0.dof", "height", "parts.0.dof is 'height', which dof_config does not list with size 2"),
        ("parts.1.home", [0.0, 0.0], "parts.1: .*home has 2 entries"),
        ("parts.1.name", "head", "parts.name must all differ, but head is there twice"),
        ("parts.1.command.topic", "/leader/joystick_controller_left/joint_trajectory", "command.topic must all differ"),
        ("simulation.more_arms", [], "simulation.more_arms has 0 entries, 1 expected"),
        ("simulation.more_arms.0.servos.torque", [1.0], "simulation.more_arms.0.servos.torque has 1 entries"),
        ("simulation.parts.lift.damping", [1.0, 2.0], "simulation.parts.lift.damping has 2 entries"),
        ("simulation.parts", {}, "simulation.parts must be servos of"),
        ("simulation.scene", "table", "scene 'table' is for 1 arms, the robot has 2"),
        ("gripper.speed", None, "give action"),
        ("gripper.topic", "/gripper/joint_trajectory", "own cannot be simulated"),
        ("gripper.action", "/gripper", "give action"),
    ],
)
def test_a_bad_field_of_a_robot_with_two_arms_is_named(tmp_path, path, value, words):
    content = _dual()
    _set(content, path, value)
    with pytest.raises(WallOSSError, match=words):
        load_profile(_saved(tmp_path, content))


UR_POSITIONS = {"sink": "positions", "controller": "forward_position_controller", "rate_hz": 500.0,
                "topic": "/forward_position_controller/commands"}  # fmt: skip


def test_an_arm_may_be_told_positions_instead_of_trajectories(tmp_path):
    content = yaml.safe_load((data_path("config/robots") / "ur.yaml").read_text())
    content |= {"command": UR_POSITIONS, "simulation": None, "variants": {"ur5e": {}}}
    command = load_profile(_saved(tmp_path, content)).command
    assert (command.sink, command.action, command.state_topic, command.group) == ("positions", None, None, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sink": "torques"}, "command.sink"),
        ({"action": "/follow", "state_topic": "/state"}, "sink positions has no action, state_topic"),
        ({"group": "arm"}, "sink positions has no group"),
        ({"controller": None}, "sink positions needs controller"),
        ({"sink": "joint_group"}, "sink joint_group needs group"),
        ({"sink": "joint_group", "group": "arm"}, "sink joint_group has no controller"),
        ({"sink": "trajectory"}, "sink trajectory needs action, state_topic"),
    ],
)
def test_what_a_sink_lacks_or_does_not_have_is_named(tmp_path, change, words):
    content = _franka() | {"command": UR_POSITIONS | change, "simulation": None}
    with pytest.raises(WallOSSError, match=words):
        load_profile(_saved(tmp_path, content))


def _aloha() -> dict:
    """Mobile ALOHA's fields alone."""
    content = _dual()
    variant = content.pop("variants")["mobile_aloha"]
    for key in ("arm", "gripper", "command"):
        variant[key] = {k: v for k, v in (content[key] | variant[key]).items() if v is not None}
    return content | variant | {"variant": "mobile_aloha", "urdf": "urdf/mobile_aloha.urdf"}


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("joint_prefix", "right_", "joints follower_right/waist, .* do not begin with joint_prefix 'right_'"),
        ("more_arms.0.joint_prefix", None, "joint_states and joint_prefix are given together"),
        ("more_arms.0.joint_states", None, "joint_states and joint_prefix are given together"),
        ("more_arms.0.joint_states", "/follower_right/joint_states", "two different values of joint_prefix"),
        (
            "more_arms.0.gripper.joint_single",
            "/follower_right/commands/joint_single",
            "gripper.joint_single must all differ",
        ),
        ("gripper.topic", "/gripper/joint_trajectory", "topic and joint_single are both there"),
        ("gripper.speed", None, "give action"),
        ("gripper.joints", ["follower_right/gripper", "follower_right/left_finger"], "joint_single moves one joint"),
        ("simulation", _dual()["simulation"] | {"parts": {}}, "only joint trajectory controllers are simulated"),
    ],
)
def test_a_bad_field_of_mobile_aloha_is_named(tmp_path, path, value, words):
    content = _aloha()
    assert load_profile(_saved(tmp_path, content)).arms == load_profile("dual_arm:mobile_aloha").arms
    _set(content, path, value)
    with pytest.raises(WallOSSError, match=words):
        load_profile(_saved(tmp_path, content))


def test_joints_under_a_drivers_names_are_not_simulated(tmp_path):
    content = _franka() | {"joint_prefix": "fr3_"}
    content["gripper"]["joints"] = ["fr3_finger_joint1", "fr3_finger_joint2"]
    with pytest.raises(WallOSSError, match="joint states come on one topic, without a joint_prefix"):
        load_profile(_saved(tmp_path, content))


def test_where_joints_are_heard_of_and_what_the_driver_calls_them(tmp_path):
    franka, aloha = load_profile("franka"), load_profile("dual_arm:mobile_aloha")
    assert franka.joint_sources == {franka.joint_states: ""} and franka.plain_joints
    assert franka.driver_names(franka.arm.joints) == list(franka.arm.joints)
    sources = {"/follower_right/joint_states": "follower_right/", "/follower_left/joint_states": "follower_left/"}
    assert aloha.joint_sources == sources and not aloha.plain_joints
    right, left = aloha.arms
    assert right.driver_names(right.arm.joints) == left.driver_names(left.arm.joints)
    assert (
        right.driver_names(right.gripper.joints) == ["gripper"] and left.joint_states == "/follower_left/joint_states"
    )
    both = load_profile("dual_arm").arms
    assert {one.joint_states for one in both} == {"/joint_states"} and {one.joint_prefix for one in both} == {""}


def test_variants_share_statistics_unless_they_are_other_robots():
    assert {load_profile(f"ur:{name}").trained_as for name in ("ur3e", "ur20")} == {"ur"}
    names = ("ffw", "tiago_dual", "mobile_aloha")
    assert [load_profile(f"dual_arm:{name}").trained_as for name in names] == ["dual_arm", "tiago_dual", "mobile_aloha"]


def test_a_gripper_is_commanded_by_action_by_its_own_controller_or_by_its_arms():
    by_action, with_arm = load_profile("franka").gripper, load_profile("dual_arm").gripper
    own = with_arm.model_copy(update={"topic": "/gripper_controller/joint_trajectory"})
    assert [gripper.in_trajectory for gripper in (by_action, with_arm, own)] == [False, True, False]


@pytest.mark.parametrize(("content", "words"), [("a: [1", "not YAML"), ("- 1\n", "mapping"), ("", "mapping")])
def test_a_file_that_is_no_profile_is_refused(tmp_path, content, words):
    with pytest.raises(WallOSSError, match=words):
        load_profile(_saved(tmp_path, content))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(WallOSSError, match="cannot be read"):
        load_profile(tmp_path / "none.yaml")


def test_a_grippers_openings_are_its_joints_and_its_actions_positions():
    fingers = load_profile("franka").gripper
    assert fingers.opening([0.01, 0.02]) == pytest.approx(0.03)
    assert fingers.joint_position(0.03) == fingers.action_position(0.03) == pytest.approx(0.015)
    assert fingers.action_opening(0.015) == pytest.approx(0.03) and fingers.joint_velocity(0.1) == pytest.approx(0.05)
    turning = fingers.model_copy(update={"joints": ("knuckle",), "joint_positions": Stroke(closed=0.8, open=0.0)})
    assert turning.opening([0.8]) == pytest.approx(0.0) and turning.opening([0.2]) == pytest.approx(0.06)
    assert turning.joint_position(turning.opening([0.3])) == pytest.approx(0.3) and turning.joint_velocity(0.1) < 0
