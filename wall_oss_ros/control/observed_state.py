# SPDX-License-Identifier: Apache-2.0
"""Whether the state that a chunk starts from is where this robot was then: by its own joints and kinematics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout

_APART = 0.05  # m: joint states and images may be some hundredths of a second apart
_TURNED = 0.35  # rad


def state_fault(layout: Layout, arms: Sequence[Arm], joints: np.ndarray, state: np.ndarray) -> str:
    """Why a chunk that starts from a state cannot be meant for this robot; empty when it can.

    Args:
        arms: the kinematics of its arms.
        joints: (n,) rad, at the time of the state, arm by arm.
        state: (A,) as the chunk says.
    """
    if np.shape(state) != (layout.size,) or not np.isfinite(state).all() or layout.fault(state):
        return "the action chunk starts from a state that means nothing"
    ends = np.cumsum([len(arm.home) for arm in arms])[:-1]
    for own, arm, q in zip(layout.arms, arms, np.split(np.asarray(joints, float), ends)):
        position, rotation, _ = own.unpack(state)
        there, turned = arm.fk(q)
        apart = float(np.linalg.norm(position - there))
        angle = float(np.arccos(np.clip((np.trace(rotation.T @ turned) - 1) / 2, -1.0, 1.0)))
        if apart > _APART or angle > _TURNED:
            return (
                f"the action chunk starts {apart:.2f} m and {angle:.2f} rad from where the {own.profile.arm.name} was"
                " by its joints: it is for another robot or variant, or joint states and images are not of one time"
            )
    return ""
