# SPDX-License-Identifier: Apache-2.0
"""A robot's profile: one YAML file under ``config/robots`` says all that the nodes need to know of a robot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from wall_oss_ros import strict_yaml
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path, is_there
from wall_oss_ros.robots import urdf_file
from wall_oss_ros.robots.checked import checked, explain
from wall_oss_ros.robots.components import (
    Arm,
    Base,
    Command,
    Component,
    Gripper,
    JointGroup,
    Limb,
    Name,
    View,
    Watchdog,
)
from wall_oss_ros.robots.simulation import SimulatedArm, Simulation


class RobotProfile(Component):
    """Everything about one robot.

    ``arm``, ``gripper`` and ``command`` are those of its first or only arm; see ``arms`` for all of them, one by one.

    Attributes:
        statistics: the name that a checkpoint trained for this robot has its statistics under; left out, the profile's.
            Where it is given, no others are ever used.
        joint_states: topic of the joints of the first arm, of parts, and of further arms that name none of their own.
        joint_prefix: what the profile's and the URDF's names of joints begin with, and the driver's do not.
    """

    name: Name
    description: str
    statistics: Name | None = None
    variant: Name | None = None  # which of several models of one kind; it stands for {variant} in urdf
    urdf: Name
    rate_hz: float = Field(gt=0, le=200)
    horizon: int = Field(ge=1, le=256)
    action_mode: Literal["relative", "absolute"]
    dof_config: dict[str, Annotated[int, Field(ge=1)]]
    views: tuple[View, ...] = Field(min_length=1)
    joint_states: Name
    joint_prefix: str = ""
    arm: Arm
    gripper: Gripper
    command: Command
    more_arms: tuple[Limb, ...] = ()
    parts: tuple[JointGroup, ...] = ()
    base: Base | None = None
    watchdog: Watchdog
    resume: Literal["automatic", "manual"]
    simulation: Simulation | None = None

    @model_validator(mode="after")
    def _consistent(self):
        taken = set()
        for field, name, *sizes in self._dofs():
            if self.dof_config.get(name) not in sizes:
                size = " or ".join(map(str, sizes))
                raise ValueError(f"{field} is {name!r}, which dof_config does not list with size {size}")
            if name in taken:
                raise ValueError(f"{field} is {name!r}, which something else has already")
            taken.add(name)
        names = [one.arm.name for one in self.arms] + [part.name for part in self.parts]
        commands = [part.command for part in (*self.arms, *self.parts) if part.command is not None]
        joints = [joint for one in self.arms for joint in (*one.arm.joints, *one.gripper.joints)]
        joints += [joint for part in self.parts for joint in part.joints]
        for what, values in {
            "views": [view.name for view in self.views],
            "arm.name and parts.name": names,
            "command.topic": [command.topic for command in commands],
            "command.controller": [command.controller for command in commands if command.controller],
            "gripper.joint_single": [one.gripper.joint_single for one in self.arms if one.gripper.joint_single],
            "joints": joints,
        }.items():
            if twice := sorted({value for value in values if values.count(value) > 1}):
                raise ValueError(f"{what} must all differ, but {', '.join(twice)} is there twice")
        return self

    @model_validator(mode="after")
    def _joints_begin_with_their_prefix(self):
        owners = [(one, (*one.arm.joints, *one.gripper.joints)) for one in self.arms]
        owners += [(self, part.joints) for part in self.parts]
        sources = self.joint_sources
        for one, joints in owners:
            if strange := [joint for joint in joints if not joint.startswith(one.joint_prefix)]:
                raise ValueError(f"joints {', '.join(strange)} do not begin with joint_prefix {one.joint_prefix!r}")
            if sources[one.joint_states] != one.joint_prefix:
                raise ValueError(f"joint_states {one.joint_states} is there with two different values of joint_prefix")
        return self

    def _dofs(self) -> Iterator[tuple]:
        """Each part's place in the layout: field, name and the numbers of entries that it may have."""
        limbs: tuple[RobotProfile | Limb, ...] = (self, *self.more_arms)
        for i, one in enumerate(limbs):
            where = f"more_arms.{i - 1}." if i else ""
            if one.arm.joints_dof is not None:
                yield f"{where}arm.joints_dof", one.arm.joints_dof, len(one.arm.joints)
            else:
                yield f"{where}arm.position_dof", one.arm.position_dof, 3
                yield f"{where}arm.rotation_dof", one.arm.rotation_dof, 3, 6
            yield f"{where}gripper.dof", one.gripper.dof, 1
        for i, part in enumerate(self.parts):
            yield f"parts.{i}.dof", part.dof, len(part.joints)
        if self.base is not None:
            yield "base.dof", self.base.dof, 3

    @model_validator(mode="after")
    def _simulation_fits(self):
        if self.simulation is None:
            return self
        simulated = (self.simulation, *self.simulation.more_arms)
        limbs = (self, *self.more_arms)
        if len(simulated) != len(limbs):
            raise ValueError(f"simulation.more_arms has {len(simulated) - 1} entries, {len(limbs) - 1} expected")
        if len(limbs) != (arms := {"table": 1, "trays": 2}[self.simulation.scene]):
            raise ValueError(
                f"simulation.scene {self.simulation.scene!r} is for {arms} arms, the robot has {len(limbs)}"
            )
        if any(limb.gripper.topic for limb in limbs):
            raise ValueError("simulation: a gripper with a trajectory controller of its own cannot be simulated")
        sinks = {part.command.sink for part in (*limbs, *self.parts)}
        if sinks != {"trajectory"} or any(limb.gripper.joint_single for limb in limbs):
            raise ValueError("simulation: only joint trajectory controllers are simulated")
        if not self.plain_joints:
            raise ValueError("simulation: joint states come on one topic, without a joint_prefix")
        if {*self.simulation.parts} != (parts := {part.name for part in self.parts}):
            raise ValueError(
                f"simulation.parts must be servos of {sorted(parts)}, not of {sorted(self.simulation.parts)}"
            )
        for i, (one, limb) in enumerate(zip(simulated, limbs)):
            where = f"simulation.more_arms.{i - 1}" if i else "simulation"
            _one_each(f"{where}.servos", dict(one.servos), limb.arm.joints)
            _one_each(where, {"start": one.start}, limb.arm.joints)
        for part in self.parts:
            _one_each(f"simulation.parts.{part.name}", dict(self.simulation.parts[part.name]), part.joints)
        views, cameras = {view.name for view in self.views}, {camera.view for camera in self.simulation.cameras}
        if views != cameras or len(cameras) != len(self.simulation.cameras):
            raise ValueError(
                f"simulation.cameras must show each of the views {sorted(views)} once, not {sorted(cameras)}"
            )
        return self

    @property
    def arms(self) -> tuple[RobotProfile, ...]:
        """For each arm, first the first, the profile of a robot that has this arm alone."""
        if not (self.more_arms or self.parts or self.base):
            return (self,)
        source = {"joint_states": self.joint_states, "joint_prefix": self.joint_prefix}
        first = Limb(arm=self.arm, gripper=self.gripper, command=self.command, **source)
        limbs = (first, *(limb if limb.joint_states else limb.model_copy(update=source) for limb in self.more_arms))
        simulated: list[Simulation | None] = [None] * len(limbs)
        if (whole := self.simulation) is not None:
            nothing_more: dict[str, Any] = {"more_arms": (), "parts": {}}
            fields = SimulatedArm.model_fields
            owns = [{field: getattr(own, field) for field in fields} for own in (whole, *whole.more_arms)]
            simulated = [whole.model_copy(update=nothing_more | own) for own in owns]
        alone = {"more_arms": (), "parts": (), "base": None}
        return tuple(
            self.model_copy(update={**alone, **dict(limb), "simulation": simulation})
            for limb, simulation in zip(limbs, simulated)
        )

    def simulated(self) -> RobotProfile:
        """The same robot where it is simulated: what ``simulation`` says of speeds and of going on replaces the rest.

        Simulators take this profile; whatever may be connected to a real robot, mock hardware included, never does.

        Raises:
            WallOSSError: the profile has no simulation section.
        """
        if (simulation := self.simulation) is None:
            raise WallOSSError(
                f"Robot {self.full_name} cannot be simulated: its profile has no simulation section.",
                "Add one (docs/how-to/new_robot.md), or choose another robot.",
            )
        limbs: tuple[RobotProfile | Limb, ...] = (self, *self.more_arms)
        first, *more = (
            limb.arm if own.max_tcp_speed is None else limb.arm.model_copy(update={"max_tcp_speed": own.max_tcp_speed})
            for limb, own in zip(limbs, (simulation, *simulation.more_arms))
        )
        changes = {
            "arm": first,
            "more_arms": tuple(limb.model_copy(update={"arm": arm}) for limb, arm in zip(self.more_arms, more)),
            "resume": simulation.resume or self.resume,
        }
        return self.model_copy(update=changes)

    @property
    def trained_as(self) -> str:
        """The name that a checkpoint trained for this robot has its statistics under."""
        return self.statistics or self.name

    @property
    def joint_sources(self) -> dict[str, str]:
        """The topics of joint states, and what is put before the names there to make them this profile's."""
        return {one.joint_states: one.joint_prefix for one in (self, *self.arms)}

    @property
    def plain_joints(self) -> bool:
        """Whether all joints come on one topic, under the names that they have here."""
        return self.joint_sources == {self.joint_states: ""}

    def driver_names(self, joints: Iterable[str]) -> list[str]:
        """What the driver calls joints of this robot, which has one arm or one source of joint states."""
        return [joint.removeprefix(self.joint_prefix) for joint in joints]

    @property
    def gripper_stands(self) -> bool:
        """Whether the first gripper is sent its next position only, not a trajectory that ends at rest."""
        return self.gripper.joint_single is not None or self.command.sink != "trajectory"

    @property
    def dt(self) -> float:
        """Seconds between two steps of an action chunk."""
        return 1.0 / self.rate_hz

    @property
    def start(self) -> tuple[float, ...]:
        """Where the simulated arm begins (n,), rad."""
        return (self.simulation and self.simulation.start) or self.arm.home

    @property
    def full_name(self) -> str:
        """Its name and, after a colon, its variant: what the argument robot takes."""
        return self.name if self.variant is None else f"{self.name}:{self.variant}"

    @property
    def urdf_path(self) -> Path:
        """Where the robot's URDF is; a relative path is one of the files that ship with the project.

        Raises:
            WallOSSError: it is none of them.
        """
        return urdf_file.find(self.urdf, self.name)


Profile = TypeVar("Profile", bound=RobotProfile)
POLICY_ONLY = "policy_only"
"""The field that marks a profile of :mod:`wall_oss_ros.robots.policy_robot`."""


def _one_each(where: str, rows: dict[str, tuple | None], joints: tuple[str, ...]) -> None:
    for key, values in rows.items():
        if values is not None and len(values) != len(joints):
            raise ValueError(
                f"{where}.{key} has {len(values)} entries, one for each of the {len(joints)} joints expected"
            )


def available_profiles() -> list[str]:
    """Names of the robots whose profiles ship with the project."""
    return sorted(path.stem for path in data_path("config/robots").glob("*.yaml"))


def load_profile(name_or_path: str | Path, simulated: bool = False) -> RobotProfile:
    """Reads a profile by the robot's name (``franka``) or from a YAML file.

    Where a profile has variants, ``ur:ur10e`` (or ``mine.yaml:ur10e``) names one; else it is the profile's own choice.

    Args:
        name_or_path: the robot's.
        simulated: whether this is for the simulated robot: :meth:`RobotProfile.simulated`.

    Raises:
        WallOSSError: no such robot, variant or file, not YAML, or a field is missing, unknown or out of range; or there
            is nothing to simulate.
    """
    path, source, content = read_content(name_or_path)
    if content.get(POLICY_ONLY) is True:
        raise WallOSSError(
            f"The robot profile {path} is {POLICY_ONLY}: it says nothing of joints and controllers, which this needs.",
            "Such a robot is for wall-oss serve, train and data; a robot that nodes drive has a whole profile.",
        )
    if isinstance(content.get("urdf"), str):
        content = {**content, "urdf": urdf_file.locate(content["urdf"], path.parent)}
    profile = validated(RobotProfile, path, source, content)
    return profile.simulated() if simulated else profile


def read_content(name_or_path: str | Path) -> tuple[Path, str, dict[str, Any]]:
    """A profile's file, its text and its fields, those of the variant laid over them.

    Raises:
        WallOSSError: no such robot, variant or file, or not YAML.
    """
    text, colon, variant = str(name_or_path), "", ""
    if not is_there(text):
        text, colon, variant = text.partition(":")
    is_path = text.endswith((".yaml", ".yml")) or "/" in text
    if not is_path and text not in available_profiles():
        raise WallOSSError(
            f"There is no robot {text!r}.",
            f"Name one of {', '.join(available_profiles())}, or give the path of a YAML profile.",
        )
    path = Path(text) if is_path else data_path("config/robots") / f"{text}.yaml"
    source = strict_yaml.read_text(path, "The robot profile")
    content = strict_yaml.load(source, f"The robot profile {path}")
    if not isinstance(content, dict):
        raise WallOSSError(
            f"The robot profile {path} must be a mapping of fields.", "Compare it with config/robots/franka.yaml."
        )
    return path, source, _choose_variant(path, content, variant if colon else None)


def validated(kind: type[Profile], path: Path, source: str, content: dict[str, Any]) -> Profile:
    """A profile of its fields.

    Raises:
        WallOSSError: a field is missing, unknown or out of range; the message names it and its line.
    """
    try:
        return checked(kind, content)
    except ValidationError as error:
        first = explain(error.errors()[0], source)
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        what = f"The robot profile {path} is not valid: {first}{more}."
        raise WallOSSError(what, "Correct that field.") from error


def _choose_variant(path: Path, content: dict, wanted: str | None) -> dict:
    """The fields with those of a variant laid over them, and without the table of variants."""
    variants = content.get("variants")
    if variants is None:
        if wanted is not None:
            raise WallOSSError(f"The robot profile {path} has no variants, so there is no {wanted!r}.", "Leave it out.")
        return content
    if not (isinstance(variants, dict) and all(isinstance(fields, dict) for fields in variants.values())):
        raise WallOSSError(
            f"The robot profile {path} is not valid: field variants must map names to fields.", "Correct that field."
        )
    name = content.get("variant") if wanted is None else wanted
    if name not in variants:
        raise WallOSSError(f"The robot profile {path} has no variant {name!r}.", f"Name one of {', '.join(variants)}.")
    fields = {key: value for key, value in content.items() if key != "variants"}
    fields = _over(_over(fields, variants[name]), {"variant": name})
    if isinstance(fields.get("urdf"), str):
        fields["urdf"] = fields["urdf"].replace("{variant}", name)
    return fields


def _over(fields: dict, changes: dict) -> dict:
    """``fields`` with ``changes`` laid over them, mapping by mapping."""
    merged = dict(fields)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(fields.get(key), dict)
        merged[key] = _over(fields[key], value) if both else value
    return merged
