# SPDX-License-Identifier: Apache-2.0
"""What is gathered from a bag: a listener for each of a robot's views, states, commands and words."""

from __future__ import annotations

from dataclasses import dataclass, field

from wall_oss_ros.data.bags.listeners import HistoryListener, JointsListener, Listener, Sampled, WordsListener
from wall_oss_ros.data.bags.pictures import ViewPictures

OURS = "/wall_oss"
GRIPPERS, RECORD = f"{OURS}/gripper_commands", f"{OURS}/record"
INSTRUCTION, PLAN = f"{OURS}/instruction", f"{OURS}/plan"
STATUS, ANSWERS = f"{OURS}/status", f"{OURS}/answers"


@dataclass
class ArmReading:
    """Where an arm is, or is told to be, apart from the joints that all arms have together. None: not from here."""

    joints: Sampled | None = None
    position: Sampled | None = None
    rotation: Sampled | None = None
    gripper: Listener | None = None


@dataclass
class Sources:
    """What is gathered from a bag.

    Attributes:
        views: by name.
        joints: of the arms and grippers that the mapping says nothing of, as one; None where there are none.
        names: of those joints.
        arms: for each arm of the profile.
        parts, base: as far as the bag has them.
        told: for each arm, its commands; a TrajectoryListener or PositionsListener gives joints, and the last may be
            the gripper's. Where there are none, and where ``action`` is ``next_state``, the next state stands for them.
        notes: what was found otherwise than expected.
    """

    views: dict[str, ViewPictures] = field(default_factory=dict)
    joints: JointsListener | None = None
    names: tuple[str, ...] = ()
    arms: list[ArmReading] = field(default_factory=list)
    parts: dict[str, Sampled] = field(default_factory=dict)
    base: Sampled | None = None
    told_joints: list[Listener | None] = field(default_factory=list)
    told: list[ArmReading] = field(default_factory=list)
    told_parts: dict[str, Listener] = field(default_factory=dict)
    told_base: Sampled | None = None
    instruction: WordsListener | None = None
    plan: WordsListener | None = None
    subtask: WordsListener | None = None
    success: WordsListener | None = None
    happened: HistoryListener | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def state(self) -> list[Sampled]:
        """All that the state is made of."""
        arms: list = [each for arm in self.arms for each in (arm.joints, arm.position, arm.rotation, arm.gripper)]
        return [each for each in (self.joints, *arms, *self.parts.values(), self.base) if each is not None]

    @property
    def listeners(self) -> list[Listener]:
        """All but the views."""
        told: list = [each for arm in self.told for each in (arm.joints, arm.position, arm.rotation, arm.gripper)]
        told += [*self.told_joints, *self.told_parts.values(), self.told_base]
        words = [self.instruction, self.plan, self.subtask, self.success, self.happened]
        return list(dict.fromkeys(each for each in (*self.state, *told, *words) if each is not None))
