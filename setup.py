# SPDX-License-Identifier: Apache-2.0
"""Installs wall_oss_ros with pip, or as the ROS 2 package of the same name with colcon."""

import os
from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "wall_oss_ros"


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

setup(
    name=PACKAGE,
    version="0.1.0",
    description="WALL-OSS, an open vision-language-action model, on robots that speak ROS 2.",
    license="Apache-2.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    data_files=data_files,
    zip_safe=False,
    python_requires=">=3.10",
    install_requires=[
        "cyclonedds>=11.0,<12",
        "matplotlib>=3.8",
        "mujoco>=3.10",
        "numpy>=1.26,<3",
        "pillow>=10",
        "pin>=2.7",
        "psutil>=5.9",
        "pydantic>=2.5,<3",
        "PyYAML>=6.0",
        "rich>=13",
        "rosbags>=0.11,<0.12",
        "ruckig>=0.14",
        "safetensors>=0.4",
        "scipy>=1.11",
        "tokenizers>=0.21",
        "torch>=2.5",
        "transformers>=5.0,<6",
        "viser>=1.1,<2",
        "yourdfpy>=0.0.56",
    ],
    extras_require={
        "lora": ["peft>=0.18,<1"],
        "test": ["hypothesis>=6.100", "peft>=0.18,<1", "pytest>=8", "pytest-timeout>=2.3", "pytest-xdist>=3.5"],
    },
    entry_points={
        "console_scripts": [
            "wall-oss = wall_oss_ros.commands.main:main",
            *(
                f"{node} = wall_oss_ros.nodes.{node}:main"
                for node in ("perception", "planner", "control", "plan_markers", "simulated_robot", "mock_gripper")
            ),
        ],
    },
)
