# SPDX-License-Identifier: Apache-2.0
"""What relays do to messages: each function gives a :data:`fault_campaign.relay.Fault`."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np

from wall_oss_ros.nodes.conversions import seconds, to_stamp


def lost(share: float, rng: np.random.Generator):
    """A share of the messages is lost."""
    return lambda message: [] if rng.random() < share else [(0.0, message)]


def late(delay: float, spread: float, rng: np.random.Generator):
    """All are late by ``delay`` s and up to ``spread`` s more each, so that they come out of order."""
    return lambda message: [(delay + float(rng.uniform(0, spread)), message)]


def twice(message):
    """Each comes twice."""
    return [(0.0, message), (0.0, message)]


def first_kept():
    """The first message again and again, stamp and all."""
    kept = []

    def fault(message):
        kept[:] = kept or [message]
        return [(0.0, kept[0])]

    return fault


def changed(change: Callable, times: int | None = None):
    """A copy of each message, changed; of the first ``times`` only, if that is given."""
    count = 0

    def fault(message):
        nonlocal count
        count += 1
        if times is not None and count > times:
            return [(0.0, message)]
        message = copy.deepcopy(message)
        change(message)
        return [(0.0, message)]

    return fault


# Changes of messages with a header.


def stamped(offset: float):
    """Stamps that are off by ``offset`` s."""

    def change(message) -> None:
        message.header.stamp = to_stamp(seconds(message.header.stamp) + offset)

    return change


def unstamped(message) -> None:
    message.header.stamp = to_stamp(0.0)


def stamp_kept():
    """The first message's stamp on all."""
    kept = []

    def change(message) -> None:
        kept[:] = kept or [message.header.stamp]
        message.header.stamp = kept[0]

    return change


# Changes of joint states.


def positions(change: Callable[[list[float]], list[float]]):
    def apply(message) -> None:
        message.position = change(list(message.position))

    return apply


def zeros(message) -> None:
    message.position = [0.0] * len(message.position)


def values_kept():
    """The first message's positions, at rest, with new stamps."""
    kept = []

    def change(message) -> None:
        kept[:] = kept or [(list(message.position), [0.0] * len(message.velocity))]
        message.position, message.velocity = kept[0]

    return change


def one_off(name: str, by: float):
    """One joint off by that much, rad; it may be no number."""

    def change(message) -> None:
        values = list(message.position)
        values[message.name.index(name)] += by
        message.position = values

    return change


def no_velocities(message) -> None:
    """As joint_state_broadcaster has it for hardware that measures positions alone."""
    message.velocity = [math.nan] * len(message.velocity)


def without(name: str):
    """One joint is missing."""

    def change(message) -> None:
        at = message.name.index(name)
        for values in ("name", "position", "velocity"):
            setattr(message, values, [v for i, v in enumerate(getattr(message, values)) if i != at])

    return change


def named_twice(name: str):
    """One joint comes twice, at two places."""

    def change(message) -> None:
        at = message.name.index(name)
        message.name = [*message.name, name]
        message.position = [*message.position, message.position[at] + 0.5]
        message.velocity = [*message.velocity, 0.0]

    return change


def of_another_robot(message) -> None:
    message.name = [f"other_{name}" for name in message.name]
