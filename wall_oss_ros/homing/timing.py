# SPDX-License-Identifier: Apache-2.0
"""When an arm that goes home is to be where: slower than control may be, and at rest at every corner."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import ruckig

from wall_oss_ros.control.stopping_check import holdable_speed
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import RobotProfile

_SHARE = 0.5  # of the speed, acceleration and jerk that control may use
_CORNER = 0.9  # cosine between two pieces of a way below which it rests between them
_EVERY = 0.05  # s between the postures that are given


def pace(profile: RobotProfile, arms: Sequence[Arm], knots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times (k,) s from the start and joints (k, n) rad there, along straight lines between ``knots`` (m, n) rad.

    Along each stretch without corners one number grows from rest to rest, jerk-limited by ruckig: the time that the way
    takes at full speed, where the slowest joint or tool sets the pace. Joints then share velocity, acceleration and
    jerk as far as the way is straight; what its bends ask for beyond that is bounded where commands are made.
    """
    limits = [one.arm.limits for one in profile.arms]
    bounds = zip(arms, limits, profile.arms)
    velocity = np.concatenate(
        [holdable_speed(arm.velocity, x.acceleration, x.jerk, 1 / one.command.rate_hz) for arm, x, one in bounds]
    )
    acceleration = np.concatenate([x.acceleration for x in limits])
    jerk = np.concatenate([x.jerk for x in limits])
    knots = knots[np.append(True, np.abs(np.diff(knots, axis=0)).max(axis=1) > 1e-9)]
    if len(knots) < 2:
        return np.zeros(1), knots
    spans = _spans(profile, arms, knots, velocity)
    times, joints, begun = [np.zeros(1)], [knots[:1]], 0.0
    for first, last in _stretches(knots / velocity):
        passed = np.concatenate([[0.0], np.cumsum(spans[first:last])])
        progress, moments = _ramp(
            passed[-1], _SHARE, _SHARE * (acceleration / velocity).min(), _SHARE * (jerk / velocity).min()
        )
        times.append(begun + moments)
        joints.append(np.stack([np.interp(progress, passed, joint) for joint in knots[first : last + 1].T], axis=1))
        begun += moments[-1]
    return np.concatenate(times), np.concatenate(joints)


def _spans(profile: RobotProfile, arms: Sequence[Arm], knots: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """(m - 1,) s that each piece takes at full speed of its slowest joint or tool."""
    spans = (np.abs(np.diff(knots, axis=0)) / velocity).max(axis=1)
    ends = np.cumsum([len(arm.home) for arm in arms])
    for one, arm, end in zip(profile.arms, arms, ends):
        own = knots[:, end - len(arm.home) : end]
        for k, (a, b) in enumerate(zip(own[:-1], own[1:])):
            # A tool moves on an arc while joints move straight, here as fast as at the fastest of three places.
            fastest = max(np.linalg.norm(arm.jacobian(a + share * (b - a))[:3] @ (b - a)) for share in (0.0, 0.5, 1.0))
            spans[k] = max(spans[k], fastest / one.arm.max_tcp_speed)
    return spans


def _stretches(knots: np.ndarray) -> list[tuple[int, int]]:
    """First and last knot of each stretch without corners."""
    ways = np.diff(knots, axis=0)
    ways /= np.linalg.norm(ways, axis=1)[:, None]
    corners = [k + 1 for k in range(len(ways) - 1) if ways[k] @ ways[k + 1] < _CORNER]
    ends = [0, *corners, len(knots) - 1]
    return list(zip(ends[:-1], ends[1:]))


def _ramp(length: float, velocity: float, acceleration: float, jerk: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions (k,) of a motion from 0 to ``length``, at rest at both, and their times (k,) s, without the start."""
    motion, way = ruckig.InputParameter(1), ruckig.Trajectory(1)
    motion.target_position = [length]
    motion.max_velocity, motion.max_acceleration, motion.max_jerk = [velocity], [acceleration], [jerk]
    ruckig.Ruckig(1).calculate(motion, way)
    moments = np.append(np.arange(_EVERY, way.duration, _EVERY), way.duration)
    if len(moments) > 1 and moments[-1] - moments[-2] < _EVERY / 10:
        moments = np.delete(moments, -2)
    return np.array([way.at_time(moment)[0][0] for moment in moments]), moments
