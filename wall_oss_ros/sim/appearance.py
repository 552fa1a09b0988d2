# SPDX-License-Identifier: Apache-2.0
"""How a scene looks beside what stands in it: light, the table's colour, cameras a little off their place, clutter.

A model that has seen one light and one camera pose knows no other; so training draws these, and evaluation asks for
them one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from wall_oss_ros.sim.cell import CLUTTER, TABLE
from wall_oss_ros.sim.engine import mujoco

KINDS = ("light", "camera", "clutter")
"""What may be varied."""
_PARKED = (0.0, 0.0, -3.0)  # m: below the floor, where no camera sees it
_ASIDE = (0.08, 0.32)  # m
Ranges = Sequence[tuple[float, float]]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Appearance:
    """Differences from the plain scene; the default is none.

    Attributes:
        direction: added to the lamp's direction.
        lamp, ambient: factors of the lamp's and of the scattered light.
        table: factors of the table's red, green and blue.
        shift: m, of each camera that no arm carries, by name; ``turn``: its rotation vector, rad.
        clutter: x, y (m, on the table's surface) and yaw (rad) of things that no instruction names; as many as there
            are are shown.
    """

    direction: Vector = (0.0, 0.0, 0.0)
    lamp: float = 1.0
    ambient: float = 1.0
    table: Vector = (1.0, 1.0, 1.0)
    shift: dict[str, Vector] = field(default_factory=dict)
    turn: dict[str, Vector] = field(default_factory=dict)
    clutter: tuple[Vector, ...] = ()

    @classmethod
    def random(
        cls,
        rng: np.random.Generator,
        cameras: Sequence[str],
        places: Ranges,
        kinds: Collection[str] = KINDS,
        strength: float = 1.0,
    ) -> Appearance:
        """One that is drawn.

        Args:
            cameras: those that no arm carries.
            places: m along x, where clutter may stand without being touched.
            kinds: what is varied, of ``KINDS``.
            strength: at 1, cameras are moved by up to 2 cm and turned by up to 3 degrees, the lamp's direction by 0.4,
                light by a quarter.
        """
        values: dict = {}
        if "light" in kinds:
            values |= {
                "direction": _vector(rng.uniform(-0.4, 0.4, 3) * (1, 1, 0) * strength),
                "lamp": float(1 + strength * rng.uniform(-0.25, 0.25)),
                "ambient": float(1 + strength * rng.uniform(-0.25, 0.25)),
                "table": _vector(1 + strength * rng.uniform(-0.07, 0.07, 3)),
            }
        if "camera" in kinds:
            values["shift"] = {name: _vector(_within(rng, 0.02 * strength)) for name in cameras}
            values["turn"] = {name: _vector(_within(rng, np.radians(3.0) * strength)) for name in cameras}
        if "clutter" in kinds:
            count = int(rng.integers(1, CLUTTER + 1))
            sides = rng.permutation([-1.0, 1.0])
            values["clutter"] = tuple(
                (
                    float(rng.uniform(*places[int(rng.integers(len(places)))])),
                    float(sides[n % 2] * rng.uniform(*_ASIDE)),
                    float(rng.uniform(-3.1, 3.1)),
                )
                for n in range(count)
            )
        return cls(**values)


PLAIN = Appearance()


class Look:
    """Dresses one model, and undresses it.

    Args:
        model: compiled from a world that :func:`wall_oss_ros.sim.cell.room` has made.
    """

    def __init__(self, model: mujoco.MjModel):
        self._model = model
        self._light = (model.light_dir.copy(), model.light_diffuse.copy())
        self._ambient = np.array(model.vis.headlight.ambient)
        self._cameras = (model.cam_pos.copy(), model.cam_quat.copy())
        self._table = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, TABLE)
        self._colour = model.geom_rgba[self._table].copy() if self._table >= 0 else None
        there = [mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, f"clutter{n}") >= 0 for n in range(CLUTTER)]
        self._clutter = sum(there)  # not every scene has a place for it
        names = [model.camera(index).name for index in range(model.ncam)]
        self.cameras = tuple(name for name in names if "wrist" not in name)

    def put_on(self, appearance: Appearance) -> None:
        """Makes the scene look so, whatever it looked like before; poses follow with the next ``mj_forward``."""
        model = self._model
        model.light_dir[:] = self._light[0] + appearance.direction
        model.light_diffuse[:] = np.clip(self._light[1] * appearance.lamp, 0, 1)
        model.vis.headlight.ambient[:] = np.clip(self._ambient * appearance.ambient, 0, 1)
        if self._colour is not None:
            model.geom_rgba[self._table, :3] = np.clip(self._colour[:3] * appearance.table, 0, 1)
        model.cam_pos[:], model.cam_quat[:] = self._cameras
        for name, shift in appearance.shift.items():
            model.camera(name).pos[:] += shift
        for name, turn in appearance.turn.items():
            quaternion, angle = np.array([1.0, 0, 0, 0]), float(np.linalg.norm(turn))
            if angle > 0:
                mujoco.mju_axisAngle2Quat(quaternion, np.divide(turn, angle), angle)
            turned = np.empty(4)
            mujoco.mju_mulQuat(turned, model.camera(name).quat, quaternion)
            model.camera(name).quat[:] = turned
        for number in range(self._clutter):
            body = model.body(f"clutter{number}")
            if number < len(appearance.clutter):
                x, y, yaw = appearance.clutter[number]
                body.pos[:], body.quat[:] = (x, y, 0), (np.cos(yaw / 2), 0, 0, np.sin(yaw / 2))
            else:
                body.pos[:] = _PARKED


def _vector(values: np.ndarray) -> Vector:
    x, y, z = map(float, values)
    return x, y, z


def _within(rng: np.random.Generator, radius: float) -> np.ndarray:
    """A vector (3,) of a length up to ``radius``, in any direction."""
    way = rng.normal(size=3)
    return way / max(float(np.linalg.norm(way)), 1e-9) * radius * rng.random()
