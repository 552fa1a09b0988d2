# SPDX-License-Identifier: Apache-2.0
"""An arm's kinematics from its URDF, with Pinocchio."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pinocchio

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.urdf import read_joints

_DAMPING = 1e-6  # of the least squares at the goal; it grows with the squared error, which keeps far steps finite
_ITERATIONS = 60
_STEP = 0.4  # rad, longest step of any joint in one iteration
_HOMING = 0.1  # share of the way home, see Arm.ik


class IKResult(NamedTuple):
    """Joint positions (n,) rad; whether the pose is reached; remaining error, the larger of metres and radians."""

    q: np.ndarray
    ok: bool
    error: float


def read_model(profile: RobotProfile) -> pinocchio.Model:
    """The whole robot's model.

    Raises:
        WallOSSError: the profile's URDF is not there, or is none.
    """
    read_joints(profile)  # says what is wrong with a file that cannot be read
    try:
        return pinocchio.buildModelFromUrdf(str(profile.urdf_path))
    except (ValueError, RuntimeError) as error:
        raise WallOSSError(
            f"{profile.urdf_path} is no URDF: {' '.join(str(error).split())}.", "Check it with check_urdf."
        ) from error


def put(q: np.ndarray, joint: pinocchio.JointModel, position: float) -> None:
    """Writes where a joint is, rad or m, into Pinocchio's vector: cosine and sine for one that turns without end."""
    value = position if joint.nq == 1 else (np.cos(position), np.sin(position))
    q[joint.idx_q : joint.idx_q + joint.nq] = value


class Arm:
    """Forward and inverse kinematics of a profile's arm, between its base frame and tool centre point.

    Joints of the URDF that the profile does not name are locked at zero.

    Raises:
        WallOSSError: the URDF cannot be read, or lacks a joint or frame that the profile names.
    """

    def __init__(self, profile: RobotProfile):
        arm = profile.arm
        full = read_model(profile)
        missing = [n for n in arm.joints if not full.existJointName(n)]
        missing += [n for n in (arm.base_frame, arm.tcp_frame) if not full.existFrame(n)]
        if missing:
            raise WallOSSError(
                f"{profile.urdf_path} has no joint or frame {', '.join(missing)}, "
                f"which profile {profile.name!r} names.",
                "Correct the names in the profile.",
            )
        locked = [i for i, name in enumerate(full.names) if i > 0 and name not in arm.joints]
        self._model = pinocchio.buildReducedModel(full, locked, pinocchio.neutral(full))
        self._data = self._model.createData()
        # Pinocchio orders joints along the tree, the profile as the controller does.
        self._order = np.array([self._model.joints[self._model.getJointId(n)].idx_q for n in arm.joints])
        self._tcp = self._model.getFrameId(arm.tcp_frame)
        pinocchio.framesForwardKinematics(self._model, self._data, pinocchio.neutral(self._model))
        self._base = self._data.oMf[self._model.getFrameId(arm.base_frame)].copy()
        self.lower = self._model.lowerPositionLimit[self._order]
        self.upper = self._model.upperPositionLimit[self._order]
        self.velocity = np.minimum(self._model.velocityLimit[self._order], arm.limits.velocity)
        self.home = np.array(arm.home)
        if ((self.home < self.lower) | (self.home > self.upper)).any():
            raise WallOSSError(
                f"Profile {profile.name!r}: arm.home lies outside the URDF's joint limits.", "Correct arm.home."
            )

    def fk(self, q) -> tuple[np.ndarray, np.ndarray]:
        """TCP position (3,) m and rotation (3, 3) in the base frame for joints (n,) rad."""
        pinocchio.framesForwardKinematics(self._model, self._data, self._vector(q))
        pose = self._base.actInv(self._data.oMf[self._tcp])
        return pose.translation, pose.rotation

    def jacobian(self, q) -> np.ndarray:
        """(6, n): the TCP's linear and angular velocity along the base frame's axes, per joint velocity."""
        world = pinocchio.computeFrameJacobian(
            self._model, self._data, self._vector(q), self._tcp, pinocchio.LOCAL_WORLD_ALIGNED
        )[:, self._order]
        return np.vstack([self._base.rotation.T @ world[:3], self._base.rotation.T @ world[3:]])

    def heights(self, q) -> np.ndarray:
        """How high each joint's centre is (n,), m along the base frame's z axis, for joints (n,) rad."""
        pinocchio.forwardKinematics(self._model, self._data, self._vector(q))
        centres = np.array([self._data.oMi[i].translation for i in range(1, self._model.njoints)])
        return ((centres - self._base.translation) @ self._base.rotation[:, 2])[self._order]

    def levers(self) -> np.ndarray:
        """How far the TCP can get from each joint's centre (n,), m: the lengths between the joints from there on."""
        lengths = [np.linalg.norm(placement.translation) for placement in self._model.jointPlacements]
        lengths = [*lengths[2:], np.linalg.norm(self._model.frames[self._tcp].placement.translation)]
        return np.cumsum(lengths[::-1])[::-1][self._order]

    def ik(self, position, rotation, q0, tolerance: float = 1e-4, homing: float = _HOMING) -> IKResult:
        """Joints that bring the TCP to a pose, by damped least squares from ``q0``.

        Motions that leave the tool in place are spent on going home, so that the elbow does not drift. Joint limits
        are kept by clipping. Continuous: a near pose and a near start give a near result.

        Args:
            position: (3,) m, base frame. rotation: (3, 3). q0: (n,) rad, where to start.
            tolerance: metres and radians that count as reached.
            homing: share of the way home taken, each iteration, in directions that do not move the tool.
        """
        q = np.clip(np.asarray(q0, float), self.lower, self.upper)
        position, rotation = np.asarray(position, float), np.asarray(rotation, float)
        best, least = q, np.inf
        for _ in range(_ITERATIONS):
            here, orientation = self.fk(q)
            error = np.concatenate([position - here, pinocchio.log3(rotation @ orientation.T)])
            size = max(np.linalg.norm(error[:3]), np.linalg.norm(error[3:]))
            if size < least:
                best, least = q, float(size)
            if size < tolerance:
                break
            jacobian = self.jacobian(q)
            drift = homing * (self.home - q)
            square = jacobian @ jacobian.T + (_DAMPING + 0.01 * size * size) * np.eye(6)
            step = drift + jacobian.T @ np.linalg.solve(square, error - jacobian @ drift)
            step *= min(1.0, _STEP / max(np.abs(step).max(), 1e-9))
            q = np.clip(q + step, self.lower, self.upper)
        return IKResult(best, least < tolerance, least)

    def _vector(self, q) -> np.ndarray:
        vector = np.empty(len(self._order))
        vector[self._order] = q
        return vector
