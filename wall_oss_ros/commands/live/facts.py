# SPDX-License-Identifier: Apache-2.0
"""What was seen of a running system, as plain values, and what is found in it. No ROS here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Level = Literal["OK", "WARN", "FAIL", "-"]  # "-": could not be checked here, which is no finding


@dataclass(frozen=True)
class Finding:
    """A line of the table: what was looked at, how it stands, what was found, and what to do about it."""

    what: str
    level: Level
    found: str
    do: str = ""


@dataclass(frozen=True)
class Endpoint:
    """A publisher or subscription: its node's full name, its type (``package/msg/Name``), and its QoS."""

    node: str
    type: str
    reliable: bool = True
    latched: bool = False


@dataclass
class Stream:
    """Messages of one topic.

    Attributes:
        arrivals: of each, s of a clock that never jumps.
        stamps: of each, s of the clock in use; nan where it has none.
        ages: of each, s: the clock in use at its arrival, less its stamp.
    """

    arrivals: list[float] = field(default_factory=list)
    stamps: list[float] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)

    def add(self, arrival: float, now: float, stamp: float) -> None:
        self.arrivals.append(arrival)
        self.stamps.append(stamp)
        self.ages.append(now - stamp)

    @property
    def rate(self) -> float:
        """Messages a second, by their stamps where these go on, and else by their arrival; 0 of fewer than two."""
        for times in (self.stamps, self.arrivals):
            known = [time for time in times if math.isfinite(time)]
            if len(known) > 1 and max(known) > min(known):
                return (len(known) - 1) / (max(known) - min(known))
        return 0.0


@dataclass(frozen=True)
class JointReading:
    """A message of joint states, with the names that the profile has for them."""

    stamp: float
    names: tuple[str, ...]
    positions: Sequence[float]
    velocities: Sequence[float]

    def of(self, joints: Sequence[str]) -> np.ndarray | None:
        """Their positions (n,), or None where one is missing."""
        if len(self.positions) != len(self.names) or not set(joints) <= set(self.names):
            return None
        return np.array([float(self.positions[self.names.index(joint)]) for joint in joints])


@dataclass(frozen=True)
class Picture:
    """A picture without its pixels. ``encoding`` is a compressed picture's format."""

    stamp: float
    width: int
    height: int
    encoding: str
    frame: str
    type: str = "sensor_msgs/msg/Image"


@dataclass(frozen=True)
class Lens:
    """What a camera says of itself.

    Attributes:
        k: its matrix (9,), row by row.
        fault: why its distortion cannot be made use of, in words; empty where it can.
    """

    width: int
    height: int
    k: tuple[float, ...]
    frame: str
    fault: str = ""


@dataclass(frozen=True)
class Controller:
    """A controller as its manager lists it; ``claimed``: command interfaces that it owns."""

    name: str
    state: str
    type: str = ""
    claimed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Placed:
    """Where tf has a frame, seen from another, at ``stamp`` (s): (3,) m and (3, 3)."""

    stamp: float
    position: np.ndarray
    rotation: np.ndarray


@dataclass(frozen=True)
class Expert:
    """What an action expert says that it runs, as in wall_oss_msgs/ModelInfo."""

    expert: str
    checkpoint: str
    robot: str
    views: tuple[str, ...]
    image_size: int


@dataclass
class Facts:
    """All that was seen while listening. Topics, services and frames by their names, views and arms by theirs.

    Attributes:
        seconds: how long was listened, s.
        others: nodes of others.
        publishers, subscriptions: by topic; of others, for each topic that was looked at.
        services: types by name; of an action too, by its hidden services.
        streams: by topic; of joint states, force, odometry and pictures.
        joints: messages by topic.
        programs: the latest word of each topic that says whether the robot's program runs.
        forces: the greatest force (N) and torque (N m) by topic.
        pictures, depths, lenses: by view.
        controllers: of each controller manager; or why it could not be asked.
        unasked: services of controller managers that could not be called, and why.
        description: the robot's own, as its driver publishes it.
        tools: by arm and frame, what tf said of it, seen from the arm's base.
        frames: all that tf knows.
        experts: what was said on the topic model.
        controls: ids of the control nodes heard, and what each says of itself last.
    """

    seconds: float = 0.0
    others: tuple[str, ...] = ()
    publishers: dict[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    subscriptions: dict[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    services: dict[str, tuple[str, ...]] = field(default_factory=dict)
    streams: dict[str, Stream] = field(default_factory=dict)
    joints: dict[str, list[JointReading]] = field(default_factory=dict)
    programs: dict[str, bool] = field(default_factory=dict)
    forces: dict[str, tuple[float, float]] = field(default_factory=dict)
    pictures: dict[str, list[Picture]] = field(default_factory=dict)
    depths: dict[str, list[Picture]] = field(default_factory=dict)
    lenses: dict[str, Lens] = field(default_factory=dict)
    controllers: dict[str, tuple[Controller, ...]] = field(default_factory=dict)
    unasked: dict[str, str] = field(default_factory=dict)
    description: str | None = None
    tools: dict[str, dict[str, list[Placed]]] = field(default_factory=dict)
    frames: frozenset[str] = frozenset()
    experts: dict[str, Expert] = field(default_factory=dict)
    controls: dict[str, str] = field(default_factory=dict)

    @property
    def simulated(self) -> bool:
        """Whether somebody gives the time."""
        return bool(self.publishers.get("/clock"))


def names(endpoints: Sequence[Endpoint]) -> str:
    """Whose they are, in words."""
    return ", ".join(sorted({end.node for end in endpoints})) or "nobody"
