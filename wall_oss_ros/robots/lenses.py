# SPDX-License-Identifier: Apache-2.0
"""What a camera's lens makes of directions: pixels to rays and back, by the models that ROS and OpenCV have.

A pinhole shows what lies at (x, y, 1) at the pixel (fx x + cx, fy y + cy). A lens shows it where a pinhole would show
another (x, y): how these two belong together is its distortion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

POLYNOMIALS, FISHEYE = ("plumb_bob", "rational_polynomial"), "equidistant"
MODELS = (*POLYNOMIALS, FISHEYE)
"""Those of sensor_msgs/distortion_models.hpp."""
NUMBERS = 12  # coefficients of a distortion, zeros behind those that its model has
_WIDEST = {True: np.radians(89.0), False: np.radians(89.9)}  # by whether it is a polynomial: farthest off the axis
_SAMPLES = 2000
_MOST, _PRECISE = 20, 1e-12  # steps of Newton's method, and the change with which it ends
_NEAR = 0.95  # of the table's end, where a formula does not change and Newton's method would lead anywhere
_EXACT = 1e-9  # of what is found, to be bent to where it was looked for


@dataclass(frozen=True)
class Distortion:
    """How a lens bends what a pinhole would show; x right and y down, in focal lengths from the axis.

    Polynomial, r2 = x2 + y2, with vectors t = (p2, p1), u = (s1, s3), v = (s2, s4):
    ``X (1 + k1 r2 + k2 r4 + k3 r6) / (1 + k4 r2 + k5 r4 + k6 r6) + r2 t + 2 (t X) X + r2 u + r4 v``.
    Fisheye, with the angle a off the axis: ``X / r (a + k1 a3 + k2 a5 + k3 a7 + k4 a9)``. (Source: OpenCV, calib3d and
    fisheye.)

    Attributes:
        model: one of ``MODELS``.
        numbers: ``NUMBERS`` of them: k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4, or k1 k2 k3 k4 and zeros.
    """

    model: str
    numbers: tuple[float, ...]

    def distort(self, points: np.ndarray) -> np.ndarray:
        """Where the lens shows what a pinhole shows at these points (..., 2). NaN beyond what it can show apart."""
        points = np.asarray(points, float)
        with np.errstate(all="ignore"):
            bent = self._bent(points)
            far = np.hypot(points[..., 0], points[..., 1])
            return np.where((far <= self._table[2])[..., None], bent, np.nan)

    def undistort(self, points: np.ndarray) -> np.ndarray:
        """The other way, (..., 2); NaN of what the lens shows nowhere.

        Each begins where the lens without what is not round about its axis has it, from a table, and is then found by
        Newton's method. So what lies beyond the farthest that is shown, where the formula folds back, is never taken.
        """
        shown = np.asarray(points, float)
        flat = shown.reshape(-1, 2)
        angles, bent, widest = self._table
        with np.errstate(all="ignore"):
            far = np.hypot(flat[:, 0], flat[:, 1])
            # What is shown farther off than the table ends may be so by what is not round about the axis.
            start = np.tan(np.interp(far, bent, angles, right=_NEAR * angles[-1]))
            found = flat * np.where(far > 0, start / far, 1.0)[:, None]
            for _ in range(_MOST):
                off = self._bent(found) - flat
                (a, b), (c, d) = self._slope(found)
                step = np.stack([d * off[:, 0] - b * off[:, 1], a * off[:, 1] - c * off[:, 0]], -1)
                step /= (a * d - b * c)[:, None]
                found = found - step
                if not np.abs(step[np.isfinite(step)]).max(initial=0.0) > _PRECISE:
                    break
            exact = np.abs(self._bent(found) - flat).max(axis=-1) <= _EXACT * (1 + far)
            (a, b), (c, d) = self._slope(found)
            inside = (np.hypot(found[:, 0], found[:, 1]) <= widest) & (a * d - b * c > 0)
        return np.where((exact & inside)[:, None], found, np.nan).reshape(shown.shape)

    def turned(self, turn: np.ndarray) -> Distortion:
        """The same lens by axes that are turned about its own, ``turn`` (2, 2): where x and y lie then."""
        if self.model == FISHEYE:
            return self
        k1, k2, p1, p2, *ks, s1, s2, s3, s4 = self.numbers
        (p2, p1), (s1, s3), (s2, s4) = (turn @ np.array(one) for one in ((p2, p1), (s1, s3), (s2, s4)))
        return Distortion(self.model, tuple(map(float, (k1, k2, p1, p2, *ks, s1, s2, s3, s4))))

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Angles off the axis, how far off it each is shown, and the tangent of the last.

        They end before the first that is shown nearer to the axis than another before it.
        """
        angles = np.linspace(0.0, _WIDEST[self.model != FISHEYE], _SAMPLES)
        with np.errstate(all="ignore"):
            radii = np.tan(angles)
            bent = radii * self._radial(radii)
            grows = np.isfinite(bent[1:]) & (np.diff(bent) > 0)
        end = len(angles) if grows.all() else int(np.argmin(grows)) + 1
        return angles[:end], bent[:end], float(radii[end - 1])

    def _radial(self, radii: np.ndarray) -> np.ndarray:
        """By how much farther off the axis the lens shows what a pinhole shows at these radii (...)."""
        if self.model == FISHEYE:
            k1, k2, k3, k4 = self.numbers[:4]
            angle = np.arctan(radii)
            a2 = angle * angle
            bent = angle * (1 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4))))
            return np.where(radii > 0, bent / np.where(radii > 0, radii, 1.0), 1.0)
        k1, k2, _, _, k3, k4, k5, k6 = self.numbers[:8]
        r2 = radii * radii
        return (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))

    def _radial_slope(self, radii: np.ndarray) -> np.ndarray:
        """The derivative of ``_radial`` by the radius, over the radius."""
        if self.model == FISHEYE:
            k1, k2, k3, k4 = self.numbers[:4]
            angle = np.arctan(radii)
            a2 = angle * angle
            slope = 1 + a2 * (3 * k1 + a2 * (5 * k2 + a2 * (7 * k3 + a2 * 9 * k4)))
            by_radius = (slope / (1 + radii * radii) - self._radial(radii)) / radii**2
            return np.where(radii > 1e-4, by_radius, 2 * (k1 - 1 / 3))
        k1, k2, _, _, k3, k4, k5, k6 = self.numbers[:8]
        r2 = radii * radii
        above, below = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)), 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
        above_slope, below_slope = k1 + r2 * (2 * k2 + r2 * 3 * k3), k4 + r2 * (2 * k5 + r2 * 3 * k6)
        return 2 * (above_slope * below - above * below_slope) / below**2

    def _vectors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """t, u and v of the polynomial."""
        if self.model == FISHEYE:
            return np.zeros(2), np.zeros(2), np.zeros(2)
        _, _, p1, p2, *_, s1, s2, s3, s4 = self.numbers
        return np.array([p2, p1]), np.array([s1, s3]), np.array([s2, s4])

    def _bent(self, points: np.ndarray) -> np.ndarray:
        t, u, v = self._vectors()
        radii = np.hypot(points[..., 0], points[..., 1])[..., None]
        r2 = radii * radii
        return points * self._radial(radii) + r2 * (t + u) + 2 * (points @ t)[..., None] * points + r2 * r2 * v

    def _slope(self, points: np.ndarray) -> np.ndarray:
        """The derivatives of ``_bent``, (2, 2, n): of x and y, by x and y."""
        t, u, v = self._vectors()
        radii = np.hypot(points[:, 0], points[:, 1])
        by_radius, r2, along = self._radial_slope(radii), radii * radii, points @ t
        slope = np.empty((2, 2, len(points)))
        for i in (0, 1):
            for j in (0, 1):
                slope[i, j] = points[:, i] * points[:, j] * by_radius + 2 * (t[i] + u[i]) * points[:, j]
                slope[i, j] += 2 * t[j] * points[:, i] + 4 * r2 * v[i] * points[:, j]
            slope[i, i] += self._radial(radii) + 2 * along
        return slope


@lru_cache(maxsize=64)
def distortion_of(model: str, numbers: tuple[float, ...]) -> tuple[Distortion | None, str]:
    """The distortion by a CameraInfo's ``distortion_model`` and ``d``.

    Returns:
        None where it bends nothing, which all zeros mean of any model; and why it is not known, if so, in words.
    """
    if not all(map(math.isfinite, numbers)):
        return None, "its distortion is not finite"
    if not any(numbers):
        return None, ""
    if model not in MODELS:
        return None, f"distortion model {model[:40]!r} is not known: {', '.join(MODELS)} are"
    most = 4 if model == FISHEYE else NUMBERS
    if len(numbers) < 4 or any(numbers[most:]):
        said = f"{len(numbers)} numbers of distortion came, 4 to {most} were expected of {model}"
        tilted = model != FISHEYE and len(numbers) == 14
        return None, f"{said}; that a sensor is tilted against its lens is not taken into account" if tilted else said
    return Distortion(model, tuple(map(float, (*numbers[:most], *[0.0] * NUMBERS)[:NUMBERS]))), ""


def rays(pixels: Sequence | np.ndarray, matrix: np.ndarray, distortion: Distortion | None = None) -> np.ndarray:
    """The directions (..., 3) in which pixels lie, in the camera's optical axes (x right, y down, z forward), with z 1.

    Args:
        pixels: (..., 2) x and y, from the upper left corner; the first pixel's middle is at 0.5.
        matrix: (3, 3) the camera matrix.
        distortion: None of a picture without.

    Returns:
        NaN of pixels at which the lens shows nothing.
    """
    pixels = np.asarray(pixels, float)
    x = (pixels[..., 0] - matrix[0, 2]) / matrix[0, 0]
    y = (pixels[..., 1] - matrix[1, 2]) / matrix[1, 1]
    if distortion is not None:
        x, y = np.moveaxis(distortion.undistort(np.stack([x, y], -1)), -1, 0)
    return np.stack([x, y, np.where(np.isnan(x), np.nan, 1.0)], -1)


def pixels_of(points: np.ndarray, matrix: np.ndarray, distortion: Distortion | None = None) -> np.ndarray:
    """The pixels (..., 2) at which points (..., 3) in the camera's optical axes are shown; NaN of what is not."""
    points = np.asarray(points, float)
    with np.errstate(all="ignore"):
        seen = np.where(points[..., 2:] > 0, points[..., :2] / points[..., 2:], np.nan)
    if distortion is not None:
        seen = distortion.distort(seen)
    return seen * (matrix[0, 0], matrix[1, 1]) + (matrix[0, 2], matrix[1, 2])
