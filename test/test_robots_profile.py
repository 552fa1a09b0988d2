"""Profiles: the shipped ones load, and a bad one is refused in words that name the file and the field."""

import pytest
import yaml

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.profile import available_profiles, load_profile


def _franka() -> dict:
    return yaml.safe_load((data_path("config/robots") / "franka.yaml").read_text())


def _saved(tmp_path, content) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
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
        ("watchdog", {"chunk_age": -1}, "watchdog.chunk_age"),
    ],
)
def test_a_bad_field_inside_a_part_is_named(tmp_path, part, change, words):
    content = _franka()
    content[part] |= change
    with pytest.raises(WallOSSError, match=words):
        load_profile(_saved(tmp_path, content))


@pytest.mark.parametrize(("content", "words"), [("a: [1", "not YAML"), ("- 1\n", "mapping"), ("", "mapping")])
def test_a_file_that_is_no_profile_is_refused(tmp_path, content, words):
    with pytest.raises(WallOSSError, match=words):
        load_profile(_saved(tmp_path, content))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(WallOSSError, match="cannot be read"):
        load_profile(tmp_path / "none.yaml")
