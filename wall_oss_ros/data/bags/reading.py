# SPDX-License-Identifier: Apache-2.0
"""One pass over a bag: all numbers and words, and when pictures were taken. What cannot be used is said in one line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wall_oss_ros.data.bags.bag import BadMessage, Bag, Message
from wall_oss_ros.data.bags.clocks import Clocks, stamp_of
from wall_oss_ros.data.bags.finder import Finder
from wall_oss_ros.data.bags.listeners import JointsListener, Listener, Sampled, TrajectoryListener, WordsListener
from wall_oss_ros.data.bags.pictures import ViewPictures
from wall_oss_ros.data.bags.sources import Sources
from wall_oss_ros.data.bags.spec import BagMapping, Clock
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.perception.pictures import Bridge
from wall_oss_ros.robots.profile import RobotProfile

_HEADERS = "std_msgs/msg/Header"
_LONGEST = 3600.0
"""s of which nothing of a stream is recorded within a bag, beyond which a clock was set."""
_SET_HINT = (
    "Where only one of stamps and reception is so, use the other (--time); else leave the bag out, or cut it in two."
)
_CLOCK_HINT = "Use --time receive, or say so of single topics in a mapping of topics (streams)."


@dataclass
class Recording:
    """What was read.

    Attributes:
        notes: what is unusual, in words; the conversion goes on.
    """

    bag: Bag
    sources: Sources
    notes: list[str]


def read(bag: Bag, profile: RobotProfile, mapping: BagMapping, time: Clock, bridge: Bridge) -> Recording:
    """Reads a bag.

    Args:
        bag: opened.
        profile: the robot.
        mapping: what the profile does not say.
        time: what messages count for where the mapping does not say.
        bridge: converts raw pictures.

    Raises:
        WallOSSError: a topic is missing, or nothing on it can be used.
    """
    sources = Finder(profile, mapping, bag, bridge, by_stamps=time == "header").find()
    _Pass(bag, sources, mapping, time).run()
    notes = [*bag.notes, *sources.notes]
    for view in sources.views.values():
        notes += _unstamped(bag, view.where, view.unstamped, len(view.samples))
        _forwards(bag, view.where, view.samples.set_back)
        notes += _order(view.where, view.samples)
        if view.size is None:
            raise WallOSSError(f"{bag.path} has no picture of {view.where}.", "Record the topic, or leave the bag out.")
    for part, listener in list(sources.parts.items()):
        if not len(listener.samples):
            notes.append(f"{listener.where}: nothing that can be used, it is left out")
            del sources.parts[part]
    for one in sources.listeners:
        if isinstance(one, Sampled):
            _forwards(bag, one.where, one.set_back)
        notes += _look_over(bag, one, one in sources.state)
    notes += _clock(bag, sources)
    return Recording(bag, sources, notes)


class _Pass:
    """Hands each message to those who listen to its topic."""

    def __init__(self, bag: Bag, sources: Sources, mapping: BagMapping, time: Clock):
        self._bag = bag
        self._views: dict[str, list[ViewPictures]] = {}
        for view in sources.views.values():
            self._views.setdefault(view.topic, []).append(view)
        self._listeners: dict[str, list[Listener]] = {}
        for listener in sources.listeners:
            for topic in listener.topics:
                self._listeners.setdefault(topic, []).append(listener)
        self._stamped = {topic for topic in {*self._views, *self._listeners} if bag.begins_with(topic, _HEADERS)}
        states = {topic for listener in sources.state for topic in listener.topics} & self._stamped
        self._clocks = Clocks(time, mapping.streams, states or set(self._views))

    def run(self) -> None:
        for message in self._bag.messages({*self._views, *self._listeners}):
            stamp = stamp_of(message.data) if message.topic in self._stamped else 0.0
            self._clocks.look(message.topic, message.received, stamp)
            for view in self._views.get(message.topic, ()):
                by_stamp = self._clocks.of_stamp(message.topic)
                when = (self._clocks.stamped(stamp) if stamp else None) if by_stamp else (
                    self._clocks.received(message.received)
                )  # fmt: skip
                view.hear(self._bag, message, when)
            if listeners := self._listeners.get(message.topic):
                self._tell(listeners, message, stamp)
        self._clocks.finish()
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.finish()

    def _tell(self, listeners: list[Listener], message: Message, stamp: float) -> None:
        try:
            decoded = self._bag.decode(message)
        except BadMessage as error:
            for listener in listeners:
                listener.problems[f"that cannot be decoded: {error}"] += 1
            return

        def tell() -> None:
            received = self._clocks.received(message.received)
            for listener in listeners:
                if not self._clocks.of_stamp(message.topic) or (not stamp and listener.lenient):
                    listener.hear(message.topic, decoded, received, received)
                elif stamp:
                    listener.hear(message.topic, decoded, self._clocks.stamped(stamp), received)
                elif message.topic in self._stamped:
                    listener.problems["without a time stamp"] += 1
                else:  # of a type that has none
                    listener.hear(message.topic, decoded, received, received)

        if stamp:
            tell()
        else:
            self._clocks.when_known(tell)


def _look_over(bag: Bag, listener: Listener, needed: bool) -> list[str]:
    """Notes on what was left out.

    Raises:
        WallOSSError: nothing can be used of what is needed, or commands are another robot's.
    """
    first = next(iter(listener.problems), "")
    heard = any(bag.counts.get(topic) for topic in listener.topics)
    if isinstance(listener, JointsListener) and listener.strangers and not listener.ours:
        wanted = listener.joints[0]
        names = ", ".join(sorted(listener.strangers)[:4])
        raise WallOSSError(
            f"{bag.path}: {listener.where} are another robot's: {names}; {wanted} was expected.",
            "Name the robot that was recorded, or its joints in a mapping of topics (joints).",
        )
    if isinstance(listener, TrajectoryListener) and listener.strangers and not len(listener.told):
        names = ", ".join(sorted(listener.strangers)[:4])
        raise WallOSSError(
            f"{bag.path}: {listener.where} are for other joints: {names}; {listener.joints[0]} was expected.",
            "Name the robot that was recorded.",
        )
    if needed and isinstance(listener, Sampled) and not len(listener.samples):
        if first == "without a time stamp":
            raise WallOSSError(f"{bag.path}: the messages of {listener.where} have no time stamps.", _CLOCK_HINT)
        why = f"all {sum(listener.problems.values())} messages are {first}" if first else "there is no message"
        if first and not first.startswith(("without", "that", "with", "out")):
            why = first
        raise WallOSSError(f"{bag.path}: nothing of {listener.where} can be used: {why}.", "Record it again.")
    notes = [f"{listener.where}: {count} messages left out: {why}" for why, count in listener.problems.items()]
    if isinstance(listener, Sampled):
        notes += _order(listener.where, listener.samples)
    elif isinstance(listener, (TrajectoryListener, WordsListener)) and not heard:
        notes.append(f"{listener.where}: the topic is there, and no message")
    return notes


def _unstamped(bag: Bag, where: str, count: int, good: int) -> list[str]:
    if count and not good:
        raise WallOSSError(f"{bag.path}: the pictures of {where} have no time stamps.", _CLOCK_HINT)
    return [f"{where}: {count} pictures without a time stamp left out"] if count else []


def _forwards(bag: Bag, where: str, back: float) -> None:
    """Raises WallOSSError where a clock was set back: frames would be put together of two times."""
    if back:
        raise WallOSSError(
            f"{bag.path}: the time of {where} goes back by {back:.1f} s and on from there: its clock was set "
            "while it was recorded, or two publishers count by different ones.",
            _SET_HINT,
        )


def _order(where: str, samples) -> list[str]:
    samples.times  # noqa: B018  puts them in order, and counts
    notes = [f"{where}: {samples.disorder} messages came out of order, and were put right"] if samples.disorder else []
    if samples.repeated:
        notes.append(f"{where}: {samples.repeated} messages with the stamp of another one left out")
    return notes


def _clock(bag: Bag, sources: Sources) -> list[str]:
    """Raises WallOSSError where streams have no time in common."""
    streams = [(view.where, view.samples) for view in sources.views.values()]
    streams += [(listener.where, listener.samples) for listener in sources.state]
    begins = [(float(samples.times[0]), where) for where, samples in streams]
    ends = [(float(samples.times[-1]), where) for where, samples in streams]
    (last, late), (first, early) = max(begins), min(ends)
    if last > first:
        raise WallOSSError(
            f"{bag.path}: {early} ends {last - first:.1f} s before {late} begins: they count by different clocks, or "
            "were not recorded together.",
            _CLOCK_HINT,
        )
    for where, samples in streams:
        inside = np.clip(samples.times, last, first)
        if (silent := float(np.diff(inside, prepend=last, append=first).max())) > _LONGEST:
            raise WallOSSError(
                f"{bag.path}: the time of {where} leaps by {silent:.0f} s: its clock was set while it was recorded.",
                _SET_HINT,
            )
    start = min(begin for begin, _ in begins)
    if last - start > 1.0:
        return [f"frames begin after {last - start:.1f} s, when {late} begins"]
    return []


def span(sources: Sources) -> tuple[float, float]:
    """From when to when (s) there is something of all views and of all of the state."""
    samples = [view.samples for view in sources.views.values()] + [each.samples for each in sources.state]
    return max(float(each.times[0]) for each in samples), min(float(each.times[-1]) for each in samples)
