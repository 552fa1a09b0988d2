# SPDX-License-Identifier: Apache-2.0
"""Where a profile's URDF may be, and what counts as XML."""

import os

import pytest

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.kinematics import read_model
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.robots.urdf import read_joints

URDF = data_path("urdf/fr3.urdf")


def _profile(folder, urdf: str):
    lines = data_path("config/robots/franka.yaml").read_text().splitlines()
    lines = [f'urdf: "{urdf}"' if line.startswith("urdf:") else line for line in lines]
    (folder / "mine.yaml").write_text("\n".join(lines))
    return load_profile(folder / "mine.yaml")


@pytest.mark.parametrize(
    "urdf", ["~/my arm.urdf", "file://HOME/my%20arm.urdf", "my arm.urdf", "./my arm.urdf", "HOME/my arm.urdf"]
)
def test_a_urdf_is_found_where_people_put_it(tmp_path, monkeypatch, urdf):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my arm.urdf").write_text(URDF.read_text())
    profile = _profile(tmp_path, urdf.replace("HOME", str(tmp_path)))
    monkeypatch.chdir("/")
    assert os.path.samefile(profile.urdf_path, tmp_path / "my arm.urdf")


def test_one_that_ships_needs_only_its_name(tmp_path):
    assert _profile(tmp_path, "urdf/fr3.urdf").urdf_path == URDF


@pytest.mark.parametrize(
    "urdf, complaint",
    [
        ("nowhere.urdf", "neither beside the profile nor one that ships"),
        ("https://example.org/a.urdf", "no file of this machine"),
        ("file://host/a.urdf", "no file of this machine"),
        ("package://no_such_package/a.urdf", "package no_such_package, which is not installed"),
        ("~nobody_of_that_name/a.urdf", "a user that is not known"),
        ("/nowhere/a.urdf", "cannot be read"),
    ],
)
def test_one_that_is_nowhere_is_named(tmp_path, urdf, complaint):
    with pytest.raises(WallOSSError, match=complaint) as caught:
        read_joints(_profile(tmp_path, urdf))
    assert "Reinstall" not in str(caught.value)


def test_a_prefix_need_not_be_declared(tmp_path):
    text = URDF.read_text().replace("</robot>", '<xacro:property name="a" value="1"/><gz:x/></robot>')
    (tmp_path / "own.urdf").write_text(text)
    profile = _profile(tmp_path, "own.urdf")
    assert read_joints(profile).keys() == read_joints(load_profile("franka")).keys()
    assert read_model(profile).njoints > 1


@pytest.mark.parametrize(
    "content", [b"", b"<robot>", b"robot", b"\xff\xfe\x00", b'<?xml version="1.0" encoding="klingon"?><robot/>']
)
def test_what_is_no_xml_is_named(tmp_path, content):
    (tmp_path / "own.urdf").write_bytes(content)
    with pytest.raises(WallOSSError, match="own.urdf is not XML"):
        read_joints(_profile(tmp_path, "own.urdf"))
