# SPDX-License-Identifier: Apache-2.0
"""Where a profile's URDF is, and its XML."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree
from xml.parsers import expat

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path

_EXPECTED = "Expected a path, beside the profile or absolute; ~, file:// and package:// are understood."


def locate(urdf: str, folder: Path) -> str:
    """What a profile says of its URDF as an absolute path; unchanged where it is one of the files that ship.

    Args:
        urdf: a path, absolute, with ``~``, or relative to the profile's folder; ``file://`` or ``package://``.
        folder: where the profile is.

    Raises:
        WallOSSError: it is another kind of address, or names a package or user that is not known here.
    """
    if urdf.startswith("package://"):
        return str(_in_package(urdf))
    if "://" in urdf or urdf.startswith("file:"):
        parts = urlsplit(urdf)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
            raise WallOSSError(f"The profile's urdf {urdf!r} is no file of this machine.", _EXPECTED)
        urdf = unquote(parts.path)
    try:
        path = Path(urdf).expanduser()
    except RuntimeError as error:
        raise WallOSSError(f"The profile's urdf {urdf!r} names a user that is not known here.", _EXPECTED) from error
    if path.is_absolute():
        return str(path)
    beside = folder.resolve() / path
    return str(beside) if beside.is_file() else urdf


def find(urdf: str, name: str) -> Path:
    """The file of a profile's field urdf, after ``locate``.

    Raises:
        WallOSSError: a relative path is not one of the files that ship.
    """
    if Path(urdf).is_absolute():
        return Path(urdf)
    try:
        return data_path(urdf)
    except WallOSSError as error:
        raise WallOSSError(
            f"The URDF {urdf!r} of profile {name!r} is neither beside the profile nor one that ships with the project.",
            _EXPECTED,
        ) from error


def _in_package(urdf: str) -> Path:
    package, _, rest = urdf.removeprefix("package://").partition("/")
    try:
        from ament_index_python.packages import get_package_share_directory

        return Path(get_package_share_directory(package)) / rest
    except Exception as error:  # no ROS 2, or no such package
        raise WallOSSError(
            f"The profile's urdf {urdf!r} is in package {package}, which is not installed or sourced here.", _EXPECTED
        ) from error


def parse(path: Path, name: str) -> ElementTree.Element:
    """The root of a URDF. Prefixes need not be declared: tinyxml2, with which others read URDF, does not ask either.

    Raises:
        WallOSSError: the file cannot be read, or is not XML.
    """
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(path.read_bytes(), True)
        return builder.close()
    except OSError as error:
        raise WallOSSError(
            f"The URDF {path} of profile {name!r} cannot be read ({error.strerror}).",
            "Put the robot's URDF there, or correct the profile's field urdf.",
        ) from error
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise WallOSSError(f"The URDF {path} is not XML: {error}.", "Correct the file.") from error
