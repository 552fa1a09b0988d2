"""A robot's profile: one YAML file under ``config/robots`` says all that the nodes need to know of a robot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Vector3 = tuple[Finite, Finite, Finite]
Name = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class View(_Part):
    """A camera: the model's name for it, its words in the prompt, and where its pictures come from."""

    name: Name
    prompt: Name
    image_topic: Name
    camera_info_topic: Name
    optical_frame: Name


class Limits(_Part):
    """Bounds of each joint's motion: rad/s, rad/s2, rad/s3. Positions are the URDF's."""

    velocity: tuple[Positive, ...]
    acceleration: tuple[Positive, ...]
    jerk: tuple[Positive, ...]


class Workspace(_Part):
    """The box the tool centre point stays in, m, in the base frame."""

    min: Vector3
    max: Vector3

    @model_validator(mode="after")
    def _ordered(self):
        if not all(low < high for low, high in zip(self.min, self.max)):
            raise ValueError(f"min {self.min} must be below max {self.max} on every axis")
        return self


class Arm(_Part):
    """An arm: its place in the model's layout, its frames and joints, and its bounds."""

    position_dof: Name
    rotation_dof: Name
    base_frame: Name
    tcp_frame: Name
    joints: tuple[Name, ...] = Field(min_length=1)
    home: tuple[Finite, ...]
    tool_rotation: tuple[Finite, Finite, Finite, Finite] = (0.0, 0.0, 0.0, 1.0)
    max_tcp_speed: Positive
    workspace: Workspace
    limits: Limits

    @model_validator(mode="after")
    def _same_length(self):
        rows = {"home": self.home} | {f"limits.{key}": value for key, value in self.limits}
        for key, values in rows.items():
            if len(values) != len(self.joints):
                raise ValueError(f"{key} has {len(values)} entries, one for each of the {len(self.joints)} joints expected")
        if abs(sum(x * x for x in self.tool_rotation) - 1) > 1e-3:
            raise ValueError(f"tool_rotation {self.tool_rotation} must be a unit quaternion (x, y, z, w)")
        return self


class Gripper(_Part):
    """A gripper: openings in m; ``command_scale`` turns an opening into the action's position."""

    dof: Name
    joints: tuple[Name, ...] = Field(min_length=1)
    action: Name
    command_scale: Positive
    closed: float = Field(ge=0)
    open: Positive
    max_effort: Positive


class Command(_Part):
    """Where joint trajectories go: a joint_trajectory_controller, and how often it is fed (Hz)."""

    controller: Name
    topic: Name
    action: Name
    state_topic: Name
    rate_hz: float = Field(ge=10, le=1000)


class Watchdog(_Part):
    """Ages (s) beyond which the arm holds, and the most that the views of one observation may lie apart (s)."""

    observation_age: Positive
    joint_state_age: Positive
    chunk_age: Positive
    view_skew: Positive


class Simulation(_Part):
    """How the simulated robot stands in for this one."""

    scene: Literal["table"]
    image_size: int = Field(ge=28, le=1024)
    camera_rate_hz: Positive
    joint_state_rate_hz: Positive


class RobotProfile(_Part):
    """Everything about one robot. Unknown fields are refused, so that a typing error cannot pass unseen."""

    name: Name
    description: str
    urdf: Name
    rate_hz: float = Field(gt=0, le=200)
    horizon: int = Field(ge=1, le=256)
    action_mode: Literal["relative", "absolute"]
    dof_config: dict[str, Annotated[int, Field(ge=1)]]
    views: tuple[View, ...] = Field(min_length=1)
    joint_states: Name
    arm: Arm
    gripper: Gripper
    command: Command
    watchdog: Watchdog
    resume: Literal["automatic", "manual"]
    simulation: Simulation | None = None

    @model_validator(mode="after")
    def _consistent(self):
        for field, name, size in (
            ("arm.position_dof", self.arm.position_dof, 3),
            ("arm.rotation_dof", self.arm.rotation_dof, 3),
            ("gripper.dof", self.gripper.dof, 1),
        ):
            if self.dof_config.get(name) != size:
                raise ValueError(f"{field} is {name!r}, which dof_config does not list with size {size}")
        names = [view.name for view in self.views]
        if len(set(names)) != len(names):
            raise ValueError(f"views {names} must have different names")
        return self

    @property
    def dt(self) -> float:
        """Seconds between two rows of an action chunk."""
        return 1.0 / self.rate_hz

    @property
    def urdf_path(self) -> Path:
        """Where the robot's URDF is; a relative path is one of the files that ship with the project."""
        return Path(self.urdf) if Path(self.urdf).is_absolute() else data_path(self.urdf)


def available_profiles() -> list[str]:
    """Names of the robots whose profiles ship with the project."""
    return sorted(path.stem for path in data_path("config/robots").glob("*.yaml"))


def load_profile(name_or_path: str | Path) -> RobotProfile:
    """Reads a profile by the robot's name (``franka``) or from a YAML file.

    Raises:
        WallOSSError: no such robot or file, not YAML, or a field is missing, unknown or out of range.
    """
    text = str(name_or_path)
    is_path = text.endswith((".yaml", ".yml")) or "/" in text
    if not is_path and text not in available_profiles():
        raise WallOSSError(
            f"There is no robot {text!r}.",
            f"Name one of {', '.join(available_profiles())}, or give the path of a YAML profile.",
        )
    path = Path(text) if is_path else data_path("config/robots") / f"{text}.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WallOSSError(f"The robot profile {path} cannot be read ({error.strerror}).", "Check the path.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        cause = " ".join(str(error).split())
        raise WallOSSError(f"The robot profile {path} is not YAML: {cause}.", "Correct the file.") from error
    if not isinstance(content, dict):
        raise WallOSSError(
            f"The robot profile {path} must be a mapping of fields.", "Compare it with config/robots/franka.yaml."
        )
    try:
        return RobotProfile(**content)
    except (ValidationError, TypeError) as error:
        raise WallOSSError(f"The robot profile {path} is not valid: {_explain(error)}.", "Correct that field.") from error


def _explain(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "profile"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"field {field}: {first['msg']}{more}"
