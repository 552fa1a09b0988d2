# SPDX-License-Identifier: Apache-2.0
"""Judges where things are: the driver's description, tf against our kinematics, and the tool in its workspace."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pinocchio

from wall_oss_ros.commands.live.facts import Facts, Finding, JointReading, Placed
from wall_oss_ros.robots.description import ANOTHER, compare
from wall_oss_ros.robots.frames import joint_of
from wall_oss_ros.robots.kinematics import JointPlaces, read_model
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.urdf import position_limits

_NEAR, _TURNED = 0.005, 1.0  # m and degrees: two arms of one kind differ by a few millimetres
_FAR_TURNED = 5.0  # degrees
_TOGETHER = 0.02  # s between a transform and the reading that it was made of
_OUTSIDE = 0.1  # m: as control has it, beyond which a tool must go home first


def description(profile: RobotProfile, facts: Facts) -> Iterator[Finding]:
    if facts.description is None:
        yield Finding("description", "-", "not checked: nothing on /robot_description")
        return
    if not profile.plain_joints:
        yield Finding("description", "-", "not checked: the driver calls joints otherwise")
        return
    found = compare(profile, facts.description)
    if found.fault:
        yield Finding(
            "description",
            "FAIL",
            found.fault,
            "Choose the variant that stands there (robot:=ur:ur10e), or "
            "give the profile the driver's description as its urdf",
        )
    elif found.away > _NEAR:
        yield Finding(
            "description",
            "WARN",
            f"the tool is up to {1000 * found.away:.1f} mm beside the profile's",
            "A calibrated arm is; where it matters, make the driver's description the profile's urdf",
        )
    else:
        yield Finding("description", "OK", f"the profile's robot, to {1000 * found.away:.1f} mm")


def kinematics(profile: RobotProfile, facts: Facts) -> Iterator[Finding]:
    """tf against our forward kinematics, at the joints that were measured at the same time."""
    for one in profile.arms:
        what = f"tf, {one.arm.name}"
        frame = next((name for name in frames_of(one) if facts.tools.get(one.arm.name, {}).get(name)), None)
        readings = facts.joints.get(one.joint_states, [])
        if frame is None:
            words = "tf is empty" if not facts.frames else f"tf has no {one.arm.tcp_frame} below {one.arm.base_frame}"
            yield Finding(what, "-", f"not checked: {words}")
            continue
        pairs = list(_pairs(facts.tools[one.arm.name][frame], readings, one.arm.joints))
        if not pairs:
            yield Finding(
                what,
                "WARN",
                f"{frame} in tf is of another time than the joint states",
                "Has robot_state_publisher the same joint states and clock?",
            )
            continue
        reach = _Reach(one, frame)
        away = [reach.away(placed, q) for placed, q in pairs]
        metres, degrees = (float(np.median(values)) for values in zip(*away))
        said = f"{frame}: {1000 * metres:.1f} mm and {degrees:.1f} degrees from our kinematics"
        do = "Is it the profile's robot and variant? Compare /robot_description with the profile's urdf"
        if metres > ANOTHER or degrees > _FAR_TURNED:
            yield Finding(what, "FAIL", said, do)
        elif metres > _NEAR or degrees > _TURNED:
            yield Finding(what, "WARN", said, do)
        else:
            yield Finding(what, "OK", said)


def frames_of(profile: RobotProfile) -> tuple[str, str]:
    """The tool's frame, and the link that the arm's last joint moves, for drivers that know nothing of our tool."""
    model = read_model(profile)
    last = model.getJointId(profile.arm.joints[-1])
    links = [frame.name for frame in model.frames if joint_of(frame) == last and frame.type == pinocchio.FrameType.BODY]
    return profile.arm.tcp_frame, links[0] if links else profile.arm.tcp_frame


def tools(profile: RobotProfile, facts: Facts) -> Iterator[Finding]:
    """Where each tool stands now, and whether its joints are within their range."""
    for one in profile.arms:
        known = [
            q for reading in facts.joints.get(one.joint_states, []) if (q := reading.of(one.arm.joints)) is not None
        ]
        if not known or not np.isfinite(known[-1]).all():
            continue
        q, what = known[-1], f"tool, {one.arm.name}"
        position = _Reach(one, one.arm.tcp_frame).pose(q).translation
        outside, place = one.arm.workspace.outside(position), f"({', '.join(f'{x:.2f}' for x in position)}) m"
        low, high = position_limits(one, one.arm.joints)
        beyond = [name for name, *rest in zip(one.arm.joints, q, low, high) if not rest[1] <= rest[0] <= rest[2]]
        if beyond:
            yield Finding(
                what,
                "FAIL",
                f"{', '.join(beyond)} beyond the range in the URDF",
                "Move the arm by hand or by its pendant; is it the profile's robot?",
            )
        elif outside > _OUTSIDE:
            yield Finding(
                what,
                "WARN",
                f"at {place}, {outside:.2f} m outside its workspace",
                "Call the service home, or move it by hand, before you give an instruction",
            )
        else:
            yield Finding(what, "OK", f"at {place}, {'inside' if outside <= 0 else 'beside'} its workspace")


def _pairs(placed: Sequence[Placed], readings: Sequence[JointReading], joints) -> Iterator[tuple[Placed, np.ndarray]]:
    """Each transform with the joints (n,) that were measured at its time."""
    known = [(one.stamp, q) for one in readings if (q := one.of(joints)) is not None and np.isfinite(q).all()]
    if not known:
        return
    times = np.array([stamp for stamp, _ in known])
    for one in placed:
        i = int(np.argmin(np.abs(times - one.stamp)))
        if abs(times[i] - one.stamp) <= _TOGETHER:
            yield one, known[i][1]


class _Reach:
    """Where our kinematics have a frame, seen from the arm's base, by the arm's joints; all others are at zero."""

    def __init__(self, profile: RobotProfile, frame: str):
        self._model = read_model(profile)
        self._data, self._places = self._model.createData(), JointPlaces(self._model, profile.arm.joints)
        self._base, self._frame = self._model.getFrameId(profile.arm.base_frame), self._model.getFrameId(frame)

    def pose(self, q: np.ndarray) -> pinocchio.SE3:
        pinocchio.framesForwardKinematics(self._model, self._data, self._places.configuration(q))
        return self._data.oMf[self._base].actInv(self._data.oMf[self._frame])

    def away(self, placed: Placed, q: np.ndarray) -> tuple[float, float]:
        """How far (m) and how much turned (degrees) a transform is from where the joints have the frame."""
        pose = self.pose(q)
        turn = pinocchio.log3(pose.rotation.T @ placed.rotation)
        return float(np.linalg.norm(pose.translation - placed.position)), math.degrees(np.linalg.norm(turn))
