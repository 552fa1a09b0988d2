# SPDX-License-Identifier: Apache-2.0
"""What every scene has: the robot from its profile (URDF, servos, fingers that grip, cameras), light, and floor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.simulation import Camera
from wall_oss_ros.sim.drawing import Box
from wall_oss_ros.sim.engine import mujoco

RGB = {
    "red": (0.86, 0.10, 0.09),
    "green": (0.10, 0.62, 0.16),
    "blue": (0.08, 0.22, 0.88),
    "yellow": (0.97, 0.83, 0.05),
}
"""Red, green and blue of what carries a colour, 0 to 1."""
TABLE_COLOUR = (0.66, 0.63, 0.60)
TABLE = "table"  # the name of its surface
CLUTTER = 2
"""How many things there are that nobody names: a tin and a box."""
TIMESTEP = 0.002  # s
ROBOT, OBJECT = 1, 2  # contact bits: the robot touches objects, never itself


def load(profile: RobotProfile) -> mujoco.MjSpec:
    """A world with nothing but the robot and its cameras. Joints that the simulation does not drive are fixed at zero.

    Raises:
        WallOSSError: the profile has no simulation section, or names what its URDF lacks.
    """
    simulation = profile.simulation
    if simulation is None:
        raise WallOSSError(
            f"Robot {profile.full_name} cannot be simulated: its profile has no simulation section.", "Choose another."
        )
    world = mujoco.MjSpec.from_file(str(profile.urdf_path))
    servos = {name: values for name, *values in _servos(profile)}
    fingers = {link for arm in profile.arms for link in arm.simulation.fingers.links}
    _require(profile, world, {*servos}, fingers)
    for equality in list(world.equalities):  # of joints that mimic another
        if not {equality.name1, equality.name2} <= set(servos):
            world.delete(equality)
    for joint in list(world.joints):
        if joint.name not in servos:
            world.delete(joint)
    for body in world.bodies[1:]:
        body.gravcomp = 1
    for geom in world.geoms:
        if geom.group == 0:  # collision shapes
            geom.contype, geom.conaffinity = ROBOT, OBJECT
        if geom.parent.name in fingers:
            geom.condim, geom.friction = 4, [1.6, 0.03, 0.0001]
            geom.solref, geom.solimp = [0.004, 1], [0.95, 0.99, 0.001, 0.5, 2]
    for name, values in servos.items():
        _servo(world, name, *values)
    for camera in simulation.cameras:
        _add_camera(world.worldbody if camera.link == "world" else world.body(camera.link), camera)
    return world


def room(profile: RobotProfile, floor: float) -> mujoco.MjSpec:
    """The robot under a lamp, with how contacts are solved and pictures drawn; ``floor``: its height in m."""
    world = load(profile)
    world.option.timestep = TIMESTEP
    world.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    world.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    world.option.impratio = 10  # keeps a held object from creeping out of the fingers
    world.visual.quality.shadowsize = 0
    world.visual.quality.offsamples = 0
    world.visual.quality.numslices = 16
    world.visual.quality.numstacks = 8
    world.visual.headlight.ambient = [0.45] * 3
    world.visual.headlight.diffuse = [0.3] * 3
    world.visual.headlight.specular = [0.0] * 3
    world.visual.map.znear = 0.005
    world.stat.extent, world.stat.center = 1.0, [0.4, 0, 0.2]
    light = world.worldbody.add_light(name="lamp", pos=[0.6, 0.3, 2.0], dir=[0.1, -0.25, -1], castshadow=False)
    light.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
    light.diffuse, light.specular = [0.45] * 3, [0.0] * 3
    plane = world.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[4, 4, 0.1], pos=[0, 0, floor], group=2)
    plane.rgba, plane.contype, plane.conaffinity = [0.42, 0.46, 0.50, 1], 0, 0
    return world


def base_body(model: mujoco.MjModel, profile: RobotProfile) -> int:
    """The body that is the arms' base frame; the world's where that is the URDF's first link, which stands still."""
    return max(0, mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, profile.arm.base_frame))


def base_pose(world: mujoco.MjSpec, profile: RobotProfile) -> tuple[np.ndarray, np.ndarray]:
    """Where the arms' base frame is in the world with the robot's parts at home: position (3,), quaternion w first."""
    model = world.compile()
    data = mujoco.MjData(model)
    for part in profile.parts:
        for name, value in zip(part.joints, part.home):
            data.joint(name).qpos[0] = value
    mujoco.mj_kinematics(model, data)
    body = base_body(model, profile)
    return data.xpos[body].copy(), data.xquat[body].copy()


def add_box(body, box: Box, colour):
    """A box of the body's frame that the robot can touch."""
    half = np.divide(box.size, 2)
    geom = body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=half, pos=box.centre, rgba=(*colour, 1), group=2)
    geom.contype, geom.conaffinity = OBJECT, ROBOT
    return geom


def add_clutter(body) -> None:
    """Things to be seen and not touched, out of sight until :class:`~wall_oss_ros.sim.appearance.Look` shows them."""
    shapes = (
        (mujoco.mjtGeom.mjGEOM_CYLINDER, (0.03, 0.025, 0), 0.025, (0.88, 0.87, 0.83)),
        (mujoco.mjtGeom.mjGEOM_BOX, (0.035, 0.02, 0.015), 0.015, (0.45, 0.28, 0.52)),
    )
    for number, (shape, size, height, colour) in enumerate(shapes):
        thing = body.add_body(name=f"clutter{number}", pos=[0, 0, -3])
        geom = thing.add_geom(type=shape, size=size, pos=[0, 0, height], rgba=(*colour, 1), group=2)
        geom.contype = geom.conaffinity = 0


def _servos(profile: RobotProfile) -> Iterator[tuple[str, float, float, float, float]]:
    """Joint, stiffness, damping, greatest force and armature of all that is driven: arm by arm, then the parts."""
    for arm in profile.arms:
        servos, fingers = arm.simulation.servos, arm.simulation.fingers
        yield from zip(arm.arm.joints, servos.stiffness, servos.damping, servos.torque, servos.armature)
        for name in fingers.joints:
            yield name, fingers.stiffness, fingers.damping, fingers.force, fingers.armature
    for part in profile.parts:
        servos = profile.simulation.parts[part.name]
        yield from zip(part.joints, servos.stiffness, servos.damping, servos.torque, servos.armature)


def _require(profile: RobotProfile, world: mujoco.MjSpec, joints: set[str], fingers: set[str]) -> None:
    links = {"world", *(body.name for body in world.bodies)}
    named = {*fingers, *(camera.link for camera in profile.simulation.cameras)}
    missing = sorted(joints - {joint.name for joint in world.joints}) + sorted(named - links)
    if missing:
        raise WallOSSError(
            f"{profile.urdf_path} has no joint or link {', '.join(missing)}, "
            f"which the simulation of {profile.name!r} needs.",
            "Correct the names in the profile's simulation section.",
        )


def _servo(world: mujoco.MjSpec, joint: str, stiffness: float, damping: float, force: float, armature: float) -> None:
    world.joint(joint).armature = armature
    actuator = world.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    actuator.gaintype, actuator.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
    actuator.gainprm[0] = stiffness
    actuator.biasprm[1:3] = (-stiffness, -damping)
    actuator.forcelimited, actuator.forcerange = 1, [-force, force]


def mount(camera: Camera) -> np.ndarray:
    """The pose (4, 4) of a camera's optical frame (x right, y down, z forward) in its link, m."""
    forward = np.subtract(camera.target, camera.position)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, camera.up)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(forward, right), forward, camera.position], axis=1)
    return pose


def _add_camera(body, camera: Camera) -> None:
    quaternion = np.empty(4)
    rotation = mount(camera)[:3, :3] * (1, -1, -1)  # MuJoCo's camera looks along -z, with y up
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    body.add_camera(name=camera.view, pos=camera.position, quat=quaternion, fovy=camera.field_of_view)
