# SPDX-License-Identifier: Apache-2.0
"""Whether a robot touches itself, from the collision shapes of its URDF, with Pinocchio."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pinocchio

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.kinematics import JointPlaces, read_model
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.urdf import mimicked

_MARGIN = 0.01  # m: shapes nearer than this count as touching
_ALWAYS = 0.95  # a pair that touches in more of the sampled postures than this is one body
_SPARE = 1.1  # times the margin: links this near at home may touch, lest rounding stop a robot that is there
_SAMPLES = 200


def _with_open_grippers(model: pinocchio.Model, profile: RobotProfile) -> np.ndarray:
    """The model's neutral configuration, but with the joints of grippers, and those that mimic them, open."""
    grippers = [one.gripper for one in profile.arms]
    opened = mimicked(profile, {n: g.joint_positions.open for g in grippers for n in g.joints})
    names = [name for name in opened if model.existJointName(name)]
    return JointPlaces(model, names).configuration([opened[name] for name in names])


class SelfCollision:
    """Pairs of links that must not touch, and whether they do: each arm with itself, other arms, head, lift and body.

    Which pairs may touch is computed: links that no arm moves, such as head and body, which their joints' limits keep
    apart; links on one joint or on neighbouring joints, which meet there; those that touch at home, where the robot is
    known to be well, and those that touch in nearly every posture, because simplified shapes overlap. Grippers count as
    open, which is widest. Other joints that the profile does not name are locked at zero, as for kinematics.

    ``SelfCollision(profile).touching(np.concatenate([right, left]))`` asks of a robot with two arms.

    Attributes:
        joints: names of all arms' joints, arm by arm, in the order of the profile's.
        pairs: names of the links that are compared.
    """

    def __init__(self, profile: RobotProfile, margin: float = _MARGIN):
        """
        Args:
            margin: m between shapes below which they count as touching.

        Raises:
            WallOSSError: there is no such URDF, it has no such joints, or its collision shapes cannot be read.
        """
        full = read_model(profile)
        try:
            shapes = pinocchio.buildGeomFromUrdf(full, str(profile.urdf_path), pinocchio.GeometryType.COLLISION)
        except (ValueError, RuntimeError) as error:
            raise WallOSSError(
                f"The collision shapes of {profile.urdf_path} cannot be read: "
                f"{' '.join(str(error).split()).rstrip('.')}.",
                "Use primitives, or meshes by absolute paths, in the URDF's collision elements.",
            ) from error
        self.joints = tuple(joint for one in profile.arms for joint in one.arm.joints)
        parts = {joint: value for part in profile.parts for joint, value in zip(part.joints, part.home)}
        moving = (*self.joints, *parts)
        if missing := [name for name in moving if not full.existJointName(name)]:
            raise WallOSSError(
                f"{profile.urdf_path} has no joint {', '.join(missing)}, which profile {profile.name!r} names.",
                "Correct the names in the profile.",
            )
        locked = [i for i, name in enumerate(full.names) if i > 0 and name not in moving]
        fixed = _with_open_grippers(full, profile)
        self._model, (self._shapes,) = pinocchio.buildReducedModel(full, [shapes], locked, fixed)
        self._arms = JointPlaces(self._model, self.joints)
        self._all = JointPlaces(self._model, [name for name in self._model.names if name in moving])
        self._parts = {name: JointPlaces(self._model, [name]) for name in parts}
        self._rest = JointPlaces(self._model, parts).configuration(list(parts.values()))
        self._state = self._model.createData()
        self._choose(np.concatenate([one.arm.home for one in profile.arms]), margin)
        self._watch(margin)
        self.pairs = [tuple(self._link(x) for x in (pair.first, pair.second)) for pair in self._shapes.collisionPairs]

    def _choose(self, home: np.ndarray, margin: float) -> None:
        """Keeps the pairs that must not touch."""
        parents, bodies = self._model.parents, [shape.parentJoint for shape in self._shapes.geometryObjects]
        arms = {self._model.getJointId(name) for name in self.joints}
        carried = [not arms.isdisjoint(self._model.supports[body]) for body in bodies]  # by an arm
        for a in range(len(bodies)):
            for b in range(a + 1, len(bodies)):
                one, other = bodies[a], bodies[b]
                if (carried[a] or carried[b]) and one != other and parents[one] != other and parents[other] != one:
                    self._shapes.addCollisionPair(pinocchio.CollisionPair(a, b))
        self._watch(margin * _SPARE)
        low, high = self._all.lower, self._all.upper
        postures = np.random.default_rng(0).uniform(low, high, (_SAMPLES, len(low)))
        often = np.mean([self._touching(self._all.configuration(posture)) for posture in postures], axis=0)
        one_body = (often > _ALWAYS) | self._touching(self._vector(home))
        for pair in [pair for pair, drop in zip(self._shapes.collisionPairs, one_body) if drop]:
            self._shapes.removeCollisionPair(pinocchio.CollisionPair(pair.first, pair.second))

    def _watch(self, margin: float) -> None:
        self._found = pinocchio.GeometryData(self._shapes)
        for request in self._found.collisionRequests:
            request.security_margin = margin

    def touching(self, q, parts: Mapping[str, float] = {}) -> str:
        """Two links that touch, in words; empty when none do.

        Args:
            q: (n,) rad, all arms' ``joints``.
            parts: positions of joints of head and lift by name, rad or m; those not given are at home.
        """
        vector = self._vector(q)
        for name, value in parts.items():
            self._parts[name].put(vector, [value])
        if not pinocchio.computeCollisions(self._model, self._state, self._shapes, self._found, vector, True):
            return ""
        for pair, result in zip(self.pairs, self._found.collisionResults):
            if result.isCollision():
                return f"{pair[0]} and {pair[1]}"
        return "two links"

    def _touching(self, vector: np.ndarray) -> np.ndarray:
        pinocchio.computeCollisions(self._model, self._state, self._shapes, self._found, vector, False)
        return np.array([result.isCollision() for result in self._found.collisionResults], bool)

    def _link(self, shape: int) -> str:
        """Shapes are named after their link, with a number behind."""
        return self._shapes.geometryObjects[shape].name.rpartition("_")[0]

    def _vector(self, q) -> np.ndarray:
        vector = self._rest.copy()
        self._arms.put(vector, q)
        return vector
