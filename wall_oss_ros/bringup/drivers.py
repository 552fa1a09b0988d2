# SPDX-License-Identifier: Apache-2.0
"""How a real robot's driver is started, as data: ``config/drivers``. Imports no ROS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wall_oss_ros import strict_yaml
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.checked import checked, explain

_FOLDER = "config/drivers"
_LAYERS = ("distributions", "mock", "variants")


class Driver(BaseModel):
    """A driver's launch file and what it needs.

    A file may also have ``distributions`` (by ROS_DISTRO), ``mock`` (without a robot) and ``variants`` (of the robot's
    profile): fields laid over the others, in this order. There, null takes an argument away.

    Attributes:
        package: that has the launch file; None where nothing can be started from here.
        instead: what to do where ``package`` is None.
        launch_file: below the package's share directory.
        needs: further packages, without which it does not start.
        install: how to get the packages.
        needs_address: whether the robot has an address that must be given.
        arguments: of the launch file. A name with ``|`` is the first of them that the launch file has. In a value,
            ``{robot}``, ``{robot_ip}``, ``{use_mock_hardware}``, ``{namespace}``, ``{variant}`` and ``{controller}``
            are filled in.
        controller: the trajectory controller's name, if it is not the profile's.
        controllers: file of ours, below share/wall_oss_ros, with a controller that the driver does not start.
        gripper_joint_states: where a mock gripper says how far it is open; None where the gripper is one of the arm's
            joints, so that none is needed.
        description: packages with the vendor's description of the robot, which ``urdf/cells/<robot>.xacro`` draws on.
        remap_driver: topics of the driver's nodes, and what they become.
        note: what a person has to know or to do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    package: str | None
    instead: str = ""
    launch_file: str
    needs: tuple[str, ...] = ()
    install: str
    needs_address: bool = True
    arguments: dict[str, str | bool | int | float] = Field(default_factory=dict)
    controller: str | None = None
    controllers: str | None = None
    gripper_joint_states: str | None = None
    description: tuple[str, ...] = ()
    remap_driver: dict[str, str] = Field(default_factory=dict)
    note: str = ""

    @property
    def takes_namespace(self) -> bool:
        """Whether the driver can be put into a namespace."""
        return any("{namespace}" in str(value) for value in self.arguments.values())

    def launch_arguments(self, known: Iterable[str], values: Mapping[str, str]) -> dict[str, str]:
        """What the launch file is given.

        launch ignores arguments that a launch file does not have. Were ``use_mock_hardware`` one of them, a robot would
        move that nobody expects to; hence the check.

        Args:
            known: names of the arguments that the launch file declares.
            values: what stands for the names in braces.

        Raises:
            WallOSSError: the launch file does not have one of the arguments.
        """
        known = sorted(known)
        filled = {}
        for names, value in self.arguments.items():
            name = next((name for name in names.split("|") if name in known), None)
            if name is None:
                raise WallOSSError(
                    f"{self.launch_file} of {self.package} has no argument {names.replace('|', ' nor ')}; it has "
                    f"{', '.join(known) or 'none'}.",
                    "This version of the driver is not known here: start it yourself and launch with driver:=false.",
                )
            text = str(value).lower() if isinstance(value, bool) else str(value)
            for key, word in values.items():
                text = text.replace("{" + key + "}", word)
            filled[name] = text
        return filled


def load_driver(robot: str, distribution: str = "", variant: str | None = None, mock: bool = False) -> Driver:
    """The driver of a robot.

    Args:
        robot: the profile's name, or the path of a YAML file like those in config/drivers.
        distribution: of ROS 2, in small letters.
        variant: the profile's.
        mock: whether it is started without a robot.

    Raises:
        WallOSSError: there is none, or the file is not valid.
    """
    path = Path(robot)
    if path.suffix not in (".yaml", ".yml"):
        folder = data_path(_FOLDER)
        path = folder / f"{robot}.yaml"
        if not path.is_file():
            names = sorted(file.stem for file in folder.glob("*.yaml"))
            raise WallOSSError(
                f"How to start the driver of {robot} is not known; it is for {', '.join(names)}.",
                "Start it yourself and launch with driver:=false, or describe it in a file like those: "
                "driver_file:=<path>.",
            )
    content = strict_yaml.read(path, "The driver's file", "Compare it with those that ship.")
    try:
        layers = {name: content.pop(name, None) or {} for name in _LAYERS}
        chosen = (layers["distributions"].get(distribution), mock and layers["mock"], layers["variants"].get(variant))
        for layer in chosen:
            content = _over(content, layer or {})
        return checked(Driver, content)
    except (AttributeError, TypeError, ValidationError) as error:
        first = isinstance(error, ValidationError) and explain(error.errors()[0])
        cause = first or " ".join(str(error).split())
        raise WallOSSError(
            f"{path} does not describe a driver: {cause}.", "Compare it with those that ship."
        ) from error


def _over(fields: dict, changes: dict) -> dict:
    """``fields`` with ``changes`` laid over them; mappings are merged, one level deep, and lose what becomes null."""
    both = {
        k: {**fields[k], **v} for k, v in changes.items() if isinstance(v, dict) and isinstance(fields.get(k), dict)
    }
    both = {k: {name: value for name, value in v.items() if value is not None} for k, v in both.items()}
    return {**fields, **changes, **both}
