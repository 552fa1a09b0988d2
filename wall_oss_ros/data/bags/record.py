# SPDX-License-Identifier: Apache-2.0
"""A record that can be looked at at any time of it: what had been said by then on each topic, and what was seen.

Times are those of reception, s after the first message: all topics have them, whatever clocks their stamps are of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wall_oss_ros.data.bags.bag import BadMessage, Bag, Message
from wall_oss_ros.data.bags.files import find_bags
from wall_oss_ros.data.bags.sources import OURS, PLAN
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.perception.pictures import Bridge, PictureError, compressed_pixels, raw_pixels
from wall_oss_ros.perception.view_topics import COMPRESSED, TYPES
from wall_oss_ros.robots.profile import RobotProfile, load_profile

_ROBOTS = {"wall_oss_msgs/msg/ControlStatus": "robot", "wall_oss_msgs/msg/Observation": "robot"}
_THIN = 0.02  # s
_PLAN = "wall_oss_msgs/msg/SubtaskPlan"


def open_record(path: str | Path, definitions: Mapping[str, str]) -> Bag:
    """The bag that a path means: a file, a bag's folder, or a folder with one bag in it.

    Raises:
        WallOSSError: there is none, or more than one.
    """
    bags = find_bags([path])
    if len(bags) > 1:
        names = ", ".join(bag.name for bag in bags[:12])
        raise WallOSSError(f"{path} holds {len(bags)} recordings: {names}.", f"Name one of them: {bags[0]}")
    return Bag(bags[0], definitions)


def prefix_of(bag: Bag) -> str:
    """The namespace that the robot's topics were recorded in, with its slash; empty where there is none."""
    found = [topic.removesuffix(PLAN) for topic, kind in bag.topics.items() if kind == _PLAN and topic.endswith(PLAN)]
    if not found:
        found = [topic.partition(OURS)[0] for topic in bag.topics if f"{OURS}/" in topic]
    return sorted(found, key=len)[0] if found else ""


def profile_of(bag: Bag, robot: str | None = None) -> RobotProfile:
    """The robot that a bag is of: the one that is named, or the one that its messages name.

    Raises:
        WallOSSError: nobody names it, or there is no such profile.
    """
    if robot:
        return load_profile(robot)
    topics = [topic for topic, kind in bag.topics.items() if kind in _ROBOTS]
    for message in bag.messages(topics):
        try:
            identity = getattr(bag.decode(message), _ROBOTS[message.type])
        except (BadMessage, AttributeError):
            continue
        if isinstance(identity, str) and (name := identity.partition("@")[0]):
            try:
                return load_profile(name)
            except WallOSSError as error:
                raise WallOSSError(
                    f"{bag.path} is of {name!r}, of which nothing is known here: {error.message}",
                    "Name its profile: --robot FILE",
                ) from error
    raise WallOSSError(f"{bag.path} does not say which robot it is of.", "Name it: --robot franka")


class Record:
    """What was recorded, in memory but for the pictures, which are read when they are looked at.

    Args:
        bag: opened; it stays so.
        topics: that are looked at, apart from those with pictures.
        pictures: topics of pictures.
        thinned: of these topics, one message every 20 ms is enough.

    Attributes:
        begin: when it begins, s of the system's clock.
        seconds: how long it is.
        kinds: the types of its topics.
        notes: what is unusual about it.

    Raises:
        WallOSSError: there is nothing in it, or it is damaged.
    """

    def __init__(
        self, bag: Bag, topics: Collection[str], pictures: Collection[str] = (), thinned: Collection[str] = ()
    ):
        self._bag, self.kinds = bag, bag.topics
        due = dict.fromkeys(thinned, -np.inf)  # when the next one is kept, s
        self._said: dict[str, list[Message]] = {topic: [] for topic in topics if topic in bag.topics}
        self._seen: dict[str, list[float]] = {topic: [] for topic in pictures if topic in bag.topics}
        self.begin, end = np.inf, -np.inf
        for message in bag.messages(bag.topics):
            self.begin, end = min(self.begin, message.received), max(end, message.received)
            if (said := self._said.get(message.topic)) is not None:
                if message.received >= due.get(message.topic, -np.inf):
                    said.append(message)
                    if message.topic in due:
                        due[message.topic] = message.received + _THIN
            elif (seen := self._seen.get(message.topic)) is not None:
                seen.append(message.received)
        if not np.isfinite(self.begin):
            raise WallOSSError(f"There is no message in {bag.path}.", "Record it again.")
        self.seconds = float(end - self.begin)
        for said in self._said.values():
            said.sort(key=lambda one: one.received)
        self._times = {topic: np.array([one.received for one in said]) for topic, said in self._said.items()}
        self._times |= {topic: np.sort(np.array(times)) for topic, times in self._seen.items()}
        self._decoded: dict[str, tuple[int, Any]] = {}
        self.notes = list(bag.notes)

    def __contains__(self, topic: str) -> bool:
        return topic in self._times

    def place(self, topic: str, time: float) -> int:
        """The number of the last message of a topic up to ``time``; -1 before the first, and where there is none."""
        times = self._times.get(topic)
        return -1 if times is None else int(np.searchsorted(times, self.begin + time, side="right")) - 1

    def time(self, topic: str, place: int) -> float:
        """When the message of that number came."""
        return float(self._times[topic][place] - self.begin)

    def message(self, topic: str, place: int) -> Any:
        """The message of that number, decoded; None where it is broken."""
        known = self._decoded.get(topic)
        if known is None or known[0] != place:
            try:
                known = place, self._bag.decode(self._said[topic][place])
            except BadMessage:
                known = place, None
            self._decoded[topic] = known
        return known[1]

    def messages(self, topic: str) -> Iterator[tuple[float, Any]]:
        """All messages of a topic that are whole, with their times."""
        for place in range(len(self._said.get(topic, ()))):
            if (message := self.message(topic, place)) is not None:
                yield self.time(topic, place), message

    def picture(self, topic: str, place: int, encoding: str | None, bridge: Bridge) -> np.ndarray | None:
        """The picture of that number, (H, W, 3) uint8 RGB; None where it is broken.

        Args:
            encoding: what the pixels are, whatever the message says.
            bridge: converts raw pictures.
        """
        when = self._times[topic][place]
        for message in self._bag.messages([topic], when - 1e-6, when + 1e-6):
            try:
                decoded = self._bag.decode(message)
                if TYPES[message.type] == "compressed":
                    return compressed_pixels(decoded.data, encoding)
                return raw_pixels(decoded, bridge, encoding)
            except (BadMessage, PictureError):
                return None
        return None


def picture_topic(bag: Bag, topic: str) -> str | None:
    """The topic on which a view was recorded: as the profile has it, or beside it, compressed or raw; or none."""
    beside = topic.removesuffix(COMPRESSED) if topic.endswith(COMPRESSED) else topic + COMPRESSED
    return next((name for name in (topic, beside) if bag.topics.get(name) in TYPES), None)
