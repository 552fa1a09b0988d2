# SPDX-License-Identifier: Apache-2.0
"""Where the project's data files are: a checkout, a pip installation, or a ROS 2 workspace."""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

from wall_oss_ros.errors import WallOSSError


def _share_directories(package: str) -> list[Path]:
    checkout = Path(__file__).resolve().parents[1]
    found = [checkout if package == "wall_oss_ros" else checkout / package]
    try:
        from ament_index_python.packages import get_package_share_directory

        found.append(Path(get_package_share_directory(package)))
    except Exception:  # no ament index, or the package is not in it: a pip installation
        pass
    # pip puts data files below the scheme's data folder: the prefix, or a folder of the user's with pip install --user.
    schemes = (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user"))
    roots = [Path(sysconfig.get_path("data", scheme)) for scheme in schemes] + [Path(sys.prefix)]
    return found + [root / "share" / package for root in dict.fromkeys(roots)]


def is_there(path: str | Path) -> bool:
    """Whether there is a file or folder; what can be no name of one, such as one that is too long, is not there."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def natural(path: Path) -> list[int | str]:
    """What paths are sorted by so that bag_10 comes after bag_9."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", str(path))]


def data_path(relative: str, package: str = "wall_oss_ros") -> Path:
    """The path of a data file or folder that ships with the project.

    Args:
        relative: path below the package's share directory, such as ``config/robots``.
        package: ``wall_oss_ros`` (config, urdf, models), ``wall_oss_msgs`` (msg, srv, action) or ``wall_oss_bringup``.

    Raises:
        WallOSSError: it is in none of the places where an installation puts it.
    """
    directories = _share_directories(package)
    for directory in directories:
        if is_there(directory / relative):
            return directory / relative
    raise WallOSSError(
        f"{relative} of {package} was not found in {', '.join(map(str, directories))}.",
        "Reinstall the project, or run it from a complete checkout.",
    )
