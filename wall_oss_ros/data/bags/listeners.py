# SPDX-License-Identifier: Apache-2.0
"""What is taken from the messages of a topic: numbers, poses, commands, words. One listener for each."""

from __future__ import annotations

import heapq
import math
from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from wall_oss_ros.data.bags.events import History, require_known
from wall_oss_ros.data.bags.samples import Samples, set_back
from wall_oss_ros.data.bags.spec import Numbers, Opening, Rotation
from wall_oss_ros.data.bags.told import ToldTrajectories
from wall_oss_ros.data.mapping.spec import UNITS
from wall_oss_ros.robots.components import Gripper
from wall_oss_ros.robots.joint_states import JointStateReader
from wall_oss_ros.robots.rotation_forms import FORMS, matrices
from wall_oss_ros.robots.rotations import quaternion_from_matrix, yaw_of

_DISORDER = 0.5  # s by which joint states may come out of order and are put right
_FAR = 2.0  # strokes beyond closed or open where a gripper's numbers cannot be meant so


class Unusable(ValueError):
    """A message that says nothing that can be used, and why."""


class Listener(ABC):
    """Takes in the messages of one topic or several.

    Attributes:
        what: it gathers, in words.
        topics: it does so from.
        problems: what was wrong with messages that were left out, and how many.
        lenient: whether messages without a stamp count from when they were received.
    """

    lenient = False

    def __init__(self, what: str, topics: Sequence[str]):
        self.what, self.topics = what, tuple(topics)
        self.problems: Counter[str] = Counter()

    @property
    def where(self) -> str:
        """What it gathers, with its topics."""
        return f"{self.what} ({' and '.join(self.topics)})"

    def hear(self, topic: str, message: Any, time: float, received: float) -> None:
        """A message, by the common clock of time ``time`` (s), and received at ``received`` by the same clock."""
        try:
            self.take(topic, message, time, received)
        except Unusable as error:
            self.problems[str(error)] += 1
        except (AttributeError, TypeError, ValueError, LookupError) as error:  # its type has other fields here
            self.problems[f"of another version ({error})"] += 1

    @abstractmethod
    def take(self, topic: str, message: Any, time: float, received: float) -> None:
        """As ``hear``. Raises Unusable."""

    def finish(self) -> None:
        """There are no more messages."""


class Sampled(Listener):
    """Gathers samples."""

    def __init__(self, what: str, topics: Sequence[str], samples: Samples):
        super().__init__(what, topics)
        self.samples = samples

    @property
    def set_back(self) -> float:
        """s by which the clock of its messages was set back meanwhile."""
        return self.samples.set_back


class JointsListener(Sampled):
    """Joint states, put together as the nodes do it; what is out of order by less than half a second is put right.

    Args:
        names: of the joints, in order.
        prefixes: by topic, what is put before the names there.
        renamed: the names that are wanted by those in the bag.
        others: joints of the same robot that are gathered elsewhere.
    """

    def __init__(
        self,
        what: str,
        names: Sequence[str],
        prefixes: Mapping[str, str],
        renamed: Mapping[str, str],
        samples: Samples,
        others: Sequence[str] = (),
    ):
        super().__init__(what, list(prefixes), samples)
        self._prefixes, self._renamed = prefixes, renamed
        self._reader, self.joints = JointStateReader(names, what, others), tuple(names)
        self._wanted, self._waiting, self._number = set(names), list[tuple](), count()
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._last: Counter[str] = Counter()
        self.strangers: set[str] = set()
        self.ours = False
        self._came = array("d")

    @property
    def set_back(self) -> float:
        return set_back(np.array(self._came, float))

    def take(self, topic: str, message: Any, time: float, received: float) -> None:
        key = (topic, *message.name)
        if key not in self._names:
            prefix = self._prefixes[topic]
            names = tuple(self._renamed.get(name, prefix + name) for name in message.name)
            if len(self._names) < 256:
                self._names[key] = names
            self.ours |= not self._wanted.isdisjoint(names)
            if self._wanted.isdisjoint(names) and len(self.strangers) < 12:
                self.strangers.update(message.name[:6])
        else:
            names = self._names[key]
        if not self._wanted.isdisjoint(names):
            self._came.append(time)
        heapq.heappush(self._waiting, (time, next(self._number), names, np.array(message.position, float)))
        while self._waiting and time - self._waiting[0][0] > _DISORDER:
            self._read()

    def finish(self) -> None:
        while self._waiting:
            self._read()

    def _read(self) -> None:
        time, _, names, positions = heapq.heappop(self._waiting)
        reader, before = self._reader, self._reader.stamp
        if reader.take(time, names, positions):
            self.samples.add(time, reader.positions)
            return
        if before is not None and time <= before and not self._wanted.isdisjoint(names):
            self.problems["with the stamp of the one before" if time == before else "out of order"] += 1
        elif reader.evidence.reason:
            self.problems[reader.evidence.reason] += 1
            reader.evidence.forget()


class NumbersListener(Sampled):
    """Numbers as a mapping of topics describes them."""

    def __init__(self, what: str, spec: Numbers, samples: Samples, size: int):
        super().__init__(what, [spec.topic], samples)
        self._spec, self._size = spec, size
        self._scale = np.asarray(spec.scale, float) * UNITS[spec.unit or "m"]
        self._offset = np.asarray(spec.offset, float) * UNITS[spec.unit or "m"]

    def take(self, topic: str, message: Any, time: float, received: float) -> None:
        values = numbers(message, self._spec)
        if self._size and len(values) != self._size:
            raise Unusable(f"{len(values)} numbers, {self._size} expected")
        try:
            values = values * self._scale + self._offset
        except ValueError:
            raise Unusable(f"{len(values)} numbers, and another number of scales or offsets") from None
        if not np.isfinite(values).all():
            raise Unusable("a number is not finite")
        self.samples.add(time, self.convert(values))

    def convert(self, values: np.ndarray) -> np.ndarray:
        return values


class RotationListener(NumbersListener):
    """Rotations, as quaternions (x, y, z, w)."""

    def __init__(self, what: str, spec: Rotation, samples: Samples):
        super().__init__(what, spec, samples, FORMS[spec.form])
        self._form, self._order = spec.form, spec.order

    def convert(self, values: np.ndarray) -> np.ndarray:
        rotation = matrices(values, self._form, self._order)
        if not np.isfinite(rotation).all():
            raise Unusable("no rotation")
        return quaternion_from_matrix(rotation)


class OpeningListener(NumbersListener):
    """A gripper's opening, m."""

    def __init__(self, what: str, spec: Opening, samples: Samples, gripper: Gripper):
        super().__init__(what, spec, samples, 0)
        self._closed, self._open, self._gripper = spec.closed, spec.open, gripper

    def convert(self, values: np.ndarray) -> np.ndarray:
        shut, wide = self._gripper.closed, self._gripper.open
        if self._closed is None:
            share = (values.sum() - shut) / (wide - shut)
        else:
            share = float((values - self._closed).mean() / (self._open - self._closed))
        if not -_FAR <= share <= 1 + _FAR:
            raise Unusable(f"{values[0]:.4g} is far beyond closed and open")
        return np.array([shut + float(np.clip(share, 0, 1)) * (wide - shut)])


class OdometryListener(Sampled):
    """x, y (m) and yaw (rad) of nav_msgs/Odometry."""

    def take(self, topic: str, message: Any, time: float, received: float) -> None:
        place, q = message.pose.pose.position, message.pose.pose.orientation
        if q.x**2 + q.y**2 + q.z**2 + q.w**2 < 0.01:  # as it is where nobody has set it
            raise Unusable("no rotation")
        self.samples.add(time, _finite([place.x, place.y, yaw_of(q)]))


class GoalsListener(Sampled):
    """Positions that a gripper's joints are told to reach (sensor_msgs/JointState), as openings, m."""

    lenient = True

    def __init__(self, what: str, topics: Sequence[str], samples: Samples, gripper: Gripper):
        super().__init__(what, topics, samples)
        self._gripper = gripper

    def take(self, topic: str, message: Any, time: float, received: float) -> None:
        told = dict(zip(message.name, message.position))
        if self._gripper.joints[0] in told:
            positions = [told.get(joint, math.nan) for joint in self._gripper.joints]
            self.samples.add(time, _finite([self._gripper.opening(positions)]))


class ServiceGoalsListener(Sampled):
    """Goals of a gripper's action, where its service send_goal is introspected and was recorded."""

    lenient = True

    def __init__(self, what: str, topics: Sequence[str], samples: Samples, gripper: Gripper):
        super().__init__(what, topics, samples)
        self._gripper = gripper

    def take(self, topic: str, message: Any, time: float, received: float) -> None:
        for request in message.request:
            position = request.goal.command.position
            position = float(position) if np.ndim(position) == 0 else float(position[0])
            self.samples.add(received, _finite([self._gripper.action_opening(position)]))


class TwistListener(Sampled):
    """Velocities of a driving base: x, y (m/s) and yaw (rad/s), of Twist or TwistStamped."""

    lenient = True

    def take(self, topic: str, message: Any, time: float, received: float) -> None:
        twist = getattr(message, "twist", message)
        self.samples.add(time, _finite([twist.linear.x, twist.linear.y, twist.angular.z]))


class PositionsListener(Sampled):
    """Positions of joints without their names: Float64MultiArray, and Interbotix' groups and single joints."""

    lenient = True

    def take(self, topic: str, message: Any, time: float, received: float) -> None:
        values = np.atleast_1d(np.asarray(message.data if hasattr(message, "data") else message.cmd, float))
        if len(values) != self.samples.size:
            raise Unusable(f"{len(values)} positions, {self.samples.size} expected")
        self.samples.add(received, _finite(values))


class TrajectoryListener(Listener):
    """Joint trajectories that a controller was sent.

    Args:
        joints: what the driver calls them.
        stamped: whether a stamp says when a trajectory begins; else it does so when it comes.
    """

    lenient = True

    def __init__(self, what: str, topics: Sequence[str], joints: Sequence[str], stamped: bool):
        super().__init__(what, topics)
        self.joints, self._stamped = list(joints), stamped
        self.told = ToldTrajectories(len(self.joints))
        self.strangers: set[str] = set()

    def take(self, topic: str, message: Any, time: float, received: float) -> None:
        names = list(message.joint_names)
        here = [index for index, name in enumerate(names) if name in self.joints]
        if not here:
            self.strangers.update(names[:6])
            raise Unusable(f"of other joints: {', '.join(names[:3]) or 'none'}")
        if not message.points:
            return  # the controller stops where it is
        times = np.array([p.time_from_start.sec + p.time_from_start.nanosec * 1e-9 for p in message.points])
        if any(len(point.positions) != len(names) for point in message.points):
            raise Unusable("without a position for each of its joints")
        positions = np.array([point.positions for point in message.points], float)[:, here]
        speeds = None
        if all(len(point.velocities) == len(names) for point in message.points):
            speeds = np.array([point.velocities for point in message.points], float)[:, here]
        if not (np.isfinite(positions).all() and (speeds is None or np.isfinite(speeds).all())):
            raise Unusable("a number is not finite")
        if (np.diff(times) <= 0).any():
            raise Unusable("its points are not in order of time")
        stamp = message.header.stamp
        start = time if self._stamped and (stamp.sec or stamp.nanosec) else received
        places = np.array([self.joints.index(names[index]) for index in here])
        self.told.add(received, start, places, times, positions, speeds)


class WordsListener(Listener):
    """Anything that is said and holds until the next: ``read`` makes a value of a message, None to leave it out."""

    lenient = True

    def __init__(self, what: str, topics: Sequence[str], read: Callable[[Any], Any]):
        super().__init__(what, topics)
        self._read = read
        self.said: list[tuple[float, Any]] = []

    def take(self, topic: str, message: Any, time: float, received: float) -> None:
        value = self._read(message)
        if value is not None and not (self.said and self.said[-1][1] == value):
            self.said.append((time, value))

    def finish(self) -> None:
        self.said.sort(key=lambda one: one[0])

    def at(self, times: np.ndarray) -> list[Any]:
        """What was said last before each time; None before the first."""
        places = np.searchsorted([time for time, _ in self.said], times, side="right") - 1
        return [self.said[place][1] if place >= 0 else None for place in places]


class HistoryListener(Listener):
    """What happened: from the plan, and from what control says of itself.

    Args:
        plan, status: their topics; None where there is no such one.
    """

    lenient = True

    def __init__(self, plan: str, status: str | None):
        super().__init__("what happened", [plan] if status is None else [plan, status])
        self._plan, self._heard = plan, list[tuple[float, str, Any]]()
        self._last: dict[str, Any] = {}
        self.history = History()

    def take(self, topic: str, message: Any, time: float, received: float) -> None:
        require_known("plan" if topic == self._plan else "status", message)
        told = _told(message) if topic == self._plan else (message.state, message.reason)
        if self._last.get(topic) != told:  # both repeat themselves
            self._last[topic] = told
            self._heard.append((time, topic, message))

    def finish(self) -> None:
        heard, self._heard = self._heard, []
        for time, topic, message in sorted(heard, key=lambda one: one[0]):
            (self.history.hear_plan if topic == self._plan else self.history.hear_status)(time, message)


def _told(plan: Any) -> tuple:
    """What of a plan decides that it is another version."""
    return plan.planner, plan.plan_id, plan.header.stamp.sec, plan.header.stamp.nanosec, plan.status, plan.active


def field(message: Any, path: str) -> Any:
    """The value of a field such as pose.position.x or request.0.goal.

    Raises:
        Unusable: there is none.
    """
    value = message
    for part in path.split("."):
        try:
            value = value[int(part)] if part.isdigit() else getattr(value, part)
        except (AttributeError, IndexError, TypeError, KeyError):
            raise Unusable(f"without a field {path}") from None
    return value


def numbers(message: Any, spec: Numbers) -> np.ndarray:
    """The numbers that a mapping means, before units.

    Raises:
        Unusable: they are not there.
    """
    paths = (spec.field,) if isinstance(spec.field, str) else spec.field
    found = [field(message, path) for path in paths]
    try:
        values = np.concatenate([_flat(value) for value in found])
    except (TypeError, ValueError):
        raise Unusable(f"{', '.join(paths)} holds no numbers") from None
    if spec.at is None:
        return values
    places: list[int] = [place for place in spec.at if isinstance(place, int)]
    if spec.names is not None and not places:
        names = list(field(message, spec.names))
        if missing := [name for name in spec.at if name not in names]:
            raise Unusable(f"without {', '.join(map(str, missing))}")
        places = [names.index(name) for name in spec.at]
    if max(places) >= len(values):
        raise Unusable(f"{len(values)} numbers, and one more than {max(places)} is wanted")
    return values[places]


def _flat(value: Any) -> np.ndarray:
    """Numbers of a field: of an array, or of a message whose fields are numbers, such as a quaternion's x, y, z, w."""
    if hasattr(value, "__msgtype__"):
        return np.array([getattr(value, name) for name in value.__dataclass_fields__ if name != "__msgtype__"], float)
    return np.atleast_1d(np.asarray(value, float)).ravel()


def _finite(values: Sequence[float] | np.ndarray) -> np.ndarray:
    found = np.asarray(values, float)
    if not np.isfinite(found).all():
        raise Unusable("a number is not finite")
    return found
