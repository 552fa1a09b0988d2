# SPDX-License-Identifier: Apache-2.0
"""The rest of tf_transformations: reflections, scales, projections, shears, fits of points, and the Arcball.

Planes are given by a point in them and their normal. Formulas: R. Goldman, in Graphics Gems (1990 and 1991); fits of
points: W. Kabsch, Acta Cryst. A34 (1978); the Arcball: K. Shoemake, in Graphics Gems IV (1994).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

_EPS = np.finfo(float).eps * 4.0
_NEAR = 1e-8  # how near an eigenvalue is to what it should be


def _unit(vector: Any) -> np.ndarray:
    vector = np.array(vector[:3], float)
    return vector / np.linalg.norm(vector)


def _matrix(linear: Any, translation: Any = (0.0, 0.0, 0.0)) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear, translation
    return matrix


def _eigenvector(matrix: np.ndarray, value: float) -> np.ndarray:
    """A real eigenvector, the last of those there are.

    Raises:
        ValueError: the matrix has no such eigenvalue.
    """
    values, vectors = np.linalg.eig(matrix)
    found = np.flatnonzero(abs(np.real(values) - value) < _NEAR)
    if not len(found):
        raise ValueError(f"no eigenvector corresponding to eigenvalue {value:g}")
    return np.real(vectors[:, found[-1]])


def _fixed_point(matrix: np.ndarray) -> np.ndarray:
    """A point (4,) that the transform leaves where it is."""
    values, vectors = np.linalg.eig(matrix)
    for index in np.flatnonzero(abs(np.real(values) - 1.0) < _NEAR)[::-1]:
        point = np.real(vectors[:, index])
        if abs(point[3]) > _EPS:
            return point / point[3]
    raise ValueError("no eigenvector corresponding to eigenvalue 1")


# Reflections and scales


def reflection_matrix(point: Sequence[float], normal: Sequence[float]) -> np.ndarray:
    """Mirrors at a plane."""
    normal = _unit(normal)
    return _matrix(np.eye(3) - 2.0 * np.outer(normal, normal), 2.0 * np.dot(point[:3], normal) * normal)


def reflection_from_matrix(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A point (4,) in the mirror and its normal (3,)."""
    matrix = np.array(matrix, float)
    return _fixed_point(matrix), _eigenvector(matrix[:3, :3], -1.0)


def scale_matrix(
    factor: float, origin: Sequence[float] | None = None, direction: Sequence[float] | None = None
) -> np.ndarray:
    """Scales about an origin, in all directions or one."""
    centre = np.zeros(3) if origin is None else np.array(origin[:3], float)
    along = np.eye(3) if direction is None else np.outer(_unit(direction), _unit(direction))
    return _matrix(np.eye(3) - (1.0 - factor) * along, (1.0 - factor) * along @ centre)


def scale_from_matrix(matrix: np.ndarray) -> tuple[float, np.ndarray, np.ndarray | None]:
    """Factor, origin (4,), and direction; None where it scales in all of them."""
    matrix = np.array(matrix, float)
    factor = float(np.trace(matrix[:3, :3])) - 2.0
    try:
        direction = _eigenvector(matrix[:3, :3], factor)
        direction = direction / np.linalg.norm(direction)
    except ValueError:
        factor, direction = (factor + 2.0) / 3.0, None
    return factor, _fixed_point(matrix), direction


# Projections and shears


def projection_matrix(
    point: Sequence[float],
    normal: Sequence[float],
    direction: Sequence[float] | None = None,
    perspective: Sequence[float] | None = None,
    pseudo: bool = False,
) -> np.ndarray:
    """Onto a plane: along its normal, along a direction, or towards a centre of perspective.

    With ``pseudo`` a perspective keeps depths, relative to each other.
    """
    normal, point = _unit(normal), np.array(point[:3], float)
    depth = point @ normal
    if perspective is None:
        along = normal if direction is None else np.array(direction[:3], float)
        along = along / (along @ normal)
        return _matrix(np.eye(3) - np.outer(along, normal), depth * along)
    centre = np.array(perspective[:3], float)
    matrix = _matrix((centre - point) @ normal * np.eye(3) - np.outer(centre, normal), depth * centre)
    if pseudo:
        matrix[:3, :3] -= np.outer(normal, normal)
        matrix[:3, 3] += depth * normal
    matrix[3, :3], matrix[3, 3] = -normal, centre @ normal
    return matrix


def projection_from_matrix(
    matrix: np.ndarray, pseudo: bool = False
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None, np.ndarray | None, bool]:
    """What `projection_matrix` made it of; ``pseudo``: what was given for that."""
    matrix = np.array(matrix, float)
    linear = matrix[:3, :3]
    if not pseudo and np.allclose(matrix[3], (0.0, 0.0, 0.0, matrix[3, 3])) and _has(linear, 0.0):
        direction = _eigenvector(linear, 0.0)
        direction = direction / np.linalg.norm(direction)
        normal = _eigenvector(linear.T, 0.0)
        return _fixed_point(matrix), normal / np.linalg.norm(normal), direction, None, False
    values, vectors = np.linalg.eig(matrix)
    found = [i for i in range(4) if abs(np.real(values[i])) > _NEAR]
    if not found:
        raise ValueError("no eigenvector not corresponding to eigenvalue 0")
    normal = -matrix[3, :3]
    in_plane = [np.real(vectors[:, i]) for i in found if abs(np.real(vectors[3, i])) > _NEAR]
    if not in_plane:
        raise ValueError("no point of the plane is left where it is")
    point = in_plane[-1] / in_plane[-1][3]
    centre = matrix[:3, 3] / (point[:3] @ normal)
    if pseudo:
        centre = centre - normal
    return point, normal, None, centre, pseudo


def _has(matrix: np.ndarray, value: float) -> bool:
    return bool(np.any(abs(np.real(np.linalg.eigvals(matrix)) - value) < _NEAR))


def clip_matrix(
    left: float, right: float, bottom: float, top: float, near: float, far: float, perspective: bool = False
) -> np.ndarray:
    """A frustum's normalised device coordinates, each from -1 to 1; with ``perspective`` they are to be divided by w.

    Raises:
        ValueError: the frustum is empty, or a perspective's near plane is not in front.
    """
    if left >= right or bottom >= top or near >= far:
        raise ValueError("invalid frustum")
    sizes = np.array([right - left, top - bottom, far - near])
    middles = np.array([right + left, top + bottom, far + near])
    if not perspective:
        return _matrix(np.diag(2.0 / sizes), -middles / sizes)
    if near <= _EPS:
        raise ValueError("invalid frustum: near <= 0")
    matrix = np.diag([*(-2.0 * near / sizes[:2]), -middles[2] / sizes[2], 0.0])
    matrix[:2, 2] = middles[:2] / sizes[:2]
    matrix[2, 3], matrix[3, 2] = 2.0 * far * near / sizes[2], -1.0
    return matrix


def shear_matrix(
    angle: float, direction: Sequence[float], point: Sequence[float], normal: Sequence[float]
) -> np.ndarray:
    """Shears by an angle along a direction in a plane.

    Raises:
        ValueError: the direction is not in the plane.
    """
    normal, direction = _unit(normal), _unit(direction)
    if abs(normal @ direction) > 1e-6:
        raise ValueError("direction and normal vectors are not orthogonal")
    slope = math.tan(angle)
    return _matrix(np.eye(3) + slope * np.outer(direction, normal), -slope * np.dot(point[:3], normal) * direction)


def shear_from_matrix(matrix: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Angle, direction, a point (4,) in the plane, and its normal.

    Raises:
        ValueError: it is no shear.
    """
    matrix = np.array(matrix, float)
    sizes = np.linalg.svd(matrix[:3, :3] - np.eye(3))
    left, size, right = sizes
    if size[0] < _EPS or size[1] > 1e-6 * size[0] or abs(left[:, 0] @ right[0]) > 1e-6:
        raise ValueError("the matrix is no shear")
    direction, normal = left[:, 0], right[0]
    point = -(direction @ matrix[:3, 3]) / size[0] * normal
    return math.atan(size[0]), direction, np.append(point, 1.0), normal


# Crystals and fits


def orthogonalization_matrix(lengths: Sequence[float], angles: Sequence[float]) -> np.ndarray:
    """From a crystal's fractional coordinates to Cartesian ones; edges a, b, c, and angles in degrees."""
    a, b, c = lengths
    (sin_alpha, sin_beta, _), (cos_alpha, cos_beta, cos_gamma) = (f(np.radians(angles)) for f in (np.sin, np.cos))
    cosine = (cos_alpha * cos_beta - cos_gamma) / (sin_alpha * sin_beta)
    return _matrix([
        [a * sin_beta * math.sqrt(1.0 - cosine**2), 0.0, 0.0],
        [-a * sin_beta * cosine, b * sin_alpha, 0.0],
        [a * cos_beta, b * cos_alpha, c],
    ])  # fmt: skip


def superimposition_matrix(v0: np.ndarray, v1: np.ndarray, scaling: bool = False, usesvd: bool = True) -> np.ndarray:
    """The rotation, translation and, if wanted, scale that best lay the first points, (3, N) or (4, N), on the second.

    ``usesvd`` is accepted: quaternions give the same.

    Raises:
        ValueError: these are no points, or not as many.
    """
    first, second = np.array(v0, float)[:3], np.array(v1, float)[:3]
    if first.shape != second.shape or first.ndim != 2 or first.shape[1] < 3:
        raise ValueError("vectors are of wrong shape or type")
    start, end = first.mean(axis=1), second.mean(axis=1)
    first, second = first - start[:, None], second - end[:, None]
    left, _, right = np.linalg.svd(second @ first.T)
    turn = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
    if scaling:
        turn = turn * math.sqrt((second**2).sum() / (first**2).sum())
    return _matrix(turn, end - turn @ start)


def random_vector(size: int | Sequence[int]) -> np.ndarray:
    """Numbers from 0 to below 1."""
    return np.random.random(size)


# The Arcball


def arcball_map_to_sphere(point: Sequence[float], center: Sequence[float], radius: float) -> np.ndarray:
    """The point (3,) of the unit sphere above a place in a window, whose y goes down."""
    x, y = (point[0] - center[0]) / radius, (center[1] - point[1]) / radius
    square = x * x + y * y
    return np.array([x, y, 0.0]) / math.sqrt(square) if square > 1.0 else np.array([x, y, math.sqrt(1.0 - square)])


def arcball_constrain_to_axis(point: Sequence[float], axis: Sequence[float]) -> np.ndarray:
    """The point of the sphere, above, that is nearest to a point and perpendicular to an axis."""
    point, axis = np.array(point, float), np.array(axis, float)
    flat = point - axis * (axis @ point)
    if (size := np.linalg.norm(flat)) > _EPS:
        return flat * (-1.0 if flat[2] < 0.0 else 1.0) / size
    return np.array([1.0, 0.0, 0.0]) if axis[2] == 1.0 else _unit([-axis[1], axis[0], 0.0])


def arcball_nearest_axis(point: Sequence[float], axes: Sequence[Sequence[float]]) -> Any:
    """Of the axes, the one whose arc is nearest to the point."""
    return max(axes, key=lambda axis: float(np.dot(arcball_constrain_to_axis(point, axis), point)))


class Arcball:
    """Turns things in a window as one drags the pointer.

    Args:
        initial: a quaternion (x, y, z, w) or a rotation matrix to begin with.
    """

    def __init__(self, initial: Any = None):
        self._axes: list[np.ndarray] | None = None
        self._axis: np.ndarray | None = None
        self._radius, self._center = 1.0, [0.0, 0.0]
        self._touched, self._constrain = np.array([0.0, 0.0, 1.0]), False
        start = np.array([0.0, 0.0, 0.0, 1.0] if initial is None else initial, float)
        if start.shape == (4, 4):
            start = Rotation.from_matrix(start[:3, :3]).as_quat()
        elif start.shape != (4,):
            raise ValueError("initial not a quaternion or matrix.")
        self._down = self._now = self._before = start / np.linalg.norm(start)

    def place(self, center: Sequence[float], radius: float) -> None:
        """Where it is in the window, in pixels."""
        self._radius, self._center = float(radius), [float(center[0]), float(center[1])]

    def setaxes(self, *axes: Sequence[float]) -> None:
        """The axes that turns are constrained to."""
        self._axes = [_unit(axis) for axis in axes]

    def setconstrain(self, constrain: bool) -> None:
        self._constrain = bool(constrain)

    def getconstrain(self) -> bool:
        return self._constrain

    def down(self, point: Sequence[float]) -> None:
        """The pointer's button goes down at a place in the window."""
        self._touched = arcball_map_to_sphere(point, self._center, self._radius)
        self._down = self._before = self._now
        self._axis = None
        if self._constrain and self._axes is not None:
            self._axis = arcball_nearest_axis(self._touched, self._axes)
            self._touched = arcball_constrain_to_axis(self._touched, self._axis)

    def drag(self, point: Sequence[float]) -> None:
        """The pointer is moved with its button down."""
        at = arcball_map_to_sphere(point, self._center, self._radius)
        if self._axis is not None:
            at = arcball_constrain_to_axis(at, self._axis)
        self._before = self._now
        across = np.cross(self._touched, at)
        if across @ across < _EPS:
            self._now = self._down
        else:
            turn = Rotation.from_quat(np.append(across, self._touched @ at))
            self._now = (turn * Rotation.from_quat(self._down)).as_quat()

    def next(self, acceleration: float = 0.0) -> None:
        """Goes on turning as at the last drag, faster or slower."""
        before, now = Rotation.from_quat(self._before), Rotation.from_quat(self._now)
        step = (now * before.inv()).as_rotvec()
        turned = Rotation.from_rotvec((1.0 + acceleration) * step) * now
        self._before, self._now = self._now, turned.as_quat()

    def matrix(self) -> np.ndarray:
        """The rotation, (4, 4)."""
        return _matrix(Rotation.from_quat(self._now).as_matrix())
