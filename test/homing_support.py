# SPDX-License-Identifier: Apache-2.0
"""Free postures to start from."""

import functools

import numpy as np
import pinocchio

from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.homing.clearance import Clearance
from wall_oss_ros.robots.profile import load_profile


@functools.cache
def robot(name: str):
    profile = load_profile(name)
    return profile, Clearance(profile), SelfCollision(profile)


def reachable(name: str, seed: int, spread: float) -> np.ndarray:
    """Free joints (n,) with each tool somewhere in its workspace, tilted, and the elbows anywhere."""
    profile, clearance, _ = robot(name)
    rng = np.random.default_rng(seed)
    while True:
        q = []
        for one, arm in zip(profile.arms, clearance.arms):
            goal = rng.uniform(one.arm.workspace.min, one.arm.workspace.max)
            rotation = pinocchio.exp3(rng.normal(0, 0.4, 3)) @ arm.fk(arm.home)[1]
            begin = arm.home + rng.normal(0, spread, len(arm.home))
            q.append(arm.ik(goal, rotation, begin, homing=0.0))
        together = np.concatenate([found.q for found in q])
        if all(found.ok for found in q) and not clearance.objection(together[None]):
            return together
