# SPDX-License-Identifier: Apache-2.0
"""Looks a robot's profile over: what fits its URDF, its workspace and its simulation, and what does not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from wall_oss_ros.control.joint_group import JointGroupMotion
from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.rotations import matrix_from_quaternion
from wall_oss_ros.robots.urdf import position_limits, read_joints

_TURN = math.radians(5)  # how far the tool's rotation at home may be from the one that states are measured from
_REDUCED = 0.25  # m/s
_EXACT = 0.03  # rad: what control takes for reached
_SPARE = 0.1  # rad, wanted between home and the joint limits
_GRID = 3  # the workspace is looked at in the middle of this many parts along each axis
_POSE = 6  # joints that can bring a tool to any pose
_TRIES, _NEAR, _FAR = 40, 1e-3, 0.4  # steps towards a point; m and rad that count as reached; rad, the longest step
_BESIDE = 0.13  # m: hands that work together are this far either side of the middle between them


def look_over(profile: RobotProfile) -> Iterator[tuple[bool, str]]:
    """What is found, line by line: whether it is as it should be, and what it is.

    Raises:
        WallOSSError: the URDF and the profile do not fit each other, so that there is nothing more to say. It is what
            the control node would say.
    """
    arms = [Arm(one) for one in profile.arms]
    collisions = SelfCollision(profile)
    RobotMotion(profile, arms, collisions=collisions)
    for part in profile.parts:
        JointGroupMotion(profile, part)
    for one, arm in zip(profile.arms, arms):
        of = f"{one.arm.name}, " if len(arms) > 1 else ""
        for well, line in (*_arm(one, arm), _gripper(one)):
            yield bool(well), of + line
    yield from _speed(profile)
    yield from _parts(profile)
    yield from _together(profile, arms, collisions)
    yield from _simulated(profile, arms)


def _arm(profile: RobotProfile, arm: Arm) -> Iterator[tuple[bool, str]]:
    space, rotation = profile.arm.workspace, matrix_from_quaternion(profile.arm.tool_rotation)
    position, orientation = arm.fk(arm.home)
    inside = bool((position > space.min).all() and (position < space.max).all())
    yield inside, f"home: the tool is at {_metres(position)}, {'inside' if inside else 'outside'} the workspace"
    turn = math.acos(min(1.0, max(-1.0, (np.trace(orientation @ rotation.T) - 1) / 2)))
    yield turn < _TURN, f"home: the tool is turned {math.degrees(turn):.1f} degrees against tool_rotation"
    spare = np.minimum(arm.home - arm.lower, arm.upper - arm.home)
    nearest = profile.arm.joints[int(np.argmin(spare))]
    yield spare.min() > _SPARE, f"home: {spare.min():.2f} rad to the nearest joint limit, that of {nearest}"
    goals = list(itertools.product(*map(_middles, space.min, space.max)))
    if len(arm.home) < _POSE:
        yield from _few_joints(profile, arm, goals, rotation)
        return
    missed = [goal for goal in goals if not arm.ik(goal, rotation, arm.home).ok]
    where = f"; not {_metres(missed[0])}" if missed else ""
    # A box has corners that an arm cannot reach: most of it is enough.
    yield len(missed) < len(goals) / 3, f"workspace: {len(goals) - len(missed)} of {len(goals)} points reached{where}"


def _few_joints(profile: RobotProfile, arm: Arm, goals: list[tuple], rotation) -> Iterator[tuple[bool, str]]:
    """What an arm can do that cannot bring its tool to any pose."""
    count, points = len(arm.home), len(arm.home) == _POSE - 1
    found = [_towards(arm, goal, rotation[:, 2], points) for goal in goals]
    reached = sum(q is not None for q in found)
    how = (
        "with the tool pointing as tool_rotation has it, turned about that as it comes"
        if points
        else "turned as it comes"
    )
    yield reached > 2 * len(goals) / 3, f"workspace: {reached} of {len(goals)} points reached {how}"
    turns = [arm.fk(q)[1].T @ rotation for q in found if q is not None]
    exact = sum(math.acos(min(1.0, max(-1.0, (np.trace(turn) - 1) / 2))) < _EXACT for turn in turns)
    said = f"{count} joints bring the tool to {exact} of {len(goals)} points turned as tool_rotation says"
    if profile.arm.joints_dof is not None:
        yield True, f"{said}; the model moves its joints"
    else:
        yield False, f"{said}: what leads it anywhere else is refused; have the model move its joints (joints_dof)"


def _towards(arm: Arm, position, axis, points: bool) -> np.ndarray | None:
    """Joints (n,) with the tool at a position (3,) and, where it ``points``, its z axis along one (3,); or None."""
    q = arm.home
    for _ in range(_TRIES):
        here, turned = arm.fk(q)
        jacobian, error = arm.jacobian(q), np.asarray(position) - here
        if points:
            off = np.cross(turned[:, 2], axis) + 1e-3 * turned[:, 0] * (turned[:, 2] @ axis < -0.99)
            across = turned[:, :2].T  # turning about the axis itself is free
            jacobian, error = np.vstack([jacobian[:3], across @ jacobian[3:]]), np.concatenate([error, across @ off])
        else:
            jacobian = jacobian[:3]
        if np.abs(error).max() < _NEAR and (not points or turned[:, 2] @ axis > 0):
            return q
        square = jacobian @ jacobian.T + (1e-6 + 0.01 * (error @ error)) * np.eye(len(error))
        step = jacobian.T @ np.linalg.solve(square, error)
        q = np.clip(q + step * min(1.0, _FAR / max(np.abs(step).max(), 1e-9)), arm.lower, arm.upper)
    return None


def _gripper(profile: RobotProfile) -> tuple[bool, str]:
    joints = read_joints(profile)
    absent = [name for name in profile.gripper.joints if name not in joints]
    said = (
        f"the URDF has no joint {', '.join(absent)}" if absent else f"{', '.join(profile.gripper.joints)} in the URDF"
    )
    return not absent, f"gripper: {said}"


def _speed(profile: RobotProfile) -> Iterator[tuple[bool, str]]:
    """How fast the real robot's tools go, and who lets it go on; nothing to find fault with, but to be known."""
    fastest = max(one.arm.max_tcp_speed for one in profile.arms)
    above = " (above the reduced speed of ISO 10218-1, 0.25 m/s)" if fastest > _REDUCED else ""
    after = "a person lets it go on after a hold" if profile.resume == "manual" else "it goes on by itself after a hold"
    yield True, f"real robot: tools up to {fastest:g} m/s{above}; {after}"


def _parts(profile: RobotProfile) -> Iterator[tuple[bool, str]]:
    """Whether head and lift stand within their limits at home."""
    for part in profile.parts:
        low, high = position_limits(profile, part.joints)
        spare = np.minimum(np.subtract(part.home, low), np.subtract(high, part.home)) / np.maximum(high - low, 1e-9)
        i = int(np.argmin(spare))
        said = f"{part.joints[i]} at {part.home[i]:g} of {low[i]:g} to {high[i]:g}"
        yield spare[i] >= 0, f"{part.name}, home: {said}{'' if spare[i] >= 0 else ', outside'}"


def _together(profile: RobotProfile, arms: list[Arm], collisions: SelfCollision) -> Iterator[tuple[bool, str]]:
    """Whether two hands can work side by side where their workspaces meet, with no link in the way of another."""
    if len(arms) != 2:
        return
    spaces = [one.arm.workspace for one in profile.arms]
    low, high = np.max([space.min for space in spaces], axis=0), np.min([space.max for space in spaces], axis=0)
    if not (low < high).all():
        yield True, "both hands: the workspaces do not meet"
        return
    homes = [arm.fk(arm.home)[0] for arm in arms]
    apart = (homes[0] - homes[1]) * (1, 1, 0)
    apart *= _BESIDE / max(np.linalg.norm(apart), 1e-9)
    free, words = 0, ""
    places = [
        (x, (homes[0][1] + homes[1][1]) / 2, z) for x in _middles(low[0], high[0]) for z in _middles(low[2], high[2])
    ]
    for place in places:
        goals = [place + apart, place - apart]
        rotations = [matrix_from_quaternion(one.arm.tool_rotation) for one in profile.arms]
        found = [arm.ik(goal, rotation, arm.home) for arm, goal, rotation in zip(arms, goals, rotations)]
        missed = [_metres(goal) for goal, solution in zip(goals, found) if not solution.ok]
        touching = "" if missed else collisions.touching(np.concatenate([solution.q for solution in found]))
        free += not (missed or touching)
        words = words or (
            f"; not {missed[0]}" if missed else f"; {touching} touch at {_metres(place)}" if touching else ""
        )
    side = f"side by side {200 * _BESIDE:.0f} cm apart"
    yield free > 2 * len(places) / 3, f"both hands: {side}, {free} of {len(places)} places reached and free{words}"


def _simulated(profile: RobotProfile, arms: list[Arm]) -> Iterator[tuple[bool, str]]:
    if profile.simulation is None:
        yield True, "simulation: none"
        return
    try:
        from wall_oss_ros.sim.registry import task_of

        task = task_of(profile)
    except ModuleNotFoundError as error:  # MuJoCo, which a robot's own computer needs not
        yield True, f"simulation: not checked here, {error.name} is not installed"
        return
    simulator = task.simulator(task.scene(0))
    apart = max(float(np.linalg.norm(hand.tcp[0] - arm.fk(hand.q)[0])) for hand, arm in zip(simulator.arms, arms))
    yield apart < 1e-4, f"simulation: the tool is {1000 * apart:.2f} mm from where kinematics put it"
    simulator.step(1.0)
    moved = max(float(np.abs(joints.q - joints.home).max()) for joints in (*simulator.arms, *simulator.parts.values()))
    yield moved < 0.01, f"simulation: after a second at rest the robot has moved {moved:.4f} (rad or m)"


def _middles(low: float, high: float) -> list[float]:
    return [low + (high - low) * (i + 0.5) / _GRID for i in range(_GRID)]


def _metres(point) -> str:
    return f"({', '.join(f'{value:.3f}' for value in point)}) m"
