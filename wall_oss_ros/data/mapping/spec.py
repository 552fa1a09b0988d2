# SPDX-License-Identifier: Apache-2.0
"""A mapping: one YAML file says which column of a LeRobot dataset is which view and degree of freedom of a robot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.checked import read_checked
from wall_oss_ros.robots.components import Component, Crop, Finite, Name, Vector3
from wall_oss_ros.robots.rotation_forms import RotationForm

Index = Annotated[int, Field(ge=0)]
Quaternion = tuple[Finite, Finite, Finite, Finite]
Unit = Literal["m", "cm", "mm", "rad", "deg"]
SampleKind = Literal["reason", "plan", "thought", "ask"]
UNITS: dict[Unit, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "rad": 1.0, "deg": 0.017453292519943295}


def opening_said_once(opening: Any) -> Any:
    """Raises ValueError unless an opening has either two different numbers for closed and open, or a unit."""
    if (opening.closed is None) != (opening.open is None) or (opening.closed is None) == (opening.unit is None):
        raise ValueError("give closed and open, or unit where the number is the opening itself")
    if opening.closed is not None and opening.closed == opening.open:
        raise ValueError("closed and open are the same; they must differ")
    return opening


class Numbers(Component):
    """Some numbers of one column; ``(number * scale + offset)`` is in ``unit``.

    Attributes:
        column: of the dataset.
        at: which of its numbers: indices, the dataset's own names of them, or a range such as "0:6"; all if left out.
        unit: of lengths or angles; m and rad if left out.
        scale, offset: one for all, or one for each number; a scale of -1 turns a joint's sense round.
    """

    column: Name
    at: Name | tuple[Index | Name, ...] | None = None
    unit: Unit | None = None
    scale: Finite | tuple[Finite, ...] = 1.0
    offset: Finite | tuple[Finite, ...] = 0.0

    @model_validator(mode="after")
    def _scaled(self):
        if 0 in np.atleast_1d(self.scale):
            raise ValueError("a scale of 0 makes one number of all")
        return self


class Turns(Component):
    """How the numbers of a rotation are meant.

    Attributes:
        form: what its numbers are. A matrix is given row by row; 6 numbers are its first two columns, or rows.
        order: of Euler angles: about fixed axes (xyz, in the order in which they are applied) or, in capitals, about
            those that turn along (XYZ).
    """

    unit: Unit | None = None
    form: RotationForm
    order: Annotated[str, Field(pattern="^([xyz]{3}|[XYZ]{3})$")] = "xyz"

    @model_validator(mode="after")
    def _turns(self):
        if self.form in ("euler", "axis_angle"):
            if self.unit not in (None, "rad", "deg"):
                raise ValueError(f"unit {self.unit} is none of an angle")
        elif self.unit is not None:
            raise ValueError(f"numbers of the form {self.form} have no unit")
        if any(a == b for a, b in zip(self.order, self.order[1:])):
            raise ValueError(f"order {self.order} turns about the same axis twice in a row")
        return self


class Rotation(Turns, Numbers):
    """A rotation."""


class Opening(Component):
    """A gripper's opening, in any unit: of ``closed`` and ``open`` either both are given, or neither, and then
    ``unit``.

    Attributes:
        column, at: as of any numbers; several, such as two fingers, move alike.
        closed, open: the number (or numbers) where the profile's gripper is closed, and where it is open. An inverted
            gripper has the greater number at ``closed``.
        unit: of an opening that is measured between the fingers.
    """

    column: Name
    at: Name | tuple[Index | Name, ...] | None = None
    closed: Finite | tuple[Finite, ...] | None = None
    open: Finite | tuple[Finite, ...] | None = None
    unit: Literal["m", "cm", "mm"] | None = None

    _said_once = model_validator(mode="after")(opening_said_once)


class ArmColumns(Component):
    """An arm: its tool's position and rotation, or its joints, and its gripper.

    Where the profile's model moves the tool and joints are recorded, forward kinematics leads from one to the other.

    Attributes:
        joints: in the profile's order.
    """

    position: Numbers | None = None
    rotation: Rotation | None = None
    joints: Numbers | None = None
    gripper: Opening | None = None

    @model_validator(mode="after")
    def _one_of_both(self):
        if self.joints is not None and (self.position is not None or self.rotation is not None):
            raise ValueError("give joints, or position and rotation of the tool, not both")
        if self.position is not None and self.position.unit in ("rad", "deg"):
            raise ValueError(f"unit {self.position.unit} is none of a position")
        return self


class ArmActions(ArmColumns):
    """An arm's commands.

    Attributes:
        relative: what position, rotation and joints are displacements from: nothing (``no``: they are targets), the
            ``state`` of the same row, or the ``step`` before, that is the target that the displacement before led to.
        frame: along whose axes displacements of the tool are: those of the ``base``, or of the ``tool`` itself.
    """

    relative: Literal["no", "state", "step"] = "no"
    frame: Literal["base", "tool"] = "base"


class BaseActions(Component):
    """A driving base's commands.

    Attributes:
        pose: x, y and yaw.
        velocity: along its own axes, x, y and yaw, or x and yaw alone; m/s and rad/s.
    """

    pose: Numbers | None = None
    velocity: Numbers | None = None

    @model_validator(mode="after")
    def _one_of_both(self):
        if (self.pose is None) == (self.velocity is None):
            raise ValueError("give pose or velocity, one of both")
        return self


class States(Component):
    """What the robot felt.

    Attributes:
        arms: by the arm's name in the profile; ``arm`` where it gives none.
        parts: by the part's name in the profile, such as head or lift.
        base: x, y and yaw of its odometry.
        delay: s by which these numbers were recorded later than the views of the same row.
    """

    arms: dict[Name, ArmColumns] = Field(default_factory=dict)
    parts: dict[Name, Numbers] = Field(default_factory=dict)
    base: Numbers | None = None
    delay: Annotated[float, Field(ge=-10, le=10)] = 0.0


class Actions(Component):
    """What the robot was told.

    Attributes:
        arms, parts: as of states.
        delay: s by which commands were recorded later than the views that they answer.
    """

    arms: dict[Name, ArmActions] = Field(default_factory=dict)
    parts: dict[Name, Numbers] = Field(default_factory=dict)
    base: BaseActions | None = None
    delay: Annotated[float, Field(ge=-10, le=10)] = 0.0


class ViewColumn(Component):
    """A view.

    Attributes:
        column: of pictures.
        crop, rotate, fit: as in the robot's profile; where one is left out, the profile's own is used.
    """

    column: Name
    crop: Crop | None = None
    rotate: Literal[0, 90, 180, 270] | None = None
    fit: Literal["pad", "crop", "stretch"] | None = None


class Language(Component):
    """The words.

    Attributes:
        instruction: ``task`` for the tasks of the dataset, or a column of text.
        subtask: ``subtask`` for what the dataset says of its rows, in either of LeRobot's ways, or a column of text.
        plan: a column of text with all subtasks of the instruction, one a line; or ``plan``, as LeRobot's persistent
            language has it. Left out, they are the subtasks in the order in which they were done.
        thought: a column of text with what is to be thought of; or ``plan``, ``memory`` or ``motion``, as LeRobot's
            persistent language has it; or ``answers``, those to all questions about the frame, in their order.
        acts_on: the text that motion is shown with.
        questions: whether questions and answers about single frames that the dataset has are asked.
        kinds: shares of the kinds of language: reason (the subtask), plan (all subtasks), thought, ask (questions).
    """

    instruction: Name = "task"
    subtask: Name | None = None
    plan: Name | None = None
    thought: Name | None = None
    acts_on: Literal["instruction", "subtask", "both"] = "both"
    questions: bool = False
    kinds: dict[SampleKind, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default={"reason": 1.0, "plan": 0.25, "thought": 0.5, "ask": 0.5}
    )


class Pose(Component):
    """A pose in a frame: m, and a quaternion (x, y, z, w)."""

    position: Vector3 = (0.0, 0.0, 0.0)
    rotation: Quaternion = (0.0, 0.0, 0.0, 1.0)

    @model_validator(mode="after")
    def _unit(self):
        if abs(sum(x * x for x in self.rotation) - 1) > 1e-3:
            raise ValueError(f"rotation {self.rotation} must be a unit quaternion (x, y, z, w)")
        return self


class ArmFrames(Component):
    """Where an arm's recorded frames are, if they are not the profile's.

    Attributes:
        base: the recorded base frame in the profile's.
        tool: the profile's tool centre point in the recorded tool frame.
    """

    base: Pose = Pose()
    tool: Pose = Pose()


class Mapping(Component):
    """Which column is what.

    Attributes:
        views: by the profile's name of the view: a column of pictures, or a section.
        action: what was told; ``next_state`` where only states were recorded: then each state is the target of the row
            before.
        frames: by the arm's name, where poses were recorded in other frames than the profile's.
        branches: whether frames are also shown with the instructions of their branches, and the motion that these call
            for (docs/how-to/datasets.md); then states and actions are targets of the arms, from the column ``action``.
        fps: rows a second, where the dataset states it wrongly.
    """

    description: str = ""
    views: dict[Name, Name | ViewColumn] = Field(min_length=1)
    state: States = States()
    action: Literal["next_state"] | Actions
    frames: dict[Name, ArmFrames] = Field(default_factory=dict)
    language: Language = Language()
    branches: bool = False
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None


def available_mappings() -> list[str]:
    """Names of the mappings that ship with the project."""
    return sorted(path.stem for path in data_path("config/mappings").glob("*.yaml"))


def load_mapping(name_or_path: str | Path) -> tuple[Mapping, Path]:
    """A mapping by its name in config/mappings or by path, and its file.

    Raises:
        WallOSSError: there is none of that name, or it is not valid; the message names file, field and line.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        if str(name_or_path) not in available_mappings():
            raise WallOSSError(
                f'There is no mapping "{name_or_path}".',
                f"Known ones: {', '.join(available_mappings())}; or give a file's path.",
            )
        path = data_path("config/mappings") / f"{name_or_path}.yaml"
    return read_checked(Mapping, path, "The mapping", "Compare it with config/mappings."), path
