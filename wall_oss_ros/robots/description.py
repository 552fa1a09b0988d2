# SPDX-License-Identifier: Apache-2.0
"""Whether a robot's own description, as its driver publishes it, is that of the profile's robot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pinocchio

from wall_oss_ros.robots.kinematics import JointPlaces, read_model
from wall_oss_ros.robots.profile import RobotProfile

ANOTHER = 0.03  # m: two arms of one kind differ by a few millimetres, by how they were calibrated; others by far more
_POSTURES = 16


@dataclass(frozen=True)
class Comparison:
    """How far two descriptions of one robot are apart.

    Attributes:
        fault: why they are not of the same robot, in words; empty when they are.
        away: m, the most between where they have the tool, or where one has no tool the last joint.
    """

    fault: str = ""
    away: float = 0.0


def compare(profile: RobotProfile, urdf: str) -> Comparison:
    """Compares the profile's URDF with another, at home and in 15 postures within the joints' limits.

    Args:
        profile: the robot.
        urdf: the other's text. Its meshes are not read.
    """
    try:
        theirs = pinocchio.buildModelFromXML(urdf)
    except (ValueError, RuntimeError) as error:
        return Comparison(f"the robot's description is no URDF: {' '.join(str(error).split())}")
    ours, away = read_model(profile), 0.0
    for one in profile.arms:
        arm = one.arm
        lacking = [joint for joint in arm.joints if not theirs.existJointName(joint)]
        lacking += [] if theirs.existFrame(arm.base_frame) else [arm.base_frame]
        if lacking:
            return Comparison(f"the robot's description has no {', '.join(lacking)}, which the profile names")
        tool = arm.tcp_frame if theirs.existFrame(arm.tcp_frame) else arm.joints[-1]
        mine, others = _Reach(ours, arm.joints, arm.base_frame, tool), _Reach(theirs, arm.joints, arm.base_frame, tool)
        distance = max(np.linalg.norm(mine.position(q) - others.position(q)) for q in _postures(mine, arm.home))
        if distance > ANOTHER:
            fault = f"the robot's description has the tool of the {arm.name} up to {distance:.2f} m beside where the "
            return Comparison(f"{fault}profile's has it: is it another model?", float(distance))
        away = max(away, float(distance))
    return Comparison(away=away)


class _Reach:
    """Where a frame is (3,) m, as seen from another, with the named joints (n,) rad; all others are at zero."""

    def __init__(self, model: pinocchio.Model, joints: tuple[str, ...], base: str, tool: str):
        self._model, self._data, self._places = model, model.createData(), JointPlaces(model, joints)
        self._base, self._tool = model.getFrameId(base), model.getFrameId(tool)
        self.lower, self.upper = self._places.lower, self._places.upper

    def position(self, q: np.ndarray) -> np.ndarray:
        pinocchio.framesForwardKinematics(self._model, self._data, self._places.configuration(q))
        return self._data.oMf[self._base].actInv(self._data.oMf[self._tool]).translation


def _postures(reach: _Reach, home: tuple[float, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.array(home), *rng.uniform(reach.lower, reach.upper, (_POSTURES - 1, len(home)))]
