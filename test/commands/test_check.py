# SPDX-License-Identifier: Apache-2.0
"""The look over a profile: shipped ones are well, and what is wrong with another is said."""

import json

import pytest
import yaml

from wall_oss_ros.commands.main import main
from wall_oss_ros.commands.profile_check import look_over
from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.profile import load_profile

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


def _with_urdf(tmp_path, change, **fields) -> str:
    """ur.yaml for a changed URDF of the UR5e, without a simulation."""
    content = yaml.safe_load((data_path("config/robots") / "ur.yaml").read_text())
    urdf = tmp_path / "mine.urdf"
    urdf.write_text(change((data_path("urdf/ur") / "ur5e.urdf").read_text()))
    content = {key: value for key, value in content.items() if key not in ("variants", "variant", "simulation")}
    content["urdf"] = str(urdf)
    content["arm"] |= fields
    return _saved(tmp_path, content)


def _mesh(name: str):
    shape = f'<link name="m"><collision><geometry><mesh filename="{name}"/></geometry></collision></link>'
    joint = '<joint name="mj" type="fixed"><parent link="flange"/><child link="m"/></joint></robot>'
    return lambda text: text.replace("</robot>", shape + joint)


@pytest.mark.parametrize(
    "change",
    [
        _mesh("package://nobody_has_this/a.stl"),
        _mesh("meshes/a.glb"),
        lambda text: text.replace('velocity="3.141593"', 'velocity="0"', 1),
        lambda text: text.replace('lower="-6.283185"', 'lower="1"', 1),
        lambda text: text.replace('name="wrist_3_joint" type="revolute"', 'name="wrist_3_joint" type="floating"'),
    ],
)
def test_what_control_refuses_is_refused_in_the_same_words(tmp_path, capsys, monkeypatch, change):
    path = _with_urdf(tmp_path, change)
    (tmp_path / "meshes").mkdir()
    (tmp_path / "meshes" / "a.glb").write_bytes(b"glTF")
    with pytest.raises(WallOSSError) as refused:
        RobotMotion(load_profile(path))
    for place in (tmp_path, "/"):
        monkeypatch.chdir(place)
        assert main(["check", path]) == 2
        assert str(refused.value) in capsys.readouterr().err


def test_parts_and_rates_that_control_refuses_are_refused(tmp_path, capsys):
    def rates(content):
        content["more_arms"][0]["command"]["rate_hz"] = 25.0

    assert main(["check", _dual(tmp_path, rates)]) == 2
    assert "one rate for all was expected" in capsys.readouterr().err


def _five(content_arm: dict) -> dict:
    limits = {key: values[:5] for key, values in content_arm["limits"].items()}
    return {"joints": content_arm["joints"][:5], "home": content_arm["home"][:5], "limits": limits}


def _stiff(text: str) -> str:
    """Without its last joint: how the tool is turned about its axis follows from the others."""
    return text.replace('name="wrist_3_joint" type="revolute"', 'name="wrist_3_joint" type="fixed"')


def test_of_five_joints_it_says_what_they_reach(tmp_path, capsys):
    arm = yaml.safe_load((data_path("config/robots") / "ur.yaml").read_text())["arm"]
    path = _with_urdf(tmp_path, _stiff, **_five(arm))
    assert main(["check", path, "--json"]) == 1
    said = {one["line"]: one["well"] for one in json.loads(capsys.readouterr().out)["profile"]}
    reached = next(line for line in said if line.startswith("workspace:"))
    assert (
        int(reached.split()[1]) >= 18 and "with the tool pointing as tool_rotation has it" in reached and said[reached]
    )
    turned = next(line for line in said if line.startswith("5 joints bring the tool to"))
    assert not said[turned] and "have the model move its joints (joints_dof)" in turned


def test_five_joints_that_the_model_moves_itself_are_well(tmp_path, capsys):
    content = yaml.safe_load((data_path("config/robots") / "ur.yaml").read_text())
    _with_urdf(tmp_path, _stiff, **_five(content["arm"]))
    content = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    for key in ("position_dof", "rotation_dof"):
        del content["arm"][key]
    content["dof_config"]["five"] = 5
    content["arm"]["joints_dof"] = "five"
    found = list(look_over(load_profile(_saved(tmp_path, content))))
    assert (True, next(line for _, line in found if line.endswith("the model moves its joints"))) in found
