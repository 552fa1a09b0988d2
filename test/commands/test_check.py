# SPDX-License-Identifier: Apache-2.0
"""The look over a profile: shipped ones are well, and what is wrong with another is said."""

import pytest
import yaml

from wall_oss_ros.commands.main import main
from wall_oss_ros.paths import data_path

pytestmark = pytest.mark.slow


def _profile(tmp_path, **changes) -> str:
    content = yaml.safe_load((data_path("config/robots") / "ur.yaml").read_text())
    for part, fields in changes.items():
        content[part] |= fields
    return _saved(tmp_path, content)


def _dual(tmp_path, change) -> str:
    content = yaml.safe_load((data_path("config/robots") / "dual_arm.yaml").read_text()) | {"simulation": None}
    change(content)
    return _saved(tmp_path, content)


def _saved(tmp_path, content: dict) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.mark.parametrize(
    "robot",
    [
        "franka",
        "ur",
        "ur:ur3",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("dual_arm", "dual_arm:tiago_dual")),
    ],
)
def test_shipped_robots_are_well(robot, capsys):
    assert main(["check", robot]) == 0
    assert "!" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("part", "fields", "words"),
    [
        ("arm", {"home": [0.0, -1.5708, 0.0, -1.5708, 0.0, 0.0]}, "! home: the tool is at"),
        ("arm", {"tool_rotation": [0.0, 0.0, 0.0, 1.0]}, "! home: the tool is turned 180.0 degrees"),
        ("arm", {"workspace": {"min": [0.2, -2.0, 0.0], "max": [2.0, 2.0, 2.0]}}, "! workspace:"),
        ("gripper", {"joints": ["finger_joint"]}, "! gripper: the URDF has no joint finger_joint"),
    ],
)
def test_what_is_wrong_is_marked(tmp_path, capsys, part, fields, words):
    assert main(["check", _profile(tmp_path, **{part: fields})]) == 1
    assert words in capsys.readouterr().out


def test_a_profile_that_does_not_load_is_an_error_in_one_line(tmp_path, capsys):
    assert main(["check", _profile(tmp_path, arm={"tcp_frame": "hand_tcp"})]) == 2
    assert "no joint or frame hand_tcp" in capsys.readouterr().err


def test_each_arm_and_part_is_looked_at(capsys):
    assert main(["check", "dual_arm"]) == 0
    said = capsys.readouterr().out
    for words in ("right arm, home:", "left arm, workspace:", "left arm, gripper: gripper_l_joint1", "head, home:",
                  "lift, home: lift_joint at -0.2 of -0.5 to 0",
                  "both hands: side by side 26 cm apart, 9 of 9"):  # fmt: skip
        assert words in said


def _lift_too_high(content):
    content["parts"][1]["home"] = [0.1]


def _left_arm_raised(content):
    content["more_arms"][0]["arm"]["home"] = [-1.553, 0.5, -1.9699, -2.1217, 2.7346, 0.4457, 1.1858]


def _too_far_for_both(content):
    for arm in (content["arm"], content["more_arms"][0]["arm"]):
        arm["workspace"] = {"min": [0.6, -0.4, -0.54], "max": [0.8, 0.4, -0.2]}


@pytest.mark.parametrize(
    "change, words",
    [
        (_lift_too_high, "! lift, home: lift_joint at 0.1 of -0.5 to 0, outside"),
        pytest.param(_left_arm_raised, "! left arm, home: the tool is turned", marks=pytest.mark.slow),
        (_too_far_for_both, "! both hands: side by side 26 cm apart, 0 of 9 places reached and free; not ("),
    ],
)
def test_what_is_wrong_with_two_arms_is_marked(tmp_path, capsys, change, words):
    assert main(["check", _dual(tmp_path, change)]) == 1
    assert words in capsys.readouterr().out
