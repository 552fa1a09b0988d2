# SPDX-License-Identifier: Apache-2.0
"""Installs wall_oss_ros with pip, or as the ROS 2 package of the same name with colcon.

What pip brings stands in pyproject.toml. The rest stands here, because the setuptools of Ubuntu 22.04, which colcon
uses on Humble, do not read it there, and because colcon itself fails at a requires-python there.
"""

import os
from glob import glob
from pathlib import Path
from runpy import run_path
from xml.etree import ElementTree

from setuptools import __version__, find_packages, setup

PACKAGE = "wall_oss_ros"
NODES = run_path(f"{PACKAGE}/starting.py")["NODES"]


def tree(folder, share):
    """The data_files entries that copy a folder into an installation's share directory, folder by folder."""
    entries = {}
    for name in sorted(glob(f"{folder}/**/*", recursive=True)):
        if Path(name).is_file():
            entries.setdefault(str(Path(share) / Path(name).parent), []).append(name)
    return list(entries.items())


data_files = [
    ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
    (f"share/{PACKAGE}", ["package.xml"]),
]
for folder in ("config", "urdf", "models", "launch"):
    data_files += tree(folder, f"share/{PACKAGE}")
if "AMENT_PREFIX_PATH" not in os.environ:
    # Without ROS 2 the embedded library reads the interfaces from here; with it, wall_oss_msgs installs its own.
    data_files += tree("wall_oss_msgs/msg", "share") + tree("wall_oss_msgs/srv", "share")
    data_files += tree("wall_oss_msgs/action", "share")

# colcon test runs pytest only where the extra "test" names it. pyproject.toml does, where it is read.
reads_pyproject = int(__version__.split(".")[0]) >= 61
extras = {} if reads_pyproject else {"extras_require": {"test": ["pytest"]}}

setup(
    **extras,
    name=PACKAGE,
    version=ElementTree.parse("package.xml").findtext("version"),
    description="WALL-OSS, an open vision-language-action model, on robots that speak ROS 2.",
    license="Apache-2.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    data_files=data_files,
    zip_safe=False,
    python_requires=">=3.10",
    entry_points={
        "console_scripts": [
            "wall-oss = wall_oss_ros.commands.main:main",
            "check = wall_oss_ros.commands.check:ros_main",
            *(f"{node} = wall_oss_ros.starting:{node}" for node in NODES),
        ],
    },
)
