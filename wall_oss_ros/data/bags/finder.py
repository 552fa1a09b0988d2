# SPDX-License-Identifier: Apache-2.0
"""Which topics of a bag a robot's views, state and commands are on, by its profile and by a mapping of topics."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from wall_oss_ros.data.bags.bag import Bag
from wall_oss_ros.data.bags.listeners import (
    GoalsListener,
    HistoryListener,
    JointsListener,
    Listener,
    NumbersListener,
    OdometryListener,
    OpeningListener,
    PositionsListener,
    RotationListener,
    Sampled,
    ServiceGoalsListener,
    TrajectoryListener,
    TwistListener,
    Unusable,
    WordsListener,
)
from wall_oss_ros.data.bags.listeners import field as field_of
from wall_oss_ros.data.bags.pictures import ViewPictures
from wall_oss_ros.data.bags.samples import Samples
from wall_oss_ros.data.bags.sources import GRIPPERS, INSTRUCTION, PLAN, RECORD, STATUS, ArmReading, Sources
from wall_oss_ros.data.bags.spec import Actions, ArmSource, BagMapping, Numbers, Resampling, Said, ViewSource
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.perception.pictures import Bridge
from wall_oss_ros.perception.view_topics import COMPRESSED, TYPES
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.uni_cot.plan import SubtaskStatus

_VELOCITY_AGE = 0.5  # s after which a base that hears nothing stands
_RUNNING = 1  # SubtaskPlan.RUNNING
_HINT = "Record it, or name its topic in a mapping of topics (--mapping)."


class Finder:
    """Finds the sources.

    Args:
        profile: the robot.
        mapping: what the profile does not say.
        bag: that is read.
        bridge: converts raw pictures.
        by_stamps: whether commands count from their stamps.
    """

    def __init__(self, profile: RobotProfile, mapping: BagMapping, bag: Bag, bridge: Bridge, by_stamps: bool):
        self._profile, self._mapping, self._bag, self._bridge = profile, mapping, bag, bridge
        self._by_stamps = by_stamps
        self._found = Sources()

    def find(self) -> Sources:
        """The sources.

        Raises:
            WallOSSError: a topic is not in the bag, or of a type that cannot be used.
        """
        for view in self._profile.views:
            self._view(view)
        self._states()
        if self._mapping.action != "next_state":
            self._commands(self._mapping.action if isinstance(self._mapping.action, Actions) else Actions())
        else:
            self._found.told_joints = [None] * len(self._profile.arms)
            self._found.told = [ArmReading() for _ in self._profile.arms]
        self._words()
        return self._found

    # Views.

    def _view(self, view) -> None:
        given = self._mapping.views.get(view.name)
        source = ViewSource(topic=given) if isinstance(given, str) else given
        topic = source.topic if source else self._mapping.topic(view.image_topic)
        if topic not in self._bag.topics and source is None:
            beside = topic.removesuffix(COMPRESSED) if topic.endswith(COMPRESSED) else topic + COMPRESSED
            if beside in self._bag.topics:
                self._found.notes.append(f"{view.name} is read from {beside}")
                topic = beside
        self._need(topic, f"the pictures of {view.name}", TYPES)
        samples = self._samples(topic, 1, "nearest", self._profile.watchdog.view_skew)
        if samples.resample == "interpolate":
            raise WallOSSError(f"{topic}: pictures cannot be interpolated.", "Say nearest or hold.")
        encoding = (source.encoding if source else None) or view.encoding
        self._found.views[view.name] = ViewPictures(view.name, topic, samples, encoding, self._bridge)

    # State.

    def _states(self) -> None:
        profile, found, state = self._profile, self._found, self._mapping.state
        names: list[str] = []
        others = [joint for part in profile.parts for joint in part.joints]
        for one in profile.arms:
            name, spec = one.arm.name, state.arms.get(one.arm.name, ArmSource())
            reading = self._arm(f"the {name}", spec, one, "interpolate", profile.watchdog.joint_state_age)
            found.arms.append(reading)
            if reading.joints is None and reading.position is None:
                names += one.arm.joints
            else:
                others += one.arm.joints
            if reading.gripper is None:
                names += one.gripper.joints
            else:
                others += one.gripper.joints
        found.names = tuple(names)
        if names:
            found.joints = self._joints("joint states", names, tuple(others))
        for part in profile.parts:
            if (mapped := state.parts.get(part.name)) is not None:
                found.parts[part.dof] = self._numbers(f"the {part.name}", mapped, len(part.joints), "interpolate")
            elif self._mapping.topic(profile.joint_states) in self._bag.topics:
                found.parts[part.dof] = self._joints(f"the joints of the {part.name}", part.joints, tuple(names))
            else:
                found.notes.append(f"there is nothing of the {part.name}: it is left out")
        if profile.base is not None:
            self._base_state(profile.base)

    def _arm(self, what: str, spec: ArmSource, one: RobotProfile, resample: Resampling, age: float) -> ArmReading:
        reading = ArmReading()
        if one.arm.joints_dof is not None and spec.position is not None:
            raise WallOSSError(
                f"The model of {one.name} moves joints, and {what} is mapped by its tool.", "Map its joints."
            )
        if spec.joints is not None:
            reading.joints = self._numbers(f"the joints of {what}", spec.joints, len(one.arm.joints), resample, age)
        if spec.position is not None:
            reading.position = self._numbers(f"the position of {what}", spec.position, 3, resample, age)
            topic = self._have(spec.rotation, f"the rotation of {what}")
            samples = self._samples(topic, 4, resample, age, quaternion=True)
            reading.rotation = RotationListener(f"the rotation of {what}", self._named(spec.rotation), samples)
        if spec.gripper is not None and spec.gripper != "next_state":
            topic = self._have(spec.gripper, f"the gripper of {what}")
            samples = self._samples(topic, 1, resample, age)
            reading.gripper = OpeningListener(f"the gripper of {what}", self._named(spec.gripper), samples, one.gripper)
        for each in (reading.joints, reading.position, reading.rotation, reading.gripper):
            if each is not None:
                each.lenient = resample == "hold"
        return reading

    def _joints(self, what: str, names: Sequence[str], others: Sequence[str]) -> JointsListener:
        prefixes = {self._mapping.topic(topic): prefix for topic, prefix in self._profile.joint_sources.items()}
        for topic in prefixes:
            self._need(topic, what, ("sensor_msgs/msg/JointState",))
        first = next(iter(prefixes))
        samples = self._samples(first, len(names), "interpolate", self._profile.watchdog.joint_state_age)
        return JointsListener(what, names, prefixes, self._mapping.joints, samples, others)

    def _base_state(self, base) -> None:
        spec, age = self._mapping.state.base, self._profile.watchdog.joint_state_age
        if spec is not None:
            topic = self._have(spec, "the base's pose")
            samples = self._samples(topic, 3, "interpolate", age, turns=(2,))
            self._found.base = NumbersListener("the base's pose", self._named(spec), samples, 3)
            return
        topic = self._mapping.topic(base.odometry)
        if topic not in self._bag.topics:
            self._found.notes.append(f"there is no odometry on {topic}: the base is left out")
            return
        self._need(topic, "odometry", ("nav_msgs/msg/Odometry",))
        self._found.base = OdometryListener(
            "odometry", [topic], self._samples(topic, 3, "interpolate", age, turns=(2,))
        )

    # Commands.

    def _commands(self, actions: Actions) -> None:
        profile, found = self._profile, self._found
        for one in profile.arms:
            name, spec = one.arm.name, actions.arms.get(one.arm.name, ArmSource())
            told = self._arm(f"the {name}'s commands", spec, one, "hold", np.inf)
            mapped = told.joints is not None or told.position is not None
            joints: Listener | None = None
            if not mapped:
                with_gripper = one.gripper.in_trajectory and spec.gripper is None
                moved = (*one.arm.joints, *(one.gripper.joints if with_gripper else ()))
                joints = self._command(f"the {name}'s commands", one, one.command, moved)
            if spec.gripper is None and (mapped or not one.gripper.in_trajectory):
                told.gripper = self._gripper(f"the commands of the {name}'s gripper", one)
            found.told.append(told)
            found.told_joints.append(joints)
        for part in profile.parts:
            if part.dof not in found.parts:
                continue
            given = actions.parts.get(part.name)
            what = f"the commands of the {part.name}"
            if isinstance(given, Numbers):
                found.told_parts[part.dof] = self._numbers(what, given, len(part.joints), "hold", np.inf)
            elif given is None and self._mapping.topic(part.command.topic) in self._bag.topics:
                found.told_parts[part.dof] = self._command(what, profile, part.command, part.joints)
            elif given is None:
                found.notes.append(f"there are no {what.removeprefix('the ')}: its next state stands for them")
        if profile.base is not None and found.base is not None and actions.base != "next_state":
            self._base_command(profile.base, actions.base)

    def _command(self, what: str, one: RobotProfile, command, joints: Sequence[str]) -> Listener:
        topic = self._mapping.topic(command.topic)
        if command.sink == "trajectory":
            self._need(topic, what, ("trajectory_msgs/msg/JointTrajectory",))
            return TrajectoryListener(what, [topic], one.driver_names(joints), self._by_stamps)
        kinds = ("std_msgs/msg/Float64MultiArray", "interbotix_xs_msgs/msg/JointGroupCommand")
        self._need(topic, what, kinds)
        return PositionsListener(what, [topic], self._samples(topic, len(joints), "hold", np.inf))

    def _gripper(self, what: str, one: RobotProfile) -> Listener:
        gripper, topics = one.gripper, self._bag.topics
        if gripper.topic is not None:
            topic = self._mapping.topic(gripper.topic)
            self._need(topic, what, ("trajectory_msgs/msg/JointTrajectory",))
            return TrajectoryListener(what, [topic], one.driver_names(gripper.joints), self._by_stamps)
        if gripper.joint_single is not None:
            topic = self._mapping.topic(gripper.joint_single)
            self._need(topic, what, ("interbotix_xs_msgs/msg/JointSingleCommand",))
            return PositionsListener(what, [topic], self._samples(topic, 1, "hold", np.inf))
        told, goals = (
            self._mapping.topic(GRIPPERS),
            f"{self._mapping.topic(gripper.action)}/_action/send_goal/_service_event",
        )
        if told not in topics and goals in topics:
            return ServiceGoalsListener(what, [goals], self._samples(goals, 1, "hold", np.inf), gripper)
        if told not in topics:
            raise WallOSSError(
                f"{self._bag.path} has no {what.removeprefix('the ')}: neither {told} nor {goals} is there.",
                f"Record with wall-oss record; or say action: {{arms: {{{one.arm.name}: {{gripper: next_state}}}}}} in "
                "a mapping of topics, or --action next-state.",
            )
        self._need(told, what, ("sensor_msgs/msg/JointState",))
        return GoalsListener(what, [told], self._samples(told, 1, "hold", np.inf), gripper)

    def _base_command(self, base, spec: Numbers | None) -> None:
        what, found = "the base's velocities", self._found
        if spec is not None:
            found.told_base = self._numbers(what, spec, 3, "hold", _VELOCITY_AGE)
            return
        topic = self._mapping.topic(base.topic)
        if topic not in self._bag.topics:
            found.notes.append(f"there are no velocities on {topic}: the base's next pose stands for them")
            return
        self._need(topic, what, ("geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped"))
        found.told_base = TwistListener(what, [topic], self._samples(topic, 3, "hold", _VELOCITY_AGE))

    # Words.

    def _words(self) -> None:
        mapping, found, topics = self._mapping, self._found, self._bag.topics
        if mapping.instruction is not None:
            found.instruction = self._said("the instruction", mapping.instruction)
        elif (topic := mapping.topic(INSTRUCTION)) in topics:
            self._need(topic, "the instruction", ("std_msgs/msg/String",))
            found.instruction = self._said("the instruction", Said(topic=topic))
        plan = mapping.plan or mapping.topic(PLAN)
        if mapping.plan is not None or plan in topics:
            self._need(plan, "the plan", ("wall_oss_msgs/msg/SubtaskPlan",))
            found.plan = WordsListener("the plan", [plan], _plan)
            status = mapping.topic(STATUS)
            states = topics.get(status) == "wall_oss_msgs/msg/ControlStatus"
            found.happened = HistoryListener(plan, status if states else None)
        if mapping.subtask is not None:
            found.subtask = self._said("the subtask", mapping.subtask)
        if mapping.success is not None:
            found.success = self._said("success", mapping.success, _outcome)
        elif (topic := mapping.topic(RECORD)) in topics:
            found.success = self._said("success", Said(topic=topic), _outcome)

    def _said(self, what: str, said: Said, read=lambda value: str(value).strip() or None) -> WordsListener:
        topic = self._mapping.topic(said.topic)
        self._need(topic, what, ())

        def value(message):
            return read(field_of(message, said.field))

        return WordsListener(what, [topic], value)

    # What they share.

    def _numbers(self, what: str, spec: Numbers, size: int, resample: Resampling, age: float | None = None) -> Sampled:
        topic = self._have(spec, what)
        age = self._profile.watchdog.joint_state_age if age is None else age
        listener = NumbersListener(what, self._named(spec), self._samples(topic, size, resample, age), size)
        listener.lenient = resample == "hold"
        return listener

    def _named(self, spec: Numbers):
        return spec.model_copy(update={"topic": self._mapping.topic(spec.topic)})

    def _have(self, spec: Numbers, what: str) -> str:
        topic = self._mapping.topic(spec.topic)
        self._need(topic, what, ())
        paths = (spec.field,) if isinstance(spec.field, str) else spec.field
        fields = self._bag.fields(topic)
        if wrong := [
            path for path in (*paths, *((spec.names,) if spec.names else ())) if path.split(".")[0] not in fields
        ]:
            raise WallOSSError(
                f"{self._bag.path}: messages on {topic} have no field {wrong[0]} for {what}.",
                f"Their fields are {', '.join(fields)}.",
            )
        return topic

    def _samples(
        self,
        topic: str,
        size: int,
        resample: Resampling,
        tolerance: float,
        turns: Sequence[int] = (),
        quaternion: bool = False,
    ) -> Samples:
        stream = self._mapping.streams.get(topic)
        if stream is not None:
            resample, tolerance = stream.resample or resample, stream.tolerance or tolerance
        return Samples(size, resample, tolerance, turns, quaternion)

    def _need(self, topic: str, what: str, kinds: Collection[str]) -> None:
        bag = self._bag
        if topic not in bag.topics:
            alike = [name for name, kind in bag.topics.items() if kind in kinds]
            there = f"of that type there is {', '.join(sorted(alike)[:6])}" if alike else (
                f"there is {', '.join(sorted(bag.topics)[:8]) or 'no topic at all'}"
            )  # fmt: skip
            raise WallOSSError(f"{bag.path} has no topic {topic} for {what}; {there}.", _HINT)
        if kinds and bag.topics[topic] not in kinds:
            raise WallOSSError(
                f"{bag.path}: {topic} is of type {bag.topics[topic]}; {' or '.join(kinds)} was expected for {what}.",
                _HINT,
            )


def _plan(message) -> tuple[str, str, str]:
    """The instruction, what is done for the active subtask, and the plan's subtasks in lines, without those that are
    skipped; the latter two empty while nothing is being carried out."""
    index, running = message.active, message.status == _RUNNING
    lines = [one.text for one in message.subtasks if one.status != SubtaskStatus.SKIPPED] if running else []
    if not running or not 0 <= index < len(message.subtasks):
        return message.instruction, "", "\n".join(lines)
    subtask = message.subtasks[index]
    acting = getattr(subtask, "acting", "") or subtask.text  # bags from before have no acting
    return message.instruction, acting, "\n".join(lines)


def _outcome(value) -> bool | None:
    """Whether an attempt succeeded, by a flag or a word; None where that is not said."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, str):
        words = value.lower().split()
        if "success" in words or "failure" in words:
            return "success" in words and "failure" not in words
        return None
    raise Unusable(f"{value!r} says neither success nor failure")
