# SPDX-License-Identifier: Apache-2.0
"""What a robot's profile does not say of recordings: other topics, fields, clocks. One YAML file, beside the profile.

It is to bags what a mapping is to the columns of a dataset. Where it says nothing, the profile's own topics are used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from wall_oss_ros.data.mapping.spec import Index, Turns, Unit, opening_said_once
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.checked import read_checked
from wall_oss_ros.robots.components import Component, Encoding, Finite, Name, Positive
from wall_oss_ros.robots.profile import RobotProfile

Clock = Literal["header", "receive"]
Resampling = Literal["nearest", "hold", "interpolate"]


class Stream(Component):
    """How one topic is read.

    Attributes:
        time: what its messages count for: the stamp in their header, or when they were received.
        resample: what a frame gets: the value nearest in time, the last one before it, or one in between.
        tolerance: s that the nearest message may be away.
    """

    time: Clock | None = None
    resample: Resampling | None = None
    tolerance: Positive | None = None


class Numbers(Component):
    """Some numbers of a topic's messages; ``number * scale + offset`` is in ``unit``.

    Attributes:
        topic: where they are.
        field: or fields in their order, such as pose.position.x; of an array, all that are in it. Items of a list are
            counted from 0: request.0.goal.command.position.
        names: the field with the names of an array's numbers, such as name in joint states.
        at: which of the numbers, by index, or by name where ``names`` is given; all if left out.
        unit: of lengths or angles; m and rad if left out.
        scale, offset: one for all, or one for each number.
    """

    topic: Name
    field: Name | tuple[Name, ...]
    names: Name | None = None
    at: tuple[Index | Name, ...] | None = None
    unit: Unit | None = None
    scale: Finite | tuple[Finite, ...] = 1.0
    offset: Finite | tuple[Finite, ...] = 0.0

    @model_validator(mode="after")
    def _names_are_there(self):
        if self.at == ():
            raise ValueError("at names no number; leave it out for all")
        by_name = self.at is not None and any(isinstance(place, str) for place in self.at)
        if by_name and self.names is None:
            raise ValueError("at has names; say in names which field of the messages holds them")
        if by_name and not all(isinstance(place, str) for place in self.at):
            raise ValueError("at has names and indices; give one kind")
        return self


class Rotation(Turns, Numbers):
    """A rotation."""


class Opening(Numbers):
    """A gripper's opening, in any unit: of ``closed`` and ``open`` either both are given, or neither, and then
    ``unit``.

    Attributes:
        unit: of an opening that is measured between the fingers.
        closed, open: the number (one for all, as fingers move alike) where the profile's gripper is closed, and where
            it is open.
    """

    closed: Finite | None = None
    open: Finite | None = None

    _said_once = model_validator(mode="after")(opening_said_once)


class ArmSource(Component):
    """Where an arm is, or is told to be: its joints, or its tool's position and rotation in the profile's base frame.

    Attributes:
        position, rotation: of the tool; both or neither.
        joints: in the profile's order.
        gripper: of an action, next_state takes the opening of the next frame.
    """

    position: Numbers | None = None
    rotation: Rotation | None = None
    joints: Numbers | None = None
    gripper: Opening | Literal["next_state"] | None = None

    @model_validator(mode="after")
    def _one_of_both(self):
        if (self.position is None) != (self.rotation is None):
            raise ValueError("give position and rotation together, or neither")
        if self.joints is not None and self.position is not None:
            raise ValueError("give joints, or position and rotation of the tool, not both")
        return self


class States(Component):
    """Where the state is, where it is not on the profile's topics.

    Attributes:
        arms: by the arm's name in the profile; ``arm`` where it gives none.
        parts: by the part's name in the profile, such as head or lift.
        base: x, y and yaw of its odometry.
    """

    arms: dict[Name, ArmSource] = Field(default_factory=dict)
    parts: dict[Name, Numbers] = Field(default_factory=dict)
    base: Numbers | None = None

    @model_validator(mode="after")
    def _states_are_measured(self):
        if any(arm.gripper == "next_state" for arm in self.arms.values()):
            raise ValueError("next_state is something for actions; name a topic")
        return self


class Actions(Component):
    """Where the commands are, if not on the profile's topics.

    Attributes:
        arms, parts: as of states.
        base: velocities along its own axes, m/s and rad/s.
    """

    arms: dict[Name, ArmSource] = Field(default_factory=dict)
    parts: dict[Name, Numbers | Literal["next_state"]] = Field(default_factory=dict)
    base: Numbers | Literal["next_state"] | None = None


class Said(Component):
    """A text or a flag in a topic's messages.

    Attributes:
        topic: where it is.
        field: of the message.
    """

    topic: Name
    field: Name = "data"


class ViewSource(Component):
    """A view's pictures.

    Attributes:
        topic: where they are.
        encoding: what the pixels are, where the messages say something else.
    """

    topic: Name
    encoding: Encoding | None = None


class BagMapping(Component):
    """What the profile does not say.

    Attributes:
        description: for people.
        fps: frames a second of the dataset.
        time: of all topics that ``streams`` does not say otherwise of.
        topics: the bag's name of a topic by the profile's.
        joints: the profile's name of a joint by the bag's.
        streams: by the bag's name of a topic.
        views: by the profile's name.
        action: ``commands`` are what the controllers were told; ``next_state`` takes the state of the next frame.
        state: where it is not on the profile's topics.
        instruction: where it is said.
        task: the instruction, one text for all.
        plan: topic of wall_oss_msgs/SubtaskPlan.
        subtask: a text that says what is being done, where there is no plan.
        success: a flag, or a text that is success or failure; the last one counts.
    """

    description: str = ""
    fps: Annotated[float, Field(gt=0, le=200)] | None = None
    time: Clock | None = None
    topics: dict[Name, Name] = Field(default_factory=dict)
    joints: dict[Name, Name] = Field(default_factory=dict)
    streams: dict[Name, Stream] = Field(default_factory=dict)
    views: dict[Name, Name | ViewSource] = Field(default_factory=dict)
    state: States = States()
    action: Literal["commands", "next_state"] | Actions = "commands"
    instruction: Said | None = None
    task: Name | None = None
    plan: Name | None = None
    subtask: Said | None = None
    success: Said | None = None

    def topic(self, name: str) -> str:
        """What the bag calls one of the profile's topics."""
        return self.topics.get(name, name)


def load_bag_mapping(path: str | Path | None, profile: RobotProfile) -> BagMapping:
    """The file's content; what the profile says alone where there is no file.

    Raises:
        WallOSSError: it cannot be read, or names what the robot does not have; the message says file, field and line.
    """
    if path is None:
        return BagMapping()
    mapping = read_checked(BagMapping, path, "The mapping of topics", "See docs/how-to/recordings.md.")
    arms, parts = [one.arm.name for one in profile.arms], [part.name for part in profile.parts]
    actions = mapping.action if isinstance(mapping.action, Actions) else Actions()
    for where, given, there in (
        ("views", mapping.views, [view.name for view in profile.views]),
        ("state.arms", mapping.state.arms, arms),
        ("action.arms", actions.arms, arms),
        ("state.parts", mapping.state.parts, parts),
        ("action.parts", actions.parts, parts),
    ):
        if strange := [name for name in given if name not in there]:
            raise WallOSSError(
                f"The mapping of topics {path}: {where} has {', '.join(strange)}, which {profile.name} does not have.",
                f"It has {', '.join(there) or 'none'}.",
            )
    if profile.base is None and (mapping.state.base or actions.base):
        raise WallOSSError(f"The mapping of topics {path} has a base, and {profile.name} has none.", "Leave it out.")
    return mapping
