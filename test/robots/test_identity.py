# SPDX-License-Identifier: Apache-2.0
"""Two robots share an identity only if a state means the same for both."""

import pytest

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.profile import load_profile

UR = ("ur3", "ur5e", "ur10e", "ur16e", "ur20", "ur30")


def test_it_begins_with_name_and_variant():
    assert robot_identity(load_profile("franka")).startswith("franka@")
    assert robot_identity(load_profile("ur:ur10e")).startswith("ur:ur10e@")
    assert robot_identity(load_profile("ur")) == robot_identity(load_profile("ur:ur5e"))


def test_variants_differ_and_reading_again_does_not():
    names = [robot_identity(load_profile(f"ur:{one}")) for one in UR]
    assert len(set(names)) == len(UR)
    assert names == [robot_identity(load_profile(f"ur:{one}")) for one in UR]


@pytest.mark.parametrize(
    "field, value", [("tcp_frame", "fr3_hand"), ("base_frame", "fr3_link1"), ("tool_rotation", (0.0, 0.0, 0.0, 1.0))]
)
def test_what_gives_a_state_its_meaning_counts(field, value):
    profile = load_profile("franka")
    other = profile.model_copy(update={"arm": profile.arm.model_copy(update={field: value})})
    assert robot_identity(other) != robot_identity(profile)


def test_another_description_counts_and_a_slower_arm_does_not(tmp_path):
    profile = load_profile("franka")
    slow = profile.model_copy(update={"arm": profile.arm.model_copy(update={"max_tcp_speed": 0.1})})
    assert robot_identity(slow) == robot_identity(profile)
    text = profile.urdf_path.read_text()
    (tmp_path / "longer.urdf").write_text(text.replace("0.107", "0.157", 1))
    assert (tmp_path / "longer.urdf").read_text() != text
    longer = profile.model_copy(update={"urdf": str(tmp_path / "longer.urdf")})
    assert robot_identity(longer) != robot_identity(profile)


def test_a_description_that_is_not_there_is_named():
    gone = load_profile("franka").model_copy(update={"urdf": "/nowhere/x.urdf"})
    with pytest.raises(WallOSSError, match="/nowhere/x.urdf"):
        robot_identity(gone)
