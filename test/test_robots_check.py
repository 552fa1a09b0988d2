"""The look over a profile: shipped ones are well, and what is wrong with another is said."""

import pytest
import yaml

from wall_oss_ros.paths import data_path
from wall_oss_ros.robots import check


def _profile(tmp_path, **changes) -> str:
    content = yaml.safe_load((data_path("config/robots") / "ur.yaml").read_text())
    for part, fields in changes.items():
        content[part] |= fields
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.mark.parametrize("robot", ["franka", "ur", "ur:ur3"])
def test_shipped_robots_are_well(robot, capsys):
    assert check.main([robot]) == 0
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
    assert check.main([_profile(tmp_path, **{part: fields})]) == 1
    assert words in capsys.readouterr().out


def test_a_profile_that_does_not_load_is_an_error_in_one_line(tmp_path, capsys):
    assert check.main([_profile(tmp_path, arm={"tcp_frame": "hand_tcp"})]) == 2
    assert "no joint or frame hand_tcp" in capsys.readouterr().err
