"""What stands on the table, and the MuJoCo model of it: the URDF's robot, three cubes, two trays, two cameras."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np

from wall_oss_ros.paths import data_path

CUBE_SIZE = 0.04  # m, edge
COLOURS = {
    "red": (0.86, 0.10, 0.09),
    "green": (0.10, 0.62, 0.16),
    "blue": (0.08, 0.22, 0.88),
    "yellow": (0.97, 0.83, 0.05),
}
CUBES = 3
CUBE_X, CUBE_Y = (0.38, 0.62), (-0.14, 0.14)  # m, where centres may lie
CUBE_DISTANCE = 0.085  # m, least distance of two centres: an open gripper fits between
CUBE_YAW = math.radians(15)
TRAYS = {"left": (0.50, 0.27), "right": (0.50, -0.27)}  # m; left is the robot's left, +y
TRAY_JITTER = 0.025  # m
TRAY_INNER, TRAY_WALL, TRAY_FLOOR = 0.15, 0.015, 0.003  # m: floor's edge, wall's height, floor's thickness
ARM_JOINTS = tuple(f"fr3_joint{i}" for i in range(1, 8))
FINGER_JOINTS = ("fr3_finger_joint1", "fr3_finger_joint2")
TCP = "fr3_hand_tcp"
VIEWS = ("face_view", "right_wrist_view")
TIMESTEP = 0.002  # s
# Position servo of each joint: stiffness (N m / rad), damping (N m s / rad) near critical, torque limit (N m).
SERVOS = ((4500, 140, 87), (4500, 140, 87), (3500, 110, 87), (3500, 110, 87), (2000, 40, 12), (2000, 40, 12), (2000, 30, 12))
_ARMATURE = (0.2, 0.2, 0.2, 0.2, 0.1, 0.1, 0.1)  # kg m2, motors seen through their gears
_FINGER_GAINS = (1500.0, 60.0, 25.0)  # N/m, N s/m, N
_ROBOT, _OBJECT = 1, 2  # contact bits: the robot touches objects, never itself


@dataclass(frozen=True)
class Cube:
    """A cube on the table: colour, centre's x and y (m, base frame), yaw (rad)."""

    colour: str
    x: float
    y: float
    yaw: float = 0.0


@dataclass(frozen=True)
class Tray:
    """A tray on the table: side ("left" or "right"), centre's x and y (m, base frame)."""

    side: str
    x: float
    y: float


@dataclass(frozen=True)
class SceneSpec:
    """Everything that differs between two scenes."""

    cubes: tuple[Cube, ...]
    trays: tuple[Tray, ...]

    @classmethod
    def random(cls, rng: np.random.Generator) -> SceneSpec:
        """Three cubes of different colours at least ``CUBE_DISTANCE`` apart, and both trays near their places."""
        while True:
            centres = rng.uniform((CUBE_X[0], CUBE_Y[0]), (CUBE_X[1], CUBE_Y[1]), (CUBES, 2))
            gaps = [np.linalg.norm(centres[i] - centres[j]) for i in range(CUBES) for j in range(i)]
            if min(gaps) >= CUBE_DISTANCE:
                break
        colours = rng.permutation(list(COLOURS))[:CUBES]
        yaws = rng.uniform(-CUBE_YAW, CUBE_YAW, CUBES)
        cubes = tuple(Cube(str(c), float(p[0]), float(p[1]), float(a)) for c, p, a in zip(colours, centres, yaws))
        jitter = rng.uniform(-TRAY_JITTER, TRAY_JITTER, (len(TRAYS), 2))
        trays = tuple(Tray(s, float(x + d[0]), float(y + d[1])) for (s, (x, y)), d in zip(TRAYS.items(), jitter))
        return cls(cubes, trays)

    @property
    def colours(self) -> tuple[str, ...]:
        """The cubes' colours, in the order of ``cubes``."""
        return tuple(cube.colour for cube in self.cubes)

    def tray(self, side: str) -> np.ndarray:
        """Centre of the named tray's floor surface, (3,) m in the base frame."""
        tray = next(t for t in self.trays if t.side == side)
        return np.array([tray.x, tray.y, TRAY_FLOOR])


def build_model(spec: SceneSpec) -> mujoco.MjModel:
    """Compiles the scene. Another scene of the same number of cubes needs only ``apply`` (microseconds)."""
    world = mujoco.MjSpec.from_file(str(data_path("urdf/fr3.urdf")))
    world.option.timestep = TIMESTEP
    world.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    world.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    world.option.impratio = 10  # keeps a held cube from creeping out of the fingers
    world.visual.quality.shadowsize = 0
    world.visual.quality.offsamples = 0
    world.visual.quality.numslices = 16
    world.visual.quality.numstacks = 8
    world.visual.headlight.ambient = [0.45] * 3
    world.visual.headlight.diffuse = [0.3] * 3
    world.visual.headlight.specular = [0.0] * 3
    world.visual.map.znear = 0.005
    world.stat.extent, world.stat.center = 1.0, [0.4, 0, 0.2]
    _robot(world)
    _furniture(world, spec)
    model = world.compile()
    apply(model, spec)
    return model


def apply(model: mujoco.MjModel, spec: SceneSpec) -> None:
    """Gives a compiled model this scene's colours and tray places. Cubes' poses are in the data: see ``place_cubes``."""
    for index, cube in enumerate(spec.cubes):
        model.geom(f"cube{index}").rgba[:3] = COLOURS[cube.colour]
    for tray in spec.trays:
        model.body(f"{tray.side}_tray").pos[:] = (tray.x, tray.y, 0)


def place_cubes(model: mujoco.MjModel, data: mujoco.MjData, spec: SceneSpec) -> None:
    """Puts the cubes on the table, at rest."""
    for index, cube in enumerate(spec.cubes):
        data.joint(f"cube{index}").qpos[:] = (
            cube.x, cube.y, CUBE_SIZE / 2, math.cos(cube.yaw / 2), 0, 0, math.sin(cube.yaw / 2),
        )  # fmt: skip
        data.joint(f"cube{index}").qvel[:] = 0


def _robot(world: mujoco.MjSpec) -> None:
    for body in world.bodies[1:]:
        body.gravcomp = 1
    for geom in world.geoms:
        if geom.group == 0:  # collision shapes
            geom.contype, geom.conaffinity = _ROBOT, _OBJECT
        if geom.parent.name in ("fr3_leftfinger", "fr3_rightfinger"):
            geom.condim, geom.friction = 4, [1.6, 0.03, 0.0001]
            geom.solref, geom.solimp = [0.004, 1], [0.95, 0.99, 0.001, 0.5, 2]
    for name, (stiffness, damping, torque), armature in zip(ARM_JOINTS, SERVOS, _ARMATURE):
        world.joint(name).armature = armature
        _servo(world, name, stiffness, damping, torque)
    for name in FINGER_JOINTS:
        world.joint(name).armature = 0.1
        _servo(world, name, *_FINGER_GAINS)
    hand = world.body("fr3_hand")
    _camera(hand, "right_wrist_view", (0.085, 0.0, 0.02), (0.049, 0.0, 0.12), (-1, 0, 0), 80)


def _servo(world: mujoco.MjSpec, joint: str, stiffness: float, damping: float, force: float) -> None:
    actuator = world.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    actuator.gaintype, actuator.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
    actuator.gainprm[0] = stiffness
    actuator.biasprm[1:3] = (-stiffness, -damping)
    actuator.forcelimited, actuator.forcerange = 1, [-force, force]


def _furniture(world: mujoco.MjSpec, spec: SceneSpec) -> None:
    ground = world.worldbody
    light = ground.add_light(name="lamp", pos=[0.6, 0.3, 2.0], dir=[0.1, -0.25, -1], castshadow=False)
    light.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
    light.diffuse, light.specular = [0.45] * 3, [0.0] * 3
    _box(ground, "table", (0.75, 0.8, 0.02), (0.40, 0, -0.02), (0.66, 0.63, 0.60))
    floor = ground.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[4, 4, 0.1], pos=[0, 0, -0.75], group=2)
    floor.rgba, floor.contype, floor.conaffinity = [0.42, 0.46, 0.50, 1], 0, 0
    for tray in spec.trays:
        body = ground.add_body(name=f"{tray.side}_tray", pos=[tray.x, tray.y, 0])
        half, thin, high = TRAY_INNER / 2, 0.002, TRAY_WALL / 2
        _box(body, f"{tray.side}_tray_floor", (half, half, TRAY_FLOOR / 2), (0, 0, TRAY_FLOOR / 2), (0.34, 0.34, 0.37))
        for sign in (-1, 1):
            _box(body, "", (thin, half + 2 * thin, high), (sign * (half + thin), 0, high), (0.16, 0.16, 0.18))
            _box(body, "", (half, thin, high), (0, sign * (half + thin), high), (0.16, 0.16, 0.18))
    for index in range(len(spec.cubes)):
        body = ground.add_body(name=f"cube{index}", pos=[0.5, 0.1 * index, CUBE_SIZE / 2])
        body.add_freejoint(name=f"cube{index}")
        geom = _box(body, f"cube{index}", (CUBE_SIZE / 2,) * 3, (0, 0, 0), (1, 1, 1))
        geom.conaffinity = _OBJECT | _ROBOT
        geom.mass, geom.condim, geom.friction = 0.05, 4, [1.0, 0.01, 0.0001]
    _camera(ground, "face_view", (1.00, 0, 0.88), (0.42, 0, 0.06), (0, 0, 1), 39)


def _box(body, name: str, half_sizes, position, colour):
    geom = body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=half_sizes, pos=position, rgba=(*colour, 1), group=2)
    if name:
        geom.name = name
    geom.contype, geom.conaffinity = _OBJECT, _ROBOT
    return geom


def _camera(body, name: str, position, target, up, field_of_view: float) -> None:
    """A camera at ``position`` that looks at ``target`` (both in the body's frame, m); field of view in degrees."""
    back = np.subtract(position, target) / np.linalg.norm(np.subtract(position, target))
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(back, right), back], axis=1)  # columns: MuJoCo's camera looks along -z
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    body.add_camera(name=name, pos=position, quat=quaternion, fovy=field_of_view)
