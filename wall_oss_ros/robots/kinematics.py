# SPDX-License-Identifier: Apache-2.0
"""An arm's kinematics from its URDF, with Pinocchio."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pinocchio

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.urdf import read_joints, refuse_standstill

_DAMPING = 1e-6  # of the least squares at the goal; it grows with the squared error, which keeps far steps finite
_ITERATIONS = 60
_STEP = 0.4  # rad, longest step of any joint in one iteration
_TURNS = 2 * np.pi  # rad that a joint without ends may turn either way
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


class JointPlaces:
    """Where named joints are in a model's configurations: nothing else indexes one by a joint.

    Pinocchio keeps cosine and sine of a joint that turns without end, so a joint's number, its place in a configuration
    and its column in a Jacobian are three numbers. Here it is one angle; it may turn fully either way.

    Attributes:
        numbers: (n,) of the joints in the model.
        columns: (n,) of them in velocities and Jacobians.
        lower, upper: (n,) rad or m.
        velocity: (n,) rad/s or m/s.

    Raises:
        WallOSSError: a joint does not turn or slide along one axis.
    """

    def __init__(self, model: pinocchio.Model, names: Iterable[str]):
        names = tuple(names)
        self._neutral = pinocchio.neutral(model)
        joints = [model.joints[model.getJointId(name)] for name in names]
        if wrong := [name for name, joint in zip(names, joints) if joint.nv != 1]:
            raise WallOSSError(
                f"The URDF's joint {', '.join(wrong)} moves in more than one way.",
                "Name joints that turn or slide about one axis.",
            )
        self.numbers = np.array([model.getJointId(name) for name in names], int)
        self.columns = np.array([joint.idx_v for joint in joints], int)
        self._at = np.array([joint.idx_q for joint in joints], int)
        self._endless = np.array([joint.nq == 2 for joint in joints], bool)
        self._plain, self._turning = self._at[~self._endless], self._at[self._endless]
        self.lower = np.where(self._endless, -_TURNS, model.lowerPositionLimit[self._at])
        self.upper = np.where(self._endless, _TURNS, model.upperPositionLimit[self._at])
        self.velocity = model.velocityLimit[self.columns]

    def put(self, configuration: np.ndarray, positions) -> None:
        """Writes where they are (n,), rad or m, into a configuration."""
        positions = np.asarray(positions, float)
        if not len(self._turning):
            configuration[self._at] = positions
            return
        configuration[self._plain] = positions[~self._endless]
        angles = positions[self._endless]
        configuration[self._turning], configuration[self._turning + 1] = np.cos(angles), np.sin(angles)

    def configuration(self, positions) -> np.ndarray:
        """The one with these joints at positions (n,), rad or m, and all others at zero."""
        configuration = self._neutral.copy()
        self.put(configuration, positions)
        return configuration


class Arm:
    """Forward and inverse kinematics of a profile's arm, between its base frame and tool centre point.

    Joints of the URDF that the profile does not name are locked at zero.

    Raises:
        WallOSSError: the URDF cannot be read, lacks a joint or frame that the profile names, or gives a joint no range
            or no speed.
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
        self._places = JointPlaces(self._model, arm.joints)
        self._tcp = self._model.getFrameId(arm.tcp_frame)
        pinocchio.framesForwardKinematics(self._model, self._data, pinocchio.neutral(self._model))
        self._base = self._data.oMf[self._model.getFrameId(arm.base_frame)].copy()
        self.lower, self.upper = self._places.lower, self._places.upper
        for name, low, high in zip(arm.joints, self.lower, self.upper):
            if not low < high:
                raise WallOSSError(
                    f"{profile.urdf_path}: joint {name} has no range: its limits are {low:g} and {high:g} rad.",
                    "Correct lower and upper of its limit, or make it fixed and take it out of the profile.",
                )
        refuse_standstill(profile, dict(zip(arm.joints, self._places.velocity)))
        self.velocity = np.minimum(self._places.velocity, arm.limits.velocity)
        self.home = np.array(arm.home)
        outside = (self.home < self.lower) | (self.home > self.upper)
        if outside.any():
            k = int(np.argmax(outside))
            raise WallOSSError(
                f"Profile {profile.name!r}: arm.home lies outside the URDF's joint limits: {arm.joints[k]} at "
                f"{self.home[k]:g} of {self.lower[k]:g} to {self.upper[k]:g} rad.",
                "Correct arm.home.",
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
        )[:, self._places.columns]
        return np.vstack([self._base.rotation.T @ world[:3], self._base.rotation.T @ world[3:]])

    def heights(self, q) -> np.ndarray:
        """How high each joint's centre is (n,), m along the base frame's z axis, for joints (n,) rad."""
        pinocchio.forwardKinematics(self._model, self._data, self._vector(q))
        centres = np.array([self._data.oMi[i].translation for i in self._places.numbers.tolist()])
        return (centres - self._base.translation) @ self._base.rotation[:, 2]

    def levers(self) -> np.ndarray:
        """How far the TCP can get from each joint's centre (n,), m: the lengths between the joints from there on."""
        lengths = [np.linalg.norm(placement.translation) for placement in self._model.jointPlacements]
        lengths = [*lengths[2:], np.linalg.norm(self._model.frames[self._tcp].placement.translation)]
        return np.cumsum(lengths[::-1])[::-1][self._places.numbers - 1]

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
        return self._places.configuration(q)
