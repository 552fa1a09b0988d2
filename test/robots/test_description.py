# SPDX-License-Identifier: Apache-2.0
"""The robot's own description is compared with the profile's: another model is told, a calibrated one is not."""

import re

import pytest

from wall_oss_ros.robots.description import ANOTHER, compare
from wall_oss_ros.robots.profile import load_profile


def described(name: str) -> str:
    return load_profile(name).urdf_path.read_text()


@pytest.mark.parametrize("name", ["franka", "ur", "ur:ur30", "dual_arm", "dual_arm:tiago_dual"])
def test_a_robots_own_description_fits(name):
    told = compare(load_profile(name), described(name))
    assert told.fault == "" and told.away < 1e-9


@pytest.mark.parametrize("other", ["ur3e", "ur5", "ur10e", "ur16e", "ur20"])
def test_another_arm_of_the_family_is_told(other):
    told = compare(load_profile("ur:ur5e"), described(f"ur:{other}"))
    assert told.away > ANOTHER and "the tool of the arm up to" in told.fault and "another model" in told.fault


def test_which_of_two_arms_is_another():
    text = described("dual_arm")
    match = re.search(r'(<joint name="arm_l_joint4".*?<origin xyz=")([^"]+)', text, re.DOTALL)
    x, y, z = map(float, match[2].split())
    changed = text.replace(match[0], f"{match[1]}{x} {y} {z - 0.1}")
    assert "the tool of the left arm up to 0.1" in compare(load_profile("dual_arm"), changed).fault


def test_a_calibrated_arm_is_the_same_and_how_far_it_is_apart_is_known():
    text = described("ur:ur5e")
    match = re.search(r'(<joint name="elbow_joint".*?<origin xyz=")([^"]+)', text, re.DOTALL)
    x, y, z = map(float, match[2].split())
    told = compare(load_profile("ur:ur5e"), text.replace(match[0], f"{match[1]}{x - 0.002} {y} {z}"))
    assert told.fault == "" and told.away == pytest.approx(0.002, abs=1e-6)


def test_without_the_profiles_tool_the_last_joint_is_compared():
    text = described("ur:ur5e").replace("gripper_tcp", "another_tool")
    assert compare(load_profile("ur:ur5e"), text).fault == ""
    assert "another model" in compare(load_profile("ur:ur10e"), text).fault


def test_a_joint_that_turns_on_and_on_is_no_other_robot():
    text = described("ur:ur5e")
    text = re.sub(
        r'<joint name="wrist_3_joint" type="revolute">', '<joint name="wrist_3_joint" type="continuous">', text
    )
    assert 'type="continuous"' in text
    assert compare(load_profile("ur:ur5e"), text).fault == ""


@pytest.mark.parametrize(
    "text, words",
    [("", "is no URDF"), ("<robot", "is no URDF"), (None, "has no fr3_joint1")],
)
def test_what_is_no_description_of_this_robot(text, words):
    assert words in compare(load_profile("franka"), described("ur") if text is None else text).fault
