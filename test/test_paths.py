# SPDX-License-Identifier: Apache-2.0
"""Data files are found wherever pip puts them."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import wall_oss_ros
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path, natural

SOURCES = Path(wall_oss_ros.__file__).parent


def test_files_of_a_pip_install_for_the_user_are_found(tmp_path):
    """As pip install --user leaves them: the package in the user's site-packages, data below the user's base."""
    site = Path(sysconfig.get_path("purelib", sysconfig.get_preferred_scheme("user"), {"userbase": str(tmp_path)}))
    package = site / "wall_oss_ros"
    package.mkdir(parents=True)
    for name in ("__init__.py", "paths.py", "errors.py"):
        shutil.copy(SOURCES / name, package)
    data = tmp_path / "share" / "wall_oss_ros" / "config" / "found.yaml"
    data.parent.mkdir(parents=True)
    data.touch()
    code = "import wall_oss_ros.paths as p; print(p.__file__); print(p.data_path('config/found.yaml'))"
    environment = {**os.environ, "PYTHONUSERBASE": str(tmp_path), "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == [str(package / "paths.py"), str(data)], done.stderr


def test_what_is_nowhere_says_where_it_was_looked_for():
    with pytest.raises(WallOSSError, match="nowhere.yaml of wall_oss_ros was not found in .*share/wall_oss_ros"):
        data_path("config/nowhere.yaml")


def test_numbers_in_names_count_as_numbers():
    names = ["bag_9", "bag_9/a", "bag_10", "bag_\u00b2", "bags", "10", "9"]
    assert [str(path) for path in sorted(map(Path, names), key=natural)] == [
        "9", "10", "bag_9", "bag_9/a", "bag_10", "bag_\u00b2", "bags"
    ]  # fmt: skip
