# SPDX-License-Identifier: Apache-2.0
"""A simulated robot's driven parts: arms with grippers, and joints beside them such as a head or a lift."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.simulation import Servos
from wall_oss_ros.sim import cell
from wall_oss_ros.sim.engine import mujoco


class ServoJoints:
    """Joints (n,), rad or m, that follow position targets: an arm's, a head's, a lift's.

    Args:
        names: of the joints.
        servos: theirs.
        home: (n,) where they are after a reset.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, names: Sequence[str], servos: Servos, home):
        self._model, self._data = model, data
        self._at = _Addresses.of(model, names)
        self._lead = np.array(servos.damping) / np.array(servos.stiffness)
        self.home = np.array(home, float)

    @property
    def q(self) -> np.ndarray:
        """Positions (n,)."""
        return self._data.qpos[self._at.q]

    @property
    def qd(self) -> np.ndarray:
        """Velocities (n,)."""
        return self._data.qvel[self._at.v]

    @property
    def targets(self) -> np.ndarray:
        """What the servos hold (n,)."""
        return self._data.ctrl[self._at.ctrl]

    def set_joint_targets(self, q, qd=None) -> None:
        """What the servos hold from now on: joint positions (n,), optionally velocities (n,).

        The velocity takes the servos' damping off a moving target, so that it is followed without a lag.
        """
        q = np.asarray(q, float)
        if q.shape != self.home.shape or not np.isfinite(q).all():
            raise ValueError(f"joint targets must be {len(self.home)} finite numbers, not {q}")
        self._data.ctrl[self._at.ctrl] = q + (0.0 if qd is None else np.asarray(qd, float) * self._lead)

    def place_joints(self, q) -> None:
        """Puts the joints (n,) there at rest, without physics; the servos hold them there."""
        self._data.qpos[self._at.q] = self._data.ctrl[self._at.ctrl] = q
        self._data.qvel[self._at.v] = 0


class ServoArm(ServoJoints):
    """One arm with n joints and its gripper.

    Args:
        profile: of a robot with this arm alone.

    Attributes:
        open: the widest opening of the gripper, also after a reset.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, profile: RobotProfile):
        super().__init__(model, data, profile.arm.joints, profile.simulation.servos, profile.start)
        self._fingers = _Addresses.of(model, profile.simulation.fingers.joints)
        self._tcp, self._base = model.body(profile.arm.tcp_frame).id, cell.base_body(model, profile)
        self._bodies = _below(model, model.joint(profile.arm.joints[0]).bodyid[0])
        self._speed = profile.simulation.fingers.speed
        self._closed, self.open = profile.gripper.closed, profile.gripper.open
        self._gripper_target = self._gripper_command = self.open

    @property
    def gripper_width(self) -> float:
        """Opening between the fingers."""
        return float(self._data.qpos[self._fingers.q].sum())

    @property
    def gripper_speed(self) -> float:
        """Rate of change of the opening, m/s."""
        return float(self._data.qvel[self._fingers.v].sum())

    @property
    def tcp(self) -> tuple[np.ndarray, np.ndarray]:
        """The tool centre point: position (3,) and rotation (3, 3) in the arm's base frame."""
        base = self._data.xmat[self._base].reshape(3, 3)
        position = base.T @ (self._data.xpos[self._tcp] - self._data.xpos[self._base])
        return position, base.T @ self._data.xmat[self._tcp].reshape(3, 3)

    @property
    def external_wrench(self) -> tuple[np.ndarray, np.ndarray]:
        """What touches arm and gripper does to them: force (3,) N, torque (3,) N m about the tool, base frame."""
        model, data = self._model, self._data
        force, torque, felt = np.zeros(3), np.zeros(3), np.empty(6)
        ours = self._bodies[model.geom_bodyid[data.contact.geom]]  # (contacts, 2)
        for number in np.flatnonzero(ours[:, 0] != ours[:, 1]):
            mujoco.mj_contactForce(model, data, number, felt)  # on the second shape, in the contact's axes
            push = data.contact.frame[number].reshape(3, 3).T @ felt[:3] * (1 if ours[number, 1] else -1)
            force += push
            torque += np.cross(data.contact.pos[number] - data.xpos[self._tcp], push)
        base = data.xmat[self._base].reshape(3, 3)
        return base.T @ force, base.T @ torque

    def set_gripper(self, width: float) -> None:
        """Where the gripper goes, at its own speed: opening between the fingers, clipped to what it can do."""
        if not math.isfinite(width):
            raise ValueError(f"the gripper's opening must be finite, not {width}")
        self._gripper_target = min(max(float(width), self._closed), self.open)

    def advance(self, dt: float) -> None:
        """Moves the fingers' command towards the gripper's target, before a step of ``dt``."""
        most = self._speed * dt
        self._gripper_command += min(max(self._gripper_target - self._gripper_command, -most), most)
        self._data.ctrl[self._fingers.ctrl] = self._gripper_command / 2

    def place(self, q, width: float) -> None:
        """Puts arm and gripper there at rest, without physics: joints (n,), opening. The servos hold them there."""
        self.place_joints(q)
        self._place_fingers(width, width)

    def close_on(self, width: float) -> None:
        """Puts the fingers around something ``width`` wide, without physics; they keep closing on it."""
        self._place_fingers(width, 0.0)

    def _place_fingers(self, width: float, target: float) -> None:
        self._data.qpos[self._fingers.q] = width / 2
        self._data.qvel[self._fingers.v] = 0
        self._data.ctrl[self._fingers.ctrl] = target / 2
        self._gripper_target = self._gripper_command = float(target)


def _below(model: mujoco.MjModel, root: int) -> np.ndarray:
    """Whether each body (n,) is ``root`` or hangs on it."""
    below = np.zeros(model.nbody, bool)
    below[root] = True
    for body in range(root + 1, model.nbody):  # parents come first
        below[body] = below[model.body_parentid[body]]
    return below


class _Addresses(NamedTuple):
    """Where joints' positions, velocities and servos are in MuJoCo's arrays."""

    q: np.ndarray
    v: np.ndarray
    ctrl: np.ndarray

    @classmethod
    def of(cls, model: mujoco.MjModel, names: Sequence[str]) -> _Addresses:
        joints = [model.joint(name) for name in names]
        ctrl = np.array([model.actuator(name).id for name in names])
        return cls(*(np.array([getattr(j, key)[0] for j in joints]) for key in ("qposadr", "dofadr")), ctrl)
