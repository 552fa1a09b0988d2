"""Whether an arm touches itself, from the collision shapes of its URDF, with Pinocchio."""

from __future__ import annotations

import numpy as np
import pinocchio

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.profile import RobotProfile

_MARGIN = 0.01  # m: shapes nearer than this count as touching
_ALWAYS = 0.95  # a pair that touches in more of the sampled postures than this is one body
_SAMPLES = 200


class SelfCollision:
    """Pairs of links that must not touch, and whether they do.

    Which pairs may touch is computed: links on one joint or on neighbouring joints, which meet there; those that touch
    at home, where the robot is known to be well, and those that touch in nearly every posture, because simplified
    shapes overlap. Joints that the profile does not name are locked at zero, as for kinematics.

    Attributes:
        pairs: names of the links that are compared.
    """

    def __init__(self, profile: RobotProfile, margin: float = _MARGIN):
        """
        Args:
            margin: m between shapes below which they count as touching.

        Raises:
            WallOSSError: the URDF's collision shapes cannot be read.
        """
        full = pinocchio.buildModelFromUrdf(str(profile.urdf_path))
        try:
            shapes = pinocchio.buildGeomFromUrdf(full, str(profile.urdf_path), pinocchio.GeometryType.COLLISION)
        except (ValueError, RuntimeError) as error:
            raise WallOSSError(
                f"The collision shapes of {profile.urdf_path} cannot be read: {' '.join(str(error).split())}.",
                "Use primitives, or meshes by absolute paths, in the URDF's collision elements.",
            ) from error
        locked = [i for i, name in enumerate(full.names) if i > 0 and name not in profile.arm.joints]
        self._model, (self._shapes,) = pinocchio.buildReducedModel(full, [shapes], locked, pinocchio.neutral(full))
        self._order = np.array([self._model.joints[self._model.getJointId(n)].idx_q for n in profile.arm.joints])
        self._state = self._model.createData()
        self._choose(profile, margin)
        self._watch(margin)
        self.pairs = [tuple(self._link(x) for x in (pair.first, pair.second)) for pair in self._shapes.collisionPairs]

    def _choose(self, profile: RobotProfile, margin: float) -> None:
        """Keeps the pairs that must not touch."""
        parents, bodies = self._model.parents, [shape.parentJoint for shape in self._shapes.geometryObjects]
        for a in range(len(bodies)):
            for b in range(a + 1, len(bodies)):
                one, other = bodies[a], bodies[b]
                if one != other and parents[one] != other and parents[other] != one:
                    self._shapes.addCollisionPair(pinocchio.CollisionPair(a, b))
        self._watch(margin)
        rng = np.random.default_rng(0)
        low, high = self._model.lowerPositionLimit[self._order], self._model.upperPositionLimit[self._order]
        often = np.mean([self._touching(q) for q in rng.uniform(low, high, (_SAMPLES, len(low)))], axis=0)
        one_body = (often > _ALWAYS) | self._touching(np.array(profile.arm.home))
        for pair in [pair for pair, drop in zip(self._shapes.collisionPairs, one_body) if drop]:
            self._shapes.removeCollisionPair(pinocchio.CollisionPair(pair.first, pair.second))

    def _watch(self, margin: float) -> None:
        self._found = pinocchio.GeometryData(self._shapes)
        for request in self._found.collisionRequests:
            request.security_margin = margin

    def touching(self, q) -> str:
        """Two links that touch at joints (n,) rad, in words; an empty text when none do."""
        vector = self._vector(q)
        if not pinocchio.computeCollisions(self._model, self._state, self._shapes, self._found, vector, True):
            return ""
        for pair, result in zip(self.pairs, self._found.collisionResults):
            if result.isCollision():
                return f"{pair[0]} and {pair[1]}"
        return "two links"

    def _touching(self, q: np.ndarray) -> np.ndarray:
        pinocchio.computeCollisions(self._model, self._state, self._shapes, self._found, self._vector(q), False)
        return np.array([result.isCollision() for result in self._found.collisionResults], bool)

    def _link(self, shape: int) -> str:
        """Shapes are named after their link, with a number behind."""
        return self._shapes.geometryObjects[shape].name.rpartition("_")[0]

    def _vector(self, q) -> np.ndarray:
        vector = np.empty(len(self._order))
        vector[self._order] = q
        return vector
