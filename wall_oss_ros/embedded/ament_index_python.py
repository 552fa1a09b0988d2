# SPDX-License-Identifier: Apache-2.0
"""What is installed below AMENT_PREFIX_PATH, with ament_index_python's names and rules."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

AMENT_PREFIX_PATH_ENV_VAR = "AMENT_PREFIX_PATH"
RESOURCE_INDEX_SUBFOLDER = "share/ament_index/resource_index"


class PackageNotFoundError(KeyError):
    """No such package below AMENT_PREFIX_PATH."""


class InvalidResourceTypeNameError(ValueError):
    """A resource type with a separator in it."""


class InvalidResourceNameError(ValueError):
    """A resource name with a separator in it."""


def get_search_paths() -> list[str]:
    """The folders of AMENT_PREFIX_PATH that exist.

    Raises:
        EnvironmentError: the variable is not set, or empty.
    """
    paths = os.environ.get(AMENT_PREFIX_PATH_ENV_VAR)
    if not paths:
        raise OSError(f"Environment variable '{AMENT_PREFIX_PATH_ENV_VAR}' is not set or empty")
    return [path for path in paths.split(os.pathsep) if path and os.path.isdir(path)]


def _index(resource_type: str, resource_name: str = "") -> list[tuple[str, Path]]:
    """(prefix, entry in its index) for each search path."""
    assert resource_type, "The resource type must not be empty"
    if "/" in resource_type or "\\" in resource_type:
        raise InvalidResourceTypeNameError(
            f"Resource type '{resource_type}' is invalid, it must not contain separators"
        )
    if "/" in resource_name or "\\" in resource_name:
        raise InvalidResourceNameError(f"Resource name '{resource_name}' is invalid, it must not contain separators")
    return [(path, Path(path, RESOURCE_INDEX_SUBFOLDER, resource_type, resource_name)) for path in get_search_paths()]


def has_resource(resource_type: str, resource_name: str) -> str | bool:
    """The prefix of the first that has the resource, or False."""
    assert resource_name, "The resource name must not be empty"
    return next((prefix for prefix, entry in _index(resource_type, resource_name) if entry.is_file()), False)


def get_resource(resource_type: str, resource_name: str) -> tuple[str, str]:
    """(content, prefix) of a resource.

    Raises:
        LookupError: there is none.
        OSError: it cannot be read.
    """
    assert resource_name, "The resource name must not be empty"
    for prefix, entry in _index(resource_type, resource_name):
        if entry.is_file():
            return entry.read_text(encoding="utf-8"), prefix
    raise LookupError(f"Could not find the resource '{resource_name}' of type '{resource_type}'")


def get_resources(resource_type: str) -> dict[str, str]:
    """Names of the resources of a type, and the prefix of the first that has each."""
    found: dict[str, str] = {}
    for prefix, folder in _index(resource_type):
        for entry in folder.iterdir() if folder.is_dir() else ():
            if not entry.is_dir() and not entry.name.startswith("."):
                found.setdefault(entry.name, prefix)
    return found


def get_resource_types() -> set[str]:
    """All types of resources that there are."""
    folders = [Path(path, RESOURCE_INDEX_SUBFOLDER) for path in get_search_paths()]
    return {
        entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith(".")
    }  # fmt: skip


def get_packages_with_prefixes() -> dict[str, str]:
    """Names of all packages and their prefixes."""
    return get_resources("packages")


def get_package_prefix(package_name: str) -> str:
    """The prefix below which a package is installed.

    Raises:
        ValueError: not the name of a package.
        PackageNotFoundError: it is not installed.
    """
    if not re.fullmatch("[a-zA-Z0-9][a-zA-Z0-9_-]+", package_name):
        raise ValueError(f"'{package_name}' is not a valid package name")
    prefix = has_resource("packages", package_name)
    if not prefix:
        raise PackageNotFoundError(f"package '{package_name}' not found, searching: {get_search_paths()}")
    return prefix


def get_package_share_directory(package_name: str, print_warning: bool = True) -> str:
    """The package's ``share`` folder; says so where it does not exist, unless `print_warning` is false."""
    path = os.path.join(get_package_prefix(package_name), "share", package_name)
    if print_warning and not os.path.exists(path):
        warnings.warn(f"Share directory for {package_name} ({path}) does not exist.", stacklevel=2)
    return path


def get_package_share_path(package_name: str, print_warning: bool = True) -> Path:
    """As `get_package_share_directory`, as a path."""
    return Path(get_package_share_directory(package_name, print_warning))
